"""
Cosmic rays out of an exposure
==============================

A cosmic ray hits single samples and has sharper edges than any star, because the telescope
blurs stars and not the hits. So the Laplacian finds the hits (van Dokkum, 2001), and a Gaussian
that ignores them fills the holes. The picture is the globular cluster M 13 (from the sky
surveys of SkyView, in astropy's test data, BSD licence); the hits are synthetic, so that the
truth is known.
"""

import matplotlib.pyplot as plt
import numpy as np
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from astropy.io import fits
from astropy.utils.data import get_pkg_data_filename

import faltung as fa

path = get_pkg_data_filename("data/m13.fits", package="astropy.io.fits.hdu.compressed.tests")
truth = fits.getdata(path).astype(float)
rng = np.random.default_rng(5)
exposure = truth.copy()
hit = np.zeros(truth.shape, bool)
for _ in range(150):
    row, column = rng.integers(5, 290, 2)
    for step in range(rng.integers(1, 6)):  # a short track
        hit[row + step // 2, column + step] = True
exposure[hit] += rng.uniform(300, 2000, hit.sum())

# %%
# The Laplacian of a single bright sample is four times its height; that of a star is less than
# its height. So the ratio of the two tells them apart.

found, filled = np.zeros(truth.shape, bool), exposure
for _ in range(3):  # again, because samples of one track hide each other
    edges = -fa.laplacian()(filled)
    height = filled - fa.box(15)(filled)
    found |= (edges > 150) & (edges > 1.7 * height)
    filled = np.where(found, fa.convolve(exposure, fa.gaussian(1), mask=~found), exposure)

figure, panels = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
titles = ["exposure with hits", "minus the Laplacian", "samples found", "holes filled"]
part = np.s_[50:130, 50:130]
for panel, picture, title in zip(
    panels, (exposure, -fa.laplacian()(exposure), found, filled), titles, strict=True
):
    if title.startswith("minus"):
        panel.imshow(picture[part], cmap="RdBu_r", vmin=-4000, vmax=4000)
    elif picture is found:
        panel.imshow(picture[part], cmap="gray_r")
    else:
        panel.imshow(np.arcsinh((picture[part] - 110) / 30), cmap="gray", vmin=0, vmax=4.5)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle is astropy's filling of blank samples with the same Gaussian.

oracle = interpolate_replace_nans(
    np.where(found, np.nan, exposure), Gaussian2DKernel(1, x_size=9, y_size=9), boundary="extend"
)
print(
    f"{hit.sum()} samples were hit, {(found & hit).sum()} of them found, "
    f"{(found & ~hit).sum()} others"
)
print(
    f"mean error of hit samples: before {np.abs(exposure - truth)[hit].mean():.0f}, "
    f"after {np.abs(filled - truth)[hit].mean():.0f}"
)
inside = np.s_[5:-5, 5:-5]
assert np.allclose(filled[inside], oracle[inside], rtol=1e-3)
assert np.abs(filled - truth)[hit].mean() < 0.1 * np.abs(exposure - truth)[hit].mean()

# %%
# Seen: the hits are gone and the stars are still there. ``mask=`` is explained in
# :doc:`/conventions`; see :func:`faltung.laplacian`.

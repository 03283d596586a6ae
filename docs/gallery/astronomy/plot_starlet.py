"""
Starlets: a picture as a sum of scales
======================================

The starlet transform (or *à trous*) is the wavelet transform of astronomy. A small B-spline
smooths the picture again and again, each time with its taps twice as far apart: ``dilation=1,
2, 4, 8, 16``. The differences of neighbours are the planes of details of 1, 2, 4, 8, 16
samples, and all planes and the last smooth picture add up to the picture. The picture is the
globular cluster M 13, from the sky surveys of SkyView, in astropy's test data (BSD licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
from astropy.io import fits
from astropy.utils.data import get_pkg_data_filename

import faltung as fa

path = get_pkg_data_filename("data/m13.fits", package="astropy.io.fits.hdu.compressed.tests")
picture = fits.getdata(path).astype(float)

planes, smooth = fa.atrous(picture, 5, mode="mirror")  # 1 4 6 4 1 along both axes, over 256

# %%
# Stars are in the first planes, and the glow of the cluster is in the last ones.

figure, panels = plt.subplots(2, 3, figsize=(9.5, 6.6), layout="constrained")
panels[0, 0].imshow(np.arcsinh((picture - 110) / 30), cmap="gray", vmin=0)
panels[0, 0].set_title("M 13")
for panel, plane, size in zip(panels.flat[1:5], planes[:4], (1, 2, 4, 8), strict=True):
    limit = 6 * np.abs(plane).mean()
    panel.imshow(plane, cmap="RdBu_r", vmin=-limit, vmax=limit)
    panel.set_title(f"details of {size} sample{'s' * (size > 1)}")
panels[1, 2].imshow(smooth, cmap="gray")
panels[1, 2].set_title("what is left")
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle: SciPy, with zeros written between the taps.

taps = np.array([1, 4, 6, 4, 1]) / 16
oracle = picture
for scale in range(5):
    wide = np.zeros(4 * 2**scale + 1)
    wide[:: 2**scale] = taps
    for axis in (0, 1):
        oracle = scipy.ndimage.convolve1d(oracle, wide, axis=axis, mode="mirror")
error = np.abs(sum(planes) + smooth - picture).max()
print(
    f"the sum of all planes differs from the picture by at most {error:.1e} of "
    f"{picture.max():.0f}"
)
assert np.allclose(smooth, oracle)
assert np.allclose(sum(planes) + smooth, picture)

# %%
# Seen: five planes and a rest add up to the picture again; see :func:`faltung.atrous` and
# :doc:`/designs`. Filters with gaps are ``dilation=`` in :func:`faltung.convolve`.

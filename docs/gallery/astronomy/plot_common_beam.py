"""
A radio map to a larger beam, in degrees, around blank samples
==============================================================

Two radio maps can only be compared at the same resolution, so the sharper one is smoothed to
the beam of the other. The map has blank samples outside of what was observed. With
``nan="ignore"`` they count as missing and not as zero, and with ``keep_nan=True`` they stay
blank. The axes are in degrees, and so is the beam. The map is a continuum map of the Parkes
Multibeam survey at 1.4 GHz, in astropy's test data (BSD licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from astropy.convolution import Gaussian2DKernel, convolve
from astropy.io import fits
from astropy.utils.data import get_pkg_data_filename
from matplotlib.colors import PowerNorm

import faltung as fa

path = get_pkg_data_filename("data/1904-66_AZP.fits", package="astropy.modeling.tests")
samples, header = fits.getdata(path, header=True)
degrees = abs(header["CDELT1"])
sky = xr.DataArray(
    samples,
    dims=("y", "x"),
    coords={"y": degrees * np.arange(192), "x": degrees * np.arange(192)},
    attrs={"units": "Jy/beam"},
)

# %%
# Beams are Gaussians, and the squares of their widths add up. Flux in each beam grows with its
# area.

have, want = header["BMAJ"], 0.6  # full width at half maximum, degrees
sigma = float(np.sqrt(want**2 - have**2) / np.sqrt(8 * np.log(2)))
beam = fa.gaussian({"y": sigma, "x": sigma}) * (want / have) ** 2
smooth = beam(sky, nan="ignore", keep_nan=True, mode="nearest")

figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
spread = beam(sky, mode="nearest")
titles = [
    f"beam {have:.2f}°, blank outside",
    f"beam {want:.2f}°, blanks ignored",
    "blanks spread",
]
for panel, picture, title in zip(panels, (sky, smooth, spread), titles, strict=True):
    norm = PowerNorm(0.5, vmin=0, vmax=1 if picture is sky else 5)
    drawn = panel.pcolormesh(picture.x, picture.y, picture, norm=norm, cmap="viridis")
    panel.set(title=title, xlabel="degrees", aspect="equal")
    figure.colorbar(drawn, ax=panel, label="Jy/beam", shrink=0.8)

# %%
# The oracle is astropy's convolution, which interpolates blank samples in the same sense.

kernel = Gaussian2DKernel(sigma / degrees, x_size=29, y_size=29)
oracle = convolve(samples, kernel, boundary="extend", preserve_nan=True) * (want / have) ** 2
difference = np.nanmax(np.abs(smooth.values - oracle))
print(f"kernel: {beam}")
print(f"largest difference to astropy {difference:.1e} of {np.nanmax(oracle):.1f} Jy/beam")
lost = np.count_nonzero(np.isnan(spread)) - np.count_nonzero(np.isnan(samples))
print(f"samples lost if blanks spread: {lost} of {np.count_nonzero(np.isfinite(samples))}")
assert np.array_equal(np.isnan(smooth), np.isnan(samples))
assert difference < 1e-3 * np.nanmax(oracle)

# %%
# Seen: the whole map is kept, with the flux that astropy finds; blanks that spread cost a third
# of it. Missing samples are explained in :doc:`/missing`, lengths in degrees in
# :doc:`/labelled`, and astropy's functions in :doc:`/compat-astropy`.

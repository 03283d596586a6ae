"""
Smooth a brain by 6 mm, whatever the voxels
===========================================

Volumes of the brain are smoothed by a Gaussian that is stated in millimetres, as its full width
at half maximum (FWHM). Voxels are often not cubes. Here they are 1 × 1 × 3 mm. With xarray the
axes know it, and the kernel takes its width from them. The volume is the MNI template of the
brain (Fonov et al., 2009), which comes with nilearn (BSD licence; none is named for the
template).
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import scipy.ndimage
import xarray as xr

import faltung as fa

path = files("nilearn") / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
image = nibabel.load(path)
voxels = np.asarray(image.dataobj)[:, :, ::3].astype(
    np.float32
)  # every third slice: thick, as in clinics
axes = {
    name: np.arange(count) * step
    for name, count, step in zip("xyz", voxels.shape, (1.0, 1.0, 3.0), strict=True)
}
brain = xr.DataArray(voxels, dims=("x", "y", "z"), coords=axes)

sigma = 6 / np.sqrt(8 * np.log(2))  # a FWHM of 6 mm
kernel = fa.gaussian({name: float(sigma) for name in "xyz"})
smooth = kernel(brain, mode="constant")
print(kernel.sampled({"x": 1.0, "y": 1.0, "z": 3.0}), "in voxels")

# %%
# Taking one width in voxels for all axes is a common mistake: along z it is three times too
# wide.

careless = fa.gaussian(float(sigma), ndim=3)(brain, mode="constant")
figure, panels = plt.subplots(1, 3, figsize=(12, 4.1), layout="constrained")
titles = ["1 × 1 × 3 mm", "6 mm along all axes", "6 voxels: 18 mm along z"]
for panel, volume, title in zip(panels, (brain, smooth, careless), titles, strict=True):
    cut = volume.sel(x=98.0)
    panel.pcolormesh(cut.y, cut.z, cut.T, cmap="gray", vmin=0, vmax=230)
    panel.set(title=title, aspect="equal", xlabel="y, mm", ylabel="z, mm")

# %%
# The oracle is SciPy with a width for each axis.

oracle = scipy.ndimage.gaussian_filter(voxels, [sigma, sigma, sigma / 3], mode="constant")
print(
    "largest difference to SciPy: "
    f"{np.abs(smooth.values - oracle).max():.1e} of {oracle.max():.0f}"
)
assert np.allclose(smooth, oracle, atol=1e-3)
assert smooth.dims == brain.dims

# %%
# Seen: the same number of millimetres along all axes, in one line, and equal to SciPy. Lengths
# in the units of coordinates are explained in :doc:`/labelled`; see
# :class:`faltung.CoordinateKernel`.

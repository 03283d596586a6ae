"""
Edges of a volume that stays lazy
=================================

A volume that is larger than memory is a dask array: a plan of many chunks. faltung adds its
filter to the plan, and nothing is computed before it is asked for. Chunks leave no seams. Here
the slope of the MNI template of the brain is computed for one slice only, out of chunks of 64
cubed. The template (Fonov et al., 2009) comes with nilearn (BSD licence; none is named for the
template).
"""

from importlib.resources import files

import dask
import dask.array
import matplotlib.pyplot as plt
import nibabel
import numpy as np
import scipy.ndimage

import faltung as fa

path = files("nilearn") / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
voxels = np.asarray(nibabel.load(path).dataobj).astype(np.float32)
volume = dask.array.from_array(voxels, chunks=64)

slopes = fa.Bank.stack([fa.gaussian_derivative(1.5, axis=axis, ndim=3) for axis in range(3)])
steepness = dask.array.sqrt((slopes(volume) ** 2).sum(axis=0))
print(steepness)

# %%
# Only the chunks that the slice needs are read.

position = 100
piece = steepness[position].compute(scheduler="synchronous")

figure, panels = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
panels[0].imshow(voxels[position].T, cmap="gray", origin="lower")
panels[0].set_title("a slice of the brain")
panels[1].imshow(piece.T, origin="lower", cmap="viridis", vmin=0, vmax=45)
panels[1].set_title("steepness, out of chunks (lines)")
for panel in panels:
    for border in (64, 128, 192):
        panel.axvline(border - 0.5, color="tab:orange", linewidth=0.7)
        panel.axhline(border - 0.5, color="tab:orange", linewidth=0.7)
    panel.set(xticks=[], yticks=[], xlim=(0, 232), ylim=(0, 188))

# %%
# The oracle: SciPy's gradient magnitude of a part around the slice, which is in memory.

around = voxels[position - 12 : position + 13]
oracle = scipy.ndimage.gaussian_gradient_magnitude(around, 1.5)[12]
print(f"largest difference to SciPy: {np.abs(piece - oracle).max():.1e} of {oracle.max():.0f}")
assert np.allclose(piece, oracle, atol=1e-3)

# %%
# Seen: no seam at the lines where chunks meet, and the same samples as in one piece. More in
# :doc:`/dask`; arrays in files are filtered as in :doc:`/zarr`.

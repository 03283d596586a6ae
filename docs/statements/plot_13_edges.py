"""
13. Filters that extract horizontal and vertical edges
======================================================

An edge is where the brightness changes. A horizontal edge is a change from row to row, so its filter takes the
difference *along the columns*, axis 0. A vertical edge is a change from column to column, axis 1. The Sobel filters
take such a difference along one axis, and smooth a little along the other one.

The photograph of a wall is ``skimage.data.brick`` (CC0Textures, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from skimage import data

import faltung as fa

wall = data.brick().astype(float)
horizontal = fa.sobel(axis=0)(wall)
vertical = fa.sobel(axis=1)(wall)
print(fa.sobel(axis=0).taps, fa.sobel(axis=1).taps, sep="\n")

# %%
# Orange and purple are the two directions of a change, from dark to bright and from bright to dark.

figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
axes[0].imshow(wall, cmap="gray")
axes[1].imshow(horizontal, cmap="PuOr", vmin=-250, vmax=250)
axes[2].imshow(vertical, cmap="PuOr", vmin=-250, vmax=250)
for axis, title in zip(
    axes, ("Input", "Horizontal edges: sobel(axis=0)", "Vertical edges: sobel(axis=1)"), strict=True
):
    axis.set(title=title, xticks=[], yticks=[], frame_on=False)
plt.show()

# %%
# The check: SciPy's filters; the filter of one kind on the picture turned on its side is that of the other kind;
# and stripes, made of the mean of each row of the wall, have horizontal edges only.

np.testing.assert_allclose(horizontal, ndimage.sobel(wall, axis=0), atol=1e-9)
np.testing.assert_allclose(vertical, ndimage.sobel(wall, axis=1), atol=1e-9)
np.testing.assert_allclose(fa.sobel(axis=1)(wall.T), horizontal.T, atol=1e-9)
stripes = np.repeat(wall.mean(axis=1, keepdims=True), wall.shape[1], axis=1)
seen, not_seen = (np.abs(fa.sobel(axis=axis)(stripes)).max() for axis in (0, 1))
assert not_seen < 1e-9 < seen

print("Seen: both filters equal SciPy's; on horizontal stripes the one for vertical edges gives zero.")

# %%
# **What was seen.** The long joints, which are nearly vertical here, are in one output, and the short ones in the
# other. A slanted edge is in both: each filter measures the change along its own axis, and the two together are the
# gradient.
#
# More: :func:`faltung.sobel`, :func:`faltung.prewitt`, :func:`faltung.scharr`, :func:`faltung.gaussian_derivative`;
# :doc:`/filters`.

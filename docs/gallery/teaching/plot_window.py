"""
The window and its numbers
==========================

A filter slides over the image as a window. At each place the output is one number: the samples
under the window times the taps of the filter, added up. The picture shows one place with all of
its numbers, and then the outputs at all places. The image is a boot of the Fashion-MNIST images
that come with faltung (MIT licence, Zalando SE).
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import faltung as fa

train = fa.datasets.load_embedded().training
image = train.samples[train.labels == 9][0, 0].astype(float)  # class 9: ankle boot
kernel = fa.sobel(axis=1)  # the difference between right and left: upright edges

# %%
# `faltung.convolve` takes sample x[n - m] for tap k[m]. So the window, as it lies on the image,
# is the kernel reflected: ``kernel.flip()``.

row, column = 10, 13
patch = image[row - 1 : row + 2, column - 1 : column + 2]
window = kernel.flip().taps
products = patch * window
output = fa.convolve(image, kernel)

# %%
# The picture: what is under the window, times the taps, is nine products. Their sum is the
# output at the centre.

figure, panels = plt.subplot_mosaic("aabc;aade", figsize=(10, 5), layout="constrained")


def numbers(panel, values, title, **look):
    """Draw a small matrix with its numbers."""
    panel.imshow(values, **look)
    for (i, j), value in np.ndenumerate(values):
        panel.text(j, i, f"{value + 0:.0f}", ha="center", va="center", fontsize=12, color="black")
    panel.set(title=title, xticks=[], yticks=[])


signed = {"cmap": "RdBu_r"}
panels["a"].imshow(image, cmap="gray")
panels["a"].add_patch(
    Rectangle((column - 1.5, row - 1.5), 3, 3, fill=False, edgecolor="tab:orange", linewidth=3)
)
panels["a"].set(title="image and window", xticks=[], yticks=[])
numbers(panels["b"], patch, "window on the image", cmap="gray", vmin=-350, vmax=255)
numbers(panels["c"], window, "× taps", vmin=-4, vmax=4, **signed)
numbers(
    panels["d"], products, f"= products, sum {products.sum():.0f}", vmin=-900, vmax=900, **signed
)
panels["e"].imshow(output, vmin=-900, vmax=900, **signed)
panels["e"].plot(
    column,
    row,
    "s",
    markersize=6,
    markerfacecolor="none",
    markeredgecolor="tab:orange",
    markeredgewidth=2,
)
panels["e"].set(title="outputs at all places", xticks=[], yticks=[])

# %%
# The same by hand: four loops, as in the definition.

by_hand = np.zeros_like(image)
extended = np.pad(image, 1, mode="symmetric")  # the mode "reflect" of faltung and SciPy
for i, j in np.ndindex(image.shape):
    for m, n in np.ndindex(3, 3):
        by_hand[i, j] += window[m, n] * extended[i + m, j + n]

print(f"sum of the nine products: {products.sum():.0f}, output there: {output[row, column]:.0f}")
assert products.sum() == output[row, column]
assert np.array_equal(by_hand, output)

# %%
# Seen: nine products and one sum give one output, and the loops give all of them, with no
# difference at all. More filters with names are in :doc:`/filters`, and the definition is in
# :doc:`/conventions`.

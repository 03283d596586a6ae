"""
5. A filter slides over the input as a window; each output is the dot product of window and filter
==================================================================================================

The window is as large as the filter (the kernel). It moves to every position. There, the samples in the window are
multiplied by the kernel, number by number, and the products are added up. The numbers below are real ones: the edge
of a shoulder in ``skimage.data.camera`` (Lav Varshney, CC0 licence).

Precisely, this is *correlation*. In a *convolution* the kernel is reversed first, along each axis; see
:doc:`plot_14_convolution_and_correlation`.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data

import faltung as fa

patch = data.camera()[105:113, 144:152].astype(float)
kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
output = fa.correlate(patch, kernel, shape="valid")

# %%
# One position of the window, by hand:

row, column = 1, 3
window = patch[row : row + 3, column : column + 3]
products = window * kernel
print(window, kernel, products, f"sum: {products.sum():.0f}", sep="\n\n")
assert output[row, column] == products.sum()

# %%
# The picture shows the window at this position, and where its sum goes.


def numbers(axis, values, title, **colours):
    """Draw an array with its numbers."""
    axis.imshow(values, alpha=0.6, **colours)
    for (i, j), value in np.ndenumerate(values):
        axis.text(j, i, f"{value:.0f}", ha="center", va="center")
    axis.set(title=title, xticks=[], yticks=[], frame_on=False)


grey = {"cmap": "gray", "vmin": 0, "vmax": 255}
signed = {"cmap": "PuOr", "vmin": -900, "vmax": 900}
figure, axes = plt.subplot_mosaic("AABDD;AACDD", figsize=(11, 4.6), layout="constrained")
numbers(axes["A"], patch, "Input and window", **grey)
axes["A"].add_patch(plt.Rectangle((column - 0.5, row - 0.5), 3, 3, fill=False, color="#D55E00", linewidth=4))
numbers(axes["B"], kernel, "Kernel", cmap="PuOr", vmin=-4, vmax=4)
numbers(axes["C"], products, f"Window times kernel,\nsum {products.sum():.0f}", **signed)
numbers(axes["D"], output, "Output: one sum for each position", **signed)
axes["D"].add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, color="#D55E00", linewidth=4))
plt.show()

# %%
# The check takes all windows of the whole photograph, and makes each output as a dot product of two lists of nine
# numbers.

photograph = data.camera().astype(float)
windows = sliding_window_view(photograph, (3, 3)).reshape(-1, 9)
dot_products = windows @ kernel.ravel()
difference = np.abs(fa.correlate(photograph, kernel, shape="valid").ravel() - dot_products).max()
reversed_first = np.abs(fa.convolve(photograph, kernel, shape="valid").ravel() - windows @ kernel[::-1, ::-1].ravel())
assert difference == 0
assert reversed_first.max() == 0

print(
    f"Seen: {len(windows):,} outputs are dot products of window and kernel; the largest difference is "
    f"{difference:.0f}."
)

# %%
# **What was seen.** One small kernel makes the whole output, one dot product for each position. The window cannot
# be at the border without a rule for what is beyond it; here it stays inside (``shape="valid"``), so that the
# output is smaller by two rows and two columns. The rules are the modes of :doc:`/conventions`.
#
# More: :func:`faltung.correlate`, :func:`faltung.convolve`; :doc:`/idea`.

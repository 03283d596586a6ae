"""
10. Two-dimensional convolution, one input channel
==================================================

The input is a grey image x, the kernel k an array with two axes. The output is an image again::

    y[i, j] = sum over m and n of k[m, n] x[i - m, j - n]

The sum runs over the taps of the kernel, and (0, 0) is its origin. So each sample of the input puts a copy of the
kernel into the output, multiplied by its value, and the copies are added up. Here the input is a part of the Hubble
deep field (NASA/ESA, public domain; ``skimage.data.hubble_deep_field``), in which small galaxies are little more
than single dots.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import convolve as convolve_by_scipy
from skimage import data

import faltung as fa

stars = np.zeros((40, 40))
stars[8, 8], stars[14, 30], stars[30, 18] = 1.0, 0.5, -1.0
image = data.hubble_deep_field()[420:580, 560:720].mean(axis=2)
kernel = fa.motion(15, angle=0.6)

# %%
# The same kernel on three dots, and on a picture:

copies = fa.convolve(stars, kernel)
moved = fa.convolve(image, kernel)
print(kernel, kernel.shape, f"sum of all taps {kernel.taps.sum():.3f}")

figure, axes = plt.subplots(2, 3, figsize=(10, 6.6), layout="constrained")
signed = {"cmap": "PuOr", "vmin": -0.1, "vmax": 0.1}
grey = {"cmap": "gray", "vmin": 0, "vmax": 180}
pictures = (
    ("Input: three dots", stars, {**signed, "vmin": -1, "vmax": 1}),
    ("Kernel", kernel.taps, signed),
    ("Output: three kernels", copies, signed),
    ("Input: a picture", image, grey),
    ("Kernel", kernel.taps, signed),
    ("Output", moved, grey),
)
for axis, (title, values, colours) in zip(axes.flat, pictures, strict=True):
    axis.imshow(values, **colours)
    axis.set(title=title, xticks=[], yticks=[], frame_on=False)
plt.show()

# %%
# The check is the formula, as loops over all positions and all taps, and SciPy for the whole picture.


def by_the_formula(x, kernel):
    """Return the sum above for each output, with zeros beyond the border."""
    y = np.zeros_like(x)
    for i, j in np.ndindex(*x.shape):
        for m, n in np.ndindex(*kernel.shape):
            row, column = i - (m - kernel.origin[0]), j - (n - kernel.origin[1])
            if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                y[i, j] += kernel.taps[m, n] * x[row, column]
    return y


np.testing.assert_allclose(fa.convolve(stars, kernel, "constant"), by_the_formula(stars, kernel), atol=1e-15)
difference = np.abs(moved - convolve_by_scipy(image, kernel.taps)).max()
assert difference < 1e-9
assert moved.shape == image.shape

print("Seen: the output of faltung, of the double sum written as loops and of SciPy are equal to 9 decimals.")

# %%
# **What was seen.** Every dot became a copy of the kernel, as large and as negative as the dot was. A picture is a
# sum of dots, and so every galaxy became such a stroke.
#
# More: :func:`faltung.convolve`; :doc:`/conventions` for the origin and the border.

"""
Convolution is not correlation
==============================

Both slide the same numbers over the image. Convolution reflects them first, correlation does
not. The answer to one bright sample shows it: convolution draws the kernel, and correlation
draws it turned by half a turn. Libraries for neural networks call the second one convolution.
For a kernel that is its own reflection there is no difference.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

impulse = np.zeros((15, 15))
impulse[4, 4] = impulse[10, 10] = 1.0
letter = np.array(
    [
        [1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ],
    dtype=float,
)

convolved = fa.convolve(impulse, letter, mode="constant")
correlated = fa.correlate(impulse, letter, mode="constant")

# %%
# The letter F is a good kernel for this, because it looks different from every side.

figure, panels = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
pictures = [impulse, letter, convolved, correlated]
titles = ["two bright samples", "the kernel", "convolve: the kernel", "correlate: half a turn"]
for panel, picture, title in zip(panels, pictures, titles, strict=True):
    panel.imshow(picture, cmap="gray_r")
    panel.set(title=title, xticks=[], yticks=[])
    panel.spines[:].set_color("0.7")

# %%
# SciPy's functions of the same names agree. Reflecting the kernel turns one into the other.

assert np.array_equal(convolved, scipy.signal.convolve2d(impulse, letter, mode="same"))
assert np.array_equal(correlated, scipy.signal.correlate2d(impulse, letter, mode="same"))
assert np.array_equal(correlated, fa.convolve(impulse, fa.Kernel(letter).flip(), mode="constant"))
assert np.array_equal(fa.convolve(impulse, fa.gaussian(1)), fa.correlate(impulse, fa.gaussian(1)))
print("samples that differ between the two:", np.count_nonzero(convolved != correlated))

# %%
# Seen: the two results differ by half a turn of the kernel, and `faltung` names them for what
# they are: :func:`faltung.convolve` and :func:`faltung.correlate`. More in :doc:`/conventions`.

"""
14. Discrete convolution and cross-correlation are different
============================================================

Each output is a sum of products::

    convolution: y[n] = sum over m of k[m] x[n - m]
    correlation: y[n] = sum over m of k[m] x[n + m]

The sign is the whole difference: convolution reverses the kernel along each axis, correlation does not. Many
libraries implement the second and call it the first, those for neural networks above all. Both give the same only
where the kernel is its own reverse.

The page of text is ``skimage.data.page`` (scikit-image, BSD licence; no author is named). The kernel is one of its
letters.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import ndimage, signal
from skimage import data

import faltung as fa

grey = data.page()[:40, :310].astype(float)
page = (grey < fa.gaussian(8)(grey) - 10).astype(float)  # ink: darker than what is around it
letter = page[11:32, 4:19]
kernel = letter - letter.mean()
dots = np.zeros((58, 42))
dots[15, 11] = dots[41, 29] = 1.0

# %%
# Where the input is a dot, convolution puts the kernel, and correlation the kernel turned by 180 degrees. Where the
# input looks like the kernel, it is correlation that is largest: the window is compared with the kernel as it is.

figure, axes = plt.subplot_mosaic(
    "KXY;TTT;CCC;VVV", figsize=(9, 8.4), height_ratios=(4, 1, 1, 1), layout="constrained"
)
signed = {"cmap": "PuOr", "vmin": -1, "vmax": 1}
answers = {"C": fa.correlate(page, kernel), "V": fa.convolve(page, kernel)}
limit = np.abs(answers["C"]).max()
pictures = {
    "K": ("Kernel: the letter R", kernel, signed),
    "X": ("convolve: dots become kernels", fa.convolve(dots, kernel), signed),
    "Y": ("correlate: turned kernels", fa.correlate(dots, kernel), signed),
    "T": ("Input: a line of text", page, {"cmap": "gray_r"}),
    "C": (
        "correlate: largest where the text is an R (circle)",
        answers["C"],
        {"cmap": "PuOr", "vmin": -limit, "vmax": limit},
    ),
    "V": ("convolve: largest elsewhere (circle)", answers["V"], {"cmap": "PuOr", "vmin": -limit, "vmax": limit}),
}
for name, (title, values, colours) in pictures.items():
    axes[name].imshow(values, **colours)
    axes[name].set(title=title, xticks=[], yticks=[], frame_on=False)
places = {name: np.unravel_index(values.argmax(), values.shape) for name, values in answers.items()}
for name, (i, j) in places.items():
    axes[name].plot(j, i, "o", color="black", fillstyle="none", markersize=16, markeredgewidth=2)
plt.show()
assert places["C"] == (11 + 21 // 2, 4 + 15 // 2) != places["V"]

# %%
# Which of the two do other libraries compute? Each is called by the name that it uses for its function.


def by_torch(x, taps):
    """Return what torch's layers call a convolution."""
    return torch.nn.functional.conv2d(torch.tensor(x)[None, None], torch.tensor(taps)[None, None])[0, 0].numpy()


correlated, convolved = (call(page, kernel, shape="valid") for call in (fa.correlate, fa.convolve))
assert not np.allclose(correlated, convolved)
inside = (slice(10, -10), slice(7, -7))
libraries = {
    "scipy.signal.convolve2d": (signal.convolve2d(page, kernel, "valid"), convolved),
    "scipy.ndimage.convolve": (ndimage.convolve(page, kernel)[inside], convolved),
    "scipy.ndimage.correlate": (ndimage.correlate(page, kernel)[inside], correlated),
    "torch.nn.functional.conv2d": (by_torch(page, kernel), correlated),
}
for name, (values, same) in libraries.items():
    np.testing.assert_allclose(values, same, atol=1e-6)
    print(f"{name:28} {'convolution' if same is convolved else 'correlation'}")
turned = fa.Kernel(kernel).flip()
np.testing.assert_allclose(fa.convolve(page, turned), answers["C"], atol=1e-6)

print("Seen: correlation finds the letter, convolution does not; torch's conv2d is the correlation.")

# %%
# **What was seen.** One is the other with the kernel reversed: ``fa.correlate(x, k)`` is
# ``fa.convolve(x, k.flip())``. A network that *learns* its kernels does not care: it learns the reversed ones. But
# taps that are carried from one of these functions to the other have to be reversed.
#
# More: :func:`faltung.convolve`, :func:`faltung.correlate`; ``fa.layers.Conv(..., flip=True)`` is a layer with a
# true convolution (:doc:`/layers`); other names and origins are in
# :doc:`/conventions` and :doc:`/sharp-bits`.

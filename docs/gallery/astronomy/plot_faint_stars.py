"""
Faint stars: the matched filter
===============================

Every star has the same shape, the point spread function (PSF). The best linear filter for a
known shape in white noise is the shape itself, correlated with the picture. It raises the ratio
of signal to noise by a known factor: the root of the sum of the squared taps, over the largest
tap. The field is synthetic: 40 stars, whose peaks are 2.2 times the noise.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage

import faltung as fa

rng = np.random.default_rng(2)
psf = fa.gaussian(2.0)
sky = np.zeros((256, 256))
places = rng.permutation(14 * 14)[:40]
rows, columns = 16 + 17 * (places // 14), 16 + 17 * (places % 14)
peak = 2.2
sky[rows, columns] = peak / psf.taps.max()
field = psf(sky) + rng.normal(size=sky.shape)  # noise with a standard deviation of 1

matched = fa.correlate(field, psf / np.sqrt(np.sum(psf.taps**2)))  # in units of its own noise

# %%
# A star is a maximum above five standard deviations.


def maxima(picture, level=5.0):
    """Return the positions of samples that are the largest within 5 samples and above a level."""
    return np.argwhere((picture == scipy.ndimage.maximum_filter(picture, 11)) & (picture > level))


found = maxima(matched)
figure, panels = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
panels[0].imshow(field, cmap="gray", vmin=-3, vmax=6)
panels[0].set_title("field: stars of 2.2 standard deviations")
panels[1].imshow(matched, cmap="gray", vmin=-3, vmax=10)
ring = {"markersize": 15, "markerfacecolor": "none", "markeredgecolor": "tab:orange"}
panels[1].plot(columns, rows, "o", label="true star", **ring)

panels[1].plot(
    found[:, 1], found[:, 0], "+", markersize=6, color="tab:cyan", label="found above 5"
)
panels[1].set_title("matched filter, in units of its noise")
panels[1].legend(loc="upper right", framealpha=0.9)
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# How many are right, and is the gain that of the formula?

distance = np.hypot(found[:, :1] - rows, found[:, 1:] - columns)
right = np.count_nonzero(distance.min(axis=0) < 3)
false = np.count_nonzero(distance.min(axis=1) >= 3)
gain = np.sqrt(np.sum(psf.taps**2)) / psf.taps.max()
print(
    f"found {right} of 40 stars, and {false} that are none; without the filter: "
    f"{len(maxima(field))}"
)
print(
    f"gain of signal to noise: {matched[rows, columns].mean() / peak:.2f}, "
    f"by the formula {gain:.2f}"
)
assert right >= 38
assert false == 0
assert abs(matched[rows, columns].mean() / peak - gain) < 0.15 * gain
taps = psf.taps / np.sqrt(np.sum(psf.taps**2))
assert np.allclose(matched, scipy.ndimage.correlate(field, taps))

# %%
# Seen: stars that nobody sees in the field stand out by seven standard deviations. See
# :func:`faltung.correlate` and, for why this is no convolution in general, :doc:`/conventions`.

"""
How did the camera move?
========================

A movement during the exposure is a convolution with its path. Here the camera moves right and
then turns down: a sum of two lines, each moved to its place by an impulse. From the sharp and
the blurred picture alone, `fit_filter` finds the path, in spite of noise. The photograph is
`coffee` of scikit-image (Rachel Michetti, CC0 licence); movement and noise are synthetic.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import faltung as fa

photo = skimage.data.coffee()[:, 60:540].mean(axis=2)


def moved(rows, columns):
    """Return the kernel that moves an image by whole samples."""
    return fa.Kernel([[1.0]], origin=(-rows, -columns))


path = 0.6 * moved(0, -5) * fa.motion(11) + 0.4 * moved(3, 2) * fa.motion(8, angle=1.0)
noise = np.random.default_rng(0).normal(scale=0.3, size=photo.shape)
blurred = fa.convolve(photo, path) + noise

size = 23
kernel, report = fa.fit_filter(photo, blurred, size)
print(report)

true = np.zeros((size, size))
rows, columns = (np.array(lags) + size // 2 for lags in path.lags)
true[np.ix_(rows, columns)] = path.taps

figure, panels = plt.subplots(
    1, 4, figsize=(13, 3.6), layout="constrained", width_ratios=[1.2, 1.2, 1, 1]
)
for panel, picture, title in zip(
    panels[:2], (photo, blurred), ("sharp", "moved, with noise"), strict=True
):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
    panel.set(title=title, xticks=[], yticks=[])
for panel, taps, title in zip(
    panels[2:], (true, kernel.taps), ("the true path", "the path found"), strict=True
):
    panel.imshow(taps, cmap="viridis", vmin=0, vmax=true.max())
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The claim: each tap is close to the truth, and what the filter does not explain is the noise.
# This is computed here with shifted copies of the sharp picture, in NumPy.

error = np.abs(kernel.taps - true).max() / true.max()
print(f"largest error of a tap: {100 * error:.1f} % of the largest tap")
predicted = np.full_like(photo, report.offset[0])
for (row, column), tap in np.ndenumerate(kernel.taps):
    predicted += tap * np.roll(photo, (row - size // 2, column - size // 2), axis=(0, 1))
rest = (blurred - predicted)[size:-size, size:-size].std()
print(f"not explained: a standard deviation of {rest:.3f} grey levels; the noise has 0.300")
assert error < 0.1
assert abs(rest - 0.3) < 0.01

# %%
# Seen: the path of the camera appears, and what it does not explain is the noise. See
# :func:`faltung.fit_filter`, :func:`faltung.motion` and :doc:`/learning`.

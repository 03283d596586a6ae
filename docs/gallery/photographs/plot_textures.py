"""
Tell textures apart with a Gabor bank
=====================================

A Gabor filter answers to waves of one direction and length. A bank of them, the magnitude, and
a smoothing give each sample a vector that describes the texture around it. Here it tells
bricks, grass and gravel apart by the nearest mean vector: means come from the left half of each
photograph, and the right halves are labelled. The photographs are in scikit-image (CC0Textures
and, for the grass, linolafett; CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
import skimage.data
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

import faltung as fa

photos = [skimage.data.brick(), skimage.data.grass(), skimage.data.gravel()]
photos = [((photo - photo.mean()) / photo.std()).astype(np.float32) for photo in photos]
angles = np.arange(6) * np.pi / 6
bank = fa.Bank.stack(
    [fa.gabor(frequency, angle) for frequency in (0.1, 0.2, 0.3) for angle in angles]
)


def describe(image):
    """Return the local energy of each filter of the bank, on every fourth sample."""
    energy = np.abs(bank(image)).astype(np.float32)
    return fa.convolve(energy, fa.gaussian(12), stride=4)


# %%
# Learn a mean for each class from left halves, then label a picture made of the right halves.

learned = np.stack([describe(photo[:256, :256]).mean(axis=(1, 2)) for photo in photos])
puzzle = np.concatenate([photo[:256, 256:] for photo in photos], axis=1)
truth = np.repeat([0, 1, 2], 64)[None, :].repeat(64, axis=0)
features = describe(puzzle)
distance = ((np.log(features)[None] - np.log(learned)[:, :, None, None]) ** 2).sum(axis=1)
labels = distance.argmin(axis=0)

figure, panels = plt.subplots(2, 1, figsize=(8.5, 6.2), layout="constrained")
colours = ListedColormap(["#0072b2", "#e69f00", "#009e73"])
panels[0].imshow(puzzle, cmap="gray", vmin=-2.5, vmax=2.5)
panels[0].set_title("brick, grass, gravel")
panels[1].imshow(puzzle, cmap="gray", vmin=-2.5, vmax=2.5)
panels[1].imshow(
    labels,
    cmap=colours,
    vmin=0,
    vmax=2,
    alpha=0.6,
    extent=(-0.5, 767.5, 255.5, -0.5),
    interpolation="nearest",
)
panels[1].set_title("the texture found at each place")
names = [
    Patch(color=colours(i), label=name) for i, name in enumerate(("brick", "grass", "gravel"))
]
panels[1].legend(handles=names, loc="lower center", ncols=3, framealpha=0.9)
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle for one filter is SciPy's convolution; the claim is the share of right labels.

part = puzzle[100:160, 200:260]
one = scipy.signal.convolve2d(part, bank.taps[14, 0], mode="valid")
# %%
# Seen: eighteen filters and no training but a mean tell three textures apart. See
# :class:`faltung.Bank`, :func:`faltung.gabor` and :doc:`/filters`.

"""
Dead samples of a camera
========================

Some samples of a scientific camera are always bright or dark. Which ones is known from a dark
picture, so they are a mask. A filter that takes them for light spreads each of them over its
whole window. With ``mask=`` they count as what is around them. The picture is a neuron from
ndev-sampledata (Tim Monko, BSD licence); the dead samples are synthetic.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import tifffile

import faltung as fa

neuron = tifffile.imread(files("ndev_sampledata") / "samples/neuron-4Ch.tiff")[
    2, 150:450, 130:430
].astype(float)
rng = np.random.default_rng(0)
alive = rng.random(neuron.shape) > 0.01
alive[:, 207] = False  # and a dead column
picture = np.where(alive, neuron, rng.choice([0.0, 16383.0], neuron.shape))

kernel = fa.gaussian(2)
careless = kernel(picture)
masked = fa.convolve(picture, kernel, mask=alive)

figure, panels = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
titles = [
    "picture with dead samples",
    "gaussian(2)",
    "gaussian(2), mask=alive",
    "gaussian(2) of the true picture",
]
for panel, values, title in zip(
    panels, (picture, careless, masked, kernel(neuron)), titles, strict=True
):
    panel.imshow(np.sqrt(np.maximum(values, 0)), cmap="gray", vmin=10, vmax=100)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle is normalised convolution with SciPy: smooth samples over smooth mask.

smooth_samples = scipy.ndimage.gaussian_filter(np.where(alive, picture, 0.0), 2)
oracle = smooth_samples / scipy.ndimage.gaussian_filter(alive.astype(float), 2)
assert np.allclose(masked, oracle)
errors = [np.sqrt(np.mean((values - kernel(neuron)) ** 2)) for values in (careless, masked)]
print(
    f"error to the filter of the true picture: {errors[0]:.0f} without, {errors[1]:.0f} with mask"
)
assert errors[1] < 0.1 * errors[0]

# %%
# Derivatives have a mask, too: their taps sum to zero, so no edge appears at a dead sample.

flat = np.full((9, 9), 100.0)
known = np.ones((9, 9), bool)
known[4, 4] = False
assert not fa.convolve(flat, fa.sobel(), mask=known).any()

# %%
# Seen: with the mask the dead samples leave no trace. The rules are in :doc:`/conventions`.

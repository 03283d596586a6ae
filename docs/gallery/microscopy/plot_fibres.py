"""
The directions of fibres
========================

The structure tensor averages products of slopes over a neighbourhood. Its angle is the
direction across the fibres there, and its coherence says how clear the direction is. This is
how programs colour fibres by direction. Slopes and average are one bank and one Gaussian. The
picture is the actin of a neuron (phalloidin), from ndev-sampledata (Tim Monko, BSD licence).
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import skimage.feature
import tifffile
from matplotlib.colors import hsv_to_rgb

import faltung as fa

actin = tifffile.imread(files("ndev_sampledata") / "samples/neuron-4Ch.tiff")[
    2, 40:600, 60:480
].astype(float)
slopes = fa.Bank.stack([fa.gaussian_derivative(1.5, axis=axis) for axis in (0, 1)])
down, right = slopes(np.sqrt(actin))
average = fa.gaussian(3)
yy, xx, xy = average(down * down), average(right * right), average(down * right)

angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2  # along the fibre
coherence = np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-9)

brightness = np.clip((fa.gaussian(1)(np.sqrt(actin)) - 29.5) / 18, 0, 1)
colours = hsv_to_rgb(np.stack([angle / np.pi % 1, coherence, brightness], axis=2))

figure = plt.figure(figsize=(10.5, 6.6), layout="constrained")
panels = figure.subplots(1, 2)
panels[0].imshow(np.sqrt(actin), cmap="gray", vmax=90)
panels[0].set_title("actin of a neuron")
panels[1].imshow(colours)
panels[1].set_title("colour: direction; saturation: coherence")
for panel in panels:
    panel.set(xticks=[], yticks=[])
wheel = figure.add_axes((0.86, 0.08, 0.1, 0.14), projection="polar")
directions = np.linspace(0, 2 * np.pi, 181)
wheel.pcolormesh(
    directions,
    [0, 1],
    np.tile(-directions / np.pi % 1, (1, 1))[:, :-1],
    cmap="hsv",
    vmin=0,
    vmax=1,
)
wheel.set(xticks=[], yticks=[])
wheel.spines["polar"].set_color("white")

# %%
# The oracle is scikit-image's structure tensor, which takes Sobel's slopes.

rows, columns = fa.Bank.stack([fa.sobel(axis=axis) for axis in (0, 1)])(np.sqrt(actin))
ours = [average(product) for product in (rows * rows, rows * columns, columns * columns)]
oracle = skimage.feature.structure_tensor(np.sqrt(actin), sigma=3, mode="reflect", order="rc")
print(
    "largest difference to scikit-image: "
    f"{np.abs(np.array(ours) - oracle).max():.1e} of {np.max(oracle):.0f}"
)
assert np.allclose(ours, oracle, atol=1e-6 * np.max(oracle))

# %%
# Seen: each branch has the colour of its direction. See :func:`faltung.gaussian_derivative`,
# :class:`faltung.Bank` and :doc:`/compat-skimage`.

"""
A point spread function that varies over the field
==================================================

In the corners of a picture, stars are wider than in its middle. The light of each star is spread
by the kernel of its place: a sum of two kernels, whose weights are maps. That is
:func:`faltung.varying` with ``weights_at="input"``. The sky is made here.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

random = np.random.default_rng(3)
size = 256
sky = np.zeros((size, size))
sky[random.integers(0, size, 150), random.integers(0, size, 150)] = random.pareto(1.5, 150) + 1

y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
corner = (x**2 + y**2) / 2  # 0 in the middle, 1 in the corners
kernels = [fa.gaussian(1.0), fa.gaussian((4.0, 2.0))]
seen = fa.varying(sky, kernels, [1 - corner, corner], "constant", weights_at="input")

figure, panels = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for panel, picture, title in zip(
    panels, (sky, corner, seen), ("sky", "weight of the wide kernel", "seen"), strict=True
):
    panel.imshow(np.arcsinh(20 * picture) if picture is not corner else picture, cmap="magma")
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: star by star, each with its own kernel.

oracle = np.zeros((size + 64, size + 64))
middle = np.zeros((65, 65))
middle[32, 32] = 1
spread = [kernel(middle, mode="constant") for kernel in kernels]
for row, column in np.argwhere(sky):
    share = corner[row, column]
    own = (1 - share) * spread[0] + share * spread[1]
    oracle[row : row + 65, column : column + 65] += sky[row, column] * own
oracle = oracle[32:-32, 32:-32]
print(f"largest difference: {np.abs(seen - oracle).max():.1e} of {oracle.max():.1f}")
assert np.allclose(seen, oracle)

# %%
# Seen: two convolutions, and not one for each star. Where the kernels belong to outputs, as in a
# blur that adapts, it is ``weights_at="output"``; see :func:`faltung.varying` and
# :doc:`/designs`.

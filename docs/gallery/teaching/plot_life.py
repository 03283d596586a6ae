"""
Conway's Game of Life is a convolution
======================================

A cell lives on with two or three living neighbours, and is born with three. Counting the
neighbours is a convolution with eight ones around a zero, and the mode ``wrap`` makes the world
a torus: a glider that leaves at one side comes back at the other.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

neighbours = fa.Kernel([[1, 1, 1], [1, 0, 1], [1, 1, 1]])


def step(world):
    """Return the next generation."""
    count = fa.convolve(world, neighbours, mode="wrap", dtype="uint8")
    return ((count == 3) | ((count == 2) & (world == 1))).astype(np.uint8)


glider = np.zeros((24, 24), np.uint8)
glider[1:4, 1:4] = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
generations = [glider]
for _ in range(96):
    generations.append(step(generations[-1]))

figure, panels = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
for panel, number in zip(panels, (0, 2, 40, 84), strict=True):
    panel.imshow(generations[number], cmap="Blues", vmin=0, vmax=1.3)
    panel.set_xticks(np.arange(25) - 0.5, labels=[])
    panel.set_yticks(np.arange(25) - 0.5, labels=[])
    panel.tick_params(length=0)
    panel.grid(color="0.9", linewidth=0.5)
    panel.set_title(f"generation {number}")

# %%
# A glider moves by one cell along the diagonal every four generations. On a torus of 24 cells
# it is home after 96.

assert np.array_equal(generations[4], np.roll(glider, (1, 1), axis=(0, 1)))
assert np.array_equal(generations[96], glider)
by_rolls = sum(
    np.roll(glider, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
)
assert np.array_equal(fa.convolve(glider, neighbours, mode="wrap", dtype="uint8"), by_rolls)
print("living cells:", [int(world.sum()) for world in generations[::24]])

# %%
# Seen: after 96 steps of one small convolution the glider is where it began. ``wrap`` is one of
# the five modes of :doc:`/conventions`.

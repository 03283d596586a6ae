"""
Checkerboards of transposed layers
==================================

Networks that make images often show a checkerboard. A transposed layer with stride 2 writes its
taps around every second output. With three taps, some outputs are written once, others two or
four times. With four taps all are written equally often (Odena et al., 2016). A layer of ones
counts how often.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import faltung as fa


def writes(size, stride=2):
    """Return how often each output is written, from an input of ones and taps of ones."""
    layer = fa.layers.Conv.transposed(1, 1, (size, size), stride=stride, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        return layer(torch.ones(1, 1, 10, 10))[0, 0].numpy()


counts = {size: writes(size) for size in (2, 3, 4, 5)}
figure, panels = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
for panel, (size, count) in zip(panels, counts.items(), strict=True):
    inner = count[5:-5, 5:-5]
    panel.imshow(inner, cmap="viridis", vmin=0, vmax=9)
    for (i, j), value in np.ndenumerate(inner):
        colour = "white" if value < 6 else "black"
        panel.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    panel.set(title=f"{size} × {size} taps, stride 2", xticks=[], yticks=[])

# %%
# The oracle is a loop that writes the taps of every input.

for size, count in counts.items():
    by_hand = np.zeros_like(count)
    for i, j in np.ndindex(10, 10):
        by_hand[2 * i : 2 * i + size, 2 * j : 2 * j + size] += 1
    assert np.array_equal(count, by_hand)
    even = np.ptp(count[5:-5, 5:-5]) == 0
    print(f"{size} taps: {'even' if even else 'checkerboard'}")
    assert even == (size % 2 == 0)

# %%
# Seen: a size that the stride divides writes evenly, others write a checkerboard. Layers are
# explained in :doc:`/layers`.

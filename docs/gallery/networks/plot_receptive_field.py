"""
What does one output see?
=========================

An output of a deep layer depends on a part of the input, its receptive field. Stacked layers
widen it, dilation makes it wide and full of holes, a stride makes it wide for all later layers.
The card follows the operations backwards and marks exactly the samples that count. An
independent answer comes from the gradient: with positive taps it is not zero exactly there.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import faltung as fa

side = 41
networks = {
    "three layers of 3 × 3": [nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)],
    "dilations 1, 2, 4": [nn.Conv2d(1, 1, 3, padding=d, dilation=d) for d in (1, 2, 4)],
    "dilations 4, 4, 4": [nn.Conv2d(1, 1, 3, padding=4, dilation=4) for _ in range(3)],
    "strides 2, 2, 1": [nn.Conv2d(1, 1, 3, padding=1, stride=s) for s in (2, 2, 1)],
}


def gradient_of_middle(network):
    """Return the gradient of the middle output with respect to the input; all taps are one."""
    for layer in network:
        nn.init.ones_(layer.weight)
    picture = torch.zeros(1, 1, side, side, requires_grad=True)
    output = network(picture)
    middle = output.shape[-1] // 2
    output[0, 0, middle, middle].backward()
    return picture.grad[0, 0].numpy()


figure, panels = plt.subplots(1, 4, figsize=(13, 3.9), layout="constrained")
for panel, (title, layers) in zip(panels, networks.items(), strict=True):
    network = nn.Sequential(*layers)
    card = fa.inspect.card(network, torch.zeros(1, 1, side, side), sections=["receptive_fields"])
    field = card.sees()
    count = gradient_of_middle(network)
    assert np.array_equal(field.whole_mask.reshape(side, side), count != 0)
    print(
        f"{title:22} {field.size[0]} × {field.size[1]}, {field.count} samples, holes: "
        f"{field.has_holes}"
    )
    panel.imshow(np.where(count > 0, np.log1p(count), np.nan), cmap="viridis", vmin=0, vmax=4)
    panel.set(
        title=f"{title}\n{field.size[0]} × {field.size[1]}, {field.count} samples",
        xticks=[],
        yticks=[],
    )

# %%
# The formula of textbooks: the size grows by (taps - 1) × dilation × all strides before.

assert 1 + 3 * 2 == 7
assert 1 + 2 * (1 + 2 + 4) == 15
assert 1 + 2 * (1 + 2 + 4) == 1 + 2 * 1 + 2 * 2 + 2 * 4  # strides 2, 2: spacings 1, 2, 4

# %%
# Seen: the marked samples are those with a gradient, holes included; colour says in how many
# ways a sample is reached. More in :doc:`/inspecting`.

"""
Why a network changes its mind when the picture moves
=====================================================

A stride keeps every second output. Waves too short for that come back as false ones, and the
answer of a network jumps as the picture moves by one sample. `fa.inspect.antialias` puts a blur
before each stride (Zhang, 2019), and keeps all weights. The curve shows one output of a random
network while the picture, one of Fashion-MNIST (Zalando SE, MIT licence), moves to the right.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import faltung as fa

torch.manual_seed(1)
strided = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
).eval()
blurred = fa.inspect.antialias(strided)
print(blurred)

samples = torch.tensor(fa.datasets.load_embedded().test.samples[:64] / 255.0, dtype=torch.float32)
samples = torch.nn.functional.pad(
    samples, (18, 18, 18, 18)
)  # black around, so that no border is met


def answers(network, shifts):
    """Return all outputs for all samples, for each shift to the right: (shifts, samples, 10)."""
    with torch.no_grad():
        return torch.stack(
            [network(torch.roll(samples, shift, dims=3)) for shift in shifts]
        ).numpy()


shifts = np.arange(9)
curves = {"stride alone": answers(strided, shifts), "blur, then stride": answers(blurred, shifts)}

figure, panels = plt.subplots(
    1, 2, figsize=(11, 3.9), layout="constrained", width_ratios=[1, 2.2]
)
panels[0].imshow(samples[0, 0].numpy(), cmap="gray")
panels[0].set(title="the picture, moved to the right", xticks=[], yticks=[])
for (title, outputs), colour in zip(curves.items(), ("tab:orange", "tab:blue"), strict=True):
    spread = outputs[0, :, 3].std()  # between samples
    panels[1].plot(
        shifts,
        100 * (outputs[:, 0, 3] - outputs[0, 0, 3]) / spread,
        "o-",
        color=colour,
        label=title,
    )
panels[1].set(
    title="change of one output of the network", xlabel="shift, samples", ylabel="% of its spread"
)
panels[1].legend(frameon=False)

# %%
# The claims: a shift by 4, the product of the strides, changes nothing at all; a shift by one
# changes less with the blur.


def change(outputs, by):
    """Return the mean change of an output for a shift, relative to its spread."""
    return np.abs(outputs[by] - outputs[0]).mean() / outputs[0].std(axis=0).mean()


for title, outputs in curves.items():
    by_one, by_four = change(outputs, 1), change(outputs, 4)
    print(
        f"{title:18} change for a shift by 1: {100 * by_one:.1f} %, by 4: {100 * by_four:.4f} %"
    )
    assert by_four < 1e-4
    assert change(outputs, 8) < 1e-4
assert change(curves["blur, then stride"], 1) < 0.5 * change(curves["stride alone"], 1)

# %%
# Seen: the output swings with a period of four samples, the product of the strides, and a blur
# calms it. See :doc:`/inspecting`, and the picture of it for cameras in the gallery of
# teaching.

"""
The report card of two networks
===============================

How many numbers does a network store, how much does it compute, what does it see?
`fa.inspect.card` runs any torch network once and writes down the answers. Here it compares a
small convolutional network with a fully connected one for the same pictures, and with the fully
connected layers that would do the same as its convolutions.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import faltung as fa

torch.manual_seed(0)
convolutional = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
).eval()
dense = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)).eval()

example = torch.randn(1, 1, 28, 28)
sections = ["counts", "receptive_fields"]
cards = [
    fa.inspect.card(network, example, sections=sections) for network in (convolutional, dense)
]
print(cards[0])

# %%
# The figures of a card are plain numbers.

figure, panels = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
names = ["convolutional", "fully connected", "convolutional,\nif every output\nread every input"]
stored = [card.figures["parameters"] for card in cards] + [cards[0].figures["dense_weights"]]
for panel, values, title in (
    (panels[0], stored, "parameters"),
    (
        panels[1],
        [card.figures["multiply_adds"] for card in cards] + [stored[2]],
        "multiply-adds for a picture",
    ),
):
    bars = panel.barh(names, values, color=["tab:blue", "tab:orange", "0.6"], log=True)
    panel.bar_label(bars, labels=[f" {value:,}" for value in values])
    panel.set(title=title, xlim=(1e3, 1e10))
    panel.invert_yaxis()

# %%
# The oracle: count by hand. A layer stores (channels in × taps + 1) × channels out, and uses
# the taps at every position.

by_hand = (9 + 1) * 16 + (16 * 9 + 1) * 32 + (32 + 1) * 10
products = 28 * 28 * 16 * 9 + 14 * 14 * 32 * 16 * 9 + 32 * 10
every_input = 784 * (784 * 16) + (196 * 16) * (196 * 32) + 32 * 10
print(f"stored {stored[0]:,} = {by_hand:,} by hand; products {products:,}; dense {every_input:,}")
assert (
    cards[0].figures["parameters"]
    == by_hand
    == sum(each.numel() for each in convolutional.parameters())
)
assert cards[0].figures["multiply_adds"] == products
assert stored[2] == every_input
assert cards[1].figures["multiply_adds"] == 784 * 256 + 256 * 10

# %%
# Seen: sharing taps saves a factor of several thousand in what is stored. All sections of a
# card are explained in :doc:`/inspecting`.

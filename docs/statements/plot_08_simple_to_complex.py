"""
8. Early layers learn simple patterns, deeper layers more complex ones
======================================================================

How complex a pattern is can be measured in more than one way. This page uses three, for each layer of a trained
network:

* how many pixels an output *reads*: its receptive field;
* how *linear* the layer is in the input. A linear layer can only add up pixels, and turns the mean of two images into
  the mean of its outputs. This is superposition;
* how well the *classes* can be told from the layer by a linear probe, a classifier without any layer of its own.

The network is the classifier that comes with the package, the clothes are Fashion-MNIST (Zalando SE, MIT licence).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import faltung as fa

trained = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")
test = fa.datasets.load_embedded().test
order = np.random.default_rng(0).permutation(len(test))[:240]
images, labels = torch.from_numpy(test.samples[order]).float() / 255, torch.from_numpy(test.labels[order]).long()

# %%
# The report card measures all three, and finds for some channels the parts of the images at which they answer most
# strongly. As a control, a network of the same shape that has learned nothing is measured, too.

torch.manual_seed(0)
shown = {"stages.0.change.0": [6, 15], "stages.2.first.0": [9, 22], "stages.4.first.0": [16, 42]}
untrained = fa.networks.ConvClassifier(sample_shape=(1, 28, 28), classes=10).eval()
card = fa.inspect.card(trained, images[:1], data=images, labels=labels, channels=shown, sections=["patterns"])
control = fa.inspect.card(
    untrained, images[:1], data=images, labels=labels, channels={"classify": [0]}, sections=["patterns"]
)
depth = card.sections["patterns"].depth[:-1]  # without the last layer, whose outputs are the answers
reads = [max(card.sees(row.name).size) for row in depth]
for row, size in zip(depth, reads, strict=True):
    print(f"{row.name:18} reads {size:2} x {size:2}, superposition {row.superposition:4.0%}, probe {row.probe:.0%}")

figure = plt.figure(figsize=(10, 7.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
axes = left.subplots(6, 4)
rows = [(layer, channel) for layer in card.sections["patterns"].layers for channel in layer.channels]
for line, (layer, channel) in zip(axes, rows, strict=True):
    size = max(card.sees(layer.name).size)
    line[0].set_ylabel(f"{size} x {size}", rotation=0, ha="right", va="center")
    for axis, patch in zip(line, channel.patches, strict=True):
        axis.imshow(patch.values[0], cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], frame_on=False)
left.suptitle("What excites six channels most,\nfrom early to deep: parts of images")
curves = right.subplots(3, 1, sharex=True)
numbers = range(1, len(depth) + 1)
curves[0].plot(numbers, reads, "o-", color="#0072B2")
for result, style, colour, name in ((card, "o-", "#0072B2", "trained"), (control, "s--", "grey", "untrained")):
    some = result.sections["patterns"].depth[:-1]
    curves[1].plot(numbers, [100 * row.superposition for row in some], style, color=colour, label=name)
    curves[2].plot(numbers, [100 * row.probe for row in some], style, color=colour, label=name)
curves[0].set(title="reads so many pixels a side", ylim=(0, 30))
curves[1].set(title="linear in the input, per cent", ylim=(0, 105))
curves[2].set(title="told by a linear probe, per cent", ylim=(40, 100), xlabel="layer", xticks=numbers)
curves[2].legend(loc="lower right")
plt.show()

# %%
# The check measures superposition by its definition, and the receptive field by a gradient.


def activation(layer, inputs):
    """Return the output of a layer for these inputs to the network."""
    kept = []
    handle = layer.register_forward_hook(lambda module, given, output: kept.append(output.double()))
    trained(inputs)
    handle.remove()
    return kept[0]


x = images[:1].clone().requires_grad_()
activation(trained.stages[2].change[0], x)[0, :, 7, 7].sum().backward()
assert (x.grad != 0).any(dim=(0, 1, 3)).sum() <= reads[3] == 12
layers = {"first": (trained.stages[0].change[0], depth[0]), "last": (trained.stages[4].second[0], depth[-1])}
for name, (layer, row) in layers.items():
    with torch.no_grad():
        one, other, mean = (
            activation(layer, each) for each in (images[:120], images[120:], (images[:120] + images[120:]) / 2)
        )
    wrong = (mean - (one + other) / 2).square().sum() / (mean - mean.mean(0)).square().sum()
    print(f"{name} layer: superposition {max(0, 1 - wrong):.0%}")
    assert abs(max(0, 1 - wrong) - row.superposition) < 0.05
assert reads == sorted(reads)
assert depth[0].superposition > 0.999
assert depth[-1].superposition < 0.5
assert depth[-1].probe > depth[0].probe + 0.15
assert depth[-1].probe > max(row.probe for row in control.sections["patterns"].depth) + 0.1

print(
    "Seen: an output of the first layer reads 3 pixels a side, of the ninth 28; the layers go from linear to less "
    "than half linear; a linear probe tells the classes better by more than 15 points, and not so without training."
)

# %%
# **What was seen.** Early channels answer to an edge of a few pixels, middle ones to a neckline or a gap between
# legs, deep ones to a kind of garment. The sizes of the receptive fields are a matter of structure, for any
# weights. What the network *learned* is in the other two curves: without training the probe does not rise.
#
# "Simple" and "complex" are these three measures here. They do not have to agree, and a single channel can be an
# exception.
#
# More: :func:`faltung.inspect.card`, and "Patterns by depth" in :doc:`/inspecting`.

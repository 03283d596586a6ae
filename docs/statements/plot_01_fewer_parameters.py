"""
1. Convolutional networks need far fewer parameters than fully connected ones
=============================================================================

A fully connected layer has one weight for each pair of an input and an output. A convolutional layer has one small
kernel for each pair of channels, and uses it again at every position. This page takes a trained network, counts its
weights, and counts the weights that the same network would have if nothing were shared.

The network is the small classifier of clothes that comes with the package. The pictures are Fashion-MNIST (Zalando
SE, MIT licence).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

import faltung as fa

network = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")
test = fa.datasets.load_embedded().test
images = torch.from_numpy(test.samples).float() / 255
labels = torch.from_numpy(test.labels).long()
accuracy = fa.learn.accuracy(network, images, labels)
print(f"The network recognises {accuracy:.1%} of {len(images):,} test images.")
assert accuracy > 0.9

# %%
# The report card counts, for each layer, its own weights and those of a fully connected layer with the same inputs
# and outputs.

counts = fa.inspect.card(network, images[:1], sections=["counts"]).sections["counts"]
layers = [layer for layer in counts.layers if layer.weights]
for layer in layers:
    print(f"{layer.name:20}{layer.weights:8,} weights, fully connected {layer.dense_weights:12,}")

# %%
# The picture draws these numbers. On the left, each area is a number of weights of the first layer, to scale.

first = layers[0]
side = (first.weights / first.dense_weights) ** 0.5
figure, (scale, bars) = plt.subplots(1, 2, figsize=(11, 5.2), width_ratios=(1, 1.2), layout="constrained")
scale.add_patch(plt.Rectangle((0, 0), 1, 1, color="#9ecae1"))
scale.add_patch(plt.Rectangle((0.5, 0.5), side, side, color="#D55E00"))
told = f"convolutional: {first.weights} weights\n(this dot)"
scale.annotate(told, (0.5, 0.5), (0.5, 0.25), ha="center", arrowprops={"arrowstyle": "->"})
scale.text(0.5, 0.95, f"fully connected:\n{first.dense_weights:,} weights", ha="center", va="top")
scale.set(title="The first layer, areas to scale", xlim=(0, 1), ylim=(0, 1), aspect="equal")
scale.axis("off")

rows = range(len(layers), 0, -1)
bars.barh([row + 0.2 for row in rows], [layer.dense_weights for layer in layers], 0.4, color="#9ecae1")
bars.barh([row - 0.2 for row in rows], [layer.weights for layer in layers], 0.4, color="#D55E00")
bars.set(
    title="All layers, on a logarithmic scale", xlabel="weights", xscale="log", xlim=(10, 1e9), ylim=(-1.2, 10.6)
)
bars.set_yticks(rows, [f"{layer.kind} to {' x '.join(map(str, layer.shape[1:]))}" for layer in layers])
bars.legend(["fully connected", "convolutional, as it is"], loc="lower right")
plt.show()

# %%
# The check counts in another way. One image for each pixel, with a single 1, makes the layer write down its own
# dense matrix. It has the size that the card says, and no more different values than the layer has weights.

module = network.stages[0].change[0]
with torch.no_grad():
    matrix = module(torch.eye(784).reshape(784, 1, 28, 28))
values = matrix[matrix != 0].sort().values
different = 1 + int((values.diff() > 2e-6).sum())  # up to rounding: the layer may add up in tiles
assert matrix.numel() == first.dense_weights
assert different == first.weights == module.weight.numel()
assert counts.weights == sum(weight.numel() for weight in network.parameters() if weight.ndim > 1)

print(
    f"Seen: {counts.weights:,} weights do the work of {counts.dense_weights:,}, which is "
    f"{counts.dense_weights / counts.weights:,.0f} times as many."
)

# %%
# **What was seen.** The dense matrix of the first layer has ten million entries and 144 different values: the
# kernels. The last layer is fully connected in both networks. That few parameters are also *enough* is a matter of
# measurement: :doc:`/learning` has the accuracy of this network beside dense ones that are as large, or larger.
#
# More: :func:`faltung.inspect.card` and :doc:`/inspecting`.

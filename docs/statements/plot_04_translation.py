"""
4. Convolutional networks respond to a pattern wherever it is
=============================================================

Move the input, and the output of a convolution moves with it: the kernel is the same at every position. This is
*equivariance* under translation. It is exact for a convolution alone. It is only partly true for a whole network,
and this page shows where it ends: at the border, where a part of the window sees something else, and where a layer
keeps only one of every two samples.

The network is the classifier that comes with the package, the clothes are Fashion-MNIST (Zalando SE, MIT licence).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import faltung as fa

split = fa.datasets.load_embedded()
network = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")
images = torch.from_numpy(split.test.samples).float() / 255
labels = torch.from_numpy(split.test.labels).long()

# %%
# First a single filter: move the picture and filter it, or filter it and move the result. In a circle
# (``mode="wrap"``) there is no border, and both are equal to the last bit. With a border they differ beside it.
# With ``stride=2`` they differ for a move by one sample, and agree for a move by two.

shoe, edge = images[0, 0].numpy(), fa.sobel(axis=1)


def difference(move, stride, mode):
    """Return the largest difference between move-then-filter and filter-then-move."""
    first = fa.convolve(np.roll(shoe, move, axis=1), edge, mode, stride=stride)
    then = np.roll(fa.convolve(shoe, edge, mode, stride=stride), move // stride, axis=1)
    return float(np.abs(first - then).max())


for move, stride, mode in ((3, 1, "wrap"), (3, 1, "constant"), (2, 2, "wrap"), (1, 2, "wrap")):
    print(f"move {move}, stride {stride}, mode {mode:9} largest difference {difference(move, stride, mode):.2f}")
assert difference(3, 1, "wrap") == difference(2, 2, "wrap") == 0
assert min(difference(3, 1, "constant"), difference(1, 2, "wrap")) > 0.1

# %%
# Then each layer of the network, on its own input: the report card moves the input by the stride of the layer, and
# by one sample, and compares inside of the border.

card = fa.inspect.card(network, images[:4], sections=["shifts"])
for layer in card.sections["shifts"].layers:
    if layer.kind != "BatchNorm2d":
        told = f"inside {layer.inside:.2f}, with the border {layer.whole:.2f}, by one sample {layer.single:.2f}"
        print(f"{layer.name:18} {layer.kind:10} error by the stride: {told}")
        assert layer.inside < 1e-4
        assert (layer.single > 0.1) == (layer.kind == "MaxPool2d")

# %%
# Last the answer of whole networks. We train a fully connected one for comparison. Both have learned from pictures
# that were moved a little at random.

torch.manual_seed(0)
dense = fa.networks.DenseClassifier(sample_shape=(1, 28, 28), classes=10)
fa.learn.train(dense, fa.learn.Classification(split), fa.learn.Recipe(epochs=4, learning_rate=0.05))
moves = [0, 1, 2, 3, 4, 5, 6]
curves = {
    name: [fa.learn.accuracy_under_shift(each, images[::5], labels[::5], move) for move in moves]
    for name, each in {"convolutional": network, "fully connected": dense.eval()}.items()
}

# %%
# The picture: a shoe, and the same shoe moved by 7 rows and 5 columns, on the way through the first layers. In the
# third row, what was moved is moved back, and subtracted.

shown = torch.nn.functional.pad(images[:1], (4, 12, 4, 12))
with torch.no_grad():
    pairs = [(x, network.stages[0](network.standardise(x))) for x in (shown, torch.roll(shown, (7, 5), (2, 3)))]
    grid = [[x[0, 0].numpy(), maps[0, 9].numpy(), network.stages[1](maps)[0, 9].numpy()] for x, maps in pairs]
back = ((-7, -5), (-7, -5), (-4, -3))  # after pooling, 3.5 and 2.5 would be right
grid.append([np.roll(after, move, (0, 1)) - before for before, after, move in zip(*grid, back, strict=True)])

figure = plt.figure(figsize=(11, 6.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.3, 1))
axes = left.subplots(3, 3)
for row, pictures, name in zip(axes, grid, ("as it is", "moved", "difference"), strict=True):
    row[0].set_ylabel(name)
    for axis, values, limits in zip(row, pictures, grid[0], strict=True):
        axis.imshow(values, cmap="PuOr", vmin=-limits.max(), vmax=limits.max())
        axis.set(xticks=[], yticks=[], frame_on=False)
for axis, title in zip(axes[0], ("input", "convolved", "pooled"), strict=True):
    axis.set_title(title)
curve = right.subplots()
for (name, values), style in zip(curves.items(), ("o-", "s--"), strict=True):
    curve.plot(moves, [100 * value for value in values], style, label=name, linewidth=2)
curve.set(
    title="Pictures that are still recognised", xlabel="moved by so many pixels", ylabel="per cent", ylim=(0, 100)
)
curve.legend(loc="lower left")
plt.show()

# %%
# The two networks have seen different numbers of pictures, so compare the fall of each curve, and not their height.

lost = {name: values[0] - values[4] for name, values in curves.items()}
print({name: [round(value, 2) for value in values] for name, values in curves.items()})
assert lost["convolutional"] < 0.15
assert lost["fully connected"] > 2 * lost["convolutional"]

print(
    "Seen: a filter alone follows every move exactly, pooling and the border do not; images moved by 4 pixels cost "
    "the convolutional network less than half as much accuracy as the fully connected one."
)

# %%
# **What was seen.** The feature map moves with the input, except beside the border. Layers that keep one of every
# two samples follow moves by two samples only. So the answer of the network is nearly the same wherever the pattern
# is, and nearly is the right word.
#
# More: "When the input moves" in :doc:`/inspecting`, and :func:`faltung.inspect.antialias`, which improves it.

"""
2. In a fully connected layer every output is a weighted sum of every input
===========================================================================

This is very expensive when layers are stacked: for n inputs and n outputs, each layer has n squared weights. A
convolution is such a layer, too, but nearly all of its weights are zero, and the others repeat. Here the same map
is written in both ways, and counted.

The image is from Fashion-MNIST (Zalando SE, MIT licence). The filter is one that the trained classifier of the
package has learned.
"""

from pathlib import Path
from timeit import timeit

import matplotlib.pyplot as plt
import numpy as np
import torch

import faltung as fa

image = fa.datasets.load_embedded().test.samples[0, 0] / 255
network = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")
bank = fa.Bank(network.stages[0].change[0].weight[:1].detach().numpy())

# %%
# ``bank.matrix`` is the convolution as a fully connected layer. Multiplying by it gives what the convolution gives.

matrix = bank.matrix(image.shape, "constant")
dense = matrix.toarray()
by_matrix = (dense @ image.ravel()).reshape(image.shape)
by_window = fa.convolve(image, bank[0, 0], "constant")
np.testing.assert_allclose(by_matrix, by_window, atol=1e-12)
print(f"the matrix has {dense.size:,} entries; {matrix.nnz:,} of them are not zero")
for name, call in {
    "matrix": lambda: dense @ image.ravel(),
    "window": lambda: fa.convolve(image, bank[0, 0], "constant"),
}.items():
    print(f"by {name}: {timeit(call, number=50) / 50 * 1e6:.0f} microseconds on this machine")

# %%
# Stacked layers: the weights of fully connected layers are counted by torch (on the device "meta", where they need
# no memory), those of the convolutions by hand.


def dense_weights(side, layers):
    """Return the weights of so many fully connected layers on images with so many pixels a side."""
    layer = torch.nn.Linear(side**2, side**2, bias=False, device="meta")
    return layers * layer.weight.numel()


sides = [8, 16, 28, 64, 128, 224]
for layers in (1, 10):
    print(f"{layers:2} layers, 28 x 28 pixels: {dense_weights(28, layers):,} weights against {9 * layers}")

# %%
# The picture: every cell of the two matrices is the weight of one output (row) for one input (column).

small = bank.matrix((8, 8), "constant").toarray()
limit = np.abs(small).max()
learned = np.random.default_rng(0).normal(0, bank.taps.std(), small.shape)
figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), width_ratios=(1, 1, 1.15), layout="constrained")
for axis, weights, title in zip(
    axes, (learned, small), ("Fully connected:\n4,096 weights", "Convolution:\nthe same 9 in each row"), strict=False
):
    axis.imshow(weights, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set(
        title=title, xlabel="64 inputs (8 x 8 pixels)", ylabel="64 outputs", xticks=[], yticks=[], frame_on=False
    )
for layers, style in ((1, ":"), (3, "--"), (10, "-")):
    axes[2].loglog(sides, [dense_weights(side, layers) for side in sides], style, color="#0072B2", marker="o")
    axes[2].loglog(sides, [9 * layers for _ in sides], style, color="#D55E00", marker="s")
axes[2].text(35, 3e4, "fully connected", color="#0072B2")
axes[2].text(20, 250, "3 x 3 convolutions", color="#D55E00")
axes[2].plot([], [], "k:", label="1 layer")
axes[2].plot([], [], "k--", label="3 layers")
axes[2].plot([], [], "k-", label="10 layers")
axes[2].legend(loc="upper left")
axes[2].set(title="Weights of\nstacked layers", xlabel="pixels along each side of the image", ylim=(3, 1e12))
plt.show()

# %%
# Multiplying the matrices of two convolutions gives the matrix of one: that of the product of the kernels. It shows
# what each of the stacked layers reads of the image: 3 x 3, then 5 x 5, then 7 x 7 pixels, and not yet all of it.

smooth = fa.Bank([[np.ones((3, 3))]])
product = smooth.matrix(image.shape, "constant")
for layers in (2, 3):
    product = product @ smooth.matrix(image.shape, "constant")
    middle = product[[14 * 28 + 14]].nnz
    print(f"an output of {layers} stacked layers reads {middle} of 784 pixels")
    assert middle == (2 * layers + 1) ** 2
assert dense.size == dense_weights(28, 1) == 784**2
assert np.count_nonzero(dense, axis=1).max() == np.unique(dense[dense != 0]).size == 9

print(
    f"Seen: one 3 x 3 filter on 28 x 28 pixels is a fully connected layer with {dense.size:,} weights; "
    f"ten layers have {dense_weights(28, 10):,}, and ten filters have 90."
)

# %%
# **What was seen.** Both ways give the same output. The weights of a fully connected layer grow with the fourth power
# of the side of the image, and those of a convolution do not grow at all; its multiplications grow with the number
# of pixels.
#
# More: :class:`faltung.Bank` and :doc:`/filters` for the matrix; the way back, from a matrix to its bank, is
# :meth:`faltung.Bank.from_matrix`.

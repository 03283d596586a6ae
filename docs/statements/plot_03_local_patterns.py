"""
3. Convolutional networks find local patterns: only neighbours are connected
============================================================================

Neighbouring samples of a picture are related, and samples far apart much less. So a layer need not connect every
output with every input: it connects each output with the neighbours of one place. This page measures how related
neighbours are, which pixels are useful to predict a pixel, and what the layers of a trained network read.

The photograph is ``skimage.data.camera`` (Lav Varshney, CC0 licence), the clothes are Fashion-MNIST (Zalando SE, MIT
licence).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data

import faltung as fa

photograph = data.camera() / 255
shuffled = np.random.default_rng(0).permutation(photograph.ravel()).reshape(photograph.shape)


def correlations(image, distances):
    """Return the correlation of pixels with those so many columns to the right."""
    return [np.corrcoef(image[:, :-d].ravel(), image[:, d:].ravel())[0, 1] for d in distances]


distances = [1, 2, 4, 8, 16, 32, 64, 128, 256]
related, unrelated = correlations(photograph, distances), correlations(shuffled, distances)
print(f"correlation of neighbours {related[0]:.2f}, 128 pixels apart {related[-2]:.2f}, shuffled {unrelated[0]:.2f}")
assert related[0] > 0.95 > 0.5 > abs(related[-2])
assert abs(unrelated[0]) < 0.02

# %%
# Which pixels of a 9 x 9 window say something about the one in its middle? Least squares gives a weight to each of
# the 80. The weights are those of a filter that predicts every pixel from what is around it.


def predicting(size):
    """Return the weights of a window that predict a pixel best, and the share of the variance that they explain."""
    part = photograph[:256, 128:384] - photograph.mean()
    windows = sliding_window_view(part, (size, size)).reshape(-1, size * size)
    middle = size * size // 2
    around = np.delete(windows, middle, axis=1)
    weights = np.linalg.solve(around.T @ around, around.T @ windows[:, middle])
    taps = np.insert(weights, middle, 0).reshape(size, size)
    prediction = fa.correlate(part, taps, shape="valid").ravel()
    return taps, 1 - np.var(windows[:, middle] - prediction) / np.var(windows[:, middle])


(_, from_8), (taps, from_80) = predicting(3), predicting(9)
near = np.abs(taps[3:6, 3:6]).sum() / np.abs(taps).sum()
print(
    f"explained by 8 neighbours {from_8:.1%}, by 80 pixels {from_80:.1%}; weight of the 8 nearest of 80: {near:.0%}"
)
assert near > 0.5
assert from_80 - from_8 < 0.001

# %%
# A trained network is built like that. The report card follows what one output reads of the input; the gradient of
# the output is the check. And for a channel it finds those parts of the pictures at which it answers most strongly.

network = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")
images = torch.from_numpy(fa.datasets.load_embedded().test.samples[:120]).float() / 255
layers, place = {"stages.0.change.0": "3 x 3", "stages.0.second.0": "7 x 7", "stages.2.change.0": "12 x 12"}, (14, 14)
card = fa.inspect.card(network, images[:1], data=images, channels={"stages.0.second.0": [3]}, sections=["patterns"])
fields = {text: card.sees(layer, tuple(i // (1 + ("2" in layer)) for i in place)) for layer, text in layers.items()}

x = images[:1].clone().requires_grad_()
network.stages[0].change(network.standardise(x))[0, :, 14, 14].sum().backward()
assert (x.grad[0, 0].numpy() != 0).sum() <= fields["3 x 3"].count == 9
assert not (x.grad[0, 0].numpy() != 0)[~fields["3 x 3"].mask].any()

figure = plt.figure(figsize=(11, 8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.25, 1))
curve, window, seen = top.subplots(1, 3, width_ratios=(1.1, 1, 1))
curve.semilogx(distances, related, "o-", color="#D55E00", label="photograph")
curve.semilogx(distances, unrelated, "s--", color="grey", label="shuffled pixels")
curve.set(title="Neighbours\nare related", xlabel="distance in pixels", ylabel="correlation")
curve.legend(loc="center left")
limit = np.abs(taps).max()
window.imshow(taps, cmap="PuOr", vmin=-limit, vmax=limit)
window.set(title="Weights that predict\nthe pixel in the middle", xticks=[], yticks=[], frame_on=False)
seen.imshow(images[0, 0].numpy(), cmap="gray")
for (text, field), colour in zip(fields.items(), ("#fdae61", "#D55E00", "#0072B2"), strict=True):
    (i, _), (j, _) = field.bounds
    seen.add_patch(
        plt.Rectangle((j - 0.5, i - 0.5), *field.size[::-1], fill=False, color=colour, linewidth=3, label=text)
    )
seen.set(title="What an output reads,\nin three layers", xticks=[], yticks=[], frame_on=False)
seen.legend(loc="lower left")
bottom.suptitle("The parts of four pictures at which channel 3 of the third layer answers most strongly")
for axis, patch in zip(bottom.subplots(1, 4), card.sections["patterns"].layers[0].channels[0].patches, strict=True):
    (i, end), (j, right) = patch.bounds
    axis.imshow(images[patch.sample, 0].numpy(), cmap="gray")
    axis.add_patch(plt.Rectangle((j - 0.5, i - 0.5), right - j, end - i, fill=False, color="#D55E00", linewidth=3))
    axis.set(xticks=[], yticks=[], frame_on=False)
plt.show()

print(
    f"Seen: the 8 nearest pixels explain {100 * from_8:.1f} % of the variance of a pixel, the 80 nearest "
    f"{100 * from_80:.1f} %; an output of the first layer reads {fields['3 x 3'].count} of 784 pixels."
)

# %%
# **What was seen.** Nearly all that a picture says about one of its pixels is in the pixels beside it, and the same
# pixels in another order say nothing. The first layers read so few of them; deeper layers read more, by way of
# their neighbours.
#
# More: :func:`faltung.inspect.card` and :doc:`/inspecting`.

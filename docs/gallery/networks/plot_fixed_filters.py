"""
Classify clothes with filters that nobody trained
=================================================

How far does one get with a fixed bank? Eight Gabor filters, their magnitude, and a mean over
each part of the picture turn a picture of clothes into 392 numbers. A linear classifier on
these is compared with one on the pixels. Only the linear part is fitted, by least squares. The
pictures are the Fashion-MNIST images that come with faltung (MIT licence, Zalando SE).
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

split = fa.datasets.load_embedded()
training, test = split.training.subset(range(2500)), split.test
bank = fa.Bank.stack(
    [
        fa.gabor(f, angle, bandwidth=1.6)
        for f in (0.18, 0.36)
        for angle in np.arange(4) * np.pi / 4
    ]
)


def features(samples):
    """Return local means of the magnitudes, on every fourth sample: (samples, 8 × 7 × 7)."""
    magnitude = np.abs(bank(samples[:, 0].astype(np.float32), mode="constant"))
    pooled = fa.convolve(magnitude, fa.gaussian(2), stride=4)
    return pooled.transpose(1, 0, 2, 3).reshape(len(samples), -1)


def accuracy(x, y):
    """Return the share of right answers of a linear classifier, fitted by ridge regression."""
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, y = ((part - mean) / deviation for part in (x, y))
    targets = np.eye(10)[training.labels] - 0.1
    weights = np.linalg.solve(x.T @ x + 100 * np.eye(x.shape[1]), x.T @ targets)
    return np.mean((y @ weights).argmax(axis=1) == test.labels)


pixels = accuracy(
    *(part.samples.reshape(len(part.samples), -1).astype(np.float32) for part in (training, test))
)
filtered = accuracy(features(training.samples), features(test.samples))
print(
    f"linear classifier on 784 pixels: {100 * pixels:.1f} %; on 392 answers of filters: "
    f"{100 * filtered:.1f} %"
)
assert filtered > pixels + 0.02

# %%
# What the filters see of one sandal and one shirt.

figure, panels = plt.subplots(3, 9, figsize=(13, 4.7), layout="constrained")
panels[0, 0].set_visible(False)
for panel, taps in zip(panels[0, 1:], bank.taps[:, 0], strict=True):
    limit = np.abs(taps).max()
    panel.imshow(taps.real, cmap="RdBu_r", vmin=-limit, vmax=limit)
panels[0, 1].set_ylabel("taps")
for row, label in zip(panels[1:], (5, 6), strict=True):
    picture = test.samples[test.labels == label][0, 0].astype(np.float32)
    answers = np.abs(bank(picture, mode="constant"))
    row[0].imshow(picture, cmap="gray")
    row[0].set_ylabel(test.class_names[label])
    for panel, answer in zip(row[1:], answers, strict=True):
        panel.imshow(answer, cmap="viridis", vmin=0, vmax=answers.max() / 1.3)
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle for the bank: the definition, in one loop over taps, for one picture.

kernel, reach = bank.taps[5, 0], bank.taps.shape[-1] // 2
padded = np.pad(picture, reach)
by_hand = sum(
    kernel[i, j] * padded[2 * reach - i : 2 * reach - i + 28, 2 * reach - j : 2 * reach - j + 28]
    for i, j in np.ndindex(kernel.shape)
)
assert np.allclose(bank(picture, mode="constant")[5], by_hand, atol=1e-3)

# %%
# Seen: half as many numbers, none of them learned, and more right answers. What learning adds
# to this is in :doc:`/learning`; see :func:`faltung.gabor` and :class:`faltung.Bank`.

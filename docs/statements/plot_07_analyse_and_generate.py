"""
7. Convolutional networks are used to analyse images and to generate them
=========================================================================

*Analysis* goes from an image to an answer: here, from a picture to the kind of garment that is in it. *Generation*
goes from random numbers to an image. Both kinds of network are made of the same layers.

The classifier comes with the package. The generator is trained on this page, in seconds, on 1,425 small images of
three kinds; expect toys. The clothes are Fashion-MNIST (Zalando SE, MIT licence), here with 14 x 14 pixels.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import avg_pool2d, interpolate

import faltung as fa

split = fa.datasets.load_embedded()
classifier = fa.networks.load(Path(fa.__file__).parent / "data", "fashion_mnist_judge")

# %%
# Analysis: the classifier names what it has never seen.

images, labels = torch.from_numpy(split.test.samples).float() / 255, torch.from_numpy(split.test.labels).long()
with torch.no_grad():
    answers = classifier(images).argmax(1)
print(f"recognised: {(answers == labels).double().mean():.1%} of {len(labels):,} test images")
assert (answers == labels).double().mean() > 0.9

# %%
# Generation, by *flow matching*. The network learns a velocity at every point between noise and images: it is shown
# points on straight lines from noise to an image, and is asked for their direction. The loop is written out.

kinds = torch.tensor([1, 2, 9])  # trousers, pullovers, ankle boots
chosen = np.isin(split.training.labels, kinds)
real = avg_pool2d(torch.from_numpy(split.training.samples[chosen]).float() / 255, 2)
kind = torch.from_numpy(split.training.labels[chosen]).long()
torch.manual_seed(0)
mean, deviation = float(real.mean()), float(real.std())
generator = fa.networks.ConvGenerator(
    sample_shape=(1, 14, 14), classes=10, channels=(16, 32), blocks=(1, 1), mean=mean, deviation=deviation
)
ends = generator.standardise(real)
descent = torch.optim.Adam(generator.parameters())
rate = torch.optim.lr_scheduler.OneCycleLR(descent, 0.01, total_steps=250)
for _ in range(250):
    batch, start = torch.randint(len(ends), (48,)), torch.randn(48, 1, 14, 14)
    time = (torch.rand(1) + torch.arange(48) / 48) % 1  # all times evenly
    velocity = ends[batch] - start
    point = start + time[:, None, None, None] * velocity
    risk = (generator(point, time, kind[batch]) - velocity).square().mean()
    descent.zero_grad()
    risk.backward()
    descent.step()
    rate.step()

# %%
# New noise now follows the velocity, in 8 small steps.

wanted = kinds.repeat_interleave(20)
noise = torch.randn(60, 1, 14, 14)
path = [noise]
with torch.no_grad():
    for step in range(8):
        half = path[-1] + generator(path[-1], torch.full((60,), step / 8), wanted) / 16
        path.append(path[-1] + generator(half, torch.full((60,), (step + 0.5) / 8), wanted) / 8)
made = [generator.restore(points).clamp(0, 1) for points in path]

figure = plt.figure(figsize=(10, 6.4), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.2))
top.suptitle("Analysis: images in, names out")
for axis, image, answer in zip(top.subplots(1, 8), images[:8, 0], answers[:8], strict=True):
    axis.imshow(image.numpy(), cmap="gray")
    axis.set_title(split.class_names[answer], fontsize=11)
    axis.axis("off")
bottom.suptitle("Generation: noise in, images out. Five moments on the way, and six more results")
for row, first in zip(bottom.subplots(3, 11), (0, 20, 40), strict=True):
    shown = [made[step][first] for step in (0, 2, 4, 6, 8)] + [*made[8][first + 1 : first + 7]]
    for axis, image in zip(row, shown, strict=True):
        axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1)
        axis.axis("off")
plt.show()

# %%
# The check uses the one network to judge the other. The classifier takes 28 x 28 pixels, so all images are
# enlarged, the real ones as well. And no generated image may be a copy: it must not be nearer to the images that
# were learned from than test images are.


def recognised(small, asked):
    """Return the share of images that the classifier takes for what was asked for."""
    with torch.no_grad():
        return (
            (classifier(interpolate(small, scale_factor=2, mode="bilinear")).argmax(1) == asked)
            .double()
            .mean()
            .item()
        )


def distance(small):
    """Return the median distance to the nearest image that was learned from."""
    return torch.cdist(small.flatten(1), real.flatten(1)).min(1).values.median().item()


unseen = avg_pool2d(images[torch.isin(labels, kinds)], 2)
from_noise, from_generator, from_real = (
    recognised(made[0], wanted),
    recognised(made[8], wanted),
    recognised(real, kind),
)
print(f"taken for what was asked for: noise {from_noise:.0%}, generated {from_generator:.0%}, real {from_real:.0%}")
print(
    f"distance: noise {distance(made[0]):.1f}, generated {distance(made[8]):.1f}, test images {distance(unseen):.1f}"
)
assert from_real > 0.85
assert from_generator > 0.4 > 0.1 > from_noise
assert distance(unseen) < distance(made[8]) < 0.6 * distance(made[0])

print(
    "Seen: the classifier names more than 90 % of the test images; it takes more than 40 % of the generated images "
    "for what was asked for, and less than 10 % of the noise."
)

# %%
# **What was seen.** Seconds are enough for outlines of trousers, pullovers and boots. In 16 minutes the same kind
# of network makes the clothes that are shown in :doc:`/learning`, and :doc:`/scoring` says how they are scored.
#
# More: :func:`faltung.learn.run` with the task ``"generate"``, and the command ``faltung learn --task generate``.

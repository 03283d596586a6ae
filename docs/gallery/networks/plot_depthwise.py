"""
A depthwise layer with taps that have names
===========================================

A depthwise layer filters each channel by its own kernel. `fa.layers.Conv` is such a layer with
torch's arguments; large kernels are where it is fast. Here its taps are set by hand: eight
named filters of 31 × 31, so that one can see what a layer does. With ``flip=True`` it
convolves; without, it correlates, as all of torch's layers do. The photograph is `camera` of
scikit-image (Lav Varshney, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import torch

import faltung as fa

named = [
    fa.delta(),
    fa.gaussian(3.5),
    fa.disk(10),
    fa.motion(25, angle=0.8),
    fa.gaussian_derivative(2, axis=0),
    fa.gaussian_derivative(2, axis=1),
    fa.log(3),
    fa.gabor(0.12, 0.8).real,
]
weight = torch.zeros(8, 1, 31, 31)
for channel, kernel in enumerate(named):
    rows, columns = (np.array(lags) + 15 for lags in kernel.lags)
    weight[channel, 0][np.ix_(rows, columns)] = torch.tensor(kernel.taps, dtype=torch.float32)

layer = fa.layers.Conv(
    8, 8, 31, padding=15, groups=8, bias=False, padding_mode="symmetric", flip=True
)
with torch.no_grad():
    layer.weight.copy_(weight)
photo = torch.tensor(skimage.data.camera()[::2, ::2] / 255.0, dtype=torch.float32)
picture = photo.expand(1, 8, *photo.shape).contiguous()
with torch.no_grad():
    maps = layer(picture)[0].numpy()
print(layer.plan(tuple(picture.shape)))

figure, panels = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
for panel, kernel, values in zip(panels.flat, named, maps, strict=True):
    signed = abs(kernel.taps.sum()) < 0.1
    limit = np.abs(values).max() * 0.6
    look = (
        {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        if signed
        else {"cmap": "gray", "vmin": 0, "vmax": 1}
    )
    panel.imshow(values, **look)
    panel.set(xticks=[], yticks=[])
    panel.set_title(str(kernel), fontsize=10)

# %%
# The oracles: each kernel as a value, and torch's own function on the padded picture.

for kernel, values in zip(named, maps, strict=True):
    assert np.allclose(values, fa.convolve(photo.numpy(), kernel), atol=1e-5)
padded = torch.tensor(
    np.pad(picture.numpy(), ((0, 0), (0, 0), (15, 15), (15, 15)), mode="symmetric")
)
with torch.no_grad():
    torchs = torch.nn.functional.conv2d(padded, layer.weight.flip(2, 3), groups=8)[0].numpy()
print(f"largest difference to torch: {np.abs(maps - torchs).max():.1e}")
assert np.allclose(maps, torchs, atol=1e-5)

# %%
# Seen: a layer is a bank, and the maps of a depthwise layer are what its eight kernels do.
# Layers and how they are planned are in :doc:`/layers`.

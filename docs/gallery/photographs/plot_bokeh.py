"""
The blur of a lens is a disk, in linear light
=============================================

A lens out of focus spreads every point over a disk, so lamps become bright disks. This only
looks right if the filter is applied to light, and not to the coded values of the file (sRGB),
whose steps grow with brightness. Lamps that are as bright as the file can say were brighter in
truth: here they are taken ten times as bright. The photograph is `rocket` of scikit-image
(SpaceX, public domain).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
import skimage.data

import faltung as fa

photo = skimage.data.rocket()[250:, 60:500].astype(np.float32) / 255


def to_light(coded):
    """Return linear light of sRGB values."""
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def to_code(light):
    """Return sRGB values of linear light."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


light = to_light(photo)
light *= 1 + 9 * (photo.min(axis=2, keepdims=True) > 0.97)
kernel = fa.disk(9)
print(fa.plan(light, kernel, axes=(0, 1)))
in_code = fa.convolve(photo, kernel, axes=(0, 1))
in_light = to_code(fa.convolve(light, kernel, axes=(0, 1)))

figure, panels = plt.subplots(3, 1, figsize=(7, 9), layout="constrained")
titles = ["photograph", "disk(9) on coded values", "disk(9) on light"]
for panel, picture, title in zip(panels, (photo, in_code, in_light), titles, strict=True):
    panel.imshow(picture)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: SciPy's Fourier convolution of the mirrored photograph.

padded = np.pad(light, ((9, 9), (9, 9), (0, 0)), mode="symmetric")
oracle = to_code(
    scipy.signal.fftconvolve(padded, kernel.taps[:, :, None], mode="valid", axes=(0, 1))
)
print(f"largest difference to SciPy: {255 * np.abs(in_light - oracle).max():.1e} grey levels")
assert np.allclose(in_light, oracle, atol=1e-5)
assert np.all(
    in_light >= in_code - 1e-3
)  # the code is concave, so light is never darker (Jensen's inequality)

# %%
# Seen: on light, lamps become disks as in a night photograph; on coded values they fade. See
# :func:`faltung.disk` and, for what a plan prints, :doc:`/plans`.

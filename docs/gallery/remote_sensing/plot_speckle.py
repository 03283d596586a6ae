"""
Speckle of radar: Lee's filter
==============================

Radar pictures are grainy: the noise, called speckle, grows with the signal. A mean removes it,
and the edges with it. Lee (1980) mixes the mean and the sample: where the local variance is
that of speckle alone, the mean; where it is larger, the sample. Local mean and variance are two
running means. The scene is an aerial photograph of PyWavelets (MIT licence; no author is
named). The speckle is synthetic (four looks).
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
import scipy.ndimage

import faltung as fa

scene = pywt.data.aero()[100:400, 60:460].astype(float)
looks = 4
radar = scene * np.random.default_rng(0).gamma(looks, 1 / looks, scene.shape)

window = fa.box(13)
mean = window(radar)
variance = window(radar**2) - mean**2
speckle = 1 / looks  # the variance of speckle, relative to the squared mean
signal = np.maximum((variance - mean**2 * speckle) / (1 + speckle), 0)
trust = signal / (signal + speckle * (mean**2 + signal))  # 0: the mean, 1: the sample
lee = mean + trust * (radar - mean)

figure, panels = plt.subplots(2, 2, figsize=(10, 7.9), layout="constrained")
pictures = {"radar picture, four looks": radar, "mean of 13 × 13": mean, "Lee's filter": lee}
for panel, (title, picture) in zip(panels.flat, pictures.items(), strict=False):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
    panel.set_title(title)
drawn = panels[1, 1].imshow(trust, cmap="viridis", vmin=0, vmax=1)
panels[1, 1].set_title("trust in the sample")
figure.colorbar(drawn, ax=panels[1, 1])
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle: SciPy's uniform filter. The claim: Lee's filter is nearer to the scene than
# picture and mean are.

assert np.allclose(mean, scipy.ndimage.uniform_filter(radar, 13))
errors = {title: np.sqrt(np.mean((picture - scene) ** 2)) for title, picture in pictures.items()}
for title, error in errors.items():
    print(f"{title:26} error {error:.1f} grey levels")
assert errors["Lee's filter"] < min(
    errors["mean of 13 × 13"], errors["radar picture, four looks"]
)

# %%
# Seen: fields become smooth while their borders stay. See :func:`faltung.box`, and
# :doc:`/speed` for the running engine.

"""
Sharpen by the known blur: Richardson and Lucy
==============================================

An objective blurs every point to its point spread function. The method of Richardson (1972) and
Lucy (1974) goes back in small steps: blur the estimate, divide the picture by it, and
*correlate* the ratio with the same kernel. Convolution and correlation are both in it, and for
a blur that is not symmetric it matters which is which. The picture is a neuron from
ndev-sampledata (Tim Monko, BSD licence), whose blur and photon noise are added here so that the
truth is known.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import skimage.restoration
import tifffile

import faltung as fa

neuron = tifffile.imread(files("ndev_sampledata") / "samples/neuron-4Ch.tiff")[
    2, 300:520, 150:370
].astype(float)
neuron /= 3  # photons
coma = (
    fa.gaussian(2.2) * fa.Kernel([[1.0, 0.6, 0.36, 0.2, 0.1]], origin=(0, 0)) / 2.26
)  # smeared to the right
blurred = (
    np.random.default_rng(0).poisson(fa.convolve(neuron, coma, mode="nearest")).astype(float)
)


def deconvolve(picture, kernel, steps):
    """Return the estimate after some steps of Richardson and Lucy."""
    estimate = np.full_like(picture, picture.mean())
    for _ in range(steps):
        expected = fa.convolve(estimate, kernel, mode="nearest")
        estimate *= fa.correlate(picture / expected, kernel, mode="nearest")
    return estimate


restored = deconvolve(blurred, coma, steps=40)

figure, panels = plt.subplots(1, 3, figsize=(12, 4.5), layout="constrained")
titles = ["before", "blurred, with photon noise", "after 40 steps"]
for panel, values, title in zip(panels, (neuron, blurred, restored), titles, strict=True):
    panel.imshow(np.sqrt(values), cmap="gray", vmin=12, vmax=60)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# scikit-image has the method, too. It takes zeros beyond the border, so only the middle can be
# compared; and it wants taps with the origin in the middle.

taps = np.zeros((27, 27))
rows, columns = (np.array(lags) + 13 for lags in coma.lags)
taps[np.ix_(rows, columns)] = coma.taps
options = {"num_iter": 10, "clip": False}
oracle = (
    skimage.restoration.richardson_lucy(blurred / blurred.max(), taps, **options) * blurred.max()
)
ours = deconvolve(blurred, coma, steps=10)
middle = np.s_[60:-60, 60:-60]
difference = np.abs(ours - oracle)[middle].mean()
print(
    "mean difference to scikit-image in the middle: "
    f"{difference:.1e} of {ours[middle].mean():.0f}"
)
before, after = (np.sqrt(np.mean((values - neuron) ** 2)) for values in (blurred, restored))
print(f"error: {before:.1f} blurred, {after:.1f} restored")
assert difference < 0.01 * ours[middle].mean()
assert after < 0.7 * before

# %%
# Seen: thin branches come back, and move back to the left, where they were. See
# :func:`faltung.correlate` and :doc:`/conventions`.

"""
12. One-dimensional convolution, several output channels
========================================================

Several kernels look at the same input. Each one makes an output of its own, a *feature map*::

    y[d, n] = sum over m of k[d, m] x[n - m]

With several channels on both sides, there is one kernel for each pair of them. The input here is an
electrocardiogram, ``pywt.data.ecg`` (PyWavelets, MIT licence; no author is named).
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt
from scipy.signal import find_peaks

import faltung as fa

heart = pywt.data.ecg().astype(float)
kernels = {
    "gaussian: what is slow": fa.gaussian(8, ndim=1),
    "gaussian derivative: what rises and falls": fa.gaussian_derivative(2, ndim=1),
    "laplacian of a gaussian: what is sharp, upside down": fa.log(2, ndim=1),
    "delta - gaussian: all but the slow drift": fa.delta(ndim=1) - fa.gaussian(40, ndim=1),
}
bank = fa.Bank.stack(kernels.values())
maps = bank(heart)
print(f"input {heart.shape}, bank {bank.taps.shape} (channels out, channels in, taps), output {maps.shape}")

# %%
# One signal goes in, four come out, of the same length:

figure, axes = plt.subplots(5, 2, figsize=(10, 8.5), width_ratios=(5, 1), sharex="col", layout="constrained")
axes[0, 0].plot(heart, color="black")
axes[0, 0].set(title="The input: a heart at work", xlim=(0, heart.size - 1))
axes[0, 1].axis("off")
for (wide, narrow), (name, kernel), values in zip(axes[1:], kernels.items(), maps, strict=True):
    wide.plot(values, color="#0072B2")
    wide.set(title=name)
    lags = np.arange(kernel.shape[0]) - kernel.origin[0]
    narrow.plot(lags, kernel.taps, color="#D55E00")
    narrow.set(title="its kernel", xlim=(-60, 60), yticks=[])
plt.show()

# %%
# The check: every channel is what NumPy makes of the input with the kernel alone. And one of the channels is good
# for something: its sharp minima are the heartbeats, as many as there are large peaks in the signal itself.

for kernel, values in zip(kernels.values(), maps, strict=True):
    reach = kernel.shape[0] // 2
    np.testing.assert_allclose(values[reach:-reach], np.convolve(heart, kernel.taps, "valid"), atol=1e-9)
beats, _ = find_peaks(-maps[2], height=0.4 * -maps[2].min(), distance=30)
peaks, _ = find_peaks(heart, height=0.5 * heart.max(), distance=30)
assert np.abs(beats - peaks).max() <= 2
assert bank.taps.shape[:2] == (4, 1)

print(f"Seen: one channel in, four channels out; the third one marks {len(beats)} heartbeats, each within 2 samples.")

# %%
# **What was seen.** Each kernel brings out another property of the same signal. A layer of a network has many such
# kernels, and the next layer takes their outputs as its input channels.
#
# More: :class:`faltung.Bank`, :func:`faltung.gaussian_derivative`; :doc:`/streams` for signals that have no end.

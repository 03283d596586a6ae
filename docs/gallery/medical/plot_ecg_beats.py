"""
Find the beats of a heart
=========================

The classic detector (Pan and Tompkins, 1985) is a chain of small filters: smooth,
differentiate, square, and average over the length of a beat. It was made of integer filters
with few operations, for small computers. Here the threshold is half of the largest energy. The
recording is that of PyWavelets (MIT licence), which names neither its author nor its rate; 360
samples a second are assumed, those of the MIT-BIH database.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
import scipy.signal

import faltung as fa

rate = 360
ecg = pywt.data.ecg().astype(float)
seconds = np.arange(ecg.size) / rate

# %%
# The linear part is one kernel: low pass (boxes), then the slope over a few samples.

smooth = fa.box(7, ndim=1) ** 2
slope = fa.Kernel(np.array([2, 1, 0, -1, -2]) / 8)
steep = fa.convolve(ecg, smooth * slope)
energy = fa.convolve(steep**2, fa.box(43, ndim=1))  # a window of 120 ms

peaks, _ = scipy.signal.find_peaks(energy, height=energy.max() / 2, distance=rate // 4)
beats = np.array([peak - 40 + ecg[peak - 40 : peak + 40].argmax() for peak in peaks])

figure, panels = plt.subplots(3, 1, figsize=(9, 6), layout="constrained", sharex=True)
panels[0].plot(seconds, ecg, color="0.3")
panels[0].plot(seconds[beats], ecg[beats], "v", color="tab:orange", label="beat")
panels[0].legend(frameon=False, loc="upper right")
panels[0].set_title("electrocardiogram")
panels[1].plot(seconds, steep, color="tab:blue")
panels[1].set_title("smoothed slope")
panels[2].plot(seconds, energy, color="tab:blue")
panels[2].axhline(energy.max() / 2, color="0.6", linestyle="--")
panels[2].set(title="mean energy of 120 ms, and the threshold", xlabel="seconds")

# %%
# The oracle: the same chain with NumPy. And the beats: a heart at rest beats at a steady rate.

taps = np.convolve(np.convolve(np.ones(7) / 7, np.ones(7) / 7), slope.taps)
extended = np.pad(ecg, taps.size // 2, mode="symmetric")
assert np.allclose(steep, np.convolve(extended, taps, mode="valid"))
intervals = np.diff(beats) / rate
print(
    f"{beats.size} beats, {60 / intervals.mean():.0f} a minute, "
    f"intervals {np.round(intervals, 2)} s"
)
assert np.all(ecg[beats] > 150)
assert intervals.std() < 0.1 * intervals.mean()

# %%
# Seen: four filters find every beat, and the two linear ones before the square are one pass.
# See :func:`faltung.box` and :doc:`/filters`.

"""
Measure a room with a sweep
===========================

To measure a room, one plays a sweep through all frequencies and records it. The impulse
response is the filter between the two, and `fit_filter` finds it from its input and its output.
Tap zero is in the middle of a filter that is fitted; a room answers only later. So the
recording is taken earlier by half the length. Room and noise are synthetic here, and so the
truth is known.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

rate, length = 4000, 500
rng = np.random.default_rng(1)
time = np.arange(3 * rate) / rate
sweep = 0.8 * scipy.signal.chirp(time, 20, time[-1], 1990, method="logarithmic")
sweep = np.r_[sweep, np.zeros(length)]  # and silence

lags = np.arange(length)
room = np.exp(-lags / 90) * rng.normal(size=length) * 0.15
room[:20] = 0  # the way from the loudspeaker to the microphone
room[[20, 48, 80]] = 1.0, -0.6, 0.45  # direct sound, two walls
recording = np.convolve(sweep, room)[: sweep.size] + rng.normal(scale=0.01, size=sweep.size)

# %%
# Lag zero is the index ``length // 2`` of the fit. Beyond its ends the sweep is silence:
# ``mode="constant"``. Nothing is held out, because each frequency is in one part of the sweep
# only.

half = length // 2
kernel, report = fa.fit_filter(
    sweep[:-half], recording[half:], length, mode="constant", held_out=0
)
print(report)

figure, panels = plt.subplots(3, 1, figsize=(10, 7), layout="constrained")
panels[0].specgram(
    recording, NFFT=512, Fs=rate, noverlap=384, cmap="viridis", vmin=-110, vmax=-20
)
panels[0].set(title="the recording: a sweep with its echoes", ylabel="Hz", xlabel="seconds")
milliseconds = 1000 * lags / rate
panels[1].plot(milliseconds, room, color="0.4", linewidth=1)
panels[1].set(title="the room", ylim=(-0.8, 1.15))
panels[2].plot(milliseconds, kernel.taps, color="tab:blue", linewidth=1)
panels[2].set(title="found by fit_filter", xlabel="milliseconds", ylim=(-0.8, 1.15))

# %%
# The claims: the taps are those of the room, and what is predicted for another sound is what
# the room does to it.

error = np.abs(kernel.taps - room).max()
clap = rng.normal(size=400) * np.exp(-np.arange(400) / 30)
predicted, true = np.convolve(clap, kernel.taps), np.convolve(clap, room)
miss = np.linalg.norm(predicted - true) / np.linalg.norm(true)
print(
    f"largest error of a tap {error:.3f}; a clap is predicted with an error of {100 * miss:.1f} %"
)
assert kernel.taps.argmax() == 20
assert error < 0.05
assert miss < 0.1

# %%
# Seen: the direct sound after 5 ms, both walls and the decay, out of a noisy recording. See
# :func:`faltung.fit_filter` and :doc:`/learning`; to play the room, :doc:`/streams`.

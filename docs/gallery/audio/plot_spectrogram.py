"""
A spectrogram is a bank with a stride
=====================================

A spectrogram asks every 64 samples how much of each frequency there is. For each frequency this
is one kernel: a complex wave under a window. All of them are a bank, and the hop from one
column to the next is its stride. The sound is synthetic: a bird, two sweeps that cross and a
click.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

rate, width, hop = 8000, 256, 64
time = np.arange(2 * rate) / rate
bird = np.sin(2 * np.pi * 2500 * time + 60 * np.sin(2 * np.pi * 4 * time)) * (
    np.sin(2 * np.pi * 1.5 * time) > 0
)
sound = (
    0.6 * bird
    + 0.5 * scipy.signal.chirp(time, 200, 2, 3800)
    + 0.5 * scipy.signal.chirp(time, 3600, 2, 100)
)
sound[12000] += 30
sound += 0.02 * np.random.default_rng(0).normal(size=sound.size)

window = scipy.signal.get_window("hann", width)
frequencies = np.arange(width // 2 + 1) / width
waves = window * np.exp(-2j * np.pi * frequencies[:, None] * np.arange(width))
bank = fa.Bank(waves[:, None, :])  # (129 channels out, 1 channel in, 256 taps)
columns = fa.correlate(sound, bank, shape="valid", stride=hop)

figure, panels = plt.subplots(2, 1, figsize=(10, 6.2), layout="constrained")
panels[0].plot(time, sound, linewidth=0.3, color="tab:blue")
panels[0].set(title="sound", xlim=(0, 2), ylim=(-4, 4))
start = width / 2 / rate
drawn = panels[1].imshow(
    20 * np.log10(np.abs(columns) + 1e-3),
    cmap="viridis",
    origin="lower",
    aspect="auto",
    extent=(start, start + columns.shape[1] * hop / rate, 0, rate / 2),
    vmin=-20,
    vmax=36,
)
panels[1].set(title="129 complex filters, stride 64", xlabel="seconds", ylabel="Hz", xlim=(0, 2))
figure.colorbar(drawn, ax=panels[1], label="dB")

# %%
# The oracle is SciPy's short-time Fourier transform with the same window.

transform = scipy.signal.ShortTimeFFT(window, hop, rate, phase_shift=None)
oracle = transform.stft(
    sound, p0=transform.lower_border_end[1], p1=transform.upper_border_begin(sound.size)[1]
)
print("shapes:", columns.shape, oracle.shape)
print(
    "largest difference to SciPy: "
    f"{np.abs(columns - oracle).max():.1e} of {np.abs(oracle).max():.0f}"
)
assert np.allclose(columns, oracle, atol=1e-9 * np.abs(oracle).max())

# %%
# Seen: a bank of 129 complex kernels is the spectrogram, to the last digits. Other windows,
# other spacings of frequencies, are a change of one line. See :class:`faltung.Bank` and
# :doc:`/filters`.

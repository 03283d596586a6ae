"""
From 44.1 to 48 kHz, block by block
===================================

To change the rate by 160 / 147, think of 159 zeros between samples, filter, and keep every
147th output. A stream with ``up=`` and ``down=`` computes only what is kept. The filter must
stop what would be mirrored. The picture shows a synthetic tone of 15 kHz, with a good filter
and with a straight line between samples, which is what cheap programs do.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

up, down = 160, 147
taps = scipy.signal.firwin(40 * up + 1, 20_500, fs=44_100 * up, window=("kaiser", 12.0)) * up
good = fa.Stream(fa.Kernel(taps), up=up, down=down, align="centred")

time = np.arange(44_100) / 44_100
tone = np.sin(2 * np.pi * 15_000 * time)
better = np.concatenate([*(good.push(block) for block in np.array_split(tone, 90)), good.flush()])
cheap = np.interp(np.arange(better.size) / 48_000, time, tone)

figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharey=True)
for panel, sound, title in zip(
    panels, (cheap, better), ("straight lines", f"a filter of {taps.size} taps"), strict=True
):
    inner = sound[4000:-4000]
    spectrum = np.abs(np.fft.rfft(inner * np.blackman(inner.size))) / inner.size / 0.21
    panel.plot(
        np.fft.rfftfreq(inner.size, 1 / 48),
        20 * np.log10(spectrum + 1e-9),
        color="tab:blue",
        linewidth=0.7,
    )
    panel.set(title=title, xlabel="kHz", ylim=(-150, 10), xlim=(0, 24))
panels[0].set_ylabel("dB")

# %%
# The oracle is SciPy's `upfirdn` of the whole, whose output begins earlier by the delay of the
# filter.

delay = taps.size // 2
whole = scipy.signal.upfirdn(taps, tone, up)[delay::down][: better.size]
ideal = np.sin(2 * np.pi * 15_000 * np.arange(better.size) / 48_000)
inside = slice(500, -500)
print(
    f"{tone.size} samples became {better.size}; "
    f"difference to SciPy {np.abs(better - whole).max():.1e}"
)
errors = [np.abs(sound - ideal)[inside].max() for sound in (better, cheap)]
print(f"error against the ideal tone: filter {errors[0]:.1e}, lines {errors[1]:.2f}")
assert better.size == 48_000
assert np.allclose(better, whole)
assert errors[0] < 1e-5 < errors[1]

# %%
# Seen: straight lines add tones that are only 10 dB softer; the filter adds none above -100 dB.
# Streams that change the rate are in :doc:`/streams`; see :class:`faltung.Stream`.

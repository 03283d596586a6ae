"""
Small earthquakes by the picture of a large one
===============================================

Earthquakes of one fault look alike in one seismometer. So a clear one is a template for those
in the noise: the correlation coefficient of template and signal, at every sample, and its
highest peaks. The seismogram is synthetic: one event, and eight smaller ones below the noise.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

rate, width = 100, 400
rng = np.random.default_rng(6)
time = np.arange(width) / rate
wave = np.exp(-time / 0.8) * np.sin(2 * np.pi * 8 * time) * np.clip(time / 0.2, 0, 1)
wave += (
    1.6 * (time > 1.5) * np.exp(-np.maximum(time - 1.5, 0) / 0.7) * np.sin(2 * np.pi * 5 * time)
)

signal = rng.normal(scale=0.35, size=60 * 60 * rate // 4)
signal[3000 : 3000 + width] += wave
hidden = np.sort(rng.choice(np.arange(12, 170), 8, replace=False)) * 500
for start in hidden:
    signal[start : start + width] += 0.5 * wave

# %%
# The score does not depend on the mean and the scale of template and window.

template = signal[3000 : 3000 + width]
coefficient = fa.match(signal, template)
found = fa.peaks(coefficient, least=6 * coefficient.std(), distance=width).indices[:, 0]

figure, panels = plt.subplots(2, 1, figsize=(11, 5), layout="constrained", sharex=True)
panels[0].plot(np.arange(signal.size) / rate, signal, color="0.5", linewidth=0.4)
panels[0].plot(
    np.arange(3000, 3400) / rate, template, color="tab:orange", linewidth=0.6, label="template"
)
panels[0].set(title="seismogram of 15 minutes")
panels[0].legend(frameon=False)
panels[1].plot(np.arange(coefficient.size) / rate, coefficient, color="tab:blue", linewidth=0.5)
panels[1].plot(
    hidden / rate, np.full(hidden.size, -0.25), "^", color="tab:orange", label="hidden event"
)
panels[1].axhline(6 * coefficient.std(), color="0.4", linestyle="--", linewidth=0.8)
panels[1].set(
    title="correlation coefficient with the template", xlabel="seconds", ylim=(-0.35, 1.05)
)
panels[1].legend(frameon=False)

# %%
# The oracle is `numpy.corrcoef`, window by window.

for place in (0, 777, 3000, int(hidden[3])):
    by_hand = np.corrcoef(signal[place : place + width], template)[0, 1]
    assert np.isclose(coefficient[place], by_hand)
right = [place for place in found if np.abs(np.r_[hidden, 3000] - place).min() <= 2]
print(f"found {len(right)} of 9 events, and {len(found) - len(right)} false ones")
assert len(right) == len(found) == 9

# %%
# Seen: events that cannot be seen in the seismogram stand above six standard deviations. See
# :func:`faltung.match` and :doc:`/matching`.

"""
Clean an electrocardiogram of twelve leads
==========================================

Breathing moves the base line, and the mains add 50 Hz. Two linear filters remove both: the
signal minus its slow part, and a band stop. Their product is one kernel, and one call filters
all leads. The outputs are centred, so no wave moves in time, which matters to those who measure
intervals. The recording is a waveform that pydicom has for tests (MIT licence; no author is
named); base line and mains are added to it here.
"""

import matplotlib.pyplot as plt
import numpy as np
import pydicom
import scipy.signal
from pydicom.data import get_testdata_file

import faltung as fa

recording = pydicom.dcmread(get_testdata_file("waveform_ecg.dcm", download=False))
leads = recording.waveform_array(0) / 1000  # millivolts; (10,000 samples, 12 leads)
rate = 1000
seconds = np.arange(len(leads)) / rate
wander = 0.5 * np.sin(2 * np.pi * 0.25 * seconds + 1)
mains = 0.15 * np.sin(2 * np.pi * 50 * seconds)
measured = leads + (wander + mains)[:, None]

delta = fa.delta(ndim=1)
slow = fa.gaussian(0.2 * rate, ndim=1)  # below about 0.7 Hz
stop = fa.Kernel(scipy.signal.firwin(1001, [47, 53], fs=rate, pass_zero="bandstop"))
clean = fa.convolve(measured, (delta - slow) * stop, axes=0)

figure, panels = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained", width_ratios=[2, 1])
part = slice(1000, 5000)
names = ["I", "II", "V1", "V5"]
for offset, lead in enumerate([0, 1, 6, 10]):
    panels[0].plot(seconds[part], measured[part, lead] - 3 * offset, color="0.7", linewidth=0.8)
    panels[0].plot(seconds[part], clean[part, lead] - 3 * offset, color="tab:blue", linewidth=1.2)
panels[0].set(
    title="measured (gray) and filtered",
    xlabel="seconds",
    yticks=[0, -3, -6, -9],
    yticklabels=names,
)
for signal, colour, label in ((measured, "0.7", "measured"), (clean, "tab:blue", "filtered")):
    frequencies, power = scipy.signal.welch(signal[:, 1], rate, nperseg=4096)
    panels[1].semilogy(frequencies, power, color=colour, label=label)
panels[1].set(title="spectrum of lead II", xlabel="Hz", xlim=(0, 80), ylim=(1e-9, 1))
panels[1].legend(frameon=False)

# %%
# The oracle: NumPy's convolution of one lead, mirrored at its ends. The claim: what remains of
# the mains.

taps = ((delta - slow) * stop).taps
reach = taps.size // 2
oracle = np.convolve(np.pad(measured[:, 1], reach, mode="symmetric"), taps, mode="valid")
assert np.allclose(clean[:, 1], oracle)
inside = slice(2000, -2000)
wave = np.exp(-2j * np.pi * 50 * seconds[inside])
before, after = (2 * np.abs(np.mean(signal[inside, 1] * wave)) for signal in (measured, clean))
drift = np.abs(fa.gaussian(0.4 * rate, ndim=1)(clean[:, 1]))[inside].max()
print(
    f"50 Hz in lead II: {1000 * before:.1f} µV before, {1000 * after:.3f} µV after; "
    f"base line within {drift:.3f} mV"
)
assert after < 0.01 * before
assert drift < 0.1
assert (
    abs(int(clean[3000:4000, 10].argmax()) - int(leads[3000:4000, 10].argmax())) <= 1
)  # none moved

# %%
# Seen: base line and mains are gone from all leads, and the peaks are where they were. Filters
# are combined in :doc:`/filters`; a signal that arrives block by block is filtered by
# :doc:`/streams`.

"""
A room, added to a sound that arrives in blocks
===============================================

A sound in a room is the dry sound, convolved with the impulse response of the room. A response
of a second has 48,000 taps. A `Stream` applies them to blocks of 256 samples as they come from
a sound card, without any latency, and gives the same samples as one convolution of the whole.
The plucked strings (Karplus and Strong, 1983) and the room, a decaying noise, are synthetic.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

rate = 48_000
rng = np.random.default_rng(0)


def pluck(frequency, seconds):
    """Return a plucked string: noise in a loop that loses its high notes."""
    period = round(rate / frequency)
    loop = np.zeros(int(seconds * rate))
    loop[:period] = rng.uniform(-1, 1, period)
    return scipy.signal.lfilter([1.0], np.r_[1.0, np.zeros(period - 1), -0.498, -0.498], loop)


dry = np.zeros(2 * rate, np.float32)
for index, frequency in enumerate([220.0, 277.2, 329.6, 440.0]):
    start = index * rate // 4
    dry[start : start + rate // 2] += pluck(frequency, 0.5).astype(np.float32) * np.linspace(
        1, 0, rate // 2
    )
seconds = np.arange(rate) / rate
room = (rng.normal(size=rate) * np.exp(-6.9 * seconds / 0.9) * 0.03).astype(np.float32)
room[0] = 1.0  # the sound itself

# %%
# Blocks go in, blocks come out.

stream = fa.Stream(room, block=256)
blocks = [stream.push(block) for block in dry.reshape(-1, 256)]
wet = np.concatenate(blocks)
tail = stream.flush()  # the room sounds on
print(f"latency {stream.latency} samples, {len(blocks)} blocks, {tail.size} samples of tail")

figure, panels = plt.subplots(2, 2, figsize=(11, 5.6), layout="constrained", sharex=True)
for column, (sound, name) in enumerate(((dry, "dry"), (wet, "in the room, out of the stream"))):
    panels[0, column].plot(np.arange(sound.size) / rate, sound, linewidth=0.4, color="tab:blue")
    panels[0, column].set(title=name, ylim=(-2.2, 2.2))
    hiss = rng.normal(scale=1e-6, size=sound.size)  # so that there is no logarithm of zero
    panels[1, column].specgram(
        sound + hiss, 2048, rate, noverlap=1536, cmap="viridis", vmin=-140, vmax=-50
    )
    panels[1, column].set(ylim=(0, 6000), xlabel="seconds")
panels[0, 0].set_ylabel("sound")
panels[1, 0].set_ylabel("frequency, Hz")

# %%
# The oracle is SciPy's convolution of the whole sound in double precision.

oracle = scipy.signal.fftconvolve(dry.astype(float), room)
error = np.abs(np.concatenate([wet, tail]) - oracle).max()
print(f"largest difference to SciPy: {error:.1e}")
assert [block.size for block in blocks] == [256] * len(blocks)
assert error < 1e-5

# %%
# Seen: 48,000 taps, block by block, with no latency and no difference. How it works is in
# :doc:`/streams`; see :class:`faltung.Stream`.

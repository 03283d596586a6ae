"""
Another room while the music plays
==================================

A listener opens a door: the impulse response changes while sound goes on. Changing the taps at
once makes a click, because the history of the new filter is not that of the old one.
``exchange`` brings the new kernel as if it had run from the beginning, and ``ramp=`` fades
over. The sound is a synthetic tone, on which a click is easy to see.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

rate = 48_000
time = np.arange(rate // 4) / rate
tone = np.sin(2 * np.pi * 330 * time)
rng = np.random.default_rng(3)
lags = np.arange(4000)
closed = rng.normal(size=4000) * np.exp(-lags / 400) * 0.08
opened = rng.normal(size=4000) * np.exp(-lags / 1200) * 0.05


def play(change):
    """Return the output of a stream in blocks of 240 samples, with a change after 25 blocks."""
    stream = fa.Stream(closed, block=240)
    outputs = []
    for number, block in enumerate(tone.reshape(-1, 240)):
        if number == 25:
            stream = change(stream)
        outputs.append(stream.push(block))
    return np.concatenate(outputs)


def begin_again(stream):
    """Return a new stream, which has forgotten the sound."""
    return fa.Stream(opened, block=240)


def fade(stream):
    """Return the stream, in which the new kernel fades in over 20 ms."""
    stream.exchange(opened, ramp=960)
    return stream


careless, faded = play(begin_again), play(fade)

figure, panels = plt.subplots(
    2, 1, figsize=(10, 5), layout="constrained", sharex=True, sharey=True
)
for panel, sound, title in zip(
    panels, (careless, faded), ("a new stream", "exchange(..., ramp=960)"), strict=True
):
    panel.plot(1000 * time, sound, color="tab:blue", linewidth=1)
    panel.axvline(125, color="tab:orange", linestyle="--")
    panel.set(title=title, xlim=(90, 190))
panels[1].axvspan(125, 145, color="tab:orange", alpha=0.15)
panels[1].set_xlabel("milliseconds")

# %%
# The oracle: both rooms applied to the whole tone by NumPy, and mixed by a line from 0 to 1.

one, other = (np.convolve(tone, room)[: tone.size] for room in (closed, opened))
change = 25 * 240
mix = np.clip(
    (np.arange(tone.size) - change + 1) / 961, 0, 1
)  # the first output has a little of it already
deviation = np.abs(faded - ((1 - mix) * one + mix * other)).max()
jumps = [np.abs(np.diff(sound))[change - 2 : change + 2].max() for sound in (careless, faded)]
print(
    f"difference to the mix: {deviation:.1e}; largest step at the change: "
    f"{jumps[0]:.2f} and {jumps[1]:.2f}"
)
assert deviation < 1e-9
assert jumps[1] < 0.5 * jumps[0]

# %%
# Seen: without a click, one room turns into the other, exactly as the mix of both. See
# ``exchange`` in :doc:`/streams` and :class:`faltung.Stream`.

"""
Echoes as algebra
=================

An echo is the sound again, later and softer: ``1 + a z``, where ``z`` moves by one delay. As
kernels: the unit impulse plus a moved impulse. Products of echoes are echoes of echoes. Their
spectrum has notches where direct sound and echo cancel, which is why a voice near a wall sounds
hollow. And the echo can be taken out again by ``1 - a z + a² z² ...``, up to what is left of
the last term.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal

import faltung as fa

rate = 8000
one = fa.delta(ndim=1)


def later(samples):
    """Return the impulse that moves a signal to later samples."""
    return fa.Kernel([1.0], origin=-samples)


z, a = later(64), 0.7
echo = one + a * z
room = echo * (one + 0.5 * later(150))
undo = one
for _ in range(12):
    undo = one - a * z * undo

figure, panels = plt.subplots(2, 3, figsize=(12, 5), layout="constrained")
titles = ["one echo: 1 + 0.7 z", "two echoes, multiplied", "the echo and what undoes it"]
for column, (kernel, title) in enumerate(zip((echo, room, echo * undo), titles, strict=True)):
    there = np.flatnonzero(np.abs(kernel.taps) > 1e-9)
    panels[0, column].stem(there * 1000 / rate, kernel.taps[there], basefmt=" ")
    panels[0, column].set(title=title, xlabel="milliseconds", xlim=(-5, 110), ylim=(-0.2, 1.1))
    frequencies, answer = scipy.signal.freqz(kernel.taps, fs=rate, worN=2048)
    panels[1, column].plot(frequencies, np.abs(answer), color="tab:blue")
    panels[1, column].set(xlabel="Hz", xlim=(0, 1000), ylim=(0, 2.7))
panels[0, 0].set_ylabel("taps")
panels[1, 0].set_ylabel("gain")

# %%
# The oracle: NumPy's polynomials multiply in the same way, and the recursive filter of SciPy
# undoes an echo exactly.

product = np.polynomial.polynomial.polymul(
    np.r_[1, np.zeros(63), 0.7], np.r_[1, np.zeros(149), 0.5]
)
assert np.allclose(room.taps, product)
voice = np.random.default_rng(0).normal(size=4000)
heard = fa.convolve(voice, echo, "constant")
ours = fa.convolve(heard, undo, "constant")
exact = scipy.signal.lfilter([1.0], np.r_[1, np.zeros(63), 0.7], heard)
print(
    f"left of the echo: {np.abs(ours - voice).max():.3f}; "
    f"by the formula at most {a**13 * np.abs(voice).max():.3f}"
)
assert np.allclose(exact, voice)
assert np.abs(ours - voice).max() <= a**13 * np.abs(voice).max() + 1e-12
assert np.isclose(
    np.abs(scipy.signal.freqz(echo.taps, worN=[np.pi / 64])[1][0]), 1 - a
)  # the first notch

# %%
# Seen: echoes multiply like polynomials, cancel at the frequencies that theory says, and can be
# undone up to 0.7 to the power of 13. The algebra is in :doc:`/filters`; see
# :func:`faltung.delta`.

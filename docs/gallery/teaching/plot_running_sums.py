"""
A mean of any width for two additions, and how means become a Gaussian
======================================================================

The mean over a window needs no products: when the window moves by one, one sample enters and
one leaves. With running sums the cost does not depend on the width. Means of means are smoother
and smoother: ``box(n) ** 4`` is close to a Gaussian, which is why fast programs blur with a few
boxes.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

signal = np.random.default_rng(3).normal(size=400).cumsum()  # a synthetic price: a random walk
width = 41
mean = fa.convolve(signal, fa.box(width, ndim=1), shape="valid")

# %%
# The oracle is two lines of NumPy: the difference of a running sum, `width` samples apart.

running = np.concatenate([[0.0], signal.cumsum()])
assert np.allclose(mean, (running[width:] - running[:-width]) / width)

# %%
# Now the same window again and again. The variances of the windows add up, so the Gaussian to
# compare with is known.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
left.plot(signal, color="0.6", label="signal")
left.plot(
    np.arange(mean.size) + width // 2,
    mean,
    color="tab:blue",
    linewidth=2,
    label=f"mean of {width}",
)
left.set(title="a running mean", xlabel="sample")
left.legend(frameon=False)

once = fa.box(9, ndim=1)
variance = np.sum(np.square(once.lags[0]) * once.taps)
for times, colour in zip((1, 2, 4), ("tab:gray", "tab:orange", "tab:blue"), strict=True):
    kernel = once**times
    lags = np.array(kernel.lags[0])
    right.step(
        lags, kernel.taps, where="mid", color=colour, linewidth=2, label=f"box(9) ** {times}"
    )
gauss = np.exp(-(lags**2) / (2 * 4 * variance)) / np.sqrt(2 * np.pi * 4 * variance)
right.plot(lags, gauss, "k:", label="Gaussian with the variance of the last")
right.set(title="means of means", xlabel="lag", ylim=(0, 0.21))
right.legend(frameon=False, fontsize=10)

largest = np.abs(kernel.taps - gauss).max() / gauss.max()
print(f"box(9) ** 4 differs from the Gaussian by at most {100 * largest:.1f} % of its peak")
assert largest < 0.05
assert np.allclose(
    kernel.taps, np.convolve(np.convolve(once.taps, once.taps), np.convolve(once.taps, once.taps))
)

# %%
# Seen: the running mean equals the difference of two running sums, and four boxes already look
# like a Gaussian (the central limit theorem). The engine ``running`` works in this way; see
# :func:`faltung.box` and :doc:`/speed`.

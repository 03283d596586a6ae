"""
11. One-dimensional convolution, several input channels
=======================================================

The input has channels, such as the colours of a line of a photograph. There is one kernel for each of them. Each
channel is convolved with its own kernel, and the results are added up to one output::

    y[n] = sum over c of sum over m of k[c, m] x[c, n - m]

The line is a row of ``skimage.data.astronaut`` (NASA, public domain). The three kernels together look for the
orange of the suit, which is red with little blue. White, grey and black must not answer, however bright they are.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import faltung as fa

photograph = data.astronaut()
row = 360
line = photograph[row].astype(float).T  # shape (3, 512): one channel for each colour
smooth = fa.gaussian(3, ndim=1)
bank = fa.Bank.stack([[smooth, -0.2 * smooth, -0.8 * smooth]])
output = fa.convolve(line, bank, channel_axis=0)
print(f"input {line.shape}, bank {bank.taps.shape} (channels out, channels in, taps), output {output.shape}")

# %%
# The picture follows the line from left to right: what comes in, what each channel adds, and the sum.

parts = [fa.convolve(channel, kernel) for channel, kernel in zip(line, bank[0], strict=True)]
colours = {"red": ("#D55E00", "-"), "green": ("#009E73", ":"), "blue": ("#0072B2", "--")}
figure, axes = plt.subplots(4, 1, figsize=(8, 10), height_ratios=(2.4, 1, 1, 1), sharex=True, layout="constrained")
axes[0].imshow(photograph[250:470], extent=(0, 512, 470, 250), aspect="auto")
axes[0].axhline(row, color="white", linewidth=2)
axes[0].set(title="The white line is the input", yticks=[])
for axis, signals in zip(axes[1:3], (line, parts), strict=True):
    for values, (name, (colour, style)) in zip(signals, colours.items(), strict=True):
        axis.plot(values, style, color=colour, label=name)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
axes[3].fill_between(np.arange(line.shape[1]), output[0], color="#D55E00")
axes[1].set(title="Three channels in")
axes[2].set(title="Each channel, convolved with its own kernel")
axes[3].set(title="One channel out: the sum of the three", xlim=(0, 511))
plt.show()

# %%
# The check adds up the channels with NumPy, on the part of the line where no tap is beyond its ends. A grey line,
# with the same values in all channels, must give zero.

by_numpy = sum(np.convolve(channel, taps, "valid") for channel, taps in zip(line, bank.taps[0], strict=True))
reach = bank.shape[0] // 2
np.testing.assert_allclose(output[0, reach:-reach], by_numpy, atol=1e-10)
grey = np.broadcast_to(line.mean(axis=0), line.shape)
assert np.abs(fa.convolve(grey, bank, channel_axis=0)).max() < 1e-10 < 1 < np.abs(output).max()

print("Seen: three channels in and one out, equal to the sum of three convolutions by NumPy; a grey line gives zero.")

# %%
# **What was seen.** The output is large on the suit and small elsewhere, also where the line is brightest. No
# single channel shows that: it takes the sum over the channels.
#
# More: :class:`faltung.Bank` and ``channel_axis=`` in :func:`faltung.convolve`; :doc:`/filters`.

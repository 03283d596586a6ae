"""
The sum of dice is a convolution
================================

The chance of a sum is added up over all pairs that give it: P(n) = sum over m of p(m) q(n - m).
This is convolution, and ``full`` because sums go beyond the faces. Powers of a kernel are many
dice. The same sum multiplies polynomials, and whole numbers in columns.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa

die = fa.Kernel(np.full(6, 1 / 6), origin=0)  # index 0 is one spot
loaded = fa.Kernel(np.array([1, 1, 1, 1, 1, 5]) / 10, origin=0)

figure, panels = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", sharey=True)
panels[0].bar(np.arange(1, 7), die.taps, color="tab:blue")
panels[0].set(title="one die", xlabel="spots", ylabel="probability", ylim=(0, 0.21))
panels[1].bar(np.arange(2, 13), (die * die).taps, color="tab:blue", label="two fair dice")
panels[1].step(
    np.arange(2, 13),
    (die * loaded).taps,
    where="mid",
    color="tab:orange",
    label="one of them loaded",
)
panels[1].set(title="two dice: one convolution", xlabel="spots")
panels[1].legend(frameon=False, loc="upper left", fontsize=9)
panels[2].bar(np.arange(5, 31), (die**5).taps, color="tab:blue")
panels[2].set(title="five dice: die ** 5", xlabel="spots")

# %%
# The oracle counts all 7776 throws of five dice.

throws = np.stack(np.meshgrid(*[np.arange(1, 7)] * 5)).reshape(5, -1).sum(axis=0)
counted = np.bincount(throws, minlength=31)[5:] / throws.size
assert np.allclose((die**5).taps, counted)
print(f"P(17 spots with five dice) = {(die**5).taps[17 - 5]:.4f}, counted {counted[17 - 5]:.4f}")

# %%
# (1 + 2x)(3 + 4x + 5x²) = 3 + 10x + 13x² + 10x³, by the same function.

product = fa.convolve([1.0, 2.0], [3.0, 4.0, 5.0], shape="full")
assert np.array_equal(product, np.polynomial.polynomial.polymul([1, 2], [3, 4, 5]))

# %%
# Seen: five dice by four convolutions have exactly the probabilities of counting every throw.
# ``shape="full"`` is explained in :doc:`/conventions`.

"""
9. Convolution is a product on the linear space of signals
==========================================================

Signals can be added and multiplied by numbers; so they form a linear space. Convolution is a product on it. It is
commutative, associative, distributive over addition, and associative with scalars. For f, g, h and a number a::

    f * g       = g * f
    (f * g) * h = f * (g * h)
    f * (g + h) = f * g + f * h
    a (f * g)   = (a f) * g = f * (a g)

All sums have to exist for that. They do for finite signals and for those whose absolute values have a finite sum. For
others the product may not exist, or the way of bracketing may matter. Take 1 everywhere, a difference, and a step:
(1 * difference) * step is 0 everywhere, since the difference of a constant is 0, and 1 * (difference * step) is 1,
since the difference of a step is ``delta``.

**Two corrections** to what is often written down. *Distributivity* has the sum on both sides: each term of the sum
is convolved. And *there is an identity*: discrete signals have the unit impulse, ``delta``, with delta * f = f.
Only the integrable functions on the line have none.

The photograph is ``skimage.data.astronaut`` (NASA, public domain).
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import convolve as convolve_by_scipy
from skimage import data

import faltung as fa

image = data.astronaut()[:256, 96:352].mean(axis=2)
image -= image.mean()
f, g, h = fa.gaussian(3), fa.sobel(axis=1), fa.sobel(axis=0)

# %%
# The laws hold for kernels as values. ``==`` compares all taps, up to rounding.

assert f * g == g * f
assert (f * g) * h == f * (g * h)
assert f * (g + h) == f * g + f * h
assert f * (g + h) != f * g + h  # not only the first term
assert 3 * (f * g) == (3 * f) * g == f * (3 * g)
assert fa.delta() * f == f == f * fa.delta()

# %%
# And they hold for what kernels do to a picture: we compute both sides of each law, and compare both with SciPy.
# With ``mode="wrap"`` the picture has no border, so that no rule for a border is needed.


def apply(*kernels, y=image, mode="wrap"):
    """Convolve the picture with one kernel after the other."""
    for kernel in kernels:
        y = fa.convolve(y, kernel, mode)
    return y


def by_scipy(*kernels):
    """Do the same with SciPy."""
    y = image
    for kernel in kernels:
        y = convolve_by_scipy(y, kernel.taps, mode="wrap")
    return y


laws = {
    "f * g = g * f": (apply(g, f), apply(f, g), by_scipy(f, g)),
    "(f * g) * h = f * (g * h)": (apply(h, f * g), apply(g * h, f), by_scipy(h, g, f)),
    "f * (g + h) = f * g + f * h": (apply(g + h, f), apply(f * g) + apply(f * h), by_scipy(g, f) + by_scipy(h, f)),
    "3 (f * g) = (3 f) * g": (3 * apply(f * g), apply(g, 3 * f), 3 * by_scipy(f, g)),
    "f * delta = f": (apply(fa.delta(), f), apply(f), by_scipy(f)),
}
for left, right, check in laws.values():
    for side in (left, right):
        np.testing.assert_allclose(side, check, atol=1e-12 * np.abs(check).max())
assert (apply(fa.delta()) == image).all()

# %%
# Where there is a border, two filters one after the other extend the picture twice, and their product extends it
# once. Then both agree inside only: see the last row.

wide, bright = fa.gaussian(8), image - image.min()
once, twice = apply(wide * wide, y=bright, mode="constant"), apply(wide, wide, y=bright, mode="constant")
assert np.abs(once - twice)[64:-64, 64:-64].max() < 1e-9 < 1 < np.abs(once - twice).max()
laws["with a border:\nf * f, f after f"] = (once, twice, None)

figure, axes = plt.subplots(6, 3, figsize=(7, 13.5), layout="constrained")
for row, (law, (left, right, _)) in zip(axes, laws.items(), strict=True):
    limit = np.abs(left).max()
    largest = np.abs(left - right).max() / limit
    titles = ("left side", "right side", f"4 x difference ({largest:.1g})")
    for axis, values, title in zip(row, (left, right, 4 * (left - right)), titles, strict=True):
        axis.imshow(values, cmap="PuOr", vmin=-limit, vmax=limit)
        axis.set(xticks=[], yticks=[], frame_on=False, title=title)
    row[0].set_ylabel(law)
plt.show()

print("Seen: the laws hold to 12 digits, f * (g + h) is f * g + f * h, and delta changes no pixel.")

# %%
# **What was seen.** The difference, relative to the largest output, is that of rounding, except near a border. The
# planner uses these laws to find a cheaper form of the same filter, and :func:`faltung.inspect.simplify` uses them
# for networks.
#
# Why is there no identity on the line? The Fourier transform of an identity would have to be 1 everywhere, and that
# of an integrable function falls to zero. On the integers it need not, and that of ``delta`` is 1.
#
# More: :doc:`/filters`, and :doc:`/simplifying` for where the border stands in the way.

"""
A planet before its star, in a light curve with gaps
====================================================

A planet that passes before its star takes away little more than a thousandth of the light for
some hours. The trend of the star is taken out by a mean over two days, and a box of the length
of the passage looks for the dip. The telescope has gaps. With ``nan="ignore"`` they need no
interpolation, and the labels of pandas stay. The light curve is synthetic: 80 days, a spotted
star, noise, a passage every 9.7 days.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import faltung as fa

rng = np.random.default_rng(4)
times = pd.date_range("2026-01-01", periods=80 * 48, freq="30min")
days = ((times - times[0]) / pd.Timedelta("1D")).to_numpy()
flux = 1 + 0.002 * np.sin(2 * np.pi * days / 13.3) + 0.0008 * np.sin(2 * np.pi * days / 6.5)
inside = (days + 5) % 9.7 < 0.25
flux = flux - 0.0015 * inside + rng.normal(scale=0.0005, size=days.size)
flux[(days % 27 > 25.5) | (rng.random(days.size) < 0.03)] = (
    np.nan
)  # the antenna points to Earth; lost samples
curve = pd.Series(flux, times, name="flux")

# %%
# The trend without the passage itself: a box of two days minus a box of half a day, as algebra.
# Lengths are in samples of 30 minutes. With ``min_weight`` there is no output where too little
# of the window is there.

wide, narrow = fa.box(97, ndim=1), fa.box(23, ndim=1)
around = (97 * wide - 23 * narrow) / (97 - 23)
missing = {
    "nan": "ignore",
    "mode": "constant",
    "cval": np.nan,
}  # nothing is known beyond the ends, too
trend = around(curve, min_weight=0.75, **missing)
dip = fa.box(12, ndim=1)((trend - curve) * 1000, min_weight=0.5, **missing)

figure, panels = plt.subplots(2, 1, figsize=(10, 5.6), layout="constrained", sharex=True)
panels[0].plot(curve, ".", color="0.6", markersize=2, label="light curve")
panels[0].plot(trend, color="tab:blue", linewidth=1.5, label="trend, gaps ignored")
panels[0].set(ylabel="relative flux", title="80 days of a star", ylim=(0.994, 1.0055))
panels[0].legend(loc="upper right", frameon=False, ncols=2)
panels[1].plot(dip, color="0.3", linewidth=1)
middles = times[0] + pd.to_timedelta(np.arange(4.7, 80, 9.7) + 0.125, unit="D")
panels[1].plot(
    middles, np.full(middles.size, 2.35), "v", color="tab:orange", label="true passages"
)
panels[1].set(ylabel="missing light, 1/1000", title="mean over six hours", ylim=(-1.3, 2.7))
panels[1].legend(loc="lower right", frameon=False)

# %%
# The oracle is a loop over windows with `numpy.nanmean`. Then: the highest dips are the
# passages.

residual = ((trend - curve) * 1000).to_numpy()
index = 2000
window = residual[index - 6 : index + 6]
assert np.isclose(dip.iloc[index], np.nanmean(window))
seen = dip.reindex(middles.round("30min")).dropna()
period_folded = (days + 5) % 9.7
quiet = dip[(period_folded > 1) & (period_folded < 9)].dropna()
print(
    f"passages with samples: {seen.size}; mean depth {seen.mean():.2f}; "
    f"elsewhere at most {quiet.max():.2f}"
)
assert seen.min() > quiet.max()
assert abs(seen.mean() - 1.5) < 0.15

# %%
# Seen: each passage stands above everything else, though gaps cut the curve. Arrays with labels
# are explained in :doc:`/labelled`, and missing samples in :doc:`/missing`.

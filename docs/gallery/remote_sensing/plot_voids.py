"""
Holes in a survey
=================

Radar surveys of the earth have holes where mountains hide the ground. With ``nan="ignore"`` a
Gaussian fills them from their surroundings: first a narrow one, then wider ones for what is
still open. ``min_weight`` says how much of the window must be known. The elevation is that of
the Jacksboro fault in Tennessee. It comes with matplotlib, under its licence; no author is
named. The holes are synthetic, so that the truth is known.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
from matplotlib import cbook

import faltung as fa

truth = cbook.get_sample_data("jacksboro_fault_dem.npz")["elevation"].astype(float)[
    80:280, 20:260
]
rng = np.random.default_rng(3)
roughness = fa.gaussian(5)(rng.normal(size=truth.shape))
survey = np.where(roughness > np.quantile(roughness, 0.88), np.nan, truth)

filled, widths = survey.copy(), (1, 2, 4, 8)
for sigma in widths:
    near = fa.convolve(survey, fa.gaussian(sigma), nan="ignore", min_weight=0.2)
    filled = np.where(np.isnan(filled), near, filled)
    print(
        f"after sigma {sigma}: "
        f"{np.isnan(filled).sum()} of {np.isnan(survey).sum()} samples are open"
    )

figure, panels = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
look = {"cmap": "gray", "vmin": truth.min(), "vmax": truth.max()}
cover = plt.get_cmap("gray").with_extremes(bad="tab:orange")
panels[0].imshow(survey, **look | {"cmap": cover})
panels[0].set_title("survey; holes are orange")
panels[1].imshow(filled, **look)
panels[1].set_title("filled by Gaussians of 1, 2, 4, 8")
drawn = panels[2].imshow(filled - truth, cmap="RdBu_r", vmin=-150, vmax=150)
panels[2].set_title("minus the truth")
figure.colorbar(drawn, ax=panels[2], label="metres")
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle is normalised convolution with SciPy.

known = np.isfinite(survey)
total = scipy.ndimage.gaussian_filter(np.where(known, survey, 0.0), 4)
weight = scipy.ndimage.gaussian_filter(known.astype(float), 4)
ours = fa.convolve(survey, fa.gaussian(4), nan="ignore", min_weight=0.2)
clear = weight > 0.21
assert np.allclose(ours[clear], (total / np.maximum(weight, 1e-9))[clear])
assert np.isnan(ours[weight < 0.19]).all()
error = np.abs(filled - truth)[~known].mean()
plain = np.abs(np.nanmean(survey) - truth)[~known].mean()
print(f"mean error in holes: {error:.0f} m; with the mean of the survey: {plain:.0f} m")
assert not np.isnan(filled).any()
assert error < 0.4 * plain

# %%
# Seen: small holes close with an error of some metres, and large ones smoothly. Missing samples
# are explained in :doc:`/conventions`.

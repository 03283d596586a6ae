"""
Galaxies and vessels: blobs and ridges at their scales
======================================================

A blob answers most to the normalised Laplacian of a Gaussian at its own scale, and a ridge has
one large eigenvalue of the Hessian (Lindeberg, 1998). The photographs are in scikit-image: the
Hubble deep field (NASA, public domain) and a retina (Häggström, 2014, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

sky = skimage.data.hubble_deep_field()[200:560, 300:760].mean(axis=2).astype(np.float32) / 255
sigmas = np.geomspace(2, 12, 8)
answers = -fa.scale_space(sky, sigmas, "log")
highest = scipy.ndimage.maximum_filter(answers, 3)
blobs = np.argwhere((answers == highest) & (answers > 0.12))

# %%
# Vessels are dark: across them the second derivative is positive. The largest over three scales
# is kept.

green = skimage.data.retina()[350:1050, 150:850, 1].astype(np.float32)
ridges = np.max(
    [
        fa.symmetric_eigenvalues(fa.hessian(green, sigma, normalised=True))[0]
        for sigma in (2.0, 3.5, 6.0)
    ],
    axis=0,
)

figure, panels = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
panels[0].imshow(sky, cmap="gray", vmax=0.8)
for scale, row, column in blobs:
    radius = sigmas[scale] * np.sqrt(2)
    panels[0].add_patch(plt.Circle((column, row), radius, fill=False, color="tab:orange"))
panels[0].set_title(f"{len(blobs)} blobs, drawn with their radius")
panels[1].imshow(green, cmap="gray")
panels[1].set_title("retina, green")
panels[2].imshow(ridges, cmap="viridis", vmin=0, vmax=12)
panels[2].set_title("largest eigenvalue of the Hessian")
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle is a shape of known size: a Gaussian of standard deviation 5 answers most at 5.

y, x = np.mgrid[-40:41, -40:41]
fine = np.linspace(3, 7, 41)
peak = fa.scale_space(np.exp(-(x**2 + y**2) / 50), fine, "log")[:, 40, 40]
print(f"largest answer at a sigma of {fine[peak.argmin()]:.1f}: {peak.min():.4f} (theory: -0.5)")
assert abs(fine[peak.argmin()] - 5) <= 0.1
assert abs(peak.min() + 0.5) < 1e-3

# %%
# Seen: small and large galaxies are circled at their own size, and vessels of all widths are
# bright. See :func:`faltung.scale_space`, :func:`faltung.hessian` and :doc:`/scales`.

"""
Ridges and valleys: terrain position
====================================

A ridge is higher than its surroundings, a valley is lower. The topographic position index
(Weiss, 2001) is the height minus the mean over a ring around. The ring is a difference of two
disks, and "minus the mean" a difference from the unit ``delta``: the whole index is one kernel,
made by algebra. The elevation is that of the Jacksboro fault in Tennessee. It comes with
matplotlib, under its licence; no author is named.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
from matplotlib import cbook

import faltung as fa

elevation = cbook.get_sample_data("jacksboro_fault_dem.npz")["elevation"].astype(float)


def ring(inner, outer):
    """Return the mean over a ring."""
    wide, narrow = fa.disk(outer), fa.disk(inner)
    many, few = np.count_nonzero(wide.taps), np.count_nonzero(narrow.taps)
    return (many * wide - few * narrow) / (many - few)


small = fa.delta() - ring(3, 6)
large = fa.delta() - ring(20, 30)
ridges, massifs = small(elevation), large(elevation)
print(fa.plan(elevation, large))

figure, panels = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
drawn = panels[0].imshow(elevation, cmap="gray")
figure.colorbar(drawn, ax=panels[0], shrink=0.8)
panels[0].set_title("elevation, m")
for panel, index, limit, title in (
    (panels[1], ridges, 60, "ring of 3 to 6 samples: ridges"),
    (panels[2], massifs, 250, "ring of 20 to 30: massifs"),
):
    drawn = panel.imshow(index, cmap="PuOr_r", vmin=-limit, vmax=limit)
    figure.colorbar(drawn, ax=panel, shrink=0.8)
    panel.set_title(title)
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle makes the ring as a mask, and SciPy sums under it.

y, x = np.mgrid[-30:31, -30:31]
mask = (np.hypot(x, y) <= 30) & (np.hypot(x, y) > 20)
means = scipy.signal.fftconvolve(
    np.pad(elevation, 30, mode="symmetric"), mask / mask.sum(), mode="valid"
)
print(f"largest difference to SciPy: {np.abs(massifs - (elevation - means)).max():.1e} m")
assert np.allclose(massifs, elevation - means, atol=1e-6)
assert np.allclose(small(elevation + 1000), ridges)  # the height above the sea does not matter

# %%
# Seen: the small ring finds ridges, the large one whole massifs, and both ignore the height
# above the sea. The algebra is in :doc:`/filters`; see :func:`faltung.disk`.

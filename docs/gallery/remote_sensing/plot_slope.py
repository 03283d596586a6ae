"""
Slope and shade of a terrain
============================

Maps of slope use the formula of Horn (1981): Sobel's kernels over eight times the spacing of
samples. The spacing of a grid in degrees is not the same in both directions: 36° north, a
degree of longitude is a fifth shorter. The elevation is that of the Jacksboro fault in
Tennessee. It comes with matplotlib, under its licence; no author is named.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import cbook

import faltung as fa

grid = cbook.get_sample_data("jacksboro_fault_dem.npz")
elevation = grid["elevation"].astype(float)  # metres
metres_north = 111_200 * float(grid["dy"])
metres_east = metres_north * np.cos(np.deg2rad(36.6))

east = fa.sobel(axis=1) / (8 * metres_east)
south = fa.sobel(axis=0) / (8 * metres_north)
rise_east, rise_south = fa.Bank.stack([east, south])(elevation, mode="nearest")

slope = np.arctan(np.hypot(rise_east, rise_south))
sun, height = np.deg2rad(315), np.deg2rad(45)  # from the north west
light = np.array([np.sin(sun) * np.cos(height), np.cos(sun) * np.cos(height), np.sin(height)])
shade = (-rise_east * light[0] + rise_south * light[1] + light[2]) * np.cos(slope)

figure, panels = plt.subplots(1, 3, figsize=(13, 4.1), layout="constrained")
looks = [
    {"cmap": "gray"},
    {"cmap": "viridis", "vmax": 35},
    {"cmap": "gray", "vmin": 0, "vmax": 1},
]
maps = {"elevation, m": elevation, "slope, degrees": np.rad2deg(slope), "shade": shade}
for panel, look, (title, values) in zip(panels, looks, maps.items(), strict=True):
    drawn = panel.imshow(values, **look)
    figure.colorbar(drawn, ax=panel, shrink=0.75)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle is Horn's formula as it is printed: eight neighbours of each sample, a to i without
# the middle.

z = np.pad(elevation, 1, mode="edge")
a, b, c = z[:-2, :-2], z[:-2, 1:-1], z[:-2, 2:]
d, f = z[1:-1, :-2], z[1:-1, 2:]
g, h, i = z[2:, :-2], z[2:, 1:-1], z[2:, 2:]
east_by_hand = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * metres_east)
south_by_hand = ((g + 2 * h + i) - (a + 2 * b + c)) / (8 * metres_north)
assert np.allclose(rise_east, east_by_hand)
assert np.allclose(slope, np.arctan(np.sqrt(east_by_hand**2 + south_by_hand**2)))
print(
    f"steepest slope {np.rad2deg(slope.max()):.0f} degrees, "
    f"mean {np.rad2deg(slope.mean()):.0f} degrees"
)

# %%
# Seen: two small kernels give slope and shade, equal to Horn's formula at every sample. For
# grids with coordinates, derivatives per unit of the coordinate are in :doc:`/labelled`; see
# :func:`faltung.sobel`.

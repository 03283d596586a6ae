"""
A globe has no border in the west
=================================

On a grid of the earth, longitude goes around and latitude does not. So each axis has its own
mode, by name: ``{"lon": "wrap", "lat": "nearest"}``. Land and clouds are missing samples.
Lengths are in degrees. A careless filter leaves a seam along the date line and cold coasts. The
temperature of the sea is synthetic here: warm at the equator, with waves, land and clouds.
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import faltung as fa

rng = np.random.default_rng(8)
lat, lon = np.arange(-89, 90, 2.0), np.arange(-180, 180, 2.0)
rough = fa.gaussian(4)(rng.normal(size=(90, 180)), mode=("nearest", "wrap"))
sea = 28 * np.cos(np.deg2rad(lat))[:, None] ** 2 + 60 * rough
noisy = sea + rng.normal(scale=2.0, size=sea.shape)
hidden = fa.gaussian(6)(rng.normal(size=sea.shape), mode=("nearest", "wrap"))
temperature = xr.DataArray(
    np.where(hidden > 0.03, np.nan, noisy),
    dims=("lat", "lon"),
    coords={"lat": lat, "lon": lon},
    name="temperature",
)

kernel = fa.gaussian({"lat": 4.0, "lon": 4.0})
smooth = kernel(
    temperature, nan="ignore", min_weight=0.05, mode={"lon": "wrap", "lat": "nearest"}
)
seam = kernel(
    temperature, nan="ignore", min_weight=0.05, mode={"lon": "nearest", "lat": "nearest"}
)

# %%
# The maps are centred at the date line, because that is where the grid ends.

figure, panels = plt.subplots(1, 3, figsize=(13.5, 3.3), layout="constrained")
titles = [
    "measured; white is land or cloud",
    "gaussian of 4°, lon wraps",
    "without wrapping: the error",
]
for panel, values, title in zip(
    panels, (temperature, smooth, seam - smooth), titles, strict=True
):
    east = values.roll(lon=90)
    look = (
        {"cmap": "RdBu_r", "vmin": -2, "vmax": 2}
        if title.endswith("error")
        else {"cmap": "viridis", "vmin": 0, "vmax": 32}
    )
    drawn = panel.imshow(east, origin="lower", extent=(0, 360, -90, 90), aspect="auto", **look)
    panel.set(title=title, xlabel="longitude, degrees east", xticks=[0, 90, 180, 270, 360])
    figure.colorbar(drawn, ax=panel, label="°C", shrink=0.9)

# %%
# The property: a globe that is turned first and filtered then is the filtered globe, turned.
# Without wrapping it is not.

turned = temperature.copy(data=np.roll(temperature.values, 50, axis=1))
again = kernel(turned, nan="ignore", min_weight=0.05, mode={"lon": "wrap", "lat": "nearest"})
assert np.allclose(again, np.roll(smooth.values, 50, axis=1), equal_nan=True)
inner = slice(16, -16)
assert np.allclose(seam.values[:, inner], smooth.values[:, inner], equal_nan=True)
print(f"largest error at the seam: {np.nanmax(np.abs(seam - smooth)):.1f} °C")
assert np.nanmax(np.abs(seam - smooth)) > 0.5

# %%
# Seen: with the mode of a globe no longitude is special. Modes for each axis, names and degrees
# are explained in :doc:`/labelled`.

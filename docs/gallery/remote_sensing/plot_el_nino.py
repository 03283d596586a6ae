"""
The rhythm of El Niño
=====================

Every two to seven years the eastern Pacific is warmer than usual. A difference of two Gaussians
keeps these waves: the narrow one removes the seasons, the wide one the slow change. Lengths are
in years, because the axis is. The series is the temperature of the sea in the region Niño 3,
four times a year from 1950 to 2015, in standard deviations (NOAA, public domain), which comes
with PyWavelets.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data
import scipy.ndimage
import xarray as xr

import faltung as fa

years, anomaly = pywt.data.nino()
series = xr.DataArray(anomaly, dims="year", coords={"year": years})

band = fa.gaussian({"year": 0.4}) - fa.gaussian({"year": 2.0})
slow = fa.gaussian({"year": 5.0})
waves = band(series)

figure, panels = plt.subplots(2, 1, figsize=(10, 5.4), layout="constrained", sharex=True)
panels[0].plot(years, series, color="0.7", linewidth=0.8, label="anomaly")
panels[0].plot(years, slow(series), color="tab:blue", linewidth=2, label='gaussian({"year": 5})')
panels[0].set(
    title="Niño 3, temperature of the sea", ylabel="standard deviations", ylim=(-2.7, 4.2)
)
panels[0].legend(frameon=False, ncols=2, loc="upper left")
panels[1].fill_between(years, waves, 0, where=waves > 0, color="#b2182b", label="warm: El Niño")
panels[1].fill_between(years, waves, 0, where=waves <= 0, color="#2166ac", label="cold: La Niña")
panels[1].set(
    title="waves of about two to seven years",
    ylabel="standard deviations",
    xlabel="year",
    ylim=(-1.9, 2.9),
)
panels[1].legend(frameon=False, ncols=2, loc="upper left")

# %%
# The oracle: SciPy with lengths in samples. The property: most of the energy of the output is
# in the band.

oracle = scipy.ndimage.gaussian_filter1d(anomaly, 1.6) - scipy.ndimage.gaussian_filter1d(
    anomaly, 8
)
assert np.allclose(waves, oracle)
power = np.abs(np.fft.rfft(waves.values - waves.values.mean())) ** 2
periods = 1 / np.fft.rfftfreq(years.size, 0.25)[1:]
share = power[1:][(periods > 2) & (periods < 9)].sum() / power[1:].sum()
warmest = []
for decade in (1980, 1990):
    part = waves.sel(year=slice(decade, decade + 9.75))
    warmest.append(float(part.year[part.values.argmax()]))
print(f"share of the energy between 2 and 9 years: {100 * share:.0f} %")
print("warmest of the 1980s and of the 1990s:", warmest)
assert share > 0.8
assert 1982 <= warmest[0] < 1984
assert 1997 <= warmest[1] < 1999

# %%
# Seen: the great events of 1982 and 1997 stand out. Lengths in the units of a coordinate are
# explained in :doc:`/labelled`; see :func:`faltung.dog`.

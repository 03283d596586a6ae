"""
How fast does a wound close?
============================

In bright field, cells are rough and the bare glass is smooth. So the local standard deviation
tells them apart: the root of the mean of squares minus the square of the mean, two running
means in all. Otsu's threshold lies between the two. The area of the wound over time is what a
scratch assay measures. Pictures and the labels to compare with are from ndev-sampledata (Tim
Monko, BSD licence).
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.filters
import tifffile

import faltung as fa

path = files("ndev_sampledata") / "samples/scratch-assay-labeled-10T-2Ch.tiff"
channels = tifffile.imread(path)  # (channels, times, y, x)
field, cells = channels[1].astype(float), channels[3] > 0

quiet = fa.gaussian(1.5)(field)  # less noise of the camera
window = fa.box(21)
mean = window(quiet)
deviation = np.sqrt(np.maximum(window(quiet**2) - mean**2, 0))
threshold = np.exp(skimage.filters.threshold_otsu(np.log(deviation)))  # between smooth and rough
wound = deviation < threshold

figure, panels = plt.subplots(4, 1, figsize=(8, 11.5), layout="constrained")
for panel, frame in zip(panels[:2], (0, 9), strict=True):
    panel.imshow(field[frame], cmap="gray", vmin=7000, vmax=9400)
    panel.contour(wound[frame], levels=[0.5], colors="tab:orange", linewidths=1.5)
    panel.set(title=f"picture {frame}, and its smooth parts", xticks=[], yticks=[])
panels[2].imshow(deviation[0], cmap="viridis", vmin=0, vmax=500)
panels[2].set(title="local standard deviation of picture 0", xticks=[], yticks=[])
panels[3].plot(
    100 * wound.mean(axis=(1, 2)), "o-", color="tab:orange", label="from the two means"
)
panels[3].plot(100 * (~cells).mean(axis=(1, 2)), "s--", color="0.4", label="from labelled cells")
panels[3].set(title="area without cells, %", xlabel="picture", ylim=(0, 100))
panels[3].legend(frameon=False)

# %%
# The oracle computes the standard deviation of each window as it is defined.

oracle = scipy.ndimage.generic_filter(quiet[0, :60, :60], np.std, size=21)
assert np.allclose(deviation[0, :50, :50], oracle[:50, :50], atol=1e-3)
agreement = np.mean(wound == ~cells)
areas, labelled = (100 * mask.mean(axis=(1, 2)) for mask in (wound, ~cells))
curves = np.corrcoef(areas, labelled)[0, 1]
print(
    f"samples with the same answer as the labels: {100 * agreement:.0f} %; "
    f"correlation of the curves {curves:.2f}"
)
assert agreement > 0.75
print(f"first picture: {areas[0]:.0f} %, labels {labelled[0]:.0f} %")
assert curves > 0.9
assert (areas < labelled).all()

# %%
# Seen: the smooth area shrinks as the area without labelled cells does (the correlation is above
# 0.9). It is smaller in every picture, so it tells how a wound changes, not how large it is. The
# engine is ``running``; see :func:`faltung.box` and :doc:`/speed`.

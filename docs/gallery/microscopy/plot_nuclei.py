"""
Count nuclei with a Laplacian of a Gaussian
===========================================

A bright blob of radius r answers most to the Laplacian of a Gaussian with sigma = r / √2. So
nuclei are the minima of one filter. Ten pictures of a scratch assay are one array here, and the
filter takes the last two axes. Somebody has labelled the nuclei, so that the counts can be
compared. The pictures are from ndev-sampledata (Tim Monko, BSD licence).
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import tifffile

import faltung as fa

path = files("ndev_sampledata") / "samples/scratch-assay-labeled-10T-2Ch.tiff"
channels = tifffile.imread(path)  # (channels, times, y, x)
stained, labels = channels[0].astype(np.float32), channels[2]

radius = np.sqrt((labels > 0).sum() / np.pi / sum(np.unique(frame).size - 1 for frame in labels))
blobs = -(fa.log(radius / np.sqrt(2)) * radius**2)(
    stained
)  # scaled: the same answer for every radius

# %%
# A nucleus is a sample that is the largest around, and above a threshold.

largest = scipy.ndimage.maximum_filter(blobs, size=(1, 9, 9))
peaks = (blobs == largest) & (blobs > 400)
counts, truth = peaks.sum(axis=(1, 2)), np.array([np.unique(frame).size - 1 for frame in labels])

figure, panels = plt.subplots(3, 1, figsize=(8, 9), layout="constrained")
panels[0].imshow(stained[0], cmap="gray", vmax=np.percentile(stained[0], 99.7))
y, x = np.nonzero(peaks[0])
panels[0].plot(x, y, "o", markersize=9, markerfacecolor="none", markeredgecolor="tab:orange")
panels[0].set(
    title=f"nuclei in the first picture: {counts[0]} found, {truth[0]} labelled",
    xticks=[],
    yticks=[],
)
panels[1].imshow(blobs[0], cmap="RdBu_r", vmin=-4000, vmax=4000)
panels[1].set(title="Laplacian of a Gaussian, negative", xticks=[], yticks=[])
panels[2].plot(counts, "o-", color="tab:orange", label="found")
panels[2].plot(truth, "s--", color="0.4", label="labelled")
panels[2].set(title="nuclei in ten pictures", xlabel="picture", ylim=(0, 105))
panels[2].legend(frameon=False)

# %%
# The oracle for the filter is SciPy's. The claim: peaks lie in labelled nuclei, one in each.

oracle = [
    -(radius**2) * scipy.ndimage.gaussian_laplace(frame, radius / np.sqrt(2)) for frame in stained
]
assert np.allclose(blobs, oracle, atol=1e-3 * blobs.max())
hits = sum(np.unique(labels[t][peaks[t] & (labels[t] > 0)]).size for t in range(10))
print(
    f"radius {radius:.1f} samples; {counts.sum()} peaks; "
    f"{hits} of {truth.sum()} labelled nuclei have one"
)
assert hits > 0.9 * truth.sum()
assert counts.sum() < 1.1 * truth.sum()

# %%
# Seen: one filter with one length finds more than nine of ten nuclei. See :func:`faltung.log`,
# :func:`faltung.dog` and :doc:`/filters`.

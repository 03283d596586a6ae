"""
Depth from two cameras with running means
=========================================

A point that is near lies further left in the right picture than in the left one, by its
disparity. Block matching tries every disparity: the difference of the two pictures, averaged
over a window, is smallest at the right one. These are 40 means of 9 × 9, which running sums
compute at a cost that does not depend on the window. The pictures with their true disparity are
the motorcycle of the Middlebury 2014 set (Scharstein et al., 2014), in scikit-image (BSD
licence; none is named for the pictures).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

left, right, truth = skimage.data.stereo_motorcycle()
left, right = (picture.mean(axis=2, dtype=np.float32)[::2, ::2] for picture in (left, right))
truth = truth[::2, ::2] / 2
largest = 40

costs = np.full((largest, *left.shape), 255, np.float32)
for shift in range(largest):
    costs[shift, :, shift:] = np.abs(left[:, shift:] - right[:, : left.shape[1] - shift])
costs = np.minimum(costs, 40)  # one bad sample must not decide

window = fa.box(9)
means = window(costs)  # the first axis is a batch
disparity = means.argmin(axis=0)

figure, panels = plt.subplots(1, 3, figsize=(13, 3.1), layout="constrained")
panels[0].imshow(left, cmap="gray")
panels[0].set_title("left picture")
for panel, picture, title in zip(
    panels[1:], (disparity, truth), ("disparity found", "true disparity"), strict=True
):
    drawn = panel.imshow(picture, cmap="viridis", vmin=3, vmax=32)
    panel.set_title(title)
figure.colorbar(drawn, ax=panels[1:], label="samples")
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# Where the truth is known, most disparities are right to one sample. Without the window they
# are not.

known = np.isfinite(truth)
good = {
    name: np.mean(np.abs(found - truth)[known] < 1.5)
    for name, found in {
        "single samples": costs.argmin(axis=0),
        "means of 9 × 9": disparity,
    }.items()
}
for name, share in good.items():
    print(f"{name:15} right: {100 * share:.0f} %")
assert np.allclose(means, scipy.ndimage.uniform_filter(costs, (0, 9, 9)), atol=1e-3)
assert good["means of 9 × 9"] > 0.7 > 2 * good["single samples"]

# %%
# Seen: a mean over a window turns guesses into depth. The engine behind it is ``running``; see
# :func:`faltung.box` and :doc:`/speed`.

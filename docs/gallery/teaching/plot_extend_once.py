"""
Two filters, one pass: extend once
==================================

Smooth a photograph twice. Two calls extend twice beyond the border: first the photograph, and
then the smooth picture, whose values beyond the border were thrown away. The product of the two
kernels extends once. So it equals what one gets from a photograph that is extended far enough
from the beginning. Inside, both ways agree; at the border only one of them is right. The
photograph is `camera` of scikit-image; the mode is ``constant``, the zeros that networks pad
with.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import faltung as fa

image = skimage.data.camera()[100:200, 160:320].astype(float)
smooth = fa.gaussian(6)

one_pass = (smooth * smooth)(image, mode="constant")
two_calls = smooth(smooth(image, mode="constant"), mode="constant")

# %%
# The oracle extends far, calls twice, and cuts the middle out.

margin = 60
extended = np.pad(image, margin, mode="constant")
exact = smooth(smooth(extended))[margin:-margin, margin:-margin]

assert np.allclose(one_pass, exact)
reach = smooth.shape[0] // 2
inside = (slice(reach, -reach),) * 2
assert np.allclose(two_calls[inside], exact[inside])
print(f"largest error of one pass   {np.abs(one_pass - exact).max():.1e} grey levels")
print(
    f"largest error of two calls  {np.abs(two_calls - exact).max():.1f} grey levels, "
    "at the border"
)
assert np.abs(two_calls - exact).max() > 10

# %%
# The errors reach as far from the border as the second kernel does.

figure, panels = plt.subplots(1, 4, figsize=(13, 2.6), layout="constrained")
for panel, picture in zip(panels[:2], (image, one_pass), strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
for panel, picture in zip(panels[2:], (one_pass - exact, two_calls - exact), strict=True):
    drawn = panel.imshow(picture, cmap="RdBu_r", vmin=-30, vmax=30)
titles = ["photograph", "gaussian(6) ** 2", "one pass minus exact", "two calls minus exact"]
for panel, title in zip(panels, titles, strict=True):
    panel.set(title=title, xticks=[], yticks=[])
figure.colorbar(drawn, ax=panels[2:], label="grey levels")

# %%
# Seen: the product is exact up to its last sample, and two calls are wrong along the whole
# border. faltung extends once, whatever the expression; see :doc:`/conventions`.

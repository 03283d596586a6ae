"""
One picture of two, without a seam
==================================

Where two pictures meet at a line, the eye sees it. Burt and Adelson (1983) mix them scale by
scale instead: coarse structure over a wide zone, fine detail over a narrow one. The levels of two
Laplacian pyramids are mixed with a Gaussian pyramid of the mask. The photographs are `coffee`
(Rachel Michetti) and `chelsea` (Stefan van der Walt) of scikit-image, CC0 licence.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import faltung as fa

left = skimage.data.coffee()[50:350, 100:500].astype(np.float32)
right = skimage.data.chelsea()[:300, 30:430].astype(np.float32)
mask = np.zeros(left.shape, np.float32)
mask[:, :200] = 1

cut = mask * left + (1 - mask) * right
a, b = (fa.pyramid(photo, 6, "laplacian", axes=(0, 1)) for photo in (left, right))
weights = fa.pyramid(mask, 6, axes=(0, 1))
levels = [m * p + (1 - m) * q for p, q, m in zip(a, b, weights, strict=True)]
blended = fa.collapse(a.replaced(levels))

figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for panel, photo, title in zip(panels, (cut, blended), ("cut", "blended"), strict=True):
    panel.imshow(photo.clip(0, 255).astype(np.uint8))
    panel.set(title=title, xticks=[], yticks=[])

# %%
# Without a change, the levels are the picture again.

error = np.abs(fa.collapse(a) - left).max()
print(f"rebuilt: largest error {error:.1e} of 255")
assert error < 1e-3
step = np.abs(np.diff(cut[:, 199:201], axis=1)).mean()
smooth = np.abs(np.diff(blended[:, 199:201], axis=1)).mean()
print(f"mean step at the line: {step:.0f} when cut, {smooth:.0f} when blended")
assert smooth < step / 3

# %%
# Seen: no line, and the fine detail of both up to the middle. See :func:`faltung.pyramid` and
# :doc:`/resampling`.

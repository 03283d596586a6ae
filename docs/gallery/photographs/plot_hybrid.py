"""
A picture that changes with distance
====================================

A hybrid image shows the coarse parts of one picture and the fine parts of another. From near
one sees the fine parts, from afar the coarse ones (Oliva, Torralba and Schyns, 2006). As
algebra: ``g`` of the first plus ``delta - g`` of the second. The pictures are a cat (`chelsea`,
Stefan van der Walt, CC0 licence) and Eileen Collins (NASA, public domain), from scikit-image.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data
import skimage.transform

import faltung as fa

cat = skimage.data.chelsea().mean(axis=2)[5:265, 105:365]
face = skimage.data.astronaut().mean(axis=2)[5:225, 112:332]
face = skimage.transform.resize(face, cat.shape, preserve_range=True)

low = fa.gaussian(8)
high = fa.delta() - fa.gaussian(3)
hybrid = low(cat) + 1.2 * high(face)

figure, panels = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
small = np.full_like(cat, hybrid.mean())
small[98:163, 98:163] = fa.convolve(hybrid, fa.gaussian(3), stride=4)
pictures = [low(cat), high(face), hybrid, small]
titles = [
    "coarse parts of a cat",
    "fine parts of a face",
    "their sum: near",
    "the same, far away",
]
for panel, picture, title in zip(panels, pictures, titles, strict=True):
    signed = title.startswith("fine")
    look = (
        {"cmap": "gray", "vmin": -80, "vmax": 80}
        if signed
        else {"cmap": "gray", "vmin": 20, "vmax": 230}
    )
    panel.imshow(picture, **look)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle is SciPy. The claim is measured: near, details are those of the face; far away, the
# picture is the cat.


def alike(a, b):
    """Return the correlation coefficient of two pictures."""
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


assert np.allclose(
    hybrid,
    scipy.ndimage.gaussian_filter(cat, 8) + 1.2 * (face - scipy.ndimage.gaussian_filter(face, 3)),
)
near, far = (fa.delta() - fa.gaussian(2)), fa.gaussian(12)
print(
    f"near: {alike(near(hybrid), near(face)):.2f} face, {alike(near(hybrid), near(cat)):.2f} cat"
)
print(f"far:  {alike(far(hybrid), far(face)):.2f} face, {alike(far(hybrid), far(cat)):.2f} cat")
assert alike(near(hybrid), near(face)) > 0.9
assert alike(far(hybrid), far(cat)) > 0.9

# %%
# Seen: details belong to the face and coarse parts to the cat, each with a correlation above
# 0.9. The algebra of filters is in :doc:`/filters`.

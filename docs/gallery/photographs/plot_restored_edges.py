"""
A blurred photograph, restored up to its edge
=============================================

A photograph is out of focus, its light is counted in photons, and some pixels are dead. The
method of Richardson and Lucy finds the most likely picture. What lies beyond the edge is not
known: tools that take zeros there put rings around the whole picture. With a border that
continues the picture, and the exact transpose of that border, there are none; and pixels in a
mask are left out. The photograph is `camera` of scikit-image (CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import skimage.restoration

import faltung as fa

photo = skimage.data.camera()[100:400, 100:400].astype(float)
psf = fa.disk(4)  # out of focus
random = np.random.default_rng(0)
photons = 20  # for each grey level
blurred = random.poisson(photons * fa.convolve(photo, psf, mode="reflect")) / photons
alive = random.random(photo.shape) > 0.01
spoiled = np.where(alive, blurred, 0.0)

options = {"mode": "reflect", "mask": alive, "total_variation": 0.002}
restored = fa.restore.richardson_lucy(spoiled, psf, 60, **options)
zeros = skimage.restoration.richardson_lucy(spoiled, psf.taps, 60, clip=False)

figure, panels = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
titles = ["blurred, 1 % of pixels dead", "zeros beyond the border", "reflect, with a mask"]
for panel, picture, title in zip(panels, (spoiled, zeros, restored), titles, strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
    panel.set(title=title, xticks=[], yticks=[])


# %%
# The error in a frame of ten pixels, and inside of it.


def errors(picture):
    """Return the root mean square error at the edge, and inside."""
    square = (picture - photo) ** 2
    inside = square[10:-10, 10:-10]
    edge = (square.sum() - inside.sum()) / (square.size - inside.size)
    return np.sqrt(edge), np.sqrt(inside.mean())


for name, picture in (("blurred", blurred), ("zeros", zeros), ("restored", restored)):
    print(f"{name:9} edge {errors(picture)[0]:6.1f}, inside {errors(picture)[1]:6.1f}")
assert errors(restored)[0] < 0.9 * errors(blurred)[0]
assert errors(restored)[0] < 0.5 * errors(zeros)[0]
assert errors(restored)[1] < 0.8 * errors(blurred)[1]

# %%
# The operator has the exact transpose: both sides of the dot test agree.

operator = fa.operator(psf, photo.shape, mode="reflect")
other = random.random(photo.shape)
left, right = (operator(photo) * other).sum(), (photo * operator.T(other)).sum()
print(f"<A x, y> = {left:.12g}, <x, A.T y> = {right:.12g}")
assert np.isclose(left, right, rtol=1e-12)

# %%
# Seen: the frame and the dead pixels are gone, and the tripod is sharp again. See
# :func:`faltung.restore.richardson_lucy`, :func:`faltung.operator` and :doc:`/restoration`.

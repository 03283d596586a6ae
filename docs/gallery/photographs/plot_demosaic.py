"""
The colours of a sensor are normalised convolution
==================================================

A camera sees one colour at each sample: behind its Bayer filter half of the samples are green,
a quarter red, a quarter blue. The other two thirds of the colours are missing samples. With
``mask=`` a small filter fills them with the mean of the neighbours that are there: bilinear
demosaicing in one call, right at the border, too. The photograph is `coffee` of scikit-image
(Rachel Michetti, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import faltung as fa

photo = skimage.data.coffee()[150:250, 180:310].astype(np.float32)
rows, columns = np.indices(photo.shape[:2])
seen = np.stack(
    [
        (rows % 2 == 0) & (columns % 2 == 0),
        (rows + columns) % 2 == 1,
        (rows % 2 == 1) & (columns % 2 == 1),
    ],
    axis=2,
)
raw = np.where(seen, photo, 0)  # what the sensor gives; synthetic from a real photograph

kernel = fa.binomial(2)  # 1 2 1 by 1 2 1
filled = fa.convolve(raw, kernel, axes=(0, 1), mask=seen)
colours = np.where(seen, raw, filled)

figure, panels = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for panel, picture, title in zip(
    panels,
    (raw, colours, photo),
    ("what the sensor sees", "convolve with mask=", "the true colours"),
    strict=True,
):
    panel.imshow(picture / 255)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: at a red sample, missing green is the mean of the four neighbours, and blue of the
# four diagonal ones.

green, blue = raw[:, :, 1], raw[:, :, 2]
centre = np.s_[2:-2:2, 2:-2:2]  # red samples inside
cross = (
    sum(np.roll(green, move, (0, 1))[centre] for move in ((0, 1), (0, -1), (1, 0), (-1, 0))) / 4
)
corners = (
    sum(np.roll(blue, move, (0, 1))[centre] for move in ((1, 1), (1, -1), (-1, 1), (-1, -1))) / 4
)
assert np.allclose(colours[:, :, 1][centre], cross, atol=1e-3)
assert np.allclose(colours[:, :, 2][centre], corners, atol=1e-3)
error = np.abs(colours - photo)
print(
    f"mean error inside {error[4:-4, 4:-4].mean():.2f}, "
    f"in the outer two rows {error[:2].mean():.2f} grey levels"
)
assert error[:2].mean() < 2 * error[4:-4, 4:-4].mean()

# %%
# Seen: colours come back with a mean error of a few grey levels, at the border as well as
# inside. What a mask does exactly is in :doc:`/conventions`.

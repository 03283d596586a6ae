"""
Sharpen an 8-bit photograph
===========================

An unsharp mask makes values below 0 and above 255. With ``dtype="uint8"`` the outputs are
rounded and saturated, so that nothing wraps around: dark stays dark and bright stays bright.
The careless way, `astype`, lets 260 become 4. The photograph is `coffee` of scikit-image
(Rachel Michetti, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

photo = skimage.data.coffee()[60:300, 120:440]
kernel = fa.unsharp(2, amount=2)

sharp = fa.convolve(photo, kernel, axes=(0, 1), dtype="uint8")
exact = fa.convolve(photo, kernel, axes=(0, 1))
wrapped = np.rint(exact).astype(np.int64).astype(np.uint8)  # what a cast without a check does

figure, panels = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
titles = [
    "photograph, uint8",
    'unsharp(2, amount=2), dtype="uint8"',
    "the same, cast without saturation",
]
for panel, picture, title in zip(panels, (photo, sharp, wrapped), titles, strict=True):
    panel.imshow(picture)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: SciPy's Gaussian of each colour in double precision, rounded half to even, and cut
# off.

smooth = scipy.ndimage.gaussian_filter(photo.astype(float), (2, 2, 0))
oracle = np.clip(np.rint(3.0 * photo - 2.0 * smooth), 0, 255)
different = np.count_nonzero(sharp != oracle)
beyond = np.mean((exact < -0.5) | (exact > 255.5))
print(
    f"{100 * beyond:.1f} % of the samples saturate; "
    f"{different} of {sharp.size} differ from the oracle"
)
assert (
    different == np.count_nonzero(np.abs(sharp - oracle) == 1) < 20
)  # where the exact value is close to one half

# %%
# Seen: details are three times as strong, and samples that leave the range stay at its ends.
# See :func:`faltung.unsharp`, and the table of dtypes in :doc:`/conventions`.

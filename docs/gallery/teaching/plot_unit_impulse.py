"""
The unit of convolution, and what it is good for
================================================

The unit impulse ``delta()`` has one tap, which is 1. Convolving with it changes nothing, so it
is for convolution what 1 is for multiplication. With it, "the image minus a smooth image"
becomes a filter of its own: ``delta() - gaussian(3)`` keeps the details, and ``delta() +
(delta() - gaussian(3))`` doubles them. The photograph is `camera` of scikit-image (Lav
Varshney, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

image = skimage.data.camera()[60:260, 130:330].astype(float)
filters = {
    "delta()": fa.delta(),
    "gaussian(3)": fa.gaussian(3),
    "delta() - gaussian(3)": fa.delta() - fa.gaussian(3),
    "2 * delta() - gaussian(3)": 2 * fa.delta() - fa.gaussian(3),
}
outputs = {text: kernel(image) for text, kernel in filters.items()}

figure, panels = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for panel, (text, output) in zip(panels, outputs.items(), strict=True):
    signed = output.min() < -50 and output.mean() < 10
    panel.imshow(
        output,
        **(
            {"cmap": "RdBu_r", "vmin": -90, "vmax": 90}
            if signed
            else {"cmap": "gray", "vmin": 0, "vmax": 255}
        ),
    )
    panel.set(title=text, xticks=[], yticks=[])

# %%
# The filters are values: they print themselves, they can be compared, and equal expressions are
# equal kernels.

smooth = scipy.ndimage.gaussian_filter(image, 3)
assert np.array_equal(outputs["delta()"], image)
assert np.allclose(outputs["delta() - gaussian(3)"], image - smooth)
assert np.allclose(outputs["2 * delta() - gaussian(3)"], 2 * image - smooth)
assert fa.delta() * fa.gaussian(3) == fa.gaussian(3)
assert 2 * fa.delta() - fa.gaussian(3) == fa.unsharp(3)

# %%
# An impulse beside the origin moves the image. Its product with any filter is that filter,
# moved.

right = fa.Kernel([[0, 0, 0, 0, 0, 0, 1]])
assert np.array_equal(right(image, mode="wrap"), np.roll(image, 3, axis=1))
print(fa.unsharp(3), "has the same taps as", filters["2 * delta() - gaussian(3)"])

# %%
# Seen: sharpening is algebra with the unit, and the four outputs equal those that SciPy's
# Gaussian gives. The algebra is in :doc:`/filters`; :func:`faltung.unsharp` is this filter with
# a name.

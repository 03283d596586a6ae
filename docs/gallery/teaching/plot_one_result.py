"""
One result, whatever the engine
===============================

Four engines can apply the same filter: sums under the window (direct), rows and columns
(separable), running sums, and Fourier transforms. faltung predicts the time of each and takes
the fastest. This must not change the result, so every plan states a bound of its rounding
error. The picture shows how far apart the engines are: far below one grey level of a
photograph. The photograph is `gravel` of scikit-image (CC0Textures, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

image = skimage.data.gravel()
kernel = fa.box(21)
print(fa.plan(image, kernel))

# %%
# Each engine is asked for by name. The oracle is SciPy in double precision.

oracle = scipy.ndimage.uniform_filter(image.astype(float), 21)
engines = ["direct", "separable", "running", "fourier"]
outputs = {name: fa.convolve(image, kernel, method=name) for name in engines}

figure, panels = plt.subplots(1, 5, figsize=(13, 3.2), layout="constrained")
panels[0].imshow(outputs["running"], cmap="gray")
panels[0].set_title("mean of 21 × 21")
for panel, (name, output) in zip(panels[1:], outputs.items(), strict=True):
    difference = output - oracle
    drawn = panel.imshow(1e4 * difference, cmap="PuOr", vmin=-1, vmax=1)
    panel.set_title(name)
    bound = fa.plan(image, kernel, method=name).error * np.abs(kernel.taps).sum() * image.max()
    print(
        f"{name:10} largest difference {np.abs(difference).max():.1e} grey levels, "
        f"bound {bound:.1e}"
    )
    assert np.abs(difference).max() <= bound
for panel in panels:
    panel.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=panels[1:], label="minus SciPy,\n1/10,000 grey level", shrink=0.8)

# %%
# Rounded to integers, all engines give the same samples, because means of integers are exact.

whole = [fa.convolve(image, kernel, method=name, dtype="uint8") for name in engines]
assert all(np.array_equal(whole[0], other) for other in whole[1:])

# %%
# Seen: engines differ by less than a thousandth of a grey level and by less than their stated
# bound, and not at all in 8 bits. How plans decide is in :doc:`/plans`; :func:`faltung.plan`
# prints them.

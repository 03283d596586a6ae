"""
Stride and aliasing: what a camera must not do
==============================================

Keeping every fourth sample makes waves that are too short come back as long ones, which were
never there. This is aliasing. A smoothing filter before it removes what cannot be shown. Filter
and stride are one call: outputs that are not kept are not computed. The image is a zone plate,
a synthetic test pattern whose waves get shorter from the middle outwards.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage

import faltung as fa

size, stride = 512, 4
y, x = np.mgrid[:size, :size] - size / 2
plate = 0.5 + 0.5 * np.cos(np.pi * (x**2 + y**2) / size * 0.5)
plate = plate.astype(np.float32)

every_fourth = plate[::stride, ::stride]
boxed = fa.convolve(plate, fa.box(stride), stride=stride)
smooth = fa.convolve(plate, fa.gaussian(0.5 * stride), stride=stride)

figure, panels = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
titles = ["zone plate 512 × 512", "every 4th sample", "box(4), stride 4", "gaussian(2), stride 4"]
for panel, picture, title in zip(
    panels, [plate, every_fourth, boxed, smooth], titles, strict=True
):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    panel.set(title=title, xticks=[], yticks=[])

# %%
# Waves shorter than 8 samples cannot be shown with a spacing of 4. They are where the distance
# from the middle is more than 128 samples. What is left of them there is false.

waves = np.hypot(x, y)[::stride, ::stride] > 0.55 * size / 2
false = {
    name: picture[waves].std()
    for name, picture in zip(titles[1:], (every_fourth, boxed, smooth), strict=True)
}
for name, value in false.items():
    print(f"{name:22} false waves: {value:.3f}")

assert np.allclose(smooth, scipy.ndimage.gaussian_filter(plate, 2)[::stride, ::stride], atol=1e-6)
assert false["gaussian(2), stride 4"] < 0.1 * false["every 4th sample"]

# %%
# Seen: without a filter there are rings that the pattern does not have; a Gaussian of half the
# stride removes all but a little, and equals SciPy's Gaussian of which every fourth output is
# kept. Networks have the same illness: :doc:`/inspecting`.

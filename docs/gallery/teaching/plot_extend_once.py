"""
Two filters, one pass: extend once
==================================

Smooth a photograph twice. Two calls extend it twice: first the photograph, and then the smooth
picture, as if nothing had been beyond its border. The product of the two kernels extends once,
and gives what one gets from a photograph that is extended far enough from the beginning.
Inside, both ways agree. At the border they differ, and neither is an error: they are answers to
two questions. But only the product obeys algebra. The mode is ``constant``, the zeros that
networks pad with. The photograph is `camera` of scikit-image (Lav Varshney, CC0 licence).
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
# The oracle for the product extends far, calls twice, and cuts the middle out.

margin = 60
extended = np.pad(image, margin, mode="constant")
from_far = smooth(smooth(extended))[margin:-margin, margin:-margin]

assert np.allclose(one_pass, from_far)
reach = smooth.shape[0] // 2
inside = (slice(reach, -reach),) * 2
assert np.allclose(two_calls[inside], from_far[inside])
difference = np.abs(two_calls - from_far)
print(f"product: differs by {np.abs(one_pass - from_far).max():.1e} grey levels")
print(f"two calls: differ by {difference.max():.1f} grey levels, at the border")
assert difference.max() > 10

# %%
# The difference reaches as far from the border as the second kernel does.

figure, panels = plt.subplots(1, 4, figsize=(13, 2.6), layout="constrained")
for panel, picture in zip(panels[:2], (image, one_pass), strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
for panel, picture in zip(panels[2:], (one_pass - from_far, two_calls - from_far), strict=True):
    drawn = panel.imshow(picture, cmap="RdBu_r", vmin=-30, vmax=30)
titles = ["photograph", "gaussian(6) ** 2", "product: difference", "two calls: difference"]
for panel, title in zip(panels, titles, strict=True):
    panel.set(title=title, xticks=[], yticks=[])
figure.colorbar(drawn, ax=panels[2:], label="grey levels")

# %%
# Seen: the product gives what the photograph extended from afar gives, up to its last sample; two
# calls give something else along the whole border. faltung extends once for one expression, and
# :doc:`/idea` says what follows from it.

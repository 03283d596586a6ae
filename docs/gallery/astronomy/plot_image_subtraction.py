"""
Find the new star: image subtraction
====================================

A supernova is a star that was not there before. But pictures of two nights have different
blurs, so their difference is full of false stars. Alard and Lupton (1998) fit the kernel that
turns one blur into the other; then only what is new remains. The sky is the Hubble deep field
of scikit-image (NASA, public domain); the second night is synthetic: a wider and elongated
blur, a brighter sky, noise, and one new star.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Circle

import faltung as fa

rng = np.random.default_rng(1)
reference = skimage.data.hubble_deep_field()[300:620, 330:650].mean(axis=2)
seeing = fa.gaussian((1.2, 2.2))
new = np.zeros_like(reference)
new[171, 62] = 2500.0
tonight = (
    0.8 * fa.convolve(reference + new, seeing) + 12 + rng.normal(scale=1.0, size=reference.shape)
)

# %%
# The fit sees both pictures, and not the blur. The brighter sky is the offset in the report.
# One new star among so many galaxies hardly moves the taps.

kernel, report = fa.fit_filter(reference, tonight, size=17)
(offset,) = report.offset  # one for each channel out
plain = tonight - reference
matched = tonight - (fa.convolve(reference, kernel) + offset)

figure, panels = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
for panel, picture, title in zip(
    panels[:2], (reference, tonight), ("reference", "tonight"), strict=True
):
    panel.imshow(picture, cmap="gray", vmax=90)
    panel.set_title(title)
differences = {"difference": plain - np.median(plain), "after the fit": matched}
for panel, (title, picture) in zip(panels[2:], differences.items(), strict=True):
    panel.imshow(picture, cmap="RdBu_r", vmin=-25, vmax=25)
    panel.add_patch(Circle((62, 171), 14, fill=False, edgecolor="black", linewidth=1.5))
    panel.set_title(title)
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The claim: what is left is the noise, and its largest value is the new star. The kernel is the
# blur, times 0.8.

rest = matched[20:-20, 20:-20]
row, column = np.unravel_index(rest.argmax(), rest.shape)
away = np.hypot(*(np.indices(matched.shape) - np.array([171, 62])[:, None, None])) > 15
away[:20] = away[-20:] = False
print(
    f"left over: standard deviation {matched[away].std():.2f} (noise 1.00); before: "
    f"{plain[away].std():.2f}"
)
print(f"new star found at ({row + 20}, {column + 20})")
print(f"sum of the kernel {kernel.taps.sum():.3f}, offset {offset:.2f}")
assert max(abs(row + 20 - 171), abs(column + 20 - 62)) <= 1
assert abs(matched[away].std() - 1) < 0.05
assert abs(kernel.taps.sum() - 0.8) < 0.02
assert abs(offset - 12) < 0.3

# %%
# Seen: one exact fit over a hundred thousand samples takes away everything that was there
# before. See :func:`faltung.fit_filter` and :doc:`/learning`.

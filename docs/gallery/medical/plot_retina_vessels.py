"""
Vessels of the eye: a bank of oriented lines
============================================

A vessel is a dark line whose cross section is a Gaussian. Chaudhuri et al. (1989) correlate the
image with short pieces of such a line in twelve directions, and keep the largest answer and its
direction. The pieces are one bank, so that the directions share their work. The photograph of a
retina is in scikit-image (Häggström, 2014, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import skimage.data

import faltung as fa

green = skimage.data.retina()[350:1050, 150:850, 1].astype(np.float32)
width, length = 3.5, 21
y, x = np.mgrid[-16:17, -16:17]


def line(angle):
    """Return the taps of a piece of vessel, which sum to zero."""
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= 3 * width)
    taps = -np.exp(-(across**2) / (2 * width**2)) * inside
    taps -= taps.sum() / inside.sum() * inside
    return taps / np.abs(taps).sum()


angles = np.arange(12) * np.pi / 12
bank = fa.Bank.stack([fa.Kernel(line(angle)) for angle in angles])
answers = fa.correlate(green, bank)
vesselness, direction = answers.max(axis=0), angles[answers.argmax(axis=0)]

figure, panels = plt.subplots(1, 3, figsize=(12.5, 4.7), layout="constrained")
panels[0].imshow(green, cmap="gray")
panels[0].set_title("retina, green")
panels[1].imshow(vesselness, cmap="viridis", vmin=0, vmax=12)
panels[1].set_title("largest of 12 answers")
coloured = (
    plt.get_cmap("twilight_shifted")(direction / np.pi)
    * np.clip(vesselness / 9, 0, 1)[:, :, None]
)
coloured[:, :, 3] = 1
panels[2].imshow(coloured)
panels[2].set_title("its direction as colour")
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle is SciPy, one direction after the other. And a property: a quarter turn of the
# image turns the answer.

for index in (0, 5):
    assert np.allclose(
        answers[index], scipy.ndimage.correlate(green, bank.taps[index, 0]), atol=1e-3
    )
turned = fa.correlate(np.rot90(green), bank).max(axis=0)
print(
    "largest difference after a quarter turn: "
    f"{np.abs(turned - np.rot90(vesselness)).max():.1e} grey levels"
)
assert np.allclose(turned, np.rot90(vesselness), atol=1e-3)

# %%
# Seen: thin and thick vessels stand out with their directions, and a turned eye gives the
# turned answer. See :class:`faltung.Bank` and :doc:`/filters`.

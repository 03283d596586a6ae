"""
The five modes, drawn
=====================

At the border of an image the window reaches beyond the samples, so something has to be there.
Five answers have names. The picture shows what each of them puts around a photograph, and what
a mean over 25 × 25 samples makes of it. The photograph is part of the portrait of Eileen
Collins (NASA, public domain, in scikit-image).
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from matplotlib.patches import Rectangle

import faltung as fa

image = skimage.data.astronaut()[80:180, 170:270].mean(axis=2)
width = 40
kernel = fa.box(25)
numpy_names = {
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
    "constant": "constant",
}

# %%
# `numpy.pad` has the same five with partly different names: what NumPy calls *reflect* is
# *mirror* in SciPy and here.

figure, panels = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
for (mode, name), above, below in zip(numpy_names.items(), panels[0], panels[1], strict=True):
    extended = np.pad(image, width, mode=name)
    above.imshow(extended, cmap="gray", vmin=0, vmax=255)
    frame = Rectangle(
        (width - 0.5, width - 0.5), *image.shape, fill=False, edgecolor="tab:orange", linewidth=2
    )
    above.add_patch(frame)
    above.set(title=mode, xticks=[], yticks=[])

    output = fa.convolve(image, kernel, mode=mode)
    below.imshow(output, cmap="gray", vmin=0, vmax=255)
    below.set(xticks=[], yticks=[])

    # The oracle: extend the image, then take only windows that lie inside of it.
    spare = width - kernel.shape[0] // 2
    windows = np.lib.stride_tricks.sliding_window_view(
        extended[spare:-spare, spare:-spare], kernel.shape
    )
    assert np.allclose(output, windows.mean(axis=(2, 3)))
    print(f"{mode:9} top left output: {output[0, 0]:6.1f}")
panels[0, 0].set_ylabel("the image, extended")
panels[1, 0].set_ylabel(f"mean of {kernel.shape[0]} × {kernel.shape[1]}")

# %%
# Seen: the modes agree in the middle and differ at the border, where *constant* pulls the mean
# down to zero; each equals the mean of windows of the extended image. The names that other
# libraries use are in :doc:`/conventions`.

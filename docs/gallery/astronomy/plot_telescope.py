"""
Spikes of a telescope: a kernel as large as the picture
=======================================================

The mirror of a telescope, and the struts before it, give every star its rings and spikes. This
point spread function is the power spectrum of the aperture, and it has no end: here it has 257
× 257 taps. A sum under the window would be 13 billion products for this picture; Fourier
transforms need a small part of that, and the plan says so. Stars and galaxies are those of the
Hubble deep field of scikit-image (NASA, public domain).
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
import skimage.data

import faltung as fa

# %%
# A round aperture with a round obstruction and four struts; its spectrum is the field at the
# detector.

size = 257
y, x = np.mgrid[:size, :size] - size // 2
radius = np.hypot(x, y)
aperture = (radius < 44) & (radius > 13) & (np.abs(x + y) > 1.5) & (np.abs(x - y) > 1.5)
field = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(aperture)))
psf = np.abs(field) ** 2
kernel = fa.Kernel(psf / psf.sum())

sky = skimage.data.hubble_deep_field()[200:600, 250:750].mean(axis=2)
light = (np.maximum(sky - 15, 0) / 40) ** 3  # stars are far brighter than the file can say
image = fa.convolve(light, kernel, mode="constant")
print(fa.plan(light, kernel, mode="constant"))

figure, panels = plt.subplots(
    1, 3, figsize=(13, 4.3), layout="constrained", width_ratios=[1, 1.25, 1.25]
)
panels[0].imshow(np.log10(kernel.taps[64:193, 64:193] + 1e-9), cmap="viridis", vmin=-7, vmax=-2)
panels[0].set_title("PSF, logarithm")
pictures = {"light of the sky": light, "seen by the telescope": image}
for panel, (title, picture) in zip(panels[1:], pictures.items(), strict=True):
    panel.imshow(np.arcsinh(picture / 0.3), cmap="gray", vmin=0, vmax=6)
    panel.set_title(title)
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# The oracle is SciPy's Fourier convolution of the whole array; light is neither made nor
# negative.

oracle = scipy.signal.fftconvolve(light, kernel.taps, mode="same")
whole = fa.convolve(light, kernel, shape="full")
print(f"largest difference to SciPy: {np.abs(image - oracle).max():.1e} of {image.max():.0f}")
print(f"light: {light.sum():.6e} before, {whole.sum():.6e} after")
assert np.allclose(image, oracle, atol=1e-9 * image.max())
assert np.isclose(whole.sum(), light.sum())
assert image.min() >= 0

# %%
# Seen: every star has the spikes of the struts, and no light is lost. No output is negative,
# though Fourier transforms are used: see :doc:`/accuracy`, and
# :func:`faltung.plan`.

"""
The kernel from one point spread function to another
====================================================

To compare two pictures of one sky, the sharper one is given the point spread function of the
other. The kernel between them is a filter that is fitted: :func:`faltung.fit_filter`. Both are
measured from stars, so they are noisy. The ratio of their Fourier transforms fits the noise at
all frequencies where the sharp one has little; a fit with few taps, which are kept small, does
not. The point spread functions are made here, as Moffat profiles.
"""

import matplotlib.pyplot as plt
import numpy as np

import faltung as fa


def moffat(width, power, stretch=1.0):
    """Light of a star: full width at half maximum, in pixels; it sums to one."""
    y, x = np.mgrid[-30:31, -30:31]
    radius = width / (2 * np.sqrt(2 ** (1 / power) - 1))
    profile = (1 + (x**2 + (stretch * y) ** 2) / radius**2) ** -power
    return profile / profile.sum()


random = np.random.default_rng(0)
sharp, wide = moffat(2.5, 3.0), moffat(4.5, 2.5, 1.1)
noise = 1e-3 * random.standard_normal((2, 61, 61))
sharp_seen, wide_seen = sharp + sharp.max() * noise[0], wide + wide.max() * noise[1]

# %%
# The ridge is compared with the mean square of the samples of the sharp one. Beyond the pictures
# there is no light: ``mode="constant"``, and no offset.

ridge = 5e-4 * (sharp_seen**2).mean()
options = {"mode": "constant", "offset": False, "held_out": 0}
fitted, report = fa.fit_filter(sharp_seen, wide_seen, 25, ridge=ridge, **options)

spectra = np.fft.fft2(np.fft.ifftshift([sharp_seen, wide_seen], axes=(1, 2)))
ratio = fa.Kernel(np.fft.fftshift(np.fft.ifft2(spectra[1] / spectra[0]).real))

figure, panels = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
middle = (slice(18, 43),) * 2
pictures = {
    "sharp": sharp_seen[middle],
    "wide": wide_seen[middle],
    "kernel, fitted": fitted.taps,
    "kernel, ratio of transforms": ratio.taps[middle],
}
for panel, (title, picture) in zip(panels, pictures.items(), strict=True):
    panel.imshow(picture, cmap="viridis", vmin=0)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: the point spread functions without noise, which the fit has not seen.

errors = {
    name: np.abs(kernel(sharp, mode="constant") - wide).max() / wide.max()
    for name, kernel in (("fitted", fitted), ("ratio", ratio))
}
print(f"largest error, of the peak: {errors['fitted']:.2%} fitted, {errors['ratio']:.2%} ratio")
assert errors["fitted"] < 0.005 < errors["ratio"]

# %%
# Seen: the fitted kernel is smooth, and the ratio is mostly noise. More on fits is in
# :doc:`/fitting`; see :func:`faltung.fit_filter`.

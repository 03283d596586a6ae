"""
Tomography is one convolution away
==================================

A scanner measures sums along lines. Smearing these back over the image gives a blurred picture.
Ramachandran and Lakshminarayanan (1971) found that one convolution of each projection makes it
sharp. Its tap is 1/4 in the middle, minus 1 / (π n)² at odd lags n, and zero at even ones. The
object is the Shepp and Logan phantom (1974) of scikit-image (BSD licence), so projections are
synthetic.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import skimage.transform

import faltung as fa

phantom = skimage.transform.resize(skimage.data.shepp_logan_phantom(), (160, 160))
angles = np.arange(0, 180, 1.0)
projections = skimage.transform.radon(phantom, angles)  # (positions, angles)

lags = np.arange(-159, 160)
odd = lags % 2 == 1
ramp = np.zeros(lags.size)
ramp[odd] = -1 / (np.pi * lags[odd]) ** 2
ramp[159] = 1 / 4
kernel = fa.Kernel(ramp)

filtered = fa.convolve(
    projections, kernel, mode="constant", axes=0
)  # along the detector, for every angle


def smear(lines):
    """Return the back projection: every line smeared over the image, added up."""
    centre = np.arange(160) - 80
    y, x = np.meshgrid(centre, centre, indexing="ij")
    image = np.zeros((160, 160))
    for line, angle in zip(lines.T, np.deg2rad(angles), strict=True):
        image += np.interp(x * np.cos(angle) - y * np.sin(angle), centre, line, left=0, right=0)
    return image * np.pi / angles.size


blurred, sharp = smear(projections), smear(filtered)
figure, panels = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
panels[0].imshow(projections, cmap="gray", aspect="auto", extent=(0, 180, 160, 0))
panels[0].set(title="180 projections", xlabel="angle, degrees", ylabel="position")
pictures = {
    "smeared back": 0.6 * blurred / blurred.max(),
    "filtered, then smeared back": sharp,
    "the object": phantom,
}
for panel, (title, picture) in zip(panels[1:], pictures.items(), strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=0.6)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle is scikit-image's reconstruction with its ramp filter, which multiplies spectra.

oracle = skimage.transform.iradon(projections, angles, filter_name="ramp")
inside = np.hypot(*np.meshgrid(np.arange(160) - 80, np.arange(160) - 80)) < 78
sharp, blurred, oracle, phantom = (
    picture[inside] for picture in (sharp, blurred, oracle, phantom)
)
print(f"mean difference to the object       {np.abs(sharp - phantom).mean():.4f}")
print(f"mean difference to scikit-image     {np.abs(sharp - oracle).mean():.4f}")
assert np.abs(sharp - oracle).mean() < 0.005
assert np.abs(sharp - phantom).mean() < 0.05 < np.abs(blurred - phantom).mean()
middle = np.convolve(projections[:, 40], ramp)[159 : 159 + 160]
assert np.allclose(filtered[:, 40], middle)

# %%
# Seen: 319 taps turn a smear into a slice. ``axes=`` is explained in :doc:`/conventions`; see
# :func:`faltung.convolve`.

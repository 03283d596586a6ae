"""
How alike are two pictures? A map of SSIM
=========================================

The structural similarity compares means, variances and the covariance of two pictures under a
Gaussian window (Wang et al., 2004): local statistics of two arrays. The map shows *where* a
compressed photograph suffers. The photograph is `coffee` of scikit-image (Rachel Michetti, CC0
licence), compressed here as JPEG.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import skimage.metrics
from PIL import Image

import faltung as fa

photo = np.asarray(Image.fromarray(skimage.data.coffee()).convert("L"))[:, 60:560]
file = io.BytesIO()
Image.fromarray(photo).save(file, "JPEG", quality=6)
jpeg = np.asarray(Image.open(file))

window = fa.gaussian(1.5, truncate=3.5)
x, y = photo.astype(float), jpeg.astype(float)
mean_x, mean_y = fa.local_mean(x, window), fa.local_mean(y, window)
variance_x, variance_y = fa.local_var(x, window), fa.local_var(y, window)
covariance = fa.local_cov(x, y, window)
c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
ssim = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
ssim /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)

figure, panels = plt.subplots(1, 3, figsize=(13, 3.4), layout="constrained")
panels[0].imshow(photo, cmap="gray")
panels[0].set_title("photograph")
panels[1].imshow(jpeg, cmap="gray")
panels[1].set_title(f"JPEG, {len(file.getvalue()) / 1000:.0f} kB of {photo.size / 1000:.0f} kB")
drawn = panels[2].imshow(ssim, cmap="viridis", vmin=0, vmax=1)
panels[2].set_title(f"SSIM, mean {ssim.mean():.3f}")
figure.colorbar(drawn, ax=panels[2])
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# scikit-image has the same measure.

options = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
    "full": True,
}
mean, oracle = skimage.metrics.structural_similarity(photo, jpeg, **options)
print(f"largest difference to scikit-image: {np.abs(ssim - oracle).max():.1e}")
assert np.allclose(ssim, oracle)

# %%
# Seen: the fine grain of the table loses most, and the map equals that of scikit-image. What
# equals what in that library is in :doc:`/compat-skimage`; see :func:`faltung.local_cov`.

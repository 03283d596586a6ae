"""
Rank: how many outer products is a filter?
==========================================

A filter that is one column times one row (rank 1) can be applied along columns and rows: 2 n
products for each output instead of n². Other filters are a sum of a few such outer products.
The singular values of the taps say how many are needed, and the sum of the first r of them is
the best filter of rank r.
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import faltung as fa

kernels = {
    "gaussian(4)": fa.gaussian(4),
    "log(4)": fa.log(4),
    "gabor(0.12, 0.6).real": fa.gabor(0.12, 0.6).real,
    "motion(25, angle=0.6)": fa.motion(25, angle=0.6),
    "disk(16)": fa.disk(16),
}

figure, panels = plt.subplots(2, 5, figsize=(12, 5), layout="constrained")
for (text, kernel), above, below in zip(kernels.items(), panels[0], panels[1], strict=True):
    largest = np.abs(kernel.taps).max()
    above.imshow(kernel.taps, cmap="RdBu_r", vmin=-largest, vmax=largest)
    above.set(title=text, xticks=[], yticks=[])
    values = np.linalg.svd(kernel.taps, compute_uv=False)
    needed = np.count_nonzero(values > 1e-6 * values[0])
    below.bar(1 + np.arange(values.size), values / values[0], color="tab:blue")
    below.set(
        title=f"rank {kernel.rank()}", xlabel="singular value", xlim=(0.3, 18.7), ylim=(0, 1.05)
    )
    assert kernel.rank() == needed
    print(f"{text:22} {kernel.size:5} taps, rank {kernel.rank()}")
panels[1, 0].set_ylabel("relative to the first")

# %%
# faltung knows the structure of an expression, and the planner uses it. Here a filter of rank 2
# is put together from two outer products by hand, and applied to a photograph (`camera` of
# scikit-image, by Lav Varshney, CC0 licence).

image = skimage.data.camera().astype(float)
left, values, right = np.linalg.svd(kernels["log(4)"].taps)
passes = [
    fa.convolve(
        fa.convolve(image, left[:, [i]] * values[i]), right[[i], :]
    )  # a column, then a row
    for i in range(2)
]
assert np.allclose(sum(passes), fa.log(4)(image))
assert np.linalg.matrix_rank(kernels["disk(16)"].taps, tol=1e-6) == kernels["disk(16)"].rank()

# %%
# Seen: a Gaussian is one outer product, a Laplacian of a Gaussian two, and a disk needs many;
# two passes each for two outer products give the same image as the 33 × 33 taps. How a plan
# uses this is in :doc:`/speed`; see also :class:`faltung.Kernel`.

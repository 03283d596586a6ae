"""
Learn a sharpening kernel by gradient
=====================================

Taps that are a tensor of torch have a gradient. So a kernel can be learned: start from the unit
impulse, compare the output with a sharp picture, and take steps against the gradient. The loss
is a mean square, for which the exact minimum is known from `fit_filter`: gradient and normal
equations have to meet. The photograph is `camera` of scikit-image (Lav Varshney, CC0 licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import torch

import faltung as fa

sharp = torch.tensor(skimage.data.camera()[60:220, 130:290] / 255.0)
noise = torch.tensor(np.random.default_rng(0).normal(scale=0.02, size=sharp.shape))
blurred = fa.gaussian(1.2)(sharp) + noise

taps = torch.zeros(9, 9, dtype=torch.float64)
taps[4, 4] = 1.0
taps.requires_grad_()
optimiser = torch.optim.LBFGS(
    [taps], max_iter=300, history_size=20, line_search_fn="strong_wolfe"
)
losses = []


def loss_and_gradient():
    """Return the loss of the taps as they are, and its gradient in ``taps.grad``."""
    optimiser.zero_grad()
    loss = (fa.convolve(blurred, taps) - sharp).square().mean()
    loss.backward()
    losses.append(loss.item())
    return loss


optimiser.step(loss_and_gradient)
learned = taps.detach()

# %%
# The exact filter, from normal equations instead of a gradient.

exact, report = fa.fit_filter(
    blurred.numpy(), sharp.numpy(), 9, mode="reflect", offset=False, held_out=0
)
difference = np.abs(learned.numpy() - exact.taps).max()
print(
    f"{len(losses)} evaluations; largest difference of a tap to the exact filter: "
    f"{difference:.1e}"
)
assert difference < 0.02
least = np.mean((exact(blurred.numpy()) - sharp.numpy()) ** 2)
assert losses[-1] < 1.001 * least

figure, panels = plt.subplots(
    1, 4, figsize=(13, 3.5), layout="constrained", width_ratios=[1, 1, 1, 1.2]
)
part = np.s_[8:128, 20:140]
pictures = {
    "blurred, with noise": blurred,
    "learned kernel applied": fa.convolve(blurred, learned),
}
for panel, (title, picture) in zip(panels[:2], pictures.items(), strict=True):
    panel.imshow(picture[part].numpy(), cmap="gray", vmin=0, vmax=1)
    panel.set(title=title, xticks=[], yticks=[])
panels[2].imshow(learned.numpy(), cmap="RdBu_r", vmin=-1.5, vmax=1.5)
panels[2].set(title="learned taps", xticks=[], yticks=[])
panels[3].semilogy(losses, color="tab:blue")
panels[3].axhline(least, color="tab:orange", linestyle="--", label="exact filter")
panels[3].set(title="loss", xlabel="evaluation")
panels[3].legend(frameon=False)

# %%
# Seen: the gradient leads to the taps that the normal equations give. Tensors and their
# gradients are explained in :doc:`/layers`; see :func:`faltung.fit_filter` and
# :doc:`/learning`.

"""
6. Kernel values are learned by empirical risk minimisation
===========================================================

The kernels of a network are not designed. They begin as random numbers. A *loss* says how wrong the output is for
one example; the *empirical risk* is the mean loss over the examples. Each step changes all taps a little, in the
direction in which the risk falls. Here this is done twice: for one kernel, for which the best one is known, and for
a small network.

The photograph is ``skimage.data.grass`` (linolafett, CC0 licence), the clothes are Fashion-MNIST (Zalando SE, MIT
licence).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from skimage import data

import faltung as fa

# %%
# One kernel. The examples are windows of a photograph, and what an unknown filter made of them, with some noise.
# The loop is gradient descent: choose examples, compute their risk, go down its gradient.

photograph = (data.grass()[:256, :256] / 255 - 0.5).astype(np.float32)
unknown = fa.gaussian_derivative(1, axis=1, truncate=3) - 0.5 * fa.gaussian_derivative(1, axis=0, truncate=3)
noise = np.random.default_rng(0).normal(0, 0.01, photograph.shape).astype(np.float32)
wanted = fa.convolve(photograph, unknown) + noise

torch.manual_seed(0)
x, y = (torch.from_numpy(array)[None, None] for array in (photograph, wanted))
layer = fa.layers.Conv(1, 1, 7, bias=False, flip=True)
descent = torch.optim.Adam(layer.parameters(), lr=0.05)
slower = torch.optim.lr_scheduler.LinearLR(descent, 1.0, 0.01, total_iters=300)
risks, kernels = [], {}
for step in range(301):
    if step in (0, 20, 300):
        kernels[f"after {step} steps"] = layer.weight[0, 0].detach().numpy().copy()
    i, j = torch.randint(0, 256 - 70, (2,)).tolist()
    risk = (layer(x[..., i : i + 70, j : j + 70]) - y[..., i + 3 : i + 67, j + 3 : j + 67]).square().mean()
    descent.zero_grad()
    risk.backward()
    descent.step()
    slower.step()
    risks.append(risk.item())

# %%
# The smallest possible risk of such a filter is known, by a way without steps: least squares. Descent must come
# close to it, and the taps must be close to those of the unknown filter.

best, report = fa.fit_filter(photograph, wanted, 7)
learned = kernels["after 300 steps"]
least = np.square(fa.convolve(photograph, best) + report.offset - wanted)[3:-3, 3:-3].mean()
error = np.abs(learned - unknown.taps).max() / np.abs(unknown.taps).max()
print(
    f"risk at first {risks[0]:.4f}, at last {np.mean(risks[-20:]):.6f}, least {least:.6f}; error of taps {error:.1%}"
)
assert np.mean(risks[-20:]) < 1.2 * least < risks[0] / 20
assert error < 0.2

# %%
# A network. The loss is the cross entropy of its answer and the true class. All kernels of both its stages are
# learned at once; the pictures show those of the first layer, before and after.

split = fa.datasets.load_embedded()
network = fa.networks.ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(8, 8))
first = network.stages[0].change[0].weight
before = first.detach().numpy()[:, 0].copy()
history = fa.learn.train(network, fa.learn.Classification(split), fa.learn.Recipe(epochs=3))
after = first.detach().numpy()[:, 0]
by_epoch = [record.measures["training_risk"] for record in history]
test, labels = torch.from_numpy(split.test.samples).float() / 255, torch.from_numpy(split.test.labels).long()
accuracy = fa.learn.accuracy(network.eval(), test, labels)
print(f"risk by epoch {[round(risk, 2) for risk in by_epoch]}, accuracy on test images {accuracy:.1%}")
assert by_epoch[-1] < 0.85 * by_epoch[0]
assert accuracy > 0.5

figure = plt.figure(figsize=(10, 7.6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.5, 1))
axes = top.subplots(2, 3, width_ratios=(1.6, 1, 1))
for axis in axes[:, 0]:
    axis.remove()
curve = top.add_subplot(axes[0, 0].get_gridspec()[:, 0])
curve.semilogy(risks, color="#0072B2")
curve.axhline(least, color="#D55E00", linestyle="--", label="least squares")
curve.set(title="One kernel: the risk falls", xlabel="step", ylabel="empirical risk")
curve.legend()
limit = np.abs(unknown.taps).max()
for axis, (name, taps) in zip(axes[:, 1:].flat, {**kernels, "the unknown filter": unknown.taps}.items(), strict=True):
    axis.imshow(taps, cmap="PuOr", vmin=-limit, vmax=limit)
    axis.set(title=name, xticks=[], yticks=[], frame_on=False)
bottom.suptitle("A network: the kernels of its first layer, before (above) and after three epochs (below)")
for row, taps in zip(bottom.subplots(2, 8), (before, after), strict=True):
    for axis, kernel in zip(row, taps, strict=True):
        axis.imshow(kernel, cmap="PuOr", vmin=-np.abs(taps).max(), vmax=np.abs(taps).max())
        axis.set(xticks=[], yticks=[], frame_on=False)
plt.show()

print(
    "Seen: 300 steps come within 20 % of the least risk, and no tap of an unknown filter is missed by 20 % of the "
    "largest tap; three epochs take a network from guessing one of ten classes to more than half of the test images."
)

# %%
# **What was seen.** Random taps became close to those of the unknown filter. In the network one kernel
# has the largest taps in the end, all of one sign, and the taps of the others are small beside them; nobody chose
# this. What a low risk on the *training* images is worth is another question; only images that were not learned from
# can answer it, such as the test images here.
#
# More: :func:`faltung.fit_filter` and :doc:`/fitting`; :func:`faltung.learn.train` and :doc:`/learning`.

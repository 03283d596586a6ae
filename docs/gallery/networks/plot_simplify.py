"""
The same network with fewer layers
==================================

A network that was trained in branches can be used without them. Convolution is linear: parallel
branches are a sum of banks, a batch norm is a factor and a shift, an identity is ``delta``.
`fa.inspect.simplify` applies these laws and certifies the result. The block here is that of
RepVGG (Ding et al., 2021): 3 × 3, 1 × 1 and identity, each with a batch norm.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import faltung as fa

torch.manual_seed(0)


class Block(nn.Module):
    """Three branches and their sum."""

    def __init__(self, channels):
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(channels, channels, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(3))

    def forward(self, x):
        """Return the rectified sum of the branches."""
        return torch.relu(
            self.norms[0](self.wide(x)) + self.norms[1](self.narrow(x)) + self.norms[2](x)
        )


network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), Block(8))
for _ in range(5):
    network(torch.randn(16, 1, 28, 28))  # statistics for the batch norms
network.eval()
example = torch.randn(1, 1, 28, 28)
simple, certificate = fa.inspect.simplify(network, example)
print(certificate)

# %%
# The kernels from channel 5 to channel 5 of the block, and what became of them: one kernel, by
# algebra.

block = network[2]
scales = [norm.weight / torch.sqrt(norm.running_var + norm.eps) for norm in block.norms]
parts = [
    (block.wide.weight[5, 5] * scales[0][5]).detach().numpy(),
    np.pad((block.narrow.weight[5, 5] * scales[1][5]).detach().numpy(), 1),
    np.pad([[scales[2][5].item()]], 1),
]
layers = [module for module in simple[2].modules() if isinstance(module, nn.Conv2d)]
(folded,) = [layer for layer in layers if layer.kernel_size == (3, 3)]
together = folded.weight[5, 5].detach().numpy()

figure, panels = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
titles = ["3 × 3, scaled", "+ 1 × 1, scaled", "+ identity, scaled", "= one layer of 3 × 3"]
limit = 2 * np.abs(together).max()
for panel, taps, title in zip(panels, [*parts, together], titles, strict=True):
    panel.imshow(taps, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for (i, j), value in np.ndenumerate(taps):
        panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=11)
    panel.set(title=title, xticks=[], yticks=[])

# %%
# The oracle: both networks on another picture, of another size; and the sum of the three
# kernels.

picture = torch.randn(2, 1, 40, 33)
with torch.no_grad():
    difference = (simple(picture) - network(picture)).abs().max().item()
print(f"largest difference of the outputs: {difference:.1e}")
assert difference < 1e-5
assert np.allclose(sum(parts), together, atol=1e-6)
assert sum(isinstance(module, nn.BatchNorm2d) for module in simple.modules()) == 0

# %%
# Seen: three branches and three batch norms are one layer, with the same outputs. Which
# rewrites are exact, and which are refused, is in :doc:`/simplifying`.

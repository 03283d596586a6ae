"""Does training notice Winograd's tiles? A small network learns with and without them, from several seeds.

Every 3 x 3 layer is computed by one way, forward and backward, in single precision: ``torch`` and ``winograd``
begin with the same weights, and see the same batches. Two figures compare the curves of the loss, averaged over
stretches of ten steps::

    between ways     mean over stretches of |winograd - torch|, for the same seed
    between seeds    mean over stretches of the standard deviation over seeds, by torch's kernels

Prints both, and the accuracy on the validation set by each way::

    python benchmarks/winograd_training.py --seeds 5 --steps 200
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import nn

from faltung.datasets import load_embedded
from faltung.layers import Conv

WAYS = ("torch", "winograd")


def network(way: str, classes: int, channels: int) -> nn.Module:
    """Return a network of 3 x 3 layers; all but the first have many channels."""
    layers: list[nn.Module] = []
    for ins, outs in ((1, channels), (channels, channels), (channels, channels), (channels, channels)):
        layers += [Conv(ins, outs, 3, padding=1, bias=False, method=way), nn.BatchNorm2d(outs), nn.ReLU()]
    layers.insert(9, nn.MaxPool2d(2))
    layers.insert(3, nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def learn(way: str, seed: int, steps: int, channels: int) -> tuple[np.ndarray, float]:
    """Return the loss of each step, and the accuracy on the validation set."""
    torch.manual_seed(seed)
    data = load_embedded()
    x, y = (torch.as_tensor(np.asarray(part)) for part in (data.training.samples, data.training.labels))
    x = x.float() / float(x.max())
    net = network(way, int(y.max()) + 1, channels)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(x), (32,))
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        held = torch.as_tensor(np.asarray(data.validation.samples)).float()
        found = net(held / float(torch.as_tensor(np.asarray(data.training.samples)).max())).argmax(1)
        right = (found == torch.as_tensor(np.asarray(data.validation.labels))).float().mean()
    return np.array(losses), float(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--channels", type=int, default=64)
    arguments = parser.parse_args()
    curves: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    rights: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(arguments.seeds):
        for way in WAYS:
            losses, right = learn(way, seed, arguments.steps, arguments.channels)
            curves[way].append(losses.reshape(-1, 10).mean(axis=1))
            rights[way].append(right)
        print(
            f"seed {seed}: last loss {curves['torch'][-1][-1]:.4f} by torch, {curves['winograd'][-1][-1]:.4f} tiled",
            flush=True,
        )
    by_torch, tiled = (np.array(curves[way]) for way in WAYS)
    print(f"between ways   {np.abs(tiled - by_torch).mean():.4f}")
    print(f"between seeds  {by_torch.std(axis=0, ddof=1).mean():.4f}")
    for way in WAYS:
        print(f"{way:9} accuracy {np.mean(rights[way]):.4f} +- {np.std(rights[way], ddof=1):.4f}")


if __name__ == "__main__":
    main()

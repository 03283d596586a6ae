"""The networks against their formulas, and their descriptions."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from torch.nn import functional

from faltung.errors import ArgumentError
from faltung.networks import NETWORKS, ConvClassifier, DenseClassifier


def _randomise(network: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            offset = 1.0 if name.endswith("running_var") else 0.0
            tensor.copy_(offset + torch.rand(tensor.shape, generator=generator))
    return network.eval()


def _normalise(values: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    scale = state[f"{name}.weight"] / torch.sqrt(state[f"{name}.running_var"] + 1e-5)
    shape = (1, -1) + (1,) * (values.ndim - 2)
    return (values - state[f"{name}.running_mean"].view(shape)) * scale.view(shape) + state[f"{name}.bias"].view(
        shape
    )


def _correlate(values: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Correlate with zeros beyond the border, tap by tap."""
    lengths = values.shape[2:]
    half = [size // 2 for size in kernels.shape[2:]]
    extended = functional.pad(values, [half[axis] for axis in reversed(range(len(half))) for _ in range(2)])
    result = torch.zeros(len(values), len(kernels), *lengths, dtype=torch.double)
    for tap in itertools.product(*map(range, kernels.shape[2:])):
        window = extended[(..., *(slice(start, start + n) for start, n in zip(tap, lengths, strict=True)))]
        result += torch.einsum("nc...,oc->no...", window, kernels[(..., *tap)])
    return result


def _largest_of_neighbours(values: torch.Tensor) -> torch.Tensor:
    for axis in range(2, values.ndim):
        even, odd = (values.index_select(axis, torch.arange(start, values.shape[axis], 2)) for start in (0, 1))
        if odd.shape[axis] < even.shape[axis]:
            odd = torch.cat([odd, even.narrow(axis, -1, 1)], axis)
        values = torch.maximum(even, odd)
    return values


@pytest.mark.parametrize(("lengths", "size"), [((7, 6), 3), ((11,), 5), ((3, 4, 5), 3)])
def test_conv_classifier_is_its_formula(lengths, size):
    network = _randomise(
        ConvClassifier(sample_shape=(2, *lengths), channels=(3, 4), classes=5, size=size, mean=0.25, deviation=2.0)
    )
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}
    samples = torch.rand(2, 2, *lengths, generator=torch.Generator().manual_seed(1))

    def bank(values: torch.Tensor, name: str) -> torch.Tensor:
        return _normalise(_correlate(values, state[f"{name}.0.weight"]), state, f"{name}.1")

    values = (samples.double() - 0.25) / 2.0
    for stage in ("stages.0", "stages.2"):
        if stage == "stages.2":
            values = _largest_of_neighbours(values)
        found = bank(values, f"{stage}.change").clamp(min=0)
        values = (found + bank(bank(found, f"{stage}.first").clamp(min=0), f"{stage}.second")).clamp(min=0)
    expected = values.flatten(2).mean(2) @ state["classify.weight"].T + state["classify.bias"]
    assert torch.allclose(network(samples).double(), expected, rtol=1e-5)


def test_dense_classifier_is_its_formula():
    network = _randomise(DenseClassifier(sample_shape=(2, 3, 2), widths=(6, 4), classes=3))
    state = network.state_dict()
    images = torch.rand(5, 2, 3, 2, generator=torch.Generator().manual_seed(1))
    values = images.reshape(5, 12)
    for layer in range(2):
        values = _normalise(values @ state[f"hidden.{layer}.0.weight"].T, state, f"hidden.{layer}.1").clamp(min=0)
    expected = values @ state["classify.weight"].T + state["classify.bias"]
    assert torch.allclose(network(images), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (28, 28), (33, 64)])
def test_conv_classifier_takes_any_image_size(size):
    network = ConvClassifier(sample_shape=(3, 8, 8), classes=4).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 4)


def test_moving_by_the_stride_of_all_stages_moves_nothing_but_the_border():
    # Two poolings halve the image twice: an object that moves by 4 pixels within black gives the same sums, as long
    # as what it excites stays within the frame.
    network = _randomise(ConvClassifier(sample_shape=(1, 64, 64), channels=(3, 4, 5), classes=2))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.zero_()
            module.bias.data.zero_()
    image = torch.zeros(1, 1, 64, 64)
    image[..., 26:36, 25:33] = torch.rand(10, 8)
    assert torch.allclose(network(image), network(image.roll(4, dims=3)), rtol=1e-5)
    assert not torch.allclose(network(image), network(image.roll(1, dims=3)), rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "shape", "classes"), [(80_000, (1, 28, 28), 10), (500, (3, 40), 4), (10**6, (3, 8, 8, 8), 2)]
)
def test_widths_fit_the_budget_and_one_more_would_not(parameters, shape, classes):
    def count(widths: tuple[int, ...]) -> int:
        network = DenseClassifier(sample_shape=shape, widths=widths, classes=classes)
        return sum(parameter.numel() for parameter in network.parameters())

    widths = DenseClassifier.widths_for(parameters, shape, classes)
    assert count(widths) <= parameters or widths == (1, 1)
    assert count(tuple(width + 1 for width in widths)) > parameters


@pytest.mark.parametrize(
    "network",
    [
        ConvClassifier(sample_shape=(3, 5, 4), channels=(2, 3), classes=4),
        DenseClassifier(sample_shape=(3, 5, 4), widths=(6,), classes=4),
        DenseClassifier(sample_shape=(3, 5, 4), widths=(), classes=4),
    ],
    ids=lambda network: f"{type(network).__name__}{list(network.arguments.values())}",
)
def test_description_rebuilds_the_network(network):
    arguments = json.loads(json.dumps(network.arguments))
    again = NETWORKS[type(network).__name__](**arguments)
    again.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 5, 4)
    assert torch.equal(again.eval()(images), network.eval()(images))


@pytest.mark.parametrize(
    "arguments", [{"channels": (), "classes": 2}, {"channels": (4, 0), "classes": 2}, {"classes": 0}]
)
def test_conv_classifier_refuses(arguments):
    with pytest.raises(
        ArgumentError, match="channels: expected at least one stage, and no number below one, got channels="
    ):
        ConvClassifier(**{"sample_shape": (1, 8, 8), **arguments})


@pytest.mark.parametrize(
    "arguments", [{"widths": (0,), "classes": 2}, {"classes": 0}, {"sample_shape": (0, 2, 2), "classes": 2}]
)
def test_dense_classifier_refuses(arguments):
    with pytest.raises(ArgumentError, match="widths: expected no number below one, got sample_shape="):
        DenseClassifier(**{"sample_shape": (1, 8, 8), **arguments})

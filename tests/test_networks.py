"""The networks against their formulas, and their descriptions."""

from __future__ import annotations

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


def test_conv_classifier_is_its_formula():
    network = _randomise(ConvClassifier(channels=(3, 4), classes=5, input_channels=2))
    state = network.state_dict()
    images = torch.rand(2, 2, 7, 6, generator=torch.Generator().manual_seed(1))
    values = images.double()
    state = {name: tensor.double() for name, tensor in state.items()}
    for stage in range(2):
        kernels = state[f"stages.{stage}.0.weight"]
        extended = functional.pad(values, (1, 1, 1, 1))
        height, width = values.shape[2:]
        correlated = torch.zeros(2, len(kernels), height, width, dtype=torch.double)
        for row in range(height):
            for column in range(width):
                window = extended[:, :, row : row + 3, column : column + 3]
                correlated[:, :, row, column] = torch.einsum("ncij,ocij->no", window, kernels)
        rows, columns = -(-height // 2), -(-width // 2)
        pooled = torch.zeros(2, len(kernels), rows, columns, dtype=torch.double)
        for row in range(rows):
            for column in range(columns):
                pooled[:, :, row, column] = correlated[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].amax(
                    (2, 3)
                )
        values = _normalise(pooled, state, f"stages.{stage}.2").clamp(min=0)
    expected = values.mean((2, 3)) @ state["classify.weight"].T + state["classify.bias"]
    assert torch.allclose(network(images).double(), expected, rtol=1e-5)


def test_dense_classifier_is_its_formula():
    network = _randomise(DenseClassifier(image_shape=(2, 3, 2), widths=(6, 4), classes=3))
    state = network.state_dict()
    images = torch.rand(5, 2, 3, 2, generator=torch.Generator().manual_seed(1))
    values = images.reshape(5, 12)
    for layer in range(2):
        values = _normalise(values @ state[f"hidden.{layer}.0.weight"].T, state, f"hidden.{layer}.1").clamp(min=0)
    expected = values @ state["classify.weight"].T + state["classify.bias"]
    assert torch.allclose(network(images), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (28, 28), (33, 64)])
def test_conv_classifier_takes_any_image_size(size):
    assert ConvClassifier(classes=4, input_channels=3).eval()(torch.rand(2, 3, *size)).shape == (2, 4)


def test_moving_by_the_stride_of_all_stages_moves_nothing_but_the_border():
    # Three stages halve the image three times: an object that moves by 8 pixels within black gives the same sums,
    # apart from what lies beyond the border, which is black too.
    network = _randomise(ConvClassifier(channels=(3, 4, 5), classes=2))
    for stage in network.stages:
        stage[2].running_mean.zero_()
        stage[2].bias.data.zero_()
    image = torch.zeros(1, 1, 48, 48)
    image[..., 18:28, 17:25] = torch.rand(10, 8)
    assert torch.allclose(network(image), network(image.roll(8, dims=3)), rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        ConvClassifier(channels=(2, 3), classes=4, input_channels=3),
        DenseClassifier(image_shape=(3, 5, 4), widths=(6,), classes=4),
        DenseClassifier(image_shape=(3, 5, 4), widths=(), classes=4),
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
        ConvClassifier(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"widths": (0,), "classes": 2}, {"classes": 0}, {"image_shape": (0, 2, 2), "classes": 2}]
)
def test_dense_classifier_refuses(arguments):
    with pytest.raises(ArgumentError, match="widths: expected no number below one, got image_shape="):
        DenseClassifier(**arguments)

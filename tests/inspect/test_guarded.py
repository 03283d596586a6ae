"""A card changes nothing of a network: mode, hooks, gradients, buffers, parameters, random numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.inspect.guarded import guarded
from inspected import NETWORKS, made


class Restless(nn.Module):
    """Changes all that a forward pass can change."""

    def __init__(self, error=None):
        super().__init__()
        self.layer, self.norm = nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2, momentum=0.5)
        self.register_buffer("count", torch.zeros(()))
        self.calls, self.kept, self.error = 0, [], error

    def forward(self, x):
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        self.calls += 1
        self.kept.append(x)
        self.count += 1
        self.norm.train()
        self.layer.weight.data.mul_(2)
        self.layer.bias.requires_grad_(False)
        self.layer.register_forward_hook(lambda *given: None)
        y = self.norm(self.layer(x))
        self.cached = y
        if self.error is not None:
            raise self.error
        return y.mul_(2)


def state(network):
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [(p.requires_grad, p.grad) for p in network.parameters()]
    attributes = [
        {key: value for key, value in vars(module).items() if not isinstance(value, dict)}
        for module in network.modules()
    ]
    hooks = [
        (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._forward_hooks_with_kwargs))
        for module in network.modules()
    ]
    return tensors, flags, attributes, hooks


def numbers():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def assert_same(one, other):
    tensors, *rest = one
    others, *other_rest = other
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert rest == other_rest


@pytest.mark.parametrize("error", [None, RuntimeError("no"), KeyboardInterrupt(), ZeroDivisionError()])
@pytest.mark.parametrize("training", [True, False])
def test_everything_comes_back(error, training):
    network = Restless(error).train(training)
    network.layer.weight.grad = torch.ones_like(network.layer.weight)
    x = torch.randn(4, 1, 8)
    copy, before, random_before = x.clone(), state(network), numbers()
    kept = network.kept
    if error is None:
        assert fa.inspect.card(network, x).figures["parameters"] == 12
    else:
        with pytest.raises(ArgumentError if isinstance(error, RuntimeError) else type(error)):
            fa.inspect.card(network, x)
    assert_same(before, state(network))
    assert numbers() == random_before
    assert network.kept is kept == []
    assert torch.equal(x, copy)
    assert not x.requires_grad


@pytest.mark.parametrize("name", ["plain", "RepVGG", "weight norm"])
def test_a_network_in_training_is_described_in_evaluation(name):
    network, x = made(name)
    network.train()
    before = state(network)
    card = fa.inspect.card(network, x)
    assert_same(before, state(network))
    assert "came in training mode" in card.warnings[0]
    assert not fa.inspect.card(network.eval(), x).warnings
    assert network(x).requires_grad


def test_modes_are_restored_one_by_one():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()).train()
    network[0].eval()
    with guarded(network):
        assert [module.training for module in network.modules()] == [False] * 3
    assert [module.training for module in network.modules()] == [True, False, True]


def test_the_input_may_be_written_to():
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Conv1d(1, 1, 3))
    x = -torch.ones(1, 1, 8)
    card = fa.inspect.card(network, x)
    assert (x == -1).all()
    assert card.sees(position=(2,)).bounds == ((2, 5),)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    network = made("residual")[0].to(dtype)
    card = fa.inspect.card(network, torch.randn(1, 2, 15, 15).to(dtype))
    assert card.sections["effective_field"].radius > 0
    assert card.sections["counts"].parameter_bytes == card.figures["parameters"] * torch.finfo(dtype).bits // 8
    assert {p.dtype for p in network.parameters()} == {dtype}


def test_what_cannot_be_observed_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"model: expected a torch.nn.Module, got str"):
        fa.inspect.card("model", torch.zeros(1))
    with pytest.raises(ArgumentError, match=r"'weight' without\. Run the network once"):
        fa.inspect.card(nn.LazyLinear(3), torch.zeros(1, 2))
    with pytest.raises(ArgumentTypeError, match="example: expected a tensor, a tuple or a mapping"):
        fa.inspect.card(nn.Identity(), 3)
    with pytest.raises(ArgumentError, match=r"example: expected an input that the network accepts, got input 1 x 2"):
        fa.inspect.card(nn.Linear(3, 1), torch.zeros(1, 2))
    with pytest.raises(ArgumentError, match="sections: expected names out of execution, counts"):
        fa.inspect.card(nn.Linear(3, 1), torch.zeros(1, 3), sections=["price"])


@pytest.mark.parametrize("name", NETWORKS)
def test_results_are_the_same_before_and_after(name):
    network, x = made(name)
    before = network(x.clone())
    fa.inspect.card(network, x)
    assert torch.equal(network(x.clone()), before)

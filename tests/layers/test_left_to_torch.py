"""Layers that are left to torch: inputs are remembered, and whatever may change the plan ends that."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from faltung.layers import Conv, Conv2d, convert
from faltung.tensors import layer_wisdom
from faltung.tensors.layer_wisdom import LayerTimes

pytestmark = pytest.mark.usefixtures("alone")

X = torch.randn(2, 4, 9, 9)
KINDS = {
    "plain": lambda: nn.Conv2d(4, 4, 3),
    "reflect": lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    "no bias": lambda: nn.Conv2d(4, 4, 3, bias=False),
    "same": lambda: nn.Conv2d(4, 4, 3, padding="same"),
    "transposed": lambda: nn.ConvTranspose2d(4, 4, 3, 2),
}


def called(kind="plain"):
    """A layer that has been called once."""
    layer = convert(KINDS[kind]())
    layer(X)
    assert len(layer._known) == 1
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_left_to_torch_again(kind, monkeypatch):
    layer = called(kind)
    theirs = convert(copy.deepcopy(layer), to="torch")
    assert not hasattr(theirs, "_known")
    monkeypatch.setattr(type(layer), "_chosen", lambda *_: pytest.fail("the plan was asked again"))
    assert torch.equal(layer(X), theirs(X))
    y = torch.randn(2, 4, 9, 9)
    assert torch.equal(layer(y), theirs(y))


@pytest.mark.parametrize("other", [X[:1], X.to(memory_format=torch.channels_last), X.clone().requires_grad_()])
def test_other_inputs_are_planned(other):
    layer = called()
    layer(other)
    assert len(layer._known) == 2
    with torch.no_grad():
        layer(X)
    assert len(layer._known) == 3


def test_few_kinds_of_input_are_remembered():
    layer = called()
    for length in range(5, 200):
        layer(torch.zeros(1, 4, 5, length))
    assert 0 < len(layer._known) <= 64


def set_to(name, value):
    return lambda layer: setattr(layer, name, value)


@pytest.mark.parametrize(
    "change",
    [
        set_to("method", "direct"),
        set_to("stride", (2, 2)),
        set_to("weight", nn.Parameter(torch.ones(4, 4, 5, 5))),
        set_to("bias", None),
        set_to("padding_mode", "circular"),
        lambda layer: layer.double(),
        lambda layer: layer.to(memory_format=torch.channels_last),
    ],
)
def test_changes_of_a_layer_end_it(change):
    layer = called()
    change(layer)
    assert layer._known is None
    theirs = convert(copy.deepcopy(layer), to="torch")
    x = X.to(layer.weight.dtype)
    assert (layer(x) - theirs(x)).abs().max() < 1e-5


def test_what_may_change_unnoticed_is_not_remembered():
    layer = convert(nn.Conv2d(4, 4, 3))
    layer.stride = [1, 1]
    layer(X)
    assert layer._known is None
    layer.stride[0] = 2
    assert layer(X).shape == (2, 4, 4, 7)


def test_weights_that_are_replaced_beneath_are_used():
    layer = called()
    layer.weight.data = torch.ones(4, 4, 3, 3)
    layer.bias.data.zero_()
    assert torch.allclose(layer(torch.ones(2, 4, 9, 9)), torch.full((2, 4, 7, 7), 36.0))
    swapped = {"weight": torch.zeros(4, 4, 3, 3), "bias": torch.full((4,), 2.0)}
    assert torch.equal(torch.func.functional_call(layer, swapped, (X,)), torch.full((2, 4, 7, 7), 2.0))
    del layer._parameters["bias"]
    vars(layer)["bias"] = torch.full((4,), 3.0)  # as pruning does it
    assert torch.allclose(layer(torch.zeros(2, 4, 9, 9)), torch.tensor(3.0))


def test_flipped_and_symmetric_layers_are_not_torchs():
    for named in ({"flip": True}, {"padding": 1, "padding_mode": "symmetric"}):
        layer = Conv(4, 4, 3, **named)
        layer(X)
        assert layer._known is None


def test_a_subclass_with_a_rule_of_its_own_is_asked_every_time():
    class Doubled(Conv2d):
        def _conv_forward(self, input, weight, bias):
            return 2 * super()._conv_forward(input, weight, bias)

    layer = Doubled(4, 4, 3)
    first = layer(X)
    assert layer._known is None
    assert torch.equal(layer(X), first)


def test_autocast_is_planned_for_its_dtype():
    layer = called()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(X).dtype == torch.bfloat16
    assert len(layer._known) == 1


def test_wrong_inputs_are_refused_as_before():
    layer = called()
    with pytest.raises(TypeError, match="dtype"):
        layer(X.double())
    with pytest.raises(RuntimeError):
        layer(X[:, :3])


def test_copies_do_not_have_it():
    layer = called()
    for again in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again._known is None
        assert torch.equal(again(X), layer(X))
    assert "_known" not in layer.plain_state()


def measured(monkeypatch, layer, x, ours):
    """Let machine code have been measured to be faster or slower than torch, for the outputs alone."""
    plan = layer.plan(x.shape)
    times = LayerTimes({"correlate": {"torch": 1.0, "direct": ours}}, {"correlate": (ours, 1.0)})
    monkeypatch.setattr("faltung.tensors.layer_wisdom.note", lambda *_: None)
    layer_wisdom.learn(plan.problem, x.dtype, x.device, False, times=times)


@pytest.fixture
def forgotten():
    yield
    layer_wisdom._known.clear()
    layer_wisdom._changed()


@pytest.mark.usefixtures("forgotten")
def test_new_times_end_it(monkeypatch):
    layer = called()
    measured(monkeypatch, layer, X, 0.5)
    assert layer._known is None
    with torch.no_grad():
        layer(X)
    (known,) = layer._known.values()
    assert known.plan.method == layer.plan(X.shape).method == "direct"
    measured(monkeypatch, layer, X, 2.0)
    assert layer._known is None


# ---- plans that are known

ORDERS = (torch.contiguous_format, torch.channels_last)


def planned(**named):
    """A layer whose plan of outputs without gradients is known, and the same layer of torch."""
    layer = Conv(4, 6, 3, padding=1, method="winograd", **named)
    theirs = convert(copy.deepcopy(layer), to="torch")
    with torch.no_grad():
        layer(X)
    assert [known.plan.method for known in layer._known.values()] == ["winograd"]
    return layer, theirs


@pytest.mark.parametrize("order", ORDERS)
def test_a_plan_is_not_asked_again(order, monkeypatch):
    layer, theirs = planned()
    x = X.contiguous(memory_format=order)
    with torch.no_grad():
        first = layer(x)
        monkeypatch.setattr(type(layer), "_chosen", lambda *_: pytest.fail("the plan was asked again"))
        again = layer(x)
        assert torch.equal(first, again)
        assert again.is_contiguous(memory_format=order)
        assert torch.allclose(again, theirs(x), atol=1e-5)


CHANGES = {
    "other taps": lambda layer: layer.weight.data.mul_(2),
    "another shape": lambda layer: setattr(layer.weight, "data", torch.ones(3, 4, 3, 3)),
    "another order": lambda layer: setattr(
        layer.weight, "data", layer.weight.data.contiguous(memory_format=ORDERS[1])
    ),
    "another dtype of both": lambda layer: [setattr(p, "data", p.data.double()) for p in layer.parameters()],
    "another bias": lambda layer: setattr(layer.bias, "data", torch.ones(6)),
    "no bias": lambda layer: layer._parameters.__setitem__("bias", None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_beneath_are_seen_as_torchs_layer_sees_them(change):
    layer, theirs = planned()
    for each in (layer, theirs):
        CHANGES[change](each)
        if change == "another shape":
            each.bias.data = torch.ones(3)
    x = X.double() if "dtype" in change else X
    with torch.no_grad():
        got, want = layer(x), theirs(x)
    assert got.dtype == want.dtype
    assert got.stride() == want.stride()
    assert torch.allclose(got, want, atol=1e-5)


def test_a_bias_that_does_not_fit_is_refused_by_torch():
    layer, _ = planned()
    layer.bias.data = torch.ones(5)
    with torch.no_grad(), pytest.raises(RuntimeError):
        layer(X)


def test_transforms_and_modes_see_the_layer():
    layer, theirs = planned()
    with torch.no_grad():
        mapped = torch.vmap(layer)(X[None])[0]
        assert torch.allclose(mapped, theirs(X), atol=1e-5)
        with torch.device("meta"):  # where new tensors are, but not those that are computed from others
            assert torch.allclose(layer(X), theirs(X), atol=1e-5)
        with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
            layer(X)
        assert counter.get_total_flops() > 0
    layer(X.clone().requires_grad_()).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


# ---- graphs


def graph_of(layer, *inputs, **named):
    """Return what the graphs call that torch.compile makes, and the results."""
    found = []

    def backend(module, _):
        found.extend(str(node.target) for node in module.graph.nodes if node.op == "call_function")
        return module.forward

    torch._dynamo.reset()
    compiled = torch.compile(layer, backend=backend, fullgraph=True, **named)
    return found, [compiled(x) for x in inputs]


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_hold_torchs_function(kind):
    layer = convert(KINDS[kind]())
    calls, (y,) = graph_of(layer, X)
    assert not any("faltung" in call for call in calls)
    assert any("conv" in call for call in calls)
    assert torch.equal(y, layer(X))


def test_graphs_for_every_length_hold_our_operator():
    layer = convert(nn.Conv2d(4, 4, 3))
    calls, results = graph_of(layer, X, X[..., :8], X[..., :7], dynamic=True)
    assert any("faltung.correlate" in call for call in calls)
    for length, y in zip((9, 8, 7), results, strict=True):
        assert torch.equal(y, layer(X[..., :length]))


@pytest.mark.usefixtures("forgotten")
def test_graphs_hold_what_was_measured(monkeypatch):
    layer = convert(nn.Conv2d(4, 4, 3))
    measured(monkeypatch, layer, X, 0.5)
    with torch.no_grad():
        calls, _ = graph_of(layer, X)
        assert any("faltung.correlate" in call for call in calls)
        measured(monkeypatch, layer, X, 0.99995)  # less than it costs to call an operator from a graph
        calls, _ = graph_of(layer, X)
    assert not any("faltung" in call for call in calls)


def test_graphs_refuse_what_is_refused():
    layer = convert(nn.Conv2d(4, 4, 3))
    with pytest.raises(Exception, match="dtype"):
        graph_of(layer, X.double())

"""Layers inside what torch makes of functions: vmap, compile, export; and convert, which puts them into a model."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.checkpoint import checkpoint

import faltung as fa
from faltung.layers import Conv, ConvTransposed, convert
from layer_cases import METHODS, MODES, PLAIN_KINDS, TRANSPOSED_KINDS, assert_same, images, outcome

pytestmark = pytest.mark.usefixtures("alone")


def small(method="direct", **named):
    """A layer of either kind for images of three channels, in which every argument counts."""
    return (
        Conv(3, 6, (9, 8), stride=(1, 2), padding=(3, 4), groups=3, method=method, **named),
        Conv.transposed(3, 6, (9, 8), padding=(1, 2), groups=3, method=method, **named),
    )


# ---- torch.func


@pytest.mark.parametrize("method", METHODS)
def test_vmap_over_images_is_a_loop(method):
    for layer in small(method, dtype=torch.float64):
        for shape in ((4, 3, 12, 13), (4, 2, 3, 12, 13)):
            x = images(*shape)
            assert (vmap(layer)(x) - torch.stack([layer(each) for each in x])).abs().max() < 1e-12
        x = images(3, 12, 13, 4)
        want = torch.stack([layer(each) for each in x.movedim(-1, 0)], dim=1)
        assert (vmap(layer, in_dims=-1, out_dims=1)(x) - want).abs().max() < 1e-12
        x = images(2, 3, 3, 12, 13)
        assert (vmap(vmap(layer))(x) - layer(x.flatten(0, 1)).unflatten(0, (2, 3))).abs().max() < 1e-12


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bias", [True, False])
def test_vmap_over_weights_is_an_ensemble(bias, method):
    for kind in (0, 1):
        members = [small(method, bias=bias, dtype=torch.float64)[kind] for _ in range(3)]
        parameters, _ = stack_module_state(members)
        x, several = images(2, 3, 12, 13), images(3, 2, 3, 12, 13)

        def call(values, given, member=members[0]):
            return functional_call(member, values, (given,))

        want = torch.stack([member(x) for member in members])
        assert (vmap(call, in_dims=(0, None))(parameters, x) - want).abs().max() < 1e-12
        want = torch.stack([member(each) for member, each in zip(members, several, strict=True)])
        assert (vmap(call)(parameters, several) - want).abs().max() < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_each_image(method):
    for layer in small(method, dtype=torch.float64, bias=True):
        x = images(4, 3, 12, 13)
        values = {name: value.detach() for name, value in layer.named_parameters()}

        def loss(values, given, layer=layer):
            return functional_call(layer, values, (given,)).pow(3).sum()

        got = vmap(grad(loss), in_dims=(None, 0))(values, x)
        for k, each in enumerate(x):
            loss_of_one = layer(each).pow(3).sum()
            for name, want in zip(got, torch.autograd.grad(loss_of_one, [*layer.parameters()]), strict=True):
                assert (got[name][k] - want).abs().max() <= 1e-11 * want.abs().max()


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_many_outputs_at_once(method):
    for layer in small(method, dtype=torch.float64):
        x = images(1, 3, 9, 9).requires_grad_()
        y = layer(x)
        gs = images(3, *y.shape)
        got = torch.autograd.grad(y, (x, layer.weight), gs, is_grads_batched=True, retain_graph=True)
        for k, g in enumerate(gs):
            for every, want in zip(got, torch.autograd.grad(y, (x, layer.weight), g, retain_graph=True), strict=True):
                assert (every[k] - want).abs().max() < 1e-11


# Torch makes its own tangents by what it deprecates.
tangents = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


@tangents
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frozen", [True, False])
def test_tangents_are_those_of_a_bilinear_map(frozen, method):
    for layer in small(method, dtype=torch.float64):
        layer.requires_grad_(not frozen)
        x, dx = images(1, 3, 9, 9), images(1, 3, 9, 9)
        values = {name: value.detach() for name, value in layer.named_parameters()}
        shifts = {name: torch.randn_like(value) for name, value in values.items()}

        def call(given, values, layer=layer):
            return functional_call(layer, values, (given,))

        y, to_x = torch.func.jvp(lambda given, values=values: call(given, values), (x,), (dx,))
        assert (y - layer(x)).abs().max() < 1e-12
        zero = {name: torch.zeros_like(value) for name, value in values.items()}
        want = call(dx, {**zero, "weight": values["weight"]})
        assert (to_x - want).abs().max() < 1e-12
        _, total = torch.func.jvp(call, (x, values), (dx, shifts))
        assert (total - want - call(x, shifts)).abs().max() < 1e-12
        with torch.autograd.forward_ad.dual_level():
            dual = layer(torch.autograd.forward_ad.make_dual(x, dx))
            tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
            assert tangent is not None
            assert (tangent - want).abs().max() < 1e-12


@tangents
def test_second_derivatives_forward_over_reverse():
    layer = Conv(1, 1, 3, method="direct", dtype=torch.float64)
    x = images(1, 5, 5)

    def loss(given):
        return layer(given).pow(3).sum()

    got = torch.func.hessian(loss)(x)
    assert (got - torch.func.jacrev(torch.func.jacrev(loss))(x)).abs().max() < 1e-12
    assert (got - torch.autograd.functional.hessian(loss, x)).abs().max() < 1e-12


# ---- the registered operators


def operands(dtype=torch.float32, order=torch.contiguous_format, mode="mirror", method="direct"):
    """Arguments of the three operators, for one geometry."""
    x = torch.randn(2, 4, 9, 8, dtype=dtype).contiguous(memory_format=order).requires_grad_()
    w = torch.randn(6, 2, 3, 2, dtype=dtype, requires_grad=True)
    bias = torch.randn(6, dtype=dtype, requires_grad=True)
    g = torch.randn(2, 6, 9, 5, dtype=dtype).contiguous(memory_format=order).requires_grad_()
    stride, start, dilation, rest = [1, 2], [-1, -2], [2, 1], (2, mode, method)
    return {
        "correlate": (x, w, bias, stride, start, [9, 5], dilation, *rest),
        "adjoint": (g, w, [9, 8], stride, start, dilation, *rest),
        "taps": (x, g, [3, 2], stride, start, dilation, *rest),
    }


@pytest.mark.parametrize("name", ["correlate", "adjoint", "taps"])
@pytest.mark.parametrize(
    "named",
    [
        {},
        {"dtype": torch.float64, "mode": "constant"},
        {"dtype": torch.bfloat16, "method": "fourier"},
        {"order": torch.channels_last},
        {"method": "torch", "mode": "wrap"},
    ],
    ids=str,
)
def test_operators_are_registered_as_torch_wants_them(name, named, even_few_taps):
    arguments = operands(**named)[name]
    torch.library.opcheck(getattr(torch.ops.faltung, name).default, arguments)
    if name == "correlate":
        torch.library.opcheck(torch.ops.faltung.correlate.default, (*arguments[:2], None, *arguments[3:]))


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
@pytest.mark.parametrize("mode", MODES.values())
def test_the_three_maps_are_each_others_transposes(mode, method, even_few_taps):
    arguments = operands(torch.float64, mode=mode, method=method)
    x, w, _, *geometry = arguments["correlate"]
    g = arguments["adjoint"][0]
    y = torch.ops.faltung.correlate(x, w, None, *geometry)
    want = (y * g).sum()
    assert y.shape == g.shape
    assert want.abs() > 1
    assert ((torch.ops.faltung.adjoint(*arguments["adjoint"]) * x).sum() - want).abs() < 1e-11
    assert ((torch.ops.faltung.taps(*arguments["taps"]) * w).sum() - want).abs() < 1e-11


@pytest.mark.parametrize("method", ["direct", "fourier"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_tensors_without_numbers_lie_as_real_ones(ndim, method, even_few_taps):
    last = {2: [torch.channels_last], 3: [torch.channels_last_3d]}.get(ndim, [])
    for order in [torch.contiguous_format, *last]:
        for channels in (1, 4):
            for make in (Conv, Conv.transposed):
                layer = make(channels, 2, 3, padding=1, ndim=ndim, method=method)
                x = torch.randn(2, channels, *range(5, 5 + ndim)).contiguous(memory_format=order)
                for given in (x, x.transpose(0, -1).contiguous().transpose(0, -1), x[..., ::2]):
                    real = layer(given)
                    mode = FakeTensorMode(allow_non_fake_inputs=True)
                    with mode:
                        fake = layer(mode.from_tensor(given))
                    assert type(fake) is not torch.Tensor
                    assert (fake.shape, fake.dtype) == (real.shape, real.dtype)
                    assert fake.stride() == real.stride()


# ---- compile and export


class Model(nn.Module):
    """Layers of several kinds, one of which is always left to torch."""

    def __init__(self, method="auto"):
        super().__init__()
        self.first = Conv(3, 6, 9, padding=4, groups=3, padding_mode="reflect", method=method)
        self.second = Conv(6, 6, 3, padding="same", stride=1, padding_mode="symmetric", flip=True, method=method)
        self.up = Conv.transposed(6, 2, 4, stride=2, padding=1, method=method)
        self.dense = Conv(2, 2, 3, stride=2, method="torch")

    def forward(self, x):
        return self.dense(self.up(torch.relu(self.second(torch.relu(self.first(x))))))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("method", ["auto", "direct"])
def test_compiled_models_give_the_same(method, dynamic):
    torch._dynamo.reset()
    model = Model(method).double()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for shape in ((2, 3, 14, 15), (3, 3, 17, 12)):
        x = images(*shape)
        want = outcome(model, x)
        given = x.clone().requires_grad_()
        y = compiled(given)
        noise = torch.randint(-16, 17, y.shape, generator=torch.Generator().manual_seed(1)) / 8
        found = torch.autograd.grad(y, (given, *model.parameters()), noise.double())
        names = ["input", *dict(model.named_parameters())]
        assert_same({"output": y.detach(), **dict(zip(names, found, strict=True))}, want)


def test_a_compiled_model_serves_every_size_without_being_compiled_again():
    torch._dynamo.reset()
    model = Model("direct")
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, backend=counter, fullgraph=True, dynamic=True)
    with torch.no_grad():
        for size in (14, 15, 18, 23, 40):
            x = torch.randn(2, 3, size, size + 2)
            assert (compiled(x) - model(x)).abs().max() < 1e-5
    assert counter.frame_count == 1


@pytest.mark.parametrize("autocast", [False, True])
def test_compiled_models_know_autocast(autocast):
    torch._dynamo.reset()
    layer = Conv(8, 8, 9, padding=4, groups=8, method="direct")
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(2, 8, 12, 12)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        got, want = compiled(x), layer(x)
    assert got.dtype == want.dtype == (torch.bfloat16 if autocast else torch.float32)
    assert torch.equal(got, want)


def test_exported_models_give_the_same():
    model = Model().eval()
    x = torch.randn(2, 3, 14, 15)
    program = torch.export.export(model, (x,))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("faltung" in name for name in called)  # it runs where this package is not installed
    assert (program.module()(x) - model(x)).abs().max() < 1e-5
    batch, height = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("height", min=8, max=512)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch, 2: height},))
    for shape in ((5, 3, 20, 15), (3, 3, 9, 15)):
        y = torch.randn(shape)
        assert (program.module()(y) - model(y)).abs().max() < 1e-5


def test_traced_functions_hold_the_operator():
    layer = Conv(1, 2, 9, method="direct").requires_grad_(False)
    traced = torch.fx.experimental.proxy_tensor.make_fx(layer)(torch.randn(1, 1, 12, 12))
    x = torch.randn(1, 1, 12, 12)
    assert torch.equal(traced(x), layer(x))


def test_layers_may_be_computed_again_for_the_gradient():
    model, x = Model("direct").double(), images(1, 3, 14, 15)
    again = copy.deepcopy(model)
    again.forward = lambda given: checkpoint(Model.forward, again, given, use_reentrant=False)
    assert_same(outcome(again, x), outcome(model, x))


# ---- convert


class Own(nn.Conv2d):
    """A layer of somebody else."""


class Net(nn.Module):
    """A model in which layers are shared, nested, hooked, subclassed and parametrised."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 5, padding=2, padding_mode="reflect")
        self.shared = nn.Conv2d(6, 6, 3, padding="same", groups=6)
        self.nested = nn.ModuleList([nn.Sequential(self.shared, nn.ReLU()), nn.ModuleDict({"up": nn.Identity()})])
        self.up = nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1)
        self.own = Own(4, 4, 3)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 3, 3))
        self.line, self.volume = nn.Conv1d(3, 3, 5), nn.Conv3d(1, 1, 3)

    def forward(self, x):
        x = self.shared(self.nested[0](self.first(x)))
        x = self.normed(self.own(self.up(x)))
        x = self.line(x.flatten(2))
        return self.volume(x.unflatten(2, (-1, 4)).unsqueeze(1))


def types(model):
    return {name: type(module) for name, module in model.named_modules()}


def net_and_input():
    return Net().double(), images(2, 2, 10, 12)


def test_convert_exchanges_the_layers_of_torch_and_no_others():
    model, x = net_and_input()
    before, want = types(model), outcome(model, x)
    layers = dict(model.named_modules())
    parameters = dict(model.named_parameters())
    assert convert(model) is model
    ours = {name for name, kind in types(model).items() if issubclass(kind, (Conv, ConvTransposed))}
    assert ours == {"first", "shared", "up", "normed", "line", "volume"}
    assert all(issubclass(kind, before[name]) for name, kind in types(model).items() if name != "normed")
    assert type(model.own) is Own
    assert all(module is layers[name] for name, module in model.named_modules())
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert_same(outcome(model, x), want)
    names = [*model.state_dict()]
    assert convert(model, to="torch") is model
    after = types(model)
    assert after.pop("normed").__name__ == before.pop("normed").__name__ == "ParametrizedConv2d"
    assert after == before
    assert [*model.state_dict()] == names
    assert all(torch.equal(got, want[name]) for name, got in outcome(model, x).items())


def test_convert_takes_a_single_layer_and_does_nothing_twice():
    for kinds, kind in ((PLAIN_KINDS, Conv), (TRANSPOSED_KINDS, ConvTransposed)):
        for ndim, theirs in kinds.items():
            layer = theirs(2, 3, 3)
            attributes = {*vars(layer)}
            x = torch.randn(2, *[6] * ndim)
            want = layer(x)
            assert isinstance(convert(convert(layer)), kind)
            assert isinstance(layer, theirs)
            assert (layer(x) - want).abs().max() < 1e-5
            assert type(convert(convert(layer, to="torch"), to="torch")) is theirs
            assert {*vars(layer)} == attributes
            assert torch.equal(layer(x), want)


def test_layers_of_ours_become_those_of_torch():
    model = nn.Sequential(Conv(2, 3, 3, padding="same", method="direct"), Conv.transposed(3, 2, 4, method="torch"))
    x = torch.randn(1, 2, 9, 9)
    want = model(x)
    convert(model, to="torch")
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.ConvTranspose2d]
    assert (model(x) - want).abs().max() < 1e-5
    assert not hasattr(model[0], "method")
    assert nn.Conv2d(2, 3, 3, padding="same").__dict__.keys() == model[0].__dict__.keys()


def test_hooks_stay():
    model, x = net_and_input()
    seen = []
    model.first.register_forward_hook(lambda module, given, result: seen.append(type(module)))
    model.up.register_full_backward_hook(lambda module, before, after: seen.append("back"))
    model.shared.register_forward_pre_hook(lambda module, given: seen.append("shared"))
    convert(model)
    model(x).sum().backward()
    assert seen == [fa.layers.Conv2d, "shared", "shared", "back"]


def trained(model, optimiser, x, steps):
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_training_goes_on_across_convert():
    model, x = net_and_input()
    other = copy.deepcopy(model)
    optimiser, second = (torch.optim.Adam(each.parameters(), lr=1e-2) for each in (model, other))
    want = trained(model, optimiser, x, 8)
    got = trained(other, second, x, 3)
    convert(other)
    got += trained(other, second, x, 3)
    convert(other, to="torch")
    got += trained(other, second, x, 2)
    assert np.allclose(got, want, rtol=1e-9)
    assert want[-1] < want[0]
    for name, value in model.state_dict().items():
        assert (value - other.state_dict()[name]).abs().max() < 1e-8


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (lambda: Conv(2, 2, 3, flip=True), "flip=True"),
        (lambda: Conv.transposed(2, 2, 3, flip=True), "flip=True"),
        (lambda: Conv(2, 2, 3, padding_mode="symmetric"), "padding_mode='symmetric'"),
    ],
)
def test_what_torch_lacks_is_not_given_back(layer, what):
    model = nn.Sequential(Conv(2, 2, 3), nn.ModuleDict({"b": layer()}))
    before = types(model)
    with pytest.raises(fa.ArgumentError, match=rf"{what} in '1\.b'.*Keep that layer"):
        convert(model, to="torch")
    assert types(model) == before
    with pytest.raises(fa.ArgumentError, match="in 'the layer'"):
        convert(layer(), to="torch")


def test_convert_says_what_it_wants():
    with pytest.raises(fa.ArgumentTypeError, match=r"model: expected a torch.nn.Module, got a list"):
        convert([nn.Conv2d(1, 1, 1)])
    with pytest.raises(fa.ArgumentError, match="to: expected 'faltung' or 'torch', got 'jax'"):
        convert(nn.Conv2d(1, 1, 1), to="jax")

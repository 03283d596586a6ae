"""Converted layers are torch's own to whoever asks: tools that change, trace, count, or read them, as torch's do."""

from __future__ import annotations

import copy
import io
import logging
import pickle

import onnxruntime
import pytest
import torch
from torch import nn
from torch.ao.quantization import get_default_qconfig, get_default_qconfig_mapping, prepare
from torch.ao.quantization.quantize_fx import prepare_fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.flop_counter import FlopCounterMode

import faltung as fa
from covering import covering
from faltung.layers import Conv, Conversion, conversion_of, convert
from layer_cases import METHODS, PLAIN_KINDS, TRANSPOSED_KINDS, assert_same, outcome

pytestmark = [
    pytest.mark.usefixtures("alone"),
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning"),
]

KINDS = [*PLAIN_KINDS.values(), *TRANSPOSED_KINDS.values()]


def network():
    """Layers of which at least some are in machine code when `convert` has had them."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, padding=3, padding_mode="reflect"),
        nn.ReLU(),
        nn.Conv2d(8, 8, 9, padding="same", groups=8),
        nn.ConvTranspose2d(8, 2, 4, stride=2),
    )


def planned(model, method="direct"):
    model = convert(model)
    for module in model.modules():
        if isinstance(module, (fa.layers.Conv, fa.layers.ConvTransposed)):
            module.method = method
    return model


def both(make, method="direct"):
    """The same network with torch's layers and with ours."""
    theirs = make().double()
    return theirs, planned(copy.deepcopy(theirs), method)


X = torch.randn(2, 3, 24, 25, dtype=torch.float64)


def assert_alike(ours, theirs, x):
    assert_same(outcome(ours, x), outcome(theirs, x))


# ---- classes


@pytest.mark.parametrize("kind", KINDS)
def test_converted_layers_are_of_the_classes_of_torch(kind):
    theirs = kind(4, 6, 3, padding=1, groups=2)
    ours = convert(copy.deepcopy(theirs))
    assert isinstance(ours, kind)
    assert type(ours).__name__ == kind.__name__
    assert repr(ours) == repr(theirs)
    made = getattr(fa.layers, kind.__name__)(4, 6, 3, padding=1, groups=2)
    assert isinstance(made, kind)
    assert type(made) is type(ours)
    made.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 4, *[9] * len(ours.kernel_size))
    assert (made(x) - theirs(x)).abs().max() < 1e-5
    for again in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(again) is type(ours)
        assert torch.equal(again(x), ours(x))


def test_the_number_of_axes_must_be_that_of_the_class():
    with pytest.raises(ValueError, match="kernel_size: expected one number for each of 1 spatial axes"):
        fa.layers.Conv1d(1, 1, (3, 3))


def test_a_rule_of_initialisation_finds_them():
    def rule(module):
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.25)

    layer = convert(nn.Sequential(nn.Conv2d(1, 1, 3, bias=False))).apply(rule)
    assert torch.allclose(layer(torch.ones(1, 1, 3, 3)), torch.tensor(2.25))


# ---- attributes and weights that are changed


def surgeries():
    def one_channel(layer):
        layer.weight = nn.Parameter(layer.weight.detach().sum(1, keepdim=True))
        return X[:, :1]

    def larger(layer):
        layer.weight, layer.padding = nn.Parameter(torch.ones(8, 3, 5, 5, dtype=torch.float64)), (2, 2)
        return X

    def set_all(**named):
        def change(layer):
            for name, value in named.items():
                setattr(layer, name, value)
            return X

        return change

    def extended(layer):
        layer.padding_mode = "circular"
        return X

    def half(layer):
        layer.weight = nn.Parameter(layer.weight.detach().float())
        layer.bias = nn.Parameter(layer.bias.detach().float())
        return X.float()

    return {
        "one channel": one_channel,
        "a larger weight": larger,
        "a number for the stride": set_all(stride=2),
        "lists": set_all(stride=[2, 1], padding=[1, 2], dilation=[1, 2]),
        "lists of one": set_all(stride=[2], padding=[1]),
        "same": set_all(padding="same"),
        "valid": set_all(padding="valid"),
        "no bias": set_all(bias=None),
        "another mode": extended,
        "another dtype": half,
        "a size that is not the weight's": set_all(kernel_size=(9, 9), in_channels=7, out_channels=1),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", surgeries())
def test_layers_may_be_changed_as_those_of_torch(name, method):
    theirs, ours = both(lambda: nn.Conv2d(3, 8, 3, padding=1), method)
    x, _ = (surgeries()[name](layer) for layer in (theirs, ours))
    assert_alike(ours, theirs, x)
    assert_alike(ours, theirs, x[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "named",
    [{"stride": 2}, {"stride": [2, 3], "padding": (1, 0), "output_padding": [1, 1]}, {"dilation": 2}, {"bias": None}],
    ids=str,
)
def test_transposed_layers_may_be_changed_as_those_of_torch(named, method):
    theirs, ours = both(lambda: nn.ConvTranspose2d(3, 4, 3), method)
    for layer in (theirs, ours):
        layer.weight = nn.Parameter(torch.linspace(-1, 1, 3 * 4 * 12, dtype=torch.float64).reshape(3, 4, 4, 3))
        for name, value in named.items():
            setattr(layer, name, value)
    assert_alike(ours, theirs, X)


def test_a_weight_from_elsewhere_can_be_given():
    theirs, ours = both(lambda: nn.Conv2d(3, 8, 7, padding=3))
    w, b = torch.randn(4, 3, 5, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    for given in ((w, b), (w, None)):
        assert (ours._conv_forward(X, *given) - theirs._conv_forward(X, *given)).abs().max() < 1e-12


@pytest.mark.parametrize(
    "broken",
    [
        {"stride": 0}, {"stride": (1, 1, 1)}, {"padding": -1}, {"dilation": 0}, {"groups": 2}, {"padding": "full"},
        {"padding_mode": "constant", "stride": 0},
        {"padding": "same", "stride": 2},
        {"bias": nn.Parameter(torch.zeros(5, dtype=torch.float64))},
        {"bias": nn.Parameter(torch.zeros(8))},
        {"weight": nn.Parameter(torch.zeros(8, 3, 7))},
        {"weight": nn.Parameter(torch.zeros(8, 3, 7, 7))},
        {"weight": nn.Parameter(torch.zeros(8, 3, 99, 7, dtype=torch.float64))},
        {"weight": nn.Parameter(torch.zeros(8, 2, 7, 7, dtype=torch.float64))},
    ],
    ids=lambda broken: ", ".join(broken),
)  # fmt: skip
def test_what_torch_refuses_of_a_changed_layer_is_refused_as_a_runtime_error(broken):
    for layer in both(lambda: nn.Conv2d(3, 8, 7)):
        for name, value in broken.items():
            setattr(layer, name, value)
        with pytest.raises(RuntimeError):
            layer(X)


def test_a_probe_for_shapes_catches_what_torch_raises():
    for make, shape in ((nn.Conv2d, (1, 3, 2, 2)), (nn.Conv2d, (1, 4, 9, 9)), (nn.ConvTranspose2d, (1, 4, 9, 9))):
        layer = planned(make(3, 8, 5))
        with pytest.raises(RuntimeError):
            layer(torch.zeros(shape))
        with pytest.raises(ValueError, match="input"):
            layer(torch.zeros(shape))
    with pytest.raises(RuntimeError):
        layer(torch.zeros(1, 3, 9, 9, dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Conv2d(0, 4, 3), (1, 0, 8, 8)),
        (lambda: nn.Conv1d(0, 4, 3), (1, 0, 8)),
        (lambda: nn.Conv2d(4, 0, 3), (1, 4, 8, 8)),
        (lambda: nn.Conv2d(2, 4, 3), (0, 2, 8, 8)),
        (lambda: nn.ConvTranspose2d(2, 2, 2, padding=2), (1, 2, 3, 3)),
        (lambda: nn.ConvTranspose2d(2, 2, 2), (0, 2, 3, 3)),
        (lambda: nn.ConvTranspose1d(0, 2, 2), (1, 0, 3)),
    ],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_where_nothing_is_to_be_computed_torch_decides(make, shape):
    theirs = make()
    ours = convert(copy.deepcopy(theirs))
    try:
        want = theirs(torch.zeros(shape)).shape
    except RuntimeError:
        with pytest.raises(RuntimeError):
            ours(torch.zeros(shape))
    else:
        assert ours(torch.zeros(shape)).shape == want


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_channels_are_last_where_torch_puts_them(kind, groups, method):
    for size in (1, 9):
        theirs = kind(6, 6, size, groups=groups)
        for order in (torch.contiguous_format, torch.channels_last):
            theirs = theirs.to(memory_format=order)
            ours = planned(copy.deepcopy(theirs), method)
            for given in (torch.contiguous_format, torch.channels_last):
                x = torch.randn(2, 6, 20, 21).to(memory_format=given)
                assert ours(x).stride() == theirs(x).stride()


# ---- parametrizations and whatever else changes the weight

CHANGES = {
    "weight norm": parametrizations.weight_norm,
    "old weight norm": nn.utils.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "old spectral norm": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    "pruned channels": lambda layer: prune.ln_structured(layer, "weight", 0.5, 2, 0),
}


@pytest.mark.parametrize("first", [True, False], ids=["converted first", "converted last"])
@pytest.mark.parametrize("name", CHANGES)
def test_weights_may_be_computed(name, first):
    def make(converted):
        torch.manual_seed(0)
        layer = nn.Conv1d(8, 8, 65, groups=8).double()
        for change in (convert, CHANGES[name])[:: 1 if first else -1] if converted else (CHANGES[name],):
            layer = change(layer)
        return layer.eval()

    theirs, ours = make(False), make(True)
    assert isinstance(ours, fa.layers.Conv1d)
    assert conversion_of(ours).planned == ("the model itself",)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 8, 200, dtype=torch.float64)
    assert_alike(ours, theirs, x)
    if "old" not in name and "pruned" not in name:
        assert_alike(copy.deepcopy(ours), theirs, x)
        back = convert(copy.deepcopy(ours), to="torch")
        assert not isinstance(back, Conv)
        assert_alike(back, theirs, x)
        parametrize.remove_parametrizations(ours, "weight")
        assert type(ours) is fa.layers.Conv1d


class LowRank(nn.Module):
    """An update of low rank beside a layer, as adapters have it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.randn(2, layer.weight[0].numel(), dtype=layer.weight.dtype))
        self.up = nn.Parameter(torch.randn(layer.weight.shape[0], 2, dtype=layer.weight.dtype))

    def forward(self, x):
        weight = self.layer.weight + (self.up @ self.down).view_as(self.layer.weight)
        return self.layer._conv_forward(x, weight, self.layer.bias)


def test_adapters_may_use_the_layer_inside_them():
    theirs, ours = both(lambda: LowRank(nn.Conv2d(3, 4, 7)))
    assert_alike(ours, theirs, X)


class Padded(nn.Conv2d):
    """A layer of somebody else with a forward of its own."""

    def forward(self, input):
        return super().forward(functional.pad(input, (0, 1, 2, 0)))


class Standardised(nn.Conv2d):
    """A layer of somebody else with another weight."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, weight - weight.mean((1, 2, 3), keepdim=True), bias)


def test_subclasses_are_left_alone_and_named(caplog):
    theirs = nn.Sequential(Padded(3, 4, 7), Standardised(4, 4, 7), Standardised(4, 4, 3), nn.Conv2d(4, 2, 7)).double()
    with caplog.at_level(logging.INFO, logger="faltung.layers"):
        ours = convert(copy.deepcopy(theirs))
    assert_alike(ours, theirs, X)
    assert [type(layer) for layer in ours][:3] == [Padded, Standardised, Standardised]
    done = conversion_of(ours)
    reason = "Standardised is a subclass of Conv2d that may compute something else"
    assert done == Conversion(("3",), {"0": reason.replace("Standardised", "Padded"), "1": reason, "2": reason})
    assert [record.getMessage() for record in caplog.records] == [
        "planned by faltung: 3",
        "faltung.layers.convert left 0 alone: Padded is a subclass of Conv2d that may compute something else",
        f"faltung.layers.convert left 1 and 1 more alone: {reason}",
    ]
    assert str(done).splitlines()[0] == "3         planned by faltung"
    assert conversion_of(theirs).left["3"] == "it was not converted"
    assert str(conversion_of(nn.ReLU())) == "no convolutional layers"


@pytest.mark.parametrize("kind", [nn.LazyConv2d, nn.LazyConvTranspose2d])
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layers_are_ours_when_they_know_their_sizes(kind):
    layer = convert(kind(4, 9))
    assert conversion_of(layer).planned
    layer(torch.zeros(1, 3, 20, 20))
    assert type(layer) is getattr(fa.layers, kind.__name__.removeprefix("Lazy"))
    theirs = getattr(nn, kind.__name__.removeprefix("Lazy"))(3, 4, 9)
    assert vars(convert(layer, to="torch")).keys() - vars(theirs).keys() <= {"_load_hook", "_initialize_hook"}
    assert type(layer) is type(theirs)
    unused = convert(convert(kind(4, 9)), to="torch")
    assert not conversion_of(unused).planned
    unused(torch.zeros(1, 3, 20, 20))
    assert type(unused) is type(theirs)


# ---- what reads networks


def test_a_symbolic_trace_has_layers_as_leaves():
    theirs, ours = both(network)
    for changed in (ours, both(lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 7))))[1]):
        calls = []
        changed[0].register_forward_hook(lambda module, given, result, calls=calls: calls.append(1))
        traced = torch.fx.symbolic_trace(changed)
        assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == [
            str(k) for k in range(len(changed))
        ]
        assert not calls
        assert torch.equal(traced(X), changed(X))
        assert len(calls) == 2
    assert (torch.fx.symbolic_trace(ours)(X) - theirs(X)).abs().max() < 1e-12

    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = ours[0]

        def forward(self, x):
            return self.layer._conv_forward(x, self.layer.weight, self.layer.bias)

    graph = torch.fx.symbolic_trace(Inside())
    assert (graph(X) - theirs[0](X)).abs().max() < 1e-12


def own_modes():
    """A network with what torch's layers lack."""
    first = Conv(3, 4, 7, padding=2, padding_mode="symmetric", flip=True)
    return nn.Sequential(first, Conv.transposed(4, 2, 3, flip=True)).double()


@pytest.mark.parametrize("make", [lambda: planned(network().double()), own_modes], ids=["converted", "own modes"])
def test_traced_and_exported_programs_need_torch_alone(make):
    model = make().eval()
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, X), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    assert "faltung::" not in str(loaded.inlined_graph)
    assert (loaded(X) - model(X)).abs().max() < 1e-12
    sizes = torch.export.Dim("height", min=12, max=64)
    for strict in (True, False):
        program = torch.export.export(model, (X,), dynamic_shapes=({2: sizes},), strict=strict)
        assert "faltung" not in str([node.target for node in program.graph.nodes])
        for x in (X, X[:, :, :17]):
            assert (program.module()(x) - model(x)).abs().max() < 1e-12


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.filterwarnings("ignore")  # of the exporters, about their own future
def test_networks_are_exported_to_onnx(dynamo, tmp_path):
    model, x = planned(network()), X.float()
    path = tmp_path / "network.onnx"
    torch.onnx.export(model, (x,), str(path), dynamo=dynamo, verbose=False)
    session = onnxruntime.InferenceSession(str(path))
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert (torch.from_numpy(y) - model(x)).abs().max() < 1e-5


def test_scripts_are_of_torchs_layers():
    model = planned(network().double())
    want = model(X)
    scripted = torch.jit.script(copy.deepcopy(model))
    assert (scripted(X) - want).abs().max() < 1e-12
    assert (torch.jit.script(model[0])(X) - model[0](X)).abs().max() < 1e-12
    assert isinstance(model[0], Conv)
    with pytest.raises(fa.ArgumentError, match=r"flip=True in a Conv2d.*Use torch.jit.trace"):
        torch.jit.script(Conv(1, 1, 3, flip=True))
    with pytest.raises(fa.ArgumentError, match=r"parametrizations in a ParametrizedConv2d.*Use torch.jit.trace"):
        torch.jit.script(parametrizations.weight_norm(convert(nn.Conv2d(1, 1, 3))))


def test_graphs_of_functions_hold_the_layer():
    theirs, ours = both(network)
    assert (make_fx(ours)(X)(X) - theirs(X)).abs().max() < 1e-12
    values = {name: value.detach() + 1 for name, value in theirs.named_parameters()}
    got, want = (torch.func.functional_call(model, values, (X,)) for model in (ours, theirs))
    assert (got - want).abs().max() < 1e-10


class Named(torch.Tensor):
    """A tensor of somebody, which sees every function of torch."""

    seen: list = []  # noqa: RUF012

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(getattr(func, "__name__", ""))
        return super().__torch_function__(func, types, args, kwargs or {})


def test_tensors_of_others_are_given_to_torch():
    theirs, ours = both(lambda: nn.Conv2d(3, 4, 7))
    y = ours(X.as_subclass(Named))
    assert type(y) is Named
    assert "conv2d" in Named.seen
    assert torch.equal(y.as_subclass(torch.Tensor), theirs(X))


def test_layers_begin_without_memory():
    with torch.device("meta"):
        model = planned(network())
    assert model(X.float().to("meta")).shape == network()(X.float()).shape
    model.to_empty(device="cpu").load_state_dict(network().state_dict())
    theirs = network()
    theirs.load_state_dict(model.state_dict())
    assert (model(X.float()) - theirs(X.float())).abs().max() < 1e-5
    with torch.device("meta"):
        model = planned(network())
    model.load_state_dict(theirs.state_dict(), assign=True)
    assert (model(X.float()) - theirs(X.float())).abs().max() < 1e-5


def counted(model, x):
    with FlopCounterMode(display=False) as counter:
        y = model(x)
        forward = counter.get_total_flops()
        y.sum().backward()
    return forward, counter.get_total_flops()


OPTIONS = ({"stride": 2, "padding": 2}, {"padding": 1, "groups": 4}, {"dilation": 2, "groups": 2, "bias": False})


@pytest.mark.parametrize(("kind", "method", "named"), covering(KINDS, METHODS, OPTIONS))
def test_operations_are_counted_as_torchs(kind, method, named):
    theirs = kind(4, 8, 4, **named)
    ours = planned(copy.deepcopy(theirs), method)
    x = torch.randn(2, 4, *[11] * len(theirs.kernel_size))
    for given in (x, x.requires_grad_()):
        assert counted(ours, given) == counted(theirs, given)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_initialisation_may_be_skipped(kind):
    layer = nn.utils.skip_init(Conv if kind is None else getattr(fa.layers, kind.__name__), 2, 4, 3)
    assert layer.weight.device.type == "cpu"
    assert layer.weight.numel()


class Transposed(nn.Module):
    """A transposed layer that is asked for the size of its output."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 7), nn.ConvTranspose2d(8, 3, 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map to another size."""
        return self.up(self.down(x), output_size=[38, 39])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_sizes_of_outputs_reach_every_program():
    theirs, ours = both(Transposed)
    x = X[:, :, :24, :24]
    want = theirs(x)
    torch._dynamo.reset()
    programs = (
        ours,
        torch.jit.trace(ours, x),
        torch.fx.symbolic_trace(ours),
        torch.export.export(ours, (x,)).module(),
        torch.compile(ours, backend="aot_eager", fullgraph=True),
        torch.jit.script(copy.deepcopy(ours)),
    )
    for program in programs:
        assert (program(x) - want).abs().max() < 1e-12


def test_norms_are_folded_into_them():
    model = nn.Sequential(nn.Conv2d(3, 4, 7), nn.BatchNorm2d(4)).double().eval()
    want = model(X)
    fused = fuse_conv_bn_eval(planned(model)[0], model[1])
    assert isinstance(fused, Conv)
    assert (fused(X) - want).abs().max() < 1e-12


@pytest.mark.filterwarnings("ignore:Please use quant_min and quant_max:UserWarning")
def test_quantisation_names_the_line_that_helps():
    model = convert(nn.Sequential(nn.Conv2d(3, 8, 7), nn.ReLU())).eval()
    helps = r'expected layers of torch, to quantise them.*Call faltung\.layers\.convert\(model, to="torch"\) first'
    with pytest.raises(fa.ArgumentTypeError, match=helps):
        prepare_fx(model, get_default_qconfig_mapping(), (X.float(),))
    model.qconfig = get_default_qconfig("x86")
    with pytest.raises(fa.ArgumentTypeError, match=helps):
        prepare(model)
    assert prepare(convert(model, to="torch")) is not None

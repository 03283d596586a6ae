"""Layers: the same as torch's own, whatever the way and the shape; and what torch's lack."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import nn
from torch.nn import functional

import faltung as fa
from covering import covering
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.boundary import index_map
from faltung.layers import Conv, ConvTransposed, LayerPlan
from layer_cases import (
    METHODS,
    MODES,
    PLAIN,
    PLAIN_KINDS,
    REFUSED,
    TRANSPOSED,
    TRANSPOSED_KINDS,
    assert_same,
    images,
    outcome,
    pair,
)

# Of torch, once in a process, where its layer has to pad one end of an axis only.
pytestmark = [
    pytest.mark.usefixtures("alone"),
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
]

CORRELATE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
CASES = [(case, False) for case in PLAIN] + [(case, True) for case in TRANSPOSED]


def part_of(layer):
    return "adjoint" if isinstance(layer, ConvTransposed) else "correlate"


# ---- as torch tests its own


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("case", "transposed"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_outputs_and_gradients_are_those_of_torch(case, transposed, method, even_few_taps):
    ours, theirs, x = pair(case, transposed, method=method)
    if method != "auto" and x.numel():
        strided = transposed and max(ours.stride) > 1
        used = "torch" if method == "direct" and strided else method
        assert ours.plan(x.shape).method_of(part_of(ours)) == used
    got, want = outcome(ours, x), outcome(theirs, x)
    assert_same(got, want)
    assert all(value.dtype == torch.float64 for value in got.values())
    if x.shape[0]:
        assert_same(outcome(ours, x[0]), outcome(theirs, x[0]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("case", "transposed"), CASES[::4], ids=lambda value: str(value).replace(" ", ""))
def test_single_precision_is_double_precision_to_rounding(case, transposed, method, even_few_taps):
    ours, theirs, x = pair(case, transposed, torch.float32, method=method)
    got = outcome(ours, x)
    assert all(value.dtype == torch.float32 for value in got.values())
    assert_same(got, outcome(theirs.double(), x.double()))


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused(name):
    transposed, shape, dtype, (ins, outs, kernel), options = REFUSED[name]
    ndim = options.get("ndim", 2)
    x = torch.zeros(shape, dtype=getattr(torch, dtype))
    theirs = (TRANSPOSED_KINDS if transposed else PLAIN_KINDS)[ndim]
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        theirs(ins, outs, kernel, **{key: value for key, value in options.items() if key != "ndim"})(x)
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        (Conv.transposed if transposed else Conv)(ins, outs, kernel, **options)(x)


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
def test_the_size_of_a_transposed_output_can_be_asked_for(method, even_few_taps):
    ours, theirs, x = pair(((2, 3, 5, 6), 4, 3, {"stride": 3, "padding": 1}), True, method=method)
    for size in ((13, 17), (15, 16), [2, 4, 14, 18]):
        got, want = ours(x, size), theirs(x, size)
        assert got.shape == want.shape
        assert (got - want).abs().max() < 1e-12
    with pytest.raises(ValueError, match="output size"):
        ours(x, (13, 99))


# ---- shapes, layouts and modes


def extended(x, low, high, mode):
    """The input with what lies beyond its border, by the index maps that arrays are extended with."""
    for axis, (a, b) in enumerate(zip(low, high, strict=True), 2):
        where = torch.from_numpy(index_map(MODES[mode], x.shape[axis], -a, x.shape[axis] + b))
        inside = (where >= 0).reshape([-1, *[1] * (x.ndim - 1 - axis)]).to(x.dtype)
        x = x.index_select(axis, where.clamp(min=0)) * inside
    return x


class Extended(nn.Module):
    """A layer by the definition: the input is extended, and torch correlates without any padding."""

    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.given = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
        self.mode, self.flip = layer.padding_mode, layer.flip

    def forward(self, x):
        sizes, stride, padding, dilation, groups = self.given
        reach = [d * (k - 1) for k, d in zip(sizes, dilation, strict=True)]
        if padding == "same":
            low = [n // 2 for n in reach]
            high = [n - a for n, a in zip(reach, low, strict=True)]
        else:
            low = high = [0] * len(sizes) if padding == "valid" else [*padding]
        w = self.weight.flip([*range(2, self.weight.ndim)]) if self.flip else self.weight
        return CORRELATE[len(sizes)](extended(x, low, high, self.mode), w, self.bias, stride, 0, dilation, groups)


SHAPES = {
    "input smaller than the kernel": (images(2, 3, 2, 3), Conv(3, 2, (5, 7), padding=(2, 3))),
    "even kernel": (images(1, 2, 9, 8), Conv(2, 3, (4, 2), padding=(2, 1))),
    "one tap": (images(2, 5, 6, 7), Conv(5, 3, 1)),
    "one tap, strided": (images(2, 5, 6, 7), Conv(5, 3, 1, stride=2)),
    "kernel longer than a row": (images(2, 1, 12), Conv(1, 2, 31, padding=15, ndim=1)),
    "one sample": (images(1, 1, 1, 1), Conv(1, 1, 3, padding=1)),
    "a long series": (images(1, 2, 700), Conv(2, 2, 65, padding="same", ndim=1)),
    "a volume": (images(1, 2, 4, 5, 9), Conv(2, 3, (3, 1, 4), padding="same")),
    "depthwise": (images(1, 17, 9, 30), Conv(17, 17, 5, padding=2, groups=17)),
    "many channels": (images(2, 17, 6, 7), Conv(17, 8, 3, padding=1)),
    "more out than in": (images(1, 1, 9, 9), Conv(1, 17, 3)),
    "groups of other sizes": (images(1, 6, 9, 40), Conv(6, 15, 3, groups=3, padding=1)),
    "no images": (images(0, 2, 9, 9), Conv(2, 3, 3)),
    "strided and dilated": (images(2, 2, 20, 21), Conv(2, 2, (3, 4), stride=(2, 3), dilation=(3, 2), padding=(4, 5))),
    "valid": (images(1, 2, 9, 9), Conv(2, 2, 3, padding="valid")),
    "asymmetric, same": (images(1, 1, 7, 8), Conv(1, 1, (6, 3), padding="same", dilation=(1, 2))),
    "no bias": (images(1, 2, 9, 9), Conv(2, 2, 3, padding=1, bias=False)),
    "padding as long as the kernel": (images(1, 1, 9, 9), Conv(1, 1, 3, padding=3)),
}


@pytest.mark.parametrize(("name", "mode", "method"), covering(SHAPES, MODES, ["direct", "torch", "fourier"]))
def test_every_mode_extends_by_its_index_map(name, mode, method, even_few_taps):
    x, layer = SHAPES[name]
    layer = copy.deepcopy(layer).double()
    layer.padding_mode, layer.method = mode, method
    assert_same(outcome(layer, x), outcome(Extended(layer), x))


@pytest.mark.parametrize(("padding", "mode", "method"), covering([3, 4, 5, 9, 14], MODES, METHODS))
def test_padding_may_be_longer_than_the_input(padding, mode, method, even_few_taps):
    x = images(2, 2, 4, 3)
    layer = Conv(2, 2, (3, 2), padding=padding, padding_mode=mode, dtype=torch.float64, method=method)
    assert_same(outcome(layer, x), outcome(Extended(layer), x))


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
def test_symmetric_is_what_numpy_pads_with(method, even_few_taps):
    x = images(2, 3, 6, 7)
    layer = Conv(3, 2, (5, 3), padding=(4, 2), padding_mode="symmetric", dtype=torch.float64, method=method)
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (2, 2)), mode="symmetric"))
    assert (layer(x) - functional.conv2d(padded, layer.weight, layer.bias)).abs().max() < 1e-12


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "images last": lambda x: x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
    "columns before rows": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "every other sample": lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., ::2, ::2],
    "one image again and again": lambda x: x[:1].expand(x.shape),
    "one channel again and again": lambda x: x[:, :1].expand(x.shape),
    "one row again and again": lambda x: x[..., :1, :].expand(x.shape),
    "one column again and again": lambda x: x[..., :1].expand(x.shape),
    "part of a larger tensor": lambda x: functional.pad(x, (3, 2, 1, 4))[..., 1:-4, 3:-2],
    "imaginary part": lambda x: torch.complex(x, x).imag,
    "negated lazily": lambda x: torch.complex(x, -x).conj().imag,
    "a view that requires gradients": lambda x: x.clone().requires_grad_()[:, :],
}


@pytest.mark.parametrize(
    ("name", "shape", "method"), covering(LAYOUTS, [(3, 2, 8, 9), (3, 1, 8, 9), (2, 3, 12, 1)], METHODS)
)
def test_samples_may_lie_anywhere(name, shape, method, even_few_taps):
    x = LAYOUTS[name](images(*shape))
    layer = Conv(shape[1], 4, 3, padding=2, dtype=torch.float64, method=method)
    got, want = outcome(layer, x), outcome(layer, x.detach().contiguous().resolve_neg())
    assert_same(got, want)
    weights = LAYOUTS[name](layer.weight.detach()) if name != "a view that requires gradients" else layer.weight
    across = torch.func.functional_call(layer, {"weight": weights}, (x,))
    plain = functional.conv2d(x.detach().clone(), weights.detach().clone(), layer.bias, padding=2)
    assert (across - plain).abs().max() < 1e-12


@pytest.mark.parametrize("method", ["direct", "fourier"])
@pytest.mark.parametrize(("ndim", "order"), [(2, torch.channels_last), (3, torch.channels_last_3d)])
def test_channels_stay_last(ndim, order, method, even_few_taps):
    x = images(2, 4, *range(6, 6 + ndim)).contiguous(memory_format=order).requires_grad_()
    layer = Conv(4, 6, 3, padding=1, ndim=ndim, dtype=torch.float64, method=method)
    y = layer(x)
    assert y.is_contiguous(memory_format=order)
    y.sum().backward()
    assert x.grad.is_contiguous(memory_format=order)


@st.composite
def layers(draw):
    """A layer of any kind, and an input that it has outputs for."""
    ndim = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    channels = [groups * draw(st.sampled_from([1, 2, 3, 5])) for _ in range(2)]

    def each(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * ndim))

    sizes, dilation = each(1, 5), each(1, 3)
    stride = each(1, 3)
    padding = draw(st.sampled_from(["same", "valid", "given"]))
    if padding == "same":
        stride = (1,) * ndim
    elif padding == "given":
        padding = each(0, 6)
    mode = draw(st.sampled_from([*MODES]))
    lengths = each(1, 12)
    room = [0] * ndim if padding == "valid" else lengths if padding == "same" else [2 * p for p in padding]
    reach = [d * (k - 1) + 1 for k, d in zip(sizes, dilation, strict=True)]
    lengths = [max(n, r - more) for n, r, more in zip(lengths, reach, room, strict=True)]
    layer = Conv(
        *channels, sizes, stride, padding, dilation, groups, draw(st.booleans()), mode, dtype=torch.float64,
        flip=draw(st.booleans()), method=draw(st.sampled_from(METHODS)),
    )  # fmt: skip
    return layer, images(draw(st.integers(0, 3)), channels[0], *lengths)


@settings(deadline=None, max_examples=60)
@given(layers())
def test_any_layer_is_the_definition(drawn):
    layer, x = drawn
    assert_same(outcome(layer, x), outcome(Extended(layer), x))


# ---- the mathematical convolution


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
@pytest.mark.parametrize("shape", [(20,), (9, 8), (5, 6, 4)])
def test_flipped_layers_convolve(shape, method, even_few_taps):
    sizes = (4, 3, 2)[: len(shape)]
    x = images(2, 3, *shape)
    layer = Conv(
        3, 3, sizes, padding=[n - 1 for n in sizes], groups=3, bias=False, dtype=torch.float64, flip=True,
        method=method,
    )  # fmt: skip
    y = layer(x).detach().numpy()
    for image in range(2):
        for channel in range(3):
            want = signal.convolve(x[image, channel].numpy(), layer.weight[channel, 0].detach().numpy(), "full")
            assert np.abs(y[image, channel] - want).max() < 1e-12


@pytest.mark.parametrize("make", [Conv, Conv.transposed])
def test_flipped_layers_are_the_others_with_reversed_taps(make):
    plain = make(2, 4, (3, 4), stride=2, groups=2, dtype=torch.float64)
    flipped = make(2, 4, (3, 4), stride=2, groups=2, dtype=torch.float64, flip=True)
    flipped.load_state_dict({"weight": plain.weight.flip([2, 3]), "bias": plain.bias})
    x = images(2, 2, 9, 9)
    got, want = outcome(flipped, x), outcome(plain, x)
    want["weight"] = want["weight"].flip([2, 3])
    assert_same(got, want)


def test_a_layer_agrees_with_the_operator_on_arrays():
    x, layer = images(1, 1, 20, 30), Conv(1, 1, (5, 4), padding="same", dtype=torch.float64, bias=False)
    for mode, name in MODES.items():
        for call, flip in ((fa.correlate, False), (fa.convolve, True)):
            layer.padding_mode, layer.flip = mode, flip
            # A kernel of even length begins where torch puts the larger part of the padding last.
            origin = (2, 1) if not flip else (2, 2)
            kernel = fa.Kernel(layer.weight[0, 0].detach().numpy(), origin=origin)
            want = call(x[0, 0].numpy(), kernel, mode=name)
            assert np.abs(layer(x)[0, 0].detach().numpy() - want).max() < 1e-12


# ---- modules


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_states_are_those_of_torch_both_ways(ndim, transposed, bias):
    case = ((1, 4, *[6] * ndim), 6, 3, {"groups": 2, "bias": bias, "ndim": ndim})
    ours, theirs, x = pair(case, transposed, torch.float32)
    assert [*ours.state_dict()] == [*theirs.state_dict()] == ["weight", "bias"][: 1 + bias]
    assert {n: p.shape for n, p in ours.named_parameters()} == {n: p.shape for n, p in theirs.named_parameters()}
    new = (Conv.transposed if transposed else Conv)(4, 6, 3, groups=2, bias=bias, ndim=ndim)
    theirs.load_state_dict(new.state_dict(), strict=True)
    assert (new(x) - theirs(x)).abs().max() < 1e-5


def test_parameters_begin_as_those_of_torch():
    for ours, theirs in ((Conv, nn.Conv2d), (Conv.transposed, nn.ConvTranspose2d)):
        torch.manual_seed(5)
        first = ours(3, 4, 5)
        torch.manual_seed(5)
        second = theirs(3, 4, 5)
        assert torch.equal(first.weight, second.weight)
        assert torch.equal(first.bias, second.bias)


def test_layers_are_copied_and_kept():
    x = images(1, 2, 9, 9)
    for layer in (
        Conv(2, 4, 3, padding=4, padding_mode="symmetric", dtype=torch.float64, flip=True, method="direct"),
        Conv.transposed(2, 4, 3, stride=2, dtype=torch.float64, flip=True, method="torch"),
    ):
        file = io.BytesIO()
        torch.save(layer, file)
        file.seek(0)
        copies = (
            copy.deepcopy(layer),
            pickle.loads(pickle.dumps(layer)),
            torch.load(file, weights_only=False),
        )
        for other in copies:
            assert type(other) is type(layer)
            assert repr(other) == repr(layer)
            assert torch.equal(other(x), layer(x))
            assert other.weight is not layer.weight


def test_layers_print_what_is_not_the_default():
    assert repr(Conv(2, 4, 3)) == "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))"
    same = Conv(2, 4, (3, 5), padding="same", padding_mode="reflect")
    assert repr(same) == "Conv2d(2, 4, kernel_size=(3, 5), stride=(1, 1), padding=same, padding_mode=reflect)"
    rest = Conv(2, 2, 3, groups=2, padding_mode="symmetric", flip=True, method="direct", ndim=1)
    assert repr(rest) == (
        "Conv1d(2, 2, kernel_size=(3,), stride=(1,), groups=2, padding_mode=symmetric, flip=True, method=direct)"
    )
    assert repr(Conv.transposed(2, 4, 3, output_padding=1, stride=2, flip=True)) == (
        "ConvTranspose2d(2, 4, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1), flip=True)"
    )


def test_the_number_of_axes_is_that_of_the_kernel():
    assert Conv(1, 1, 3).kernel_size == (3, 3)
    assert Conv(1, 1, (3,)).kernel_size == (3,)
    assert Conv(1, 1, [3, 4, 5], stride=[1, 2, 3]).stride == (1, 2, 3)
    assert Conv(1, 1, 3, ndim=3).kernel_size == (3, 3, 3)
    assert Conv(1, 1, np.int64(3), ndim=1).kernel_size == (3,)


@pytest.mark.parametrize("method", METHODS)
def test_shapes_are_known_without_numbers(method):
    for make, module in ((Conv, nn.Conv2d), (Conv.transposed, nn.ConvTranspose2d)):
        ours, theirs = make(3, 8, 9, stride=2, device="meta", method=method), module(3, 8, 9, stride=2, device="meta")
        x = torch.empty(2, 3, 40, 41, device="meta", requires_grad=True)
        y = ours(x)
        assert y.device.type == "meta"
        assert y.shape == theirs(x).shape
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert ours.weight.grad.shape == ours.weight.shape


# ---- errors


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: Conv(3, 4, 3)(torch.zeros(1, 2, 8, 8)),
            ValueError,
            r"input: expected shape \(images, channels, \*spatial\) or \(channels, \*spatial\) with 3 channels and 2 "
            r"spatial axes, got shape \(1, 2, 8, 8\)",
        ),
        (lambda: Conv(3, 4, 3)(torch.zeros(8, 8)), ValueError, r"input: .* got shape \(8, 8\)"),
        (lambda: Conv(3, 4, 3)(torch.zeros(())), ValueError, r"input: .* got shape \(\)"),
        (lambda: Conv(3, 4, 3)(np.zeros((1, 3, 8, 8))), TypeError, "input: .* got a ndarray.*from_numpy"),
        (
            lambda: Conv.transposed(3, 4, 3)(np.zeros((1, 3, 8, 8))),
            TypeError,
            "input: expected a tensor, got a ndarray.*from_numpy",
        ),
        (
            lambda: Conv(3, 4, 3)(torch.zeros(1, 3, 8, 8, dtype=torch.float64)),
            TypeError,
            r"input: expected dtype torch.float32, which the weights have, got torch.float64. Convert one of them",
        ),
        (
            lambda: Conv(1, 1, 5, dilation=2, padding=1)(torch.zeros(1, 1, 6, 20)),
            ValueError,
            r"input: expected spatial axes at least as long as the kernel, \(5, 5\) with dilation \(2, 2\), "
            r"got shape \(1, 1, 6, 20\) with padding \(1, 1\). Add padding",
        ),
        (lambda: Conv.transposed(1, 1, 1, padding=2)(torch.zeros(1, 1, 3, 9)), ValueError, "input: .*less padding"),
        (
            lambda: Conv(1, 1, 3, padding_mode="constant"),
            ValueError,
            "padding_mode: expected one of 'zeros', 'reflect', 'replicate', 'circular', 'symmetric', got 'constant'",
        ),
        (lambda: Conv.transposed(1, 1, 3, padding_mode="symmetric"), ValueError, "zeros"),
        (
            lambda: Conv(1, 1, 3, method="fft"),
            ValueError,
            "method: expected one of 'auto', 'direct', 'winograd', 'triton', 'torch', 'fourier', got 'fft'",
        ),
        (lambda: Conv(1, 1, (3, 3), ndim=1), ValueError, "kernel_size: expected one number for each of 1 .*got 2"),
        (lambda: Conv(1, 1, (3, 3, 3, 3)), ValueError, r"len\(kernel_size\): expected an integer from 1 to 3, got 4"),
        (lambda: Conv(1, 1, (3, 3), stride=(1, 1, 1)), ValueError, "stride: expected 2 integers of at least 1"),
        (lambda: Conv(1, 1, 3, padding=-1), ValueError, "padding: expected an integer from 0.*got -1"),
        (lambda: Conv(1, 1, 3.5), TypeError, r"kernel_size: expected an integer.*got 3\.5"),
        (lambda: Conv(1, 1, 3, ndim=4), ValueError, "ndim: expected an integer from 1 to 3, got 4"),
        (lambda: Conv(2, 2, 3).plan((1, 3, 9, 9)), ValueError, r"shape: expected \(images, 2, \*spatial\)"),
        (lambda: Conv(2, 2, 3).plan((2, 9, 9)), ValueError, r"shape: .* got \(2, 9, 9\)"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("value", [True, 2.0, "2", None, np.bool_(True), np.float64(2.0)])
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (Conv, ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "ndim")),
        (
            Conv.transposed,
            ("in_channels", "out_channels", "stride", "padding", "output_padding", "dilation", "groups"),
        ),
    ],
    ids=["layer", "transposed layer"],
)
def test_what_is_no_integer_is_refused_everywhere(make, names, value):
    plain = {"in_channels": 2, "out_channels": 2, "kernel_size": 3}
    for name in names:
        given = [value] if name in ("in_channels", "out_channels", "groups", "ndim") else [value, (1, value), [value]]
        for each in given:
            if (name, each) in (("padding", "2"), ("ndim", None)):
                continue  # a word that is no padding has an error of its own, and an ndim of None is the default
            with pytest.raises(TypeError, match=f"{name}: expected an integer"):
                make(**{**plain, name: each})


def test_integers_of_numpy_are_integers():
    two = np.int64(2)
    layer = Conv(two, np.uint8(4), (np.int32(3), two), stride=two, padding=[two, 1], groups=two, ndim=two)
    assert [type(n) for n in (layer.in_channels, layer.groups, *layer.stride, *layer.kernel_size)] == [int] * 6
    assert layer(torch.zeros(1, 2, 9, 9)).shape == (1, 4, 6, 5)


def test_errors_are_those_that_can_be_caught():
    with pytest.raises(fa.FaltungError):
        Conv(1, 1, 3, method=None)
    with pytest.raises(fa.FaltungError):
        Conv(2, 2, 3)(torch.zeros(1, 3, 9, 9))


# ---- plans

_NO_SHAPES = [(1.0, 2, 9, 9), (1, 2, 9.0, 9), (True, 2, 9, 9), (1, 2, 9), "1299", 5, (1, 3, 9, 9)]


@pytest.mark.parametrize("shape", _NO_SHAPES)
@pytest.mark.parametrize("make", [Conv, Conv.transposed])
def test_a_plan_for_a_shape_that_is_none_is_refused_and_leaves_nothing_behind(make, shape):
    layer = make(2, 2, 7, padding=3, bias=False)
    with pytest.raises((ArgumentError, ArgumentTypeError), match=r"^shape: "):
        layer.plan(shape)
    assert layer(torch.rand(1, 2, 9, 9)).shape == (1, 2, 9, 9)
    assert all(type(length) is int for length in layer.plan([1, 2, 9, 9]).problem.source_shape)


def test_a_plan_names_every_part_and_why_others_were_not_chosen():
    plan = Conv(8, 8, 9, padding=4, groups=8).plan((2, 8, 40, 40))
    assert isinstance(plan, LayerPlan)
    text = str(plan)
    for word in ("8 x 1 x 9 x 9 taps, 8 groups", "2 x 8 x 40 x 40", "outputs", "with respect to the taps"):
        assert word in text
    for part, candidates in plan.parts.items():
        assert part in ("correlate", "adjoint", "taps")
        assert {each.method for each in candidates} == {"direct", "winograd", "triton", "torch", "fourier"}
        assert plan.method_of(part) == candidates[0].method
        for other in candidates[1:]:
            assert other.reason
            assert f"rejected {other.method}" in text
            assert other.reason in text
    assert "fewer than 64 taps" in str(Conv(2, 2, 3).plan((1, 2, 9, 9)))
    assert "the stride is above 1" in str(Conv(2, 2, 3, stride=2).plan((1, 2, 9, 9)))


def test_a_plan_touches_no_sample():
    # No machine has room for such an input.
    plan = Conv(4, 4, 31, padding=15, groups=4).plan((10**6, 4, 10**5, 10**5))
    assert plan.problem.source_shape == (10**6, 4, 10**5, 10**5)
    assert plan.parts["correlate"][0].seconds > 1e3
    assert str(plan) == str(Conv(4, 4, 31, padding=15, groups=4).plan((10**6, 4, 10**5, 10**5)))


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
def test_the_method_asked_for_is_used(method):
    plan = Conv(2, 2, 9, method=method).plan((1, 2, 30, 30))
    assert [plan.method_of(part) for part in plan.parts] == [method] * 3
    transposed = Conv.transposed(2, 2, 9, method=method).plan((1, 2, 30, 30))
    assert [transposed.method_of(part) for part in transposed.parts] == [method] * 3


def test_plans_know_which_layers_torch_is_best_at():
    dense = Conv(64, 64, 3, padding=1).plan((16, 64, 56, 56))
    assert [dense.method_of(part) for part in dense.parts] == ["winograd", "winograd", "torch"]
    large = Conv(64, 64, 5, padding=2).plan((16, 64, 56, 56))
    assert [large.method_of(part) for part in large.parts] == ["torch"] * 3
    assert large.left_to_torch(*large.parts)
    depthwise = Conv(96, 96, 31, padding=15, groups=96).plan((4, 96, 56, 56))
    assert "torch" not in [depthwise.method_of(part) for part in depthwise.parts]
    assert not depthwise.left_to_torch(*depthwise.parts)

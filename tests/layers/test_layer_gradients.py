"""Gradients of layers, of any order and in any dtype; what is not finite; threads and memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from covering import covering
from faltung.layers import Conv
from layer_cases import METHODS, MODES, assert_same, images, outcome, pair

pytestmark = pytest.mark.usefixtures("alone")


# ---- gradients of every order

GEOMETRIES = {
    "series": ((1, 2, 7), 2, 3, {"ndim": 1, "padding": 2, "stride": 2, "dilation": 2}),
    "image": ((2, 2, 3, 4), 2, (2, 3), {"padding": (1, 2), "groups": 2}),
    "volume": ((1, 1, 2, 3, 2), 2, 2, {"padding": 1, "stride": (1, 2, 1), "ndim": 3}),
}


def as_function(layer):
    names = [name for name, _ in layer.named_parameters()]

    def apply(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    return apply


@pytest.mark.parametrize(("name", "mode", "method"), covering(GEOMETRIES, MODES, METHODS))
def test_gradients_are_differences(name, mode, method, even_few_taps):
    shape, outs, kernel, options = GEOMETRIES[name]
    layer = Conv(shape[1], outs, kernel, **options, padding_mode=mode, dtype=torch.float64, method=method)
    inputs = (images(*shape).requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(as_function(layer), inputs, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(as_function(layer), inputs, fast_mode=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("shape", "outs", "kernel", "options"),
    [
        ((1, 2, 5), 2, 3, {"padding": 1, "stride": 3, "output_padding": 1}),
        ((1, 2, 3, 4), 4, (2, 3), {"dilation": (1, 2), "groups": 2, "padding": (1, 0)}),
        ((1, 1, 2, 2, 2), 2, 2, {"stride": (1, 2, 1), "ndim": 3}),
    ],
)
def test_gradients_of_transposed_layers_are_differences(shape, outs, kernel, options, method, even_few_taps):
    options = {"ndim": len(shape) - 2, **options}
    layer = Conv.transposed(shape[1], outs, kernel, **options, dtype=torch.float64, method=method)
    inputs = (images(*shape).requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(as_function(layer), inputs, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(as_function(layer), inputs, fast_mode=True)


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
def test_gradients_of_gradients_are_those_of_torch(method, even_few_taps):
    ours, theirs, x = pair(((2, 2, 7, 8), 3, 3, {"padding": 1, "padding_mode": "reflect"}), method=method)

    def penalty(layer):
        """Norm of a gradient, as a gradient penalty has it, differentiated by everything."""
        given = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(layer(given).pow(3).sum(), given, create_graph=True)
        return dict(enumerate(torch.autograd.grad(g.square().sum(), [given, *layer.parameters()])))

    assert_same(penalty(ours), penalty(theirs))


# ---- dtypes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_numbers_are_added_up_in_single_precision(dtype, transposed, method, even_few_taps):
    case = ((2, 8, 20, 21), 8, 5, {"padding": 2})
    ours, theirs, x = pair(case, transposed, torch.float32, method=method)
    ours, x = ours.to(dtype), x.to(dtype)
    theirs.load_state_dict(ours.state_dict())
    got, want = outcome(ours, x), outcome(theirs.double(), x.double())
    eps = torch.finfo(dtype).eps
    for name, value in got.items():
        assert value.dtype == dtype
        # Of torch's own kernels, and of sums over gradients, only the size of the errors is known.
        sure = method in ("direct", "fourier") and name in ("output", "weight") and not transposed
        error, size = (value.double() - want[name]).abs(), want[name].abs()
        bound = 0.5001 * eps * size + 1e-5 * size.max() if sure else 2 * eps * size.max()
        assert bool((error <= bound).all()), (name, float((error - bound).max()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transposed", [False, True])
def test_autocast_computes_in_the_same_dtype_as_torch(transposed, method):
    case = ((2, 3, 16, 17), 4, 9, {})
    ours, theirs, x = pair(case, transposed, torch.float32, method=method)
    for given in (x, x.double(), x.half()):
        with torch.autocast("cpu", torch.bfloat16):
            if given.dtype == torch.float64:  # autocast leaves them alone, and so they must agree
                with pytest.raises((TypeError, RuntimeError)):
                    theirs(given)
                with pytest.raises(TypeError, match=r"dtype torch\.float32"):
                    ours(given)
                continue
            got, want = outcome(ours, given), outcome(theirs, given)
        assert {name: value.dtype for name, value in got.items()} == {k: value.dtype for k, value in want.items()}
        assert got["output"].dtype == torch.bfloat16
        assert_same(got, want, 0.03)
    with torch.autocast("cpu", torch.bfloat16, enabled=False):
        assert ours(x).dtype == torch.float32


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.int32, torch.int64])
def test_what_is_not_real_is_left_to_torch(dtype, method):
    make = (
        (lambda *shape: torch.randn(shape, dtype=dtype))
        if dtype.is_complex
        else (lambda *shape: torch.randint(-99, 99, shape, dtype=dtype))
    )
    x, w = make(1, 2, 24, 25), make(2, 2, 9, 9)
    layer = Conv(2, 2, 9, padding=3, bias=False, method=method).requires_grad_(False)
    layer.weight = nn.Parameter(w, requires_grad=dtype.is_complex)
    want = functional.conv2d(x, w, padding=3)
    got = layer(x)
    assert got.dtype == dtype
    assert (got - want).abs().max() <= 1e-5 * want.abs().max() * dtype.is_complex
    if dtype.is_complex:
        theirs = nn.Conv2d(2, 2, 9, padding=3, bias=False)
        theirs.weight = nn.Parameter(w)
        given = [x.clone().requires_grad_() for _ in range(2)]
        for one, each in zip(given, (layer, theirs), strict=True):
            each(one).abs().sum().backward()
        assert (given[0].grad - given[1].grad).abs().max() <= 1e-5 * given[1].grad.abs().max()
        assert (layer.weight.grad - theirs.weight.grad).abs().max() <= 1e-5 * theirs.weight.grad.abs().max()


# ---- when gradients are asked for


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [Conv, Conv.transposed])
def test_gradients_are_made_only_where_they_are_asked_for(make, method):
    layer, x = make(2, 3, 9, dtype=torch.float64, method=method), images(1, 2, 16, 16)
    want = outcome(layer, x)
    with torch.no_grad():
        y = layer(x)
        assert not y.requires_grad
        assert (y - want["output"]).abs().max() < 1e-12  # another way may be best without gradients
    with torch.inference_mode():
        y = layer(x)
        assert y.is_inference()
        assert (y - want["output"]).abs().max() < 1e-12
    for wanted in ({"input"}, {"weight"}, {"bias"}, {"input", "bias"}, {"weight", "input"}, set()):
        given = x.clone().requires_grad_("input" in wanted)
        tensors = {"input": given, "weight": layer.weight, "bias": layer.bias}
        for name, tensor in tensors.items():
            tensor.requires_grad_(name in wanted).grad = None
        y = layer(given)
        assert y.requires_grad == bool(wanted)
        if wanted:
            noise = torch.randint(-16, 17, y.shape, generator=torch.Generator().manual_seed(1)) / 8
            y.backward(noise.to(y.dtype))
        for name, tensor in tensors.items():
            assert (tensor.grad is not None) == (name in wanted)
            if name in wanted:
                assert (tensor.grad - want[name]).abs().max() < 1e-11


def test_samples_that_are_changed_before_the_gradient_are_noticed():
    layer = Conv(1, 1, 9, method="direct")
    x = torch.randn(1, 1, 20, 20, requires_grad=True) * 1
    y = layer(x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# ---- what is not finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_finite_reaches_the_same_outputs(dtype, value):
    layer = Conv(2, 2, 9, padding=4, dtype=dtype, padding_mode="reflect")
    x = torch.randn(2, 2, 30, 31).to(dtype)
    x[1, 0, 3, 20] = value
    found = {}
    for method in ("torch", "fourier", "direct"):
        layer.method = method
        assert layer.plan(x.shape).method_of("taps") == method
        found[method] = outcome(layer, x)
    for name, want in found["torch"].items():
        assert want.isfinite().any() or name == "weight"
        for method in ("fourier", "direct"):
            got = found[method][name]
            assert torch.equal(got.isfinite(), want.isfinite()), (method, name)
            assert torch.equal(got.isnan(), want.isnan()), (method, name)
    assert not found["torch"]["output"].isfinite().all()


def test_gradients_that_are_not_finite_reach_the_same_samples():
    layer, x = Conv(2, 3, 9, padding=4), torch.randn(1, 2, 30, 31)
    found = []
    for method in ("torch", "fourier"):
        layer.method = method
        given = x.clone().requires_grad_()
        y = layer(given)
        g = torch.ones_like(y)
        g[0, 2, 7, 9] = float("inf")
        found.append(torch.autograd.grad(y, (given, layer.weight), g))
    for want, got in zip(*found, strict=True):
        assert torch.equal(got.isfinite(), want.isfinite())
        assert not want.isfinite().all()
        assert want.isfinite().any()


# ---- threads


@pytest.mark.parametrize("mode", ["zeros", "symmetric"])
@pytest.mark.parametrize(
    ("shape", "outs", "kernel", "groups"),
    [((2, 3, 70, 90), 5, 5, 1), ((1, 8, 64, 64), 8, 7, 8), ((1, 1, 300, 301), 1, 3, 1), ((3, 2, 999), 2, 31, 1)],
)
def test_threads_change_no_bit(shape, outs, kernel, groups, mode):
    x = torch.randn(shape)
    layer = Conv(
        shape[1], outs, kernel, padding="same", groups=groups, padding_mode=mode, ndim=len(shape) - 2, method="direct"
    )
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)  # and `alone` sets it back
        found.append(outcome(layer, x))
    for name in ("output", "input", "weight"):
        assert torch.equal(found[0][name], found[1][name])
        assert torch.equal(found[0][name], found[2][name])


def test_many_threads_may_call_a_layer_at_once():
    layer = Conv(2, 4, 9, padding=4, method="direct")
    xs = [torch.randn(1, 2, 40 + k, 41) for k in range(8)]
    want = [layer(x).detach() for x in xs]
    wrong = []

    def work(k):
        for _ in range(5):
            if not torch.equal(layer(xs[k]).detach(), want[k]):
                wrong.append(k)

    at_once = [threading.Thread(target=work, args=(k,)) for k in range(len(xs))]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join()
    assert not wrong


# ---- memory


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux says of a process")
@pytest.mark.parametrize("method", ["direct", "fourier", "torch"])
def test_steps_leave_nothing_behind(method):
    layer = Conv(4, 4, 9, padding=4, padding_mode="symmetric", method=method)
    up = Conv.transposed(4, 2, 4, stride=2, method=method)
    x = torch.randn(2, 4, 48, 48)

    def step():
        up(layer(x)).square().mean().backward()
        layer.zero_grad(), up.zero_grad()

    for _ in range(30):
        step()
    gc.collect()
    before = resident()
    for _ in range(120):  # a tensor that stays is 74 kB, or 9 MB in the end
        step()
    gc.collect()
    assert resident() - before < 4


PEAK = """
import sys
import torch
from faltung.layers import Conv

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024

make = {"faltung": Conv, "torch": torch.nn.Conv2d}[sys.argv[1]]
x = torch.ones(1, 4, 1024, 1024)
for mode in ("zeros", "reflect"):
    layer = make(4, 4, 7, padding=3, groups=4, padding_mode=mode).requires_grad_(False)
    if make is Conv:
        assert layer.plan(x.shape).method_of("correlate") == "direct"
    layer(torch.ones(1, 4, 96, 96))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is now what there is
    before = peak()
    y = layer(x)
    print(peak() - before)
    del y
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak where Linux keeps it")
def test_padded_layers_take_no_more_memory_than_those_of_torch():
    def measured(whose):
        done = subprocess.run([sys.executable, "-c", PEAK, whose], capture_output=True, text=True, check=True)
        return [float(line) for line in done.stdout.split()]

    for mode in ("zeros", "reflect"):  # no process need load the compiler
        layer = Conv(4, 4, 7, padding=3, groups=4, padding_mode=mode).requires_grad_(False)
        for side in (96, 1024):
            layer(torch.ones(1, 4, side, side))
    output = 4 * 4 * 1024 * 1024 / 2**20
    slack = 8.0  # MB: scratch of some threads, and what an allocator rounds up to
    for ours, theirs in zip(measured("faltung"), measured("torch"), strict=True):
        assert ours <= theirs + slack
        assert output - 1 <= ours <= output + slack  # the input is never copied, padded or not

"""Kernels for single channels on a GPU, in Triton's interpreter: without a device, and slowly.

All of it happens in processes of their own::

    TRITON_INTERPRET=1 PYTHONPATH=tests python tests/tensors/test_triton.py errors
    TRITON_INTERPRET=0 PYTHONPATH=tests python tests/tensors/test_triton.py translated
"""

from __future__ import annotations

import json
import math
import sys

import pytest
import torch

from faltung.layers import Conv
from faltung.planning.layer import Axis, Layer
from faltung.tensors.ways import torch_kernels as own
from faltung.tensors.ways import triton_kernels as depthwise
from triton_process import Device, Translated, in_a_process, needs_triton

PARTS = ("correlate", "adjoint", "taps")
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 1e-12}

# lengths, sizes, stride, dilation, padding
SHAPES = {
    "rows that are a multiple of four": ((8, 9), (3, 3), 1, 1, 1),
    "rows that are not": ((7, 6), (3, 5), 1, 1, 2),
    "a row fewer than outputs of a lane": ((2, 9), (2, 3), 1, 1, 0),
    "rows in pairs": ((6, 5), (3, 3), 1, 1, 1),
    "stride 2": ((9, 10), (3, 3), 2, 1, 1),
    "stride 3, passing samples by": ((11, 10), (2, 3), 3, 1, 1),
    "dilation 2": ((12, 9), (3, 2), 1, 2, 2),
    "stride and dilation": ((13, 12), (3, 3), 2, 3, 2),
    "loops that are not written out": ((9, 6), (9, 6), 1, 1, 3),
    "kernel larger than the image": ((3, 4), (5, 5), 1, 1, 3),
    "one tap": ((5, 6), (1, 1), 1, 1, 0),
    "series, few taps": ((37,), (5,), 1, 1, 2),
    "series, many taps": ((67,), (31,), 1, 1, 15),
    "series, stride and dilation": ((40,), (5,), 2, 3, 4),
    "series, many taps and a stride": ((70,), (50,), 2, 1, 20),
}
CASES = {
    (name, dtype): shape
    for name, shape in SHAPES.items()
    for dtype in TOLERANCE
    if dtype == "float32" or name in ("a row fewer than outputs of a lane", "stride 2", "series, few taps")
}

pytestmark = needs_triton


def layer_of(shape, channels=3, images=2):
    lengths, sizes, stride, dilation, padding = shape
    if math.prod(sizes) > 49:  # which takes long
        channels, images = 2 if len(sizes) == 2 else 1, 1
    axes = tuple(
        Axis(n, k, -padding, (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1, stride, dilation)
        for n, k in zip(lengths, sizes, strict=True)
    )
    return Layer(images, channels, 1, 1, axes)


def tensors_of(layer, dtype):
    """Samples, taps, gradients of outputs, bias: in that dtype, and the same numbers in double precision."""
    torch.manual_seed(0)
    shapes = (layer.source_shape, layer.taps_shape, layer.target_shape, (layer.groups,))
    narrow = [torch.randn(shape).to(dtype) for shape in shapes]
    return narrow, [each.double() for each in narrow]


def error(found, wanted):
    assert found.shape == wanted.shape
    return float((found.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1))


def errors(shape, dtype, last):
    layer = layer_of(shape)
    (x, w, g, bias), (x64, w64, g64, bias64) = tensors_of(layer, dtype)
    if last:
        x, g = (each.contiguous(memory_format=torch.channels_last) for each in (x, g))
    given = {"correlate": (x, w, bias), "adjoint": (g, w), "taps": (x, g)}
    exact = {"correlate": (x64, w64, bias64), "adjoint": (g64, w64), "taps": (x64, g64)}
    assert not any(depthwise.refusal(layer, part, x.device, dtype) for part in PARTS)
    return {
        part: error(getattr(depthwise, part)(layer, *given[part]), getattr(own, part)(layer, *exact[part]))
        for part in PARTS
    }


def not_finite():
    """Whether just those results are not finite that torch's are, where samples are not."""
    layer = layer_of(((11, 9), (3, 3), 1, 1, 0), channels=1, images=1)
    (x, w, g, _), _ = tensors_of(layer, torch.float32)
    x[0, 0, 0, 0], x[0, 0, 10, 8], x[0, 0, 5, 4] = float("nan"), float("nan"), float("inf")
    pairs = [
        (depthwise.correlate(layer, x, w, None), own.correlate(layer, x, w, None)),
        (depthwise.taps(layer, x, g), own.taps(layer, x, g)),
    ]
    x[0, 0, 5, 4] = 0.0
    pairs.append((depthwise.taps(layer, x, g), own.taps(layer, x, g)))
    return [bool((torch.isfinite(a) == torch.isfinite(b)).all()) for a, b in pairs]


def parts():
    """Errors of gradients of taps that are added up in one part and in many; and whether they are the same twice."""
    layer = layer_of(((40, 33), (3, 3), 1, 1, 1), channels=2, images=2)
    (x, _, g, _), (x64, _, g64, _) = tensors_of(layer, torch.float32)
    exact, found = own.taps(layer, x64, g64), []
    for programs in (1, 10**6):
        depthwise._PROGRAMS = programs
        found.append([depthwise.taps(layer, x, g) for _ in range(2)])
    return [error(first, exact) for first, _ in found], [bool((a == b).all()) for a, b in found]


def layers():
    """Largest differences of outputs and gradients of a whole layer from torch's, and what the plan says."""
    torch.manual_seed(0)
    ours = Conv(3, 3, 3, padding=1, groups=3, stride=2, method="triton")
    theirs = torch.nn.Conv2d(3, 3, 3, padding=1, groups=3, stride=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 7, 8)
    results = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.square().sum().backward()
        results.append([y.detach(), leaf.grad, layer.weight.grad, layer.bias.grad])
    plan = ours.plan((2, 3, 7, 8))
    return [error(a, b.double()) for a, b in zip(*results, strict=True)], [plan.method_of(part) for part in PARTS]


def all_errors():
    depthwise._PROGRAMS = 1  # few programs, each with many lanes: the interpreter takes long over each of them
    found = {
        f"{name}, {dtype}, {order}": errors(shape, getattr(torch, dtype), order == "channels last")
        for (name, dtype), shape in CASES.items()
        for order in (("rows", "channels last") if len(shape[0]) == 2 and dtype == "float32" else ("rows",))
    }
    return {"errors": found, "layers": layers(), "not finite": not_finite(), "parts": parts()}


def translated():
    """Machine code of kernels as they are launched for some layers, for devices that need not be here."""
    from triton.runtime import driver

    found = []
    codes = depthwise.kernels()
    depthwise.kernels = lambda: tuple(Translated(code, found) for code in codes)
    for capability in (80, 90):
        driver.set_active(Device(capability))
        for dtype, last, shape in (
            (torch.float32, False, SHAPES["rows that are a multiple of four"]),
            (torch.bfloat16, True, SHAPES["stride 2"]),
            (torch.float64, False, SHAPES["loops that are not written out"]),
            (torch.float16, False, SHAPES["series, many taps"]),
        ):
            layer = layer_of(shape)
            (x, w, g, bias), _ = tensors_of(layer, dtype)
            if last:
                x, g = (each.contiguous(memory_format=torch.channels_last) for each in (x, g))
            depthwise.correlate(layer, x, w, bias)
            depthwise.adjoint(layer, g, w)
            depthwise.taps(layer, x, g)
    return found


@pytest.fixture(scope="module")
def interpreted():
    return in_a_process(__file__, "errors", True)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_every_part_is_what_torch_computes(interpreted, name, dtype):
    found = {case: each for case, each in interpreted["errors"].items() if case.startswith(f"{name}, {dtype}, ")}
    assert len(found) == 1 + (len(CASES[name, dtype][0]) == 2 and dtype == "float32")
    for case, each in found.items():
        assert {*each} == {*PARTS}
        assert max(each.values()) < TOLERANCE[dtype], (case, each)


def test_a_layer_and_its_gradients(interpreted):
    differences, methods = interpreted["layers"]
    assert methods == ["triton"] * 3
    assert max(differences) < 1e-5


def test_what_is_not_finite_reaches_what_it_touches(interpreted):
    assert interpreted["not finite"] == [True] * 3


def test_gradients_of_taps_in_one_part_or_in_many(interpreted):
    differences, same = interpreted["parts"]
    assert max(differences) < 2e-5
    assert same == [True, True]


def test_kernels_are_translated_for_devices_that_are_not_here():
    found = in_a_process(__file__, "translated", False)
    assert len(found) == 24
    assert all(each["loads"] > 2 and each["bytes"] > 1000 and not each["local"] for each in found)


if __name__ == "__main__":
    print(json.dumps({"errors": all_errors, "translated": translated}[sys.argv[1]]()))

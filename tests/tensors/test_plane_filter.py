"""The kernel that filters images on a GPU where they lie, in Triton's interpreter: without a device, and slowly::

TRITON_INTERPRET=1 PYTHONPATH=tests python tests/tensors/test_plane_filter.py differences
TRITON_INTERPRET=0 PYTHONPATH=tests python tests/tensors/test_plane_filter.py translated
"""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.ground.regions import regions
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.ways import plane_filter
from faltung.tensors.ways.plane_filter import AxisReach, PlaneFilter
from triton_process import Device, Translated, in_a_process, needs_triton
from zoo import MODES

TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-5, "float64": 1e-12}

# shape of the array, axes, shape of the kernel
SHAPES = {
    "image": ((11, 13), (0, 1), (3, 4)),
    "image, axes exchanged": ((7, 9), (1, 0), (3, 5)),
    "channels first": ((2, 9, 10), (1, 2), (3, 2)),
    "channels last": ((5, 6, 3), (0, 1), (3, 3)),
    "batch between the axes": ((4, 3, 5), (0, 2), (3, 2)),
    "batch on three sides": ((2, 4, 2, 3, 2), (1, 3), (2, 3)),
    "rows": ((3, 21), (1,), (6,)),
    "columns": ((9, 4), (0,), (5,)),
    "axis in the middle": ((2, 5, 3), (1,), (4,)),
    "signal": ((40,), (0,), (9,)),
    "smaller than the kernel": ((2, 3), (0, 1), (7, 9)),
    "one sample": ((1, 1), (0, 1), (3, 5)),
    "many rows of taps": ((9, 6), (0, 1), (40, 3)),
    "one tap": ((4, 5), (0, 1), (1, 1)),
}
#: Every shape meets both ways, and so does every mode; some shapes meet every mode.
TURNS = [
    *((name, MODES[k % len(MODES)], way) for k, name in enumerate(SHAPES) for way in ("direct", "separable")),
    *((name, mode, "direct") for name in ("image", "smaller than the kernel", "rows") for mode in MODES),
    *(("channels first", mode, "separable") for mode in MODES),
]
CASES = [
    *((name, mode, "float32", way) for name, mode, way in dict.fromkeys(TURNS)),
    *(("image", mode, dtype, "direct") for mode in ("constant", "mirror") for dtype in TOLERANCE),
]
LAYOUTS = {
    "transposed": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "channels last": lambda x: x.movedim(0, 2).contiguous().movedim(2, 0),
    "every second": lambda x: x.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, ::2, ::2],
    "no single batch": lambda x: x.repeat_interleave(2, 0)[::2],
    "one image many times": lambda x: x[:1].expand(x.shape),
    "imaginary part": lambda x: torch.complex(x * 2, x).imag,
    "negated lazily": lambda x: torch.complex(x, -x).conj().imag,
}

pytestmark = needs_triton


def kernel_of(sizes, separable):
    random = np.random.default_rng(sum(sizes))
    lines = [random.uniform(0.2, 1.0, size) for size in sizes]
    taps = math.prod(np.ix_(*lines)) if separable else random.standard_normal(sizes)
    return fa.Kernel(np.asarray(taps), tuple(size // 3 for size in sizes))


def planned(x, kernel, axes, modes, cval, method, shape="same"):
    lengths = [x.shape[axis] for axis in axes]
    found = regions(shape, lengths, kernel.shape, kernel.origin)
    place = (tuple(x.shape), tuple(axes), tuple(found.bounds), tuple(modes), cval, method, "norm")
    return filter_plan(kernel, *place, x.dtype, x.device)


def difference(x, kernel, axes, modes, cval, method, shape="same"):
    """Largest difference from what arrays get, relative to the largest possible output."""
    plan = planned(x, kernel, axes, modes, cval, method, shape)
    y = plan(x)
    wanted = fa.correlate(x.double().numpy(), kernel, modes, cval, axes=axes, shape=shape)
    assert (y.shape, y.dtype) == (wanted.shape, x.dtype)
    scale = np.abs(kernel.taps).sum() * max(float(x.abs().max()), abs(cval))
    return float(np.abs(y.double().numpy() - wanted).max(initial=0.0)) / scale


def samples(shape, dtype=torch.float32):
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape)).to(dtype)


def of_case(name, mode, dtype, method):
    shape, axes, sizes = SHAPES[name]
    kernel = kernel_of(sizes, method == "separable")
    return difference(samples(shape, getattr(torch, dtype)), kernel, axes, (mode,) * len(axes), 0.7, method)


def of_layout(name):
    x = LAYOUTS[name](samples((3, 8, 9)))
    place = ((1, 2), ("constant", "wrap"), 0.5)
    y = planned(x, kernel_of((3, 2), False), *place, "direct")(x)
    again = [difference(x, kernel_of((3, 2), each == "separable"), *place, each) for each in ("direct", "separable")]
    return max(again), [*y.shape]


def of_regions():
    """Other regions than `same`, as in gradients: beyond the border, or inside."""
    found = []
    for shape in ("valid", "full"):
        for modes in (("constant", "constant"), ("mirror", "wrap"), ("nearest", "constant")):
            for method in ("direct", "separable"):
                kernel = kernel_of((3, 4), method == "separable")
                found.append(difference(samples((7, 9)), kernel, (0, 1), modes, 0.3, method, shape))
    return found


def not_finite():
    """Whether samples that are not finite, and terms that overflow, spoil just what they spoil in arrays."""
    x = samples((9, 40))
    x[0, 0], x[4, 20], x[4, 22], x[8, 39] = math.nan, math.inf, -math.inf, math.inf
    taps = np.array([[1.0, 0.0, -2.0], [0.5, 1.5, 0.0], [0.0, 3.0, 1.0]])
    crossed = np.multiply.outer([1.0, 0.0, 2.0], [1e-30, -2.0, 1e20])
    found = []
    for given, kernel in ((x, taps), (x, crossed), (x.double(), taps), (x.half(), taps)):
        for mode in ("constant", "reflect"):
            for method in ("direct", "separable") if kernel is crossed else ("direct",):
                found.append(_alike(given, fa.Kernel(kernel), mode, 0.5, method))
    found.append(_alike(samples((5, 6)), fa.Kernel(taps), "constant", math.inf, "direct"))
    found.append(_alike(samples((5, 6)), fa.Kernel(crossed), "constant", math.nan, "separable"))
    large = np.array([[1.0, 2.0, -2.9], [1.0, 1.0, -1.9]])
    found.append(_alike(torch.full((5, 6), 3e38), fa.Kernel(large), "nearest", 0.0, "direct"))
    found.append(_alike(torch.full((5, 6), 1.6e308, dtype=torch.float64), fa.Kernel(large), "nearest", 0.0, "direct"))
    return found


def _alike(x, kernel, mode, cval, method):
    y = planned(x, kernel, (0, 1), (mode, mode), cval, method)(x)
    wanted = fa.correlate(x.numpy(), kernel, mode, cval)
    rough = 1e-3 if x.dtype == torch.float16 else 1e-5
    largest = np.abs(wanted[np.isfinite(wanted)], dtype=np.float64).max(initial=0.0)
    return bool(np.allclose(y.double().numpy(), wanted, rough, rough * largest, equal_nan=True))


def differences():
    cases = {" ".join(case): of_case(*case) for case in CASES}
    layouts = {name: of_layout(name) for name in LAYOUTS}
    x, kernel = samples((20, 70)), fa.gaussian(1.0)
    place = ((0, 1), ("reflect", "reflect"), 0.0)
    plans = {method: planned(x, kernel, *place, method) for method in ("direct", "separable", "fourier")}
    return {
        "cases": cases,
        "layouts": layouts,
        "regions": of_regions(),
        "not finite": not_finite(),
        "fourier": difference(x, kernel_of((9, 9), False), (0, 1), ("constant", "wrap"), 0.5, "fourier"),
        "memory": {name: plan.memory for name, plan in plans.items()},
        "seconds": {c.method: c.seconds for c in planned(x, kernel_of((9, 9), True), *place, "auto").candidates},
    }


def translated():
    """What there is to say of the code for devices that need not be here."""
    from triton.runtime import driver

    found = []
    code, plane_filter.unavailable = plane_filter.kernel(), lambda device: ""
    plane_filter.kernel = lambda: Translated(code, found)
    random = np.random.default_rng(0).standard_normal
    for capability in (80, 90):
        driver.set_active(Device(capability))
        for dtype, mode in ((torch.float32, "constant"), (torch.bfloat16, "wrap"), (torch.float64, "constant")):
            reaches = [AxisReach(64, 64, -2, 5, mode)] * 2
            lines = [random(5), random(5)]
            filters = [random((5, 5)), []], [np.multiply.outer(*lines), lines]
            for taps, each in filters:
                plane = PlaneFilter(taps, each, (0, 1), reaches, 0.5, torch.device("cpu"), dtype)
                plane(torch.empty(64, 64, dtype=dtype))
    return found


@pytest.fixture(scope="module")
def interpreted():
    return in_a_process(__file__, "differences", True)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_filters_are_what_arrays_get(interpreted, case):
    assert interpreted["cases"][" ".join(case)] < TOLERANCE[case[2]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_order_of_memory(interpreted, layout):
    worst, shape = interpreted["layouts"][layout]
    assert worst < 1e-5
    assert shape == [3, 8, 9]


def test_regions_beyond_and_inside(interpreted):
    assert len(interpreted["regions"]) == 12
    assert max(interpreted["regions"]) < 1e-5


def test_what_is_not_finite_spoils_what_it_spoils_in_arrays(interpreted):
    assert interpreted["not finite"] == [True] * 14


def test_plans_know_the_kernel(interpreted):
    assert interpreted["fourier"] < 1e-5
    assert interpreted["memory"]["direct"] == 0 < interpreted["memory"]["separable"]
    assert interpreted["seconds"]["separable"] < interpreted["seconds"]["direct"]


def test_the_kernel_is_translated_for_devices_that_are_not_here():
    found = in_a_process(__file__, "translated", False)
    assert len(found) == 18
    assert all(each["loads"] > 2 and each["bytes"] > 1000 and not each["local"] for each in found)


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "why"),
    [
        ((4, 5, 6), (0, 1, 2), torch.float32, "more than two axes"),
        ((4, 5), (0, 1), torch.complex64, "not real"),
        ((0, 5), (1,), torch.float32, "no samples"),
        ((2, 2**16, 2**16), (1, 2), torch.float16, "too many numbers"),
        ((4, 5), (0, 1), torch.float32, "not on a GPU"),
    ],
)
def test_what_it_refuses(shape, axes, dtype, why):
    assert why in plane_filter.refusal(shape, axes, torch.device("cpu"), dtype)


if __name__ == "__main__":
    print(json.dumps({"differences": differences, "translated": translated}[sys.argv[1]]()))

"""Every door gives one result: tensors are filtered as arrays are, whatever dtype, kernel, border and mask."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import faltung as fa
import reference
from covering import covering
from faltung.tensors.device_plan import filter_plan

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
DTYPES = ["float16", "bfloat16", "float32", "float64", "uint8", "int32", "complex64", "complex128"]
rng = np.random.default_rng(11)
TAPS = {
    "smooth": np.array([[1.0, 2, 1], [2, 4, 2]]) / 16,
    "signed": np.array([[0.5, -1, 0.25], [0, 2, -0.75]]),
    "complex": np.array([[1, -1j, 0.5], [0.25j, 2 - 1j, 0]]),
}
#: What is beyond the border.
BORDERS = [(mode, 0.0) for mode in MODES] + [("constant", value) for value in (2.5, 1e8, np.inf, np.nan)]


def kernels(taps):
    """The same filter at every door: a value, taps that are a tensor, and banks of both kinds."""
    bank = taps[None, None]
    return {
        "value": (fa.Kernel(taps), {}),
        "tensor": (torch.from_numpy(taps), {}),
        "bank": (fa.Bank(bank), {}),
        "layer": (fa.Bank(bank), {"channel_axis": 0}),
        "layer of a tensor": (torch.from_numpy(bank), {"channel_axis": 0}),
    }


def samples(dtype):
    x = torch.from_numpy(rng.integers(0, 200, (1, 5, 7)).astype(np.float64) / (1 if "int" in dtype else 8))
    kind = getattr(torch, dtype)
    return torch.complex(x, x.flip(2)).to(kind) if kind.is_complex else x.to(kind)


def exact_of(x):
    return x.to(torch.complex128 if x.is_complex() else torch.float64).numpy()


def assert_close(got, expected, unit, scale):
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))
    known = np.isfinite(expected)
    got, expected, scale = got[known], expected[known], np.broadcast_to(scale, known.shape)[known]
    np.testing.assert_array_less(abs(got - expected), unit * (scale + abs(expected)) + 1e-300)


def unit_of(dtype):
    """Rounding of the number that is computed with, some times, and that of the result."""
    computed = 2.0**-53 if dtype in ("float64", "int32", "complex128") else 2.0**-24
    return 12 * computed + {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(dtype, 0.0)


@pytest.mark.parametrize(("dtype", "name", "border"), covering(DTYPES, TAPS, BORDERS))
def test_every_door_gives_one_result(dtype, name, border):
    x, taps = samples(dtype), TAPS[name]
    mode, cval = border
    exact = exact_of(x)
    expected = fa.convolve(exact, fa.Kernel(taps), mode, cval, method="direct")
    if dtype == "float16" and name != "complex":
        expected[abs(expected) > 65520] = np.inf  # taps beyond the border are positive
    with np.errstate(invalid="ignore"):
        scale = fa.convolve(abs(exact), fa.Kernel(abs(taps)), mode, min(abs(cval), 1e9), method="direct")
    for door, (kernel, named) in kernels(taps).items():
        got = fa.convolve(x, kernel, mode, cval, **named)
        assert got.dtype == expected_dtype(dtype, name), door
        assert_close(exact_of(got).reshape(expected.shape), expected, unit_of(dtype), np.nan_to_num(scale))


def expected_dtype(dtype, name):
    own = {"uint8": "float32", "int32": "float64"}.get(dtype, dtype)
    if name == "complex":
        own = {"float64": "complex128", "complex128": "complex128"}.get(own, "complex64")
    return getattr(torch, own)


# ---- missing samples


def filled(x, taps, valid, mode, cval, outside):
    """The rule as loops in extended precision: under each output, a missing sample is the mean of those present."""
    shape = x.shape
    region = [(0, length) for length in shape]
    origin = [size // 2 for size in taps.shape]
    kind = np.clongdouble if np.iscomplexobj(x) or np.iscomplexobj(taps) else np.longdouble
    y = np.full(shape, np.nan + (1j * np.nan if kind is np.clongdouble else 0), kind)
    for n in itertools.product(*(range(*bounds) for bounds in region)):
        values, weights, taps_here = [], [], []
        for i in np.ndindex(taps.shape):
            if taps[i] == 0:
                continue
            place = [p - (j - o) for p, j, o in zip(n, i, origin, strict=True)]
            values.append(reference.extended(x, place, mode, cval))
            weights.append(bool(reference.extended(valid, place, mode, outside)))
            taps_here.append(taps[i])
        values, weights, taps_here = np.array(values, kind), np.array(weights), np.array(taps_here, kind)
        if weights.any():
            magnitudes = abs(taps_here)
            mean = (magnitudes * values)[weights].sum() / magnitudes[weights].sum()
            y[n] = (taps_here * np.where(weights, values, mean)).sum()
    return y


HOLES = [("reflect", 0.0), ("constant", 2.5), ("constant", np.nan), ("wrap", 0.0)]


@pytest.mark.parametrize(
    ("dtype", "name", "border", "how"), covering(DTYPES, TAPS, HOLES, ["nan", "mask", "both"], strength=3)
)
def test_missing_samples_at_every_door(dtype, name, border, how):
    x, taps = samples(dtype), TAPS[name]
    mode, cval = border
    named = {}
    valid = torch.ones(5, 7, dtype=torch.bool)
    if how != "nan":
        valid = torch.from_numpy(rng.random((5, 7)) < 0.4)
        valid[:4, :4] = False
        named["mask"] = valid
    if how != "mask":
        named["nan"] = "ignore"
        if x.is_floating_point() or x.is_complex():
            x[0, 2, 3:6] = torch.nan
            valid = valid & ~torch.isnan(x[0])
    skipped = how != "mask" and np.isnan(cval)
    expected = filled(exact_of(x)[0], taps, valid.numpy(), mode, cval, not skipped)
    size = 2 * np.nanmax(abs(exact_of(x))) * abs(taps).sum() * np.abs(taps).sum() / np.abs(taps[taps != 0]).min()
    for door, (kernel, more) in kernels(taps).items():
        got = fa.convolve(x, kernel, mode, cval, **named, **more)
        assert_close(exact_of(got).reshape(expected.shape), expected, unit_of(dtype), size)
        assert got.dtype == expected_dtype(dtype, name), door


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", [fa.gaussian(2), fa.gaussian(5), fa.box(5), fa.gaussian(2) * fa.disk(3)])
def test_an_output_is_missing_only_where_nothing_is_present(dtype, kernel):
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[20, 30] = True
    reached = fa.convolve(mask.double().numpy(), fa.Kernel((kernel.taps != 0).astype(float), kernel.origin))
    for taps in (kernel, torch.tensor(kernel.taps), fa.Bank(kernel.taps[None, None])):
        got = fa.convolve(torch.full((64, 64), 3.0, dtype=dtype), taps, "constant", np.nan, mask=mask, nan="ignore")
        got = got.reshape(64, 64).double().numpy()
        np.testing.assert_array_equal(np.isnan(got), reached < 0.5)
        total = 3 * kernel.taps.sum()
        assert np.nanmax(abs(got - total)) <= 8 * torch.finfo(dtype).eps * total


def test_gradients_where_samples_are_missing():
    mask = torch.from_numpy(rng.random((5, 6)) < 0.6)
    for given in TAPS.values():
        taps = np.where(given == 0, 0.3, given)
        x = torch.from_numpy(rng.standard_normal((5, 6))).requires_grad_()
        w = torch.from_numpy(taps).requires_grad_()

        def real(y):
            return (torch.view_as_real(y) if y.is_complex() else y).nan_to_num()

        assert torch.autograd.gradcheck(lambda x, w: real(fa.convolve(x, w, mask=mask)), (x, w))
        kernel = fa.Kernel(taps)
        assert torch.autograd.gradcheck(lambda x, k=kernel: real(fa.convolve(x, k, mask=mask)), (x,))


@pytest.mark.parametrize("longer", [4, 6])
def test_missing_samples_under_a_kernel_longer_than_the_array(longer):
    x, mask = np.array([3.0, 4.0, 5.0]), np.array([True, False, True])
    kernel = np.arange(1.0, longer + 1)
    for shape in ("same", "valid", "full"):
        expected = fa.convolve(x, kernel, shape=shape, mask=mask)
        got = fa.convolve(torch.from_numpy(x), kernel, shape=shape, mask=torch.from_numpy(mask))
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


# ---- dtypes


@pytest.mark.parametrize(
    ("dtype", "result", "door"),
    covering(
        ["float16", "float32", "float64", "uint8", "int32"],
        ["float16", "float32", "float64", "int16", "int32", "uint8", "complex64"],
        ["value", "tensor", "layer"],
    ),
)
def test_the_dtype_of_the_result_decides_what_is_computed_with(dtype, result, door):
    x = torch.from_numpy(rng.integers(0, 200, (1, 5, 7)).astype(dtype))
    taps = np.array([[0.1, 0.7, -0.2]])
    kernel, named = kernels(taps)[door]
    expected = fa.convolve(x.numpy(), fa.Kernel(taps), dtype=result)
    for asked in (result, getattr(torch, result)):
        got = fa.convolve(x, kernel, dtype=asked, **named)
        assert got.dtype == getattr(torch, result)
        if expected.dtype.kind in "iu":
            assert abs(got.numpy().reshape(expected.shape).astype(int) - expected.astype(int)).max() <= 1
            assert (got.numpy().reshape(expected.shape) == expected).mean() > 0.8  # others are ties
        else:
            eps = max(np.finfo(result).eps, 2.0**-52)
            np.testing.assert_allclose(got.numpy().reshape(expected.shape), expected, rtol=4 * eps, atol=200 * eps)


def test_short_numbers_are_added_up_in_single_precision():
    x = torch.tensor([1000.0, 1001.0, 1002.0], dtype=torch.float16)
    for kernel in ([1, 1, 1], torch.ones(3), torch.ones(3, dtype=torch.float16), fa.Bank(np.ones((1, 1, 3)))):
        assert fa.convolve(x, kernel, dtype=torch.float32).flatten().tolist() == [3001, 3003, 3005]
        assert fa.convolve(x * 40, kernel, dtype=torch.float32).flatten().tolist() == [120032, 120096, 120160]
        assert fa.convolve(x, kernel, dtype=torch.int32).flatten().tolist() == [3001, 3003, 3005]
        out = torch.empty(3) if isinstance(kernel, list) else None
        if out is not None:
            assert fa.convolve(x, kernel, out=out).tolist() == [3001, 3003, 3005]


# ---- banks


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("origin", [-9, -3, 6, 11, 1 << 38])
def test_taps_that_are_all_beyond_the_array(mode, origin):
    taps = rng.standard_normal(2)
    for kernel in (fa.Bank(taps[None, None], origin=origin), fa.Kernel(taps, origin)):
        x = torch.from_numpy(rng.standard_normal(4)).requires_grad_()
        for cval in (0.0, 1.5):
            expected = fa.convolve(x.detach().numpy(), kernel, mode, cval)
            np.testing.assert_allclose(fa.convolve(x, kernel, mode, cval).detach().numpy(), expected, atol=1e-12)
        assert torch.autograd.gradcheck(lambda x, k=kernel: fa.convolve(x, k, mode, 1.5), (x,))


def test_complex_banks_and_taps():
    taps = rng.standard_normal((2, 3, 2, 3)) + 1j * rng.standard_normal((2, 3, 2, 3))
    taps[0, 0] = taps[0, 0].imag * 1j
    x = torch.from_numpy(rng.standard_normal((3, 6, 7)))
    x[1, 2, 3] = np.inf
    with np.errstate(invalid="ignore"):
        expected = fa.convolve(x.numpy(), fa.Bank(taps), channel_axis=0, method="apart")
    for kernel in (fa.Bank(taps), torch.from_numpy(taps)):
        got = fa.convolve(x, kernel, channel_axis=0).numpy()
        for part in ("real", "imag"):
            np.testing.assert_allclose(getattr(got, part), getattr(expected, part), atol=1e-12)
    stack = fa.Bank.stack([fa.gabor(0.2, angle) for angle in (0.0, 0.8)])
    np.testing.assert_allclose(stack(x.nan_to_num()).numpy(), stack(x.nan_to_num().numpy()), rtol=1e-9)
    z = torch.from_numpy(rng.standard_normal((3, 4, 5)) + 1j).requires_grad_()
    w = torch.from_numpy(taps).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, w: torch.view_as_real(fa.convolve(z, w, channel_axis=0)), (z, w))


def test_a_tap_of_zero_hides_what_is_not_finite():
    x, taps = torch.from_numpy(rng.standard_normal((9, 9))), rng.standard_normal((3, 3))
    taps[0, 1] = taps[2, 2] = 0
    x[4, 4], x[2, 7] = torch.nan, -torch.inf
    expected = fa.convolve(x.numpy(), taps)
    np.testing.assert_allclose(fa.convolve(x, torch.from_numpy(taps)).numpy(), expected, atol=1e-12)


# ---- tensors without numbers, without samples, without a graph


@pytest.mark.parametrize("kernel", [fa.gaussian(1.0), fa.gabor(0.2), fa.Bank.stack([fa.sobel(0), fa.sobel(1)])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.complex64, torch.uint8])
def test_tensors_without_numbers(kernel, dtype):
    x = torch.zeros(2, 12, 13).to(dtype)
    for named in ({}, {"shape": "full"}, {"mask": torch.ones(12, 13, dtype=torch.bool)}, {"dtype": torch.complex128}):
        expected, got = fa.convolve(x, kernel, **named), fa.convolve(x.to("meta"), kernel, **named)
        assert (got.shape, got.dtype, got.device.type) == (expected.shape, expected.dtype, "meta")
    assert fa.convolve(x.to("meta"), torch.ones(3, 3, device="meta")).shape == x.shape


@pytest.mark.parametrize("shape", [(5, 0), (0, 5), (0, 0)])
@pytest.mark.parametrize("kind", ["value", "tensor", "bank", "complex"])
def test_tensors_without_samples(shape, kind):
    kernel = {"value": [1.0, 2.0], "tensor": torch.ones(2), "bank": fa.Bank(np.ones((2, 1, 2))), "complex": [1, 1j]}
    x = torch.ones(shape, requires_grad=True)
    got = fa.convolve(x, kernel[kind])
    taps = np.ones(2) if kind == "tensor" else kernel[kind]
    assert got.shape == fa.convolve(np.ones(shape), taps).shape
    got.abs().sum().backward()
    assert x.grad.shape == shape


@pytest.mark.filterwarnings("ignore")
def test_kernels_and_banks_inside_a_compiled_function():
    x = torch.randn(16, 17)
    for function in (
        lambda x: fa.Bank.stack([fa.gabor(0.2, angle) for angle in (0.0, 0.8)])(x).abs(),
        lambda x: fa.gaussian(1.0)(x) + fa.convolve(x, torch.ones(3, 3), nan="ignore"),
    ):
        given = x.clone().requires_grad_()
        (got,) = torch.autograd.grad(torch.compile(function, backend="aot_eager")(given).sum(), given)
        (expected,) = torch.autograd.grad(function(given).sum(), given)
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: fa.convolve(x, fa.gabor(0.2), dtype=torch.float32), "dtype: expected a complex dtype"),
        (lambda x: fa.convolve(x, [[1j]], dtype="int8"), "dtype: expected a complex dtype"),
        (lambda x: fa.convolve(x, [[1j]], out=torch.empty(6, 7)), "out: expected a complex dtype"),
        (lambda x: fa.convolve(x, [[1.0]], "constant", 1j), "cval: expected a real number for a real array"),
        (lambda x: fa.convolve(x.to_sparse(), [[1.0]]), r"x: expected a dense tensor.*x.to_dense\(\)"),
        # NumPy knows the name if another package has told it.
        (lambda x: fa.convolve(x.to(torch.float8_e4m3fn), [[1.0]]), "x: expected (a dtype of )?numbers"),
        (
            lambda x: fa.convolve(x, fa.Bank(np.ones((1, 6, 3))), channel_axis=0, nan="ignore"),
            "a bank with one channel in where samples may be missing",
        ),
        (
            lambda x: fa.convolve(x, torch.ones(1, 6, 3), channel_axis=0, mask=x > 0),
            "a bank with one channel in where samples may be missing",
        ),
        (
            lambda x: fa.convolve(x, torch.ones(3, 3), accuracy="pointwise", method="fourier"),
            "method: expected a way that supports this, got 'fourier'",
        ),
    ],
)
def test_errors_name_the_true_cause(call, text):
    with pytest.raises(fa.FaltungError, match=text):
        call(torch.randn(6, 7))


# ---- samples that are far apart


def noise_beside(shape, huge):
    """Samples of about 1000, and one that is far larger."""
    x = 1000 + 10 * rng.standard_normal(shape)
    x[(0, 0, *(length // 2 for length in shape[2:]))] = huge
    return x


@pytest.mark.parametrize("huge", [1e6, 1e12, 1e20, -3.4e38, np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spatial", [(400,), (60, 70)])
def test_a_huge_sample_reaches_only_what_taps_connect_with_it(dtype, huge, spatial):
    shape = (2, 1, *spatial)
    taps = rng.standard_normal((2, 1, *([101] if len(spatial) == 1 else [11, 9])))
    taps[0, 0] = abs(taps[0, 0])
    x = torch.from_numpy(noise_beside(shape, huge).astype(dtype))
    w = torch.from_numpy(taps.astype(dtype))
    got = fa.correlate(x, w, channel_axis=1, method="fourier").double()
    expected = fa.correlate(x.double(), w.double(), channel_axis=1, method="torch")
    scale = fa.correlate(x.double().abs(), w.double().abs(), channel_axis=1, method="torch")
    known = torch.isfinite(expected)
    assert torch.equal(known, torch.isfinite(got)) or abs(huge) > 1e38
    known &= scale < 1e38
    assert ((got - expected).abs()[known] <= 300 * torch.finfo(x.dtype).eps * scale[known]).all()


@pytest.mark.parametrize("huge", [1e12, 1e20, np.inf])
def test_a_huge_sample_under_no_gradient_has_none(huge):
    x = torch.from_numpy(noise_beside((2, 3, 40, 40), huge)).float()
    g = torch.randn(2, 4, 40, 40)
    g[0, :, 10:30, 10:30] = 0
    gradients = {}
    for method, kind in (("fourier", torch.float32), ("torch", torch.float64)):
        w = torch.zeros(4, 3, 9, 9, dtype=kind, requires_grad=True)
        y = fa.correlate(x.to(kind), w, channel_axis=1, method=method)
        (gradients[method],) = torch.autograd.grad(y, w, g.to(kind))
    known = torch.isfinite(gradients["torch"])
    error = (gradients["fourier"].double() - gradients["torch"]).abs()[known]
    assert (error <= 1e-4 * 1000 * g.abs().sum()).all()
    assert error.max() < 1.0


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
@pytest.mark.parametrize("huge", [1e5, 1e12, 1e20, np.inf])
def test_filters_of_a_device_keep_a_huge_sample_apart(method, huge):
    x = np.full((70, 60), 1000.0)
    x[40, 30] = huge
    for kernel in (fa.gaussian(2), fa.gaussian(3) - fa.gaussian(2)):
        plan = filter_plan(kernel, x.shape, (0, 1), ((0, 70), (0, 60)), ("reflect",) * 2, 0.0, method)
        got = plan(torch.from_numpy(x).float()).double().numpy()
        expected = fa.correlate(x, kernel, method="direct")
        scale = fa.correlate(np.where(np.isfinite(x), abs(x), 0), fa.Kernel(abs(kernel.taps)), method="direct")
        known = np.isfinite(expected)
        np.testing.assert_array_equal(known, np.isfinite(got))
        assert (abs(got[known] - expected[known]) <= 300 * 2.0**-24 * scale[known]).all()


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
@pytest.mark.parametrize("cval", [1e8, 1e20, np.inf, np.nan])
def test_filters_of_a_device_keep_the_constant_beyond_the_border(method, cval):
    x = torch.from_numpy(rng.random((30, 31)))
    kernel = fa.gaussian(1.0)
    plan = filter_plan(kernel, (30, 31), (0, 1), ((0, 30), (0, 31)), ("constant",) * 2, cval, method)
    got, expected = plan(x.float()).numpy(), fa.correlate(x.numpy(), kernel, "constant", cval)
    np.testing.assert_allclose(got[4:-4, 4:-4], expected[4:-4, 4:-4], rtol=1e-5)
    np.testing.assert_allclose(got, expected, rtol=1e-5)

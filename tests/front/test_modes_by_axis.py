"""A mode for each axis: every door against `numpy.pad`, one axis after the other, and sums of what it returns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
import shifted
from conftest import TILES
from covering import covering
from faltung.planning.planner import METHODS
from faltung.tensors.device_plan import filter_plan
from samples import MODES, complex_normal, normal, small_integers

PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
PAIRS = [*itertools.product(MODES, repeat=2)]
CVAL = -2.5
SHAPES = ("same", "valid", "full")


def padded(x, widths, modes, cval):
    """Extend one axis after the other; the last ones are first, to show that their order does not matter."""
    for axis in reversed(range(x.ndim)):
        named = {"constant_values": cval} if modes[axis] == "constant" else {}
        width = [widths[axis] if k == axis else (0, 0) for k in range(x.ndim)]
        x = np.pad(x, width, PAD[modes[axis]], **named)
    return x


def definition(x, kernel, modes, shape="same", cval=CVAL):
    """Return the convolution: extend, and add up a shifted array for each tap."""
    pairs = [*zip(x.shape, kernel.shape, kernel.origin, strict=True)]
    if shape == "valid" and any(size > length for length, size, _ in pairs):
        modes, cval = ["constant"] * x.ndim, 0.0  # taps beyond the border are left out
    first = {
        "same": [0 for _ in pairs],
        "full": [-at for *_, at in pairs],
        "valid": [min(length, size) - 1 - at for length, size, at in pairs],
    }[shape]
    count = {
        "same": [length for length, *_ in pairs],
        "full": [length + size - 1 for length, size, _ in pairs],
        "valid": [abs(length - size) + 1 for length, size, _ in pairs],
    }[shape]
    # Output n reads the samples from n + origin - size + 1 to n + origin.
    low = [n + at - size + 1 for n, (_, size, at) in zip(first, pairs, strict=True)]
    high = [n + c + at for n, c, (*_, at) in zip(first, count, pairs, strict=True)]
    widths = [(max(-a, 0), max(b - length, 0)) for a, b, length in zip(low, high, x.shape, strict=True)]
    whole = padded(x, widths, modes, cval)
    begin = [width + a for (width, _), a in zip(widths, low, strict=True)]
    taps = np.flip(kernel.taps)
    total = np.zeros(count, np.result_type(x.dtype, taps.dtype, float))
    for place in np.ndindex(taps.shape):
        spans = tuple(slice(b + i, b + i + c) for b, i, c in zip(begin, place, count, strict=True))
        total += taps[place] * whole[spans]
    return total


@pytest.mark.parametrize(
    ("modes", "shape", "lengths"), covering(PAIRS, SHAPES, [(7, 9), (2, 3), (1, 8), (5, 1)]), ids=str
)
def test_arrays_in_every_pair_of_modes(modes, shape, lengths):
    x = small_integers(lengths)
    for kernel in (fa.Kernel(small_integers((3, 5))), fa.Kernel(small_integers((6, 4)), (0, 3)), fa.Kernel([[1, 2]])):
        longer = {size > length for size, length in zip(kernel.shape, lengths, strict=True) if size != length}
        if shape == "valid" and len(longer) > 1:  # longer on one axis and shorter on another: refused
            continue
        want = definition(x, kernel, modes, shape)
        assert_array_equal(fa.convolve(x, kernel, modes, CVAL, shape=shape), want)
        assert_array_equal(fa.correlate(x, kernel.flip(), modes, CVAL, shape=shape), want)
        assert_array_equal(kernel(x, modes, CVAL, shape=shape), want)
        assert_array_equal(fa.plan(x, kernel, modes, CVAL, shape=shape)(x), want)
        assert_array_equal(fa.convolve(x, kernel, modes, CVAL, shape=shape, mask=np.ones(lengths, bool)), want)


SOME_PAIRS = [("wrap", "nearest"), ("constant", "mirror"), ("reflect", "constant"), ("mirror", "wrap")]


@pytest.mark.parametrize(
    ("method", "dtype", "modes", "tiny_tiles"),
    covering(METHODS, ["u1", "i2", "f2", "f4", "f8", "c8", ">f4"], SOME_PAIRS, TILES),
    indirect=["tiny_tiles"],
)
def test_every_method_and_dtype(method, dtype, modes, tiny_tiles):
    x = complex_normal((23, 31)) if dtype == "c8" else np.abs(10 * normal((23, 31)))
    x = x.astype(dtype)
    kernel = fa.box((5, 4)) * fa.box(3)
    candidates = fa.plan(x, kernel, modes, CVAL).candidates
    if method != "auto" and not any(one.method == method and np.isfinite(one.seconds) for one in candidates):
        return
    got = fa.convolve(x, kernel, modes, CVAL, method=method)
    wide = x.astype("c16" if dtype == "c8" else "f8")
    assert_allclose(got, definition(wide, kernel, modes), rtol=1e-5, atol=1e-4)


def test_three_axes_and_a_batch():
    x, kernel = small_integers((4, 5, 3)), fa.Kernel(small_integers((3, 2, 4)))
    for modes in itertools.product(MODES, repeat=3):
        want = definition(x, kernel, modes)
        assert_array_equal(fa.convolve(x, kernel, modes, CVAL), want)
        many = np.stack([x, 2 * x])
        assert_array_equal(fa.convolve(many, kernel, modes, CVAL)[0], want)


@pytest.mark.parametrize("axes", [(0, 2), (2, 0), (1, 0), (-1, -2)])
def test_modes_are_those_of_the_axes_of_the_kernel(axes):
    x, kernel = small_integers((5, 4, 6)), fa.Kernel(small_integers((3, 4)))
    got = fa.convolve(x, kernel, ("wrap", "constant"), CVAL, axes=axes)
    other = ({0, 1, 2} - {axis % 3 for axis in axes}).pop()
    order = (*axes, other)
    for index in range(x.shape[other]):
        plane = x.transpose(order)[..., index]
        assert_array_equal(got.transpose(order)[..., index], definition(plane, kernel, ("wrap", "constant")))


def test_the_constant_is_beyond_the_border_of_any_axis_that_has_it():
    x = np.zeros((3, 3))
    for modes, corner in ((("constant", "wrap"), 1.0), (("wrap", "constant"), 1.0), (("wrap", "nearest"), 0.0)):
        y = fa.correlate(x, fa.Kernel([[1.0]], (1, 1)), modes, 1.0)  # reads the sample before, on both axes
        assert y[0, 0] == corner
        assert (y[1:, 0] == (modes[1] == "constant")).all()
        assert (y[0, 1:] == (modes[0] == "constant")).all()


def test_what_is_not_finite_stays_where_taps_read_it():
    x = normal((40, 50))
    x[0, 3], x[39, 7], x[5, 49] = np.nan, np.inf, -np.inf
    kernel = fa.gaussian(1.5)
    for modes in (("wrap", "nearest"), ("constant", "wrap"), ("mirror", "constant")):
        want = shifted.convolve(x, kernel.taps, kernel.origin, modes, CVAL, [(0, 40), (0, 50)], "f8")
        for method in ("direct", "separable", "fourier"):
            got = fa.convolve(x, kernel, modes, CVAL, method=method)
            assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("modes", PAIRS, ids="-".join)
def test_masks_are_extended_like_samples(modes):
    x, kernel = small_integers((6, 7)), fa.Kernel(np.abs(small_integers((3, 4))) + 1)
    valid = normal((6, 7)) > -0.5
    ones = definition(valid.astype(float), kernel, modes, cval=1.0)
    with np.errstate(invalid="ignore"):  # where there is none, NaN
        want = definition(np.where(valid, x, 0.0), kernel, modes) / ones * kernel.taps.sum()
    assert_allclose(fa.convolve(x, kernel, modes, CVAL, mask=valid), want, rtol=1e-12)
    tensors = fa.convolve(torch.from_numpy(x), kernel, modes, CVAL, mask=torch.from_numpy(valid))
    assert_allclose(tensors, want, rtol=1e-12)


@pytest.mark.parametrize("modes", PAIRS, ids="-".join)
@pytest.mark.parametrize("lengths", [(7, 9), (2, 3), (1, 8)])
def test_banks_over_channels_and_of_single_channels(modes, lengths):
    x, taps = small_integers((2, *lengths)), small_integers((3, 2, 4, 3))
    want = [sum(definition(x[i], fa.Kernel(taps[o, i]), modes) for i in range(2)) for o in range(3)]
    assert_array_equal(fa.convolve(x, fa.Bank(taps), modes, CVAL, channel_axis=0), want)
    assert_array_equal(fa.Bank(taps)(x, modes, CVAL, channel_axis=0), want)
    assert_array_equal(fa.convolve(torch.from_numpy(x), fa.Bank(taps), modes, CVAL, channel_axis=0), want)
    strided = fa.convolve(x, fa.Bank(taps), modes, CVAL, channel_axis=0, stride=(2, 1))
    assert_array_equal(strided, np.array(want)[:, ::2])
    single = [definition(x[0], fa.Kernel(taps[o, 0]), modes) for o in range(3)]
    assert_array_equal(fa.Bank(taps[:, :1])(x[0], modes, CVAL), single)
    assert_array_equal(fa.Bank(taps[:, :1])(torch.from_numpy(x[0]), modes, CVAL), single)


@pytest.mark.parametrize("modes", PAIRS, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_matrix_of_a_bank(modes, shape):
    pytest.importorskip("scipy")
    bank, x = fa.Bank(small_integers((2, 1, 3, 4))), small_integers((5, 4))
    want = bank(x, modes, 0.0, shape=shape)
    matrix = bank.matrix((5, 4), modes, shape=shape)
    assert_array_equal((matrix @ x.ravel()).reshape(want.shape), want)
    if shape == "same":
        again = fa.Bank.from_matrix(matrix, (5, 4), modes, size=(3, 4))
        assert_allclose(again.matrix((5, 4), modes).toarray(), matrix.toarray(), atol=1e-9)


# ---- tensors


@pytest.mark.parametrize("modes", PAIRS, ids="-".join)
@pytest.mark.parametrize("lengths", [(7, 9), (2, 3), (1, 8)])
def test_tensors_and_their_gradients(modes, lengths):
    x = torch.from_numpy(small_integers(lengths)).requires_grad_()
    kernel = fa.Kernel(small_integers((3, 4)))
    taps = torch.from_numpy(kernel.taps.copy()).requires_grad_()
    want = definition(x.detach().numpy(), kernel, modes)
    c = torch.from_numpy(small_integers(want.shape[::-1]).T.copy())
    slope = gradient_of_samples(lengths, kernel, modes, c.numpy())
    for filter_ in (kernel, taps):
        y = fa.convolve(x, filter_, modes, CVAL)
        assert_array_equal(y.detach(), want)
        (to_x,) = torch.autograd.grad(y, x, c, retain_graph=True)
        assert_array_equal(to_x, slope)
    (to_taps,) = torch.autograd.grad(y, taps, c)
    for place in np.ndindex(*kernel.shape):
        unit = np.zeros(kernel.shape)
        unit[place] = 1.0
        assert to_taps[place] == (definition(x.detach().numpy(), fa.Kernel(unit), modes) * c.numpy()).sum()
    assert_array_equal(fa.plan(x.detach(), kernel, modes, CVAL)(x.detach()), want)


def gradient_of_samples(lengths, kernel, modes, c):
    """Return how the sum of outputs times c changes with each sample: the transpose, sample by sample."""
    slope = np.zeros(lengths)
    for place in np.ndindex(*lengths):
        unit = np.zeros(lengths)
        unit[place] = 1.0
        slope[place] = (definition(unit, kernel, modes, cval=0.0) * c).sum()
    return slope


@pytest.mark.parametrize("method", ["direct", "torch", "fourier"])
def test_every_way_of_a_layer(method):
    x, taps = torch.randn(1, 2, 9, 12, dtype=torch.float64), torch.randn(3, 2, 3, 4, dtype=torch.float64)
    for modes in PAIRS:
        want = [
            sum(definition(x[0, i].numpy(), fa.Kernel(taps[o, i].numpy()), modes, cval=0.0) for i in range(2))
            for o in range(3)
        ]
        leaves = x.clone().requires_grad_(), taps.clone().requires_grad_()
        y = fa.convolve(*leaves[:1], leaves[1], modes, channel_axis=1, method=method)
        assert_allclose(y.detach()[0], want, atol=1e-12)
        again = x.clone().requires_grad_(), taps.clone().requires_grad_()
        y2 = fa.convolve(again[0], again[1], modes, channel_axis=1, method="torch")
        c = torch.randn_like(y)
        for got, wanted in zip(torch.autograd.grad(y, leaves, c), torch.autograd.grad(y2, again, c), strict=True):
            assert_allclose(got, wanted, atol=1e-10)


@pytest.mark.parametrize("modes", [*MODES, ("wrap", "constant"), ("constant", "mirror")])
@pytest.mark.parametrize("origin", [6, -6, 40])
def test_banks_whose_taps_are_all_beyond_the_array(modes, origin):
    x = torch.from_numpy(small_integers((2, 3))).requires_grad_()
    bank = fa.Bank(small_integers((2, 1, 2, 2)), (origin, origin))
    y = fa.convolve(x, bank, modes, CVAL)
    assert_array_equal(y.detach(), fa.convolve(x.detach().numpy(), bank, modes, CVAL))
    (to_x,) = torch.autograd.grad(y.sum(), x)
    units = np.eye(6).reshape(6, 2, 3)
    assert_array_equal(to_x.ravel(), [fa.convolve(unit, bank, modes).sum() for unit in units])


@pytest.mark.parametrize("method", ["direct", "separable", "fourier"])
def test_every_way_of_a_device(method):
    x, kernel = small_integers((9, 12)), fa.gaussian(1.0)
    place = (kernel, (9, 12), (0, 1), ((0, 9), (0, 12)))
    for modes in PAIRS:
        plan = filter_plan(*place, modes, CVAL, method, dtype=torch.float64)
        assert_allclose(plan(torch.from_numpy(x)), definition(x, kernel, modes), atol=1e-12)


def test_modes_in_a_compiled_graph():
    x, kernel = torch.from_numpy(small_integers((6, 7))), fa.Kernel(small_integers((3, 4)))
    modes = ("wrap", "nearest")
    compiled = torch.compile(lambda x: fa.convolve(x, kernel, modes), backend="eager")
    assert_array_equal(compiled(x), definition(x.numpy(), kernel, modes))


# ---- what is asked


def test_plans_say_the_modes():
    assert "mode wrap,nearest," in str(fa.plan((40, 50), fa.box(3), ("wrap", "nearest")))
    assert "mode wrap," in str(fa.plan((40, 50), fa.box(3), ("wrap", "wrap")))
    assert "mode constant(2),mirror," in str(fa.plan((40, 50), fa.box(3), ("constant", "mirror"), 2.0))


def test_a_list_and_an_array_of_names_are_modes_too():
    x = small_integers((5, 6))
    want = fa.convolve(x, fa.box(3), ("wrap", "nearest"))
    for modes in (["wrap", "nearest"], np.array(["wrap", "nearest"])):
        assert_array_equal(fa.convolve(x, fa.box(3), modes), want)


def test_wrong_modes_are_refused_everywhere():
    x, kernel = np.ones((5, 6)), fa.box(3)
    for modes in (("wrap",), ("wrap", "wrap", "wrap")):
        for call in (fa.convolve, fa.correlate, fa.plan):
            with pytest.raises(fa.ArgumentError, match=r"^mode: expected one name, or 2, one for each axis"):
                call(x, kernel, modes)
    with pytest.raises(fa.ArgumentError, match="Use mode='nearest'"):
        kernel(x, ("wrap", "edge"))
    with pytest.raises(fa.ArgumentError, match="Use shape='same'"):
        fa.convolve(x, kernel, "same")
    with pytest.raises(fa.ArgumentError, match=r'reflect_type="odd"'):
        fa.convolve(x, kernel, "antireflect")


def test_the_remedy_for_an_odd_border():
    x, kernel = np.cumsum(np.abs(normal(30, "f8"))), fa.gaussian(2.0, ndim=1)
    width = kernel.shape[0] // 2
    extended = np.pad(x, width, "reflect", reflect_type="odd")
    want = [sum(t * extended[n + i] for i, t in enumerate(kernel.taps)) for n in range(30)]
    assert_allclose(fa.convolve(extended, kernel, shape="valid"), want, rtol=1e-12)


def test_filters_are_fitted_with_a_mode_for_each_axis():
    x, kernel = normal((30, 40), "f8"), fa.Kernel(normal((3, 5), "f8"))
    for modes in (("wrap", "nearest"), ("constant", "mirror")):
        y = kernel(x, modes, 0.5)
        found, _ = fa.fit_filter(x, y, (3, 5), mode=modes, cval=0.5, held_out=0)
        assert_allclose(found.taps, kernel.taps, atol=1e-9)
    with pytest.raises(fa.ArgumentError, match=r"^mode: expected one name, or 2"):
        fa.fit_filter(x, y, (3, 5), mode=("wrap", "wrap", "wrap"))
    with pytest.raises(fa.ArgumentError, match="Use mode='nearest'"):
        fa.fit_filter(x, y, (3, 5), mode=("wrap", "edge"))

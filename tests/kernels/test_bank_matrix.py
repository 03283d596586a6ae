"""Banks as matrices: a convolution is a constrained dense layer, and some dense layers are convolutions."""

from __future__ import annotations

import itertools
import re
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch.nn import functional

import faltung as fa
import reference
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError, MissingExtraError
from faltung.kernels import Bank, Stack
from samples import MODES

laws = settings(deadline=None, max_examples=60)

# ---- the oracle: sample by sample, from the definition ----------------------------------------------------


def spread(taps, origin, dilation):
    """Taps with zeros between them."""
    sizes = [(n - 1) * d + 1 for n, d in zip(taps.shape[2:], dilation, strict=True)]
    wide = np.zeros((*taps.shape[:2], *sizes), taps.dtype)
    wide[(..., *(slice(None, None, d) for d in dilation))] = taps
    return wide, tuple(o * d for o, d in zip(origin, dilation, strict=True))


def region(shape, length, size, origin):
    """Positions with an output along one axis: tap i is over sample n - i + origin."""
    if shape == "same":
        return 0, length
    around = range(-size - length - abs(origin), size + length + abs(origin))
    under = {n: [n - i + origin for i in range(size)] for n in around}
    if shape == "full":
        chosen = [n for n, at in under.items() if any(0 <= m < length for m in at)]
    elif size <= length:
        chosen = [n for n, at in under.items() if all(0 <= m < length for m in at)]
    else:
        chosen = [n for n, at in under.items() if {*range(length)} <= {*at}]
    return min(chosen), max(chosen) + 1


def outputs(bank, x, mode, shape="same", stride=None, dilation=None, groups=1):
    """Every output of a bank over channels, group by group."""
    ones = (1,) * bank.ndim
    taps, origin = spread(bank.taps, bank.origin, dilation or ones)
    regions = [region(shape, *line) for line in zip(x.shape[1:], taps.shape[2:], origin, strict=True)]
    if shape == "valid" and any(n > m for n, m in zip(taps.shape[2:], x.shape[1:], strict=True)):
        mode = "constant"
    result = []
    for i, row in enumerate(taps):
        first = i * groups // len(taps) * bank.in_channels
        seen = x[first : first + bank.in_channels]
        result.append(
            sum(reference.convolve(c, k, origin, mode, 0.0, regions) for c, k in zip(seen, row, strict=True))
        )
    return np.array(result)[(..., *(slice(None, None, step) for step in stride or ones))]


quarters = st.integers(-12, 12).map(lambda n: n / 4)  # with these all sums are exact


@st.composite
def problems(draw, longest=(7, 4, 2), most=(6, 3, 2), shapes=("same", "same", "full", "valid")):
    """A bank, lengths, and the arguments of `Bank.matrix`."""
    ndim = draw(st.integers(1, 3))
    each = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * ndim))  # noqa: E731
    groups, before, after = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    sizes, lengths = each(1, most[ndim - 1]), each(1, longest[ndim - 1])
    dilation = each(1, 3) if draw(st.booleans()) else (1,) * ndim
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    taps = rng.integers(-12, 13, (groups * after, before, *sizes)) / 4
    if draw(st.booleans()):
        taps = taps + 1j * rng.integers(-12, 13, taps.shape)
    shape = draw(st.sampled_from(shapes))
    wide = [(n - 1) * d + 1 for n, d in zip(sizes, dilation, strict=True)]
    if shape == "valid" and len({np.sign(n - m) for n, m in zip(wide, lengths, strict=True)} - {0}) > 1:
        lengths = tuple(n + m for n, m in zip(wide, lengths, strict=True))
    options = {
        "mode": draw(st.sampled_from(MODES)),
        "shape": shape,
        "stride": each(1, 3) if draw(st.booleans()) else (1,) * ndim,
        "dilation": dilation,
        "groups": groups,
    }
    origin = draw(st.one_of(st.none(), st.tuples(*[st.integers(-2, 5)] * ndim)))
    return Bank(taps, origin), lengths, options


# ---- the matrix -------------------------------------------------------------------------------------------


@laws
@given(problems(), st.integers(0, 99))
def test_the_matrix_does_what_the_definition_says(problem, seed):
    bank, lengths, options = problem
    x = np.random.default_rng(seed).integers(-8, 9, (options["groups"] * bank.in_channels, *lengths)).astype(float)
    expected = outputs(bank, x, **options)
    matrix = bank.matrix(lengths, **options)
    assert isinstance(matrix, sparse.csr_array)
    assert matrix.shape == (expected.size, x.size)
    assert matrix.dtype == bank.dtype
    assert matrix.has_canonical_format
    assert np.all(matrix.data != 0)
    np.testing.assert_array_equal((matrix @ x.ravel()).reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        # Two samples under five taps 1, 2, 4, 8, 16: an entry is the sum of the taps on a sample.
        ("constant", [[4, 2], [8, 4]]),
        ("nearest", [[28, 3], [24, 7]]),  # a a | a b | b b
        ("reflect", [[12, 19], [25, 6]]),  # b a | a b | b a
        ("mirror", [[21, 10], [10, 21]]),  # a b | a b | a b
        ("wrap", [[21, 10], [10, 21]]),
    ],
)
def test_an_array_smaller_than_the_kernel(mode, rows):
    np.testing.assert_array_equal(Bank([[[1, 2, 4, 8, 16]]]).matrix(2, mode).toarray(), rows)


def test_an_array_of_one_sample():
    taps = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    for mode in MODES:
        expected = 5.0 if mode == "constant" else 21.0
        np.testing.assert_array_equal(Bank(taps).matrix((1, 1), mode).toarray(), [[expected]])


@pytest.mark.parametrize(("shape", "default"), [("same", "reflect"), ("full", "constant")])
def test_the_mode_has_the_default_of_convolve(shape, default):
    bank = Bank([[[1, 2, 3, 4]]])
    assert (bank.matrix(5, shape=shape) != bank.matrix(5, default, shape=shape)).nnz == 0


@pytest.mark.parametrize("shape", ["same", "valid", "full"])
@pytest.mark.parametrize("mode", MODES)
def test_the_matrix_is_what_convolve_does(mode, shape):
    rng = np.random.default_rng(1)
    for lengths, sizes in [((5, 6), (3, 2)), ((2, 3), (4, 5))]:
        kernel = fa.Kernel(rng.standard_normal(sizes), origin=(0, 2))
        x = rng.standard_normal(lengths)
        expected = fa.convolve(x, kernel, mode, shape=shape)
        fitted = Bank.stack([kernel]).matrix(lengths, mode, shape=shape) @ x.ravel()
        np.testing.assert_allclose(fitted.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "dilation": 2},
        {"stride": (2, 3), "dilation": (2, 1)},
        {"groups": 2, "stride": 2},
        {"groups": 4},
    ],
)
def test_the_matrix_is_a_layer_of_torch(options):
    rng, groups = np.random.default_rng(2), options.get("groups", 1)
    weights, x = rng.standard_normal((8, 4 // groups, 3, 5)), rng.standard_normal((4, 11, 13))
    expected = functional.conv2d(torch.tensor(x)[None], torch.tensor(weights), **options)[0].numpy()
    same = options.get("padding") == "same"
    named = {name: value for name, value in options.items() if name != "padding"}
    matrix = Bank(weights).flip().matrix((11, 13), "constant", shape="same" if same else "valid", **named)
    np.testing.assert_allclose((matrix @ x.ravel()).reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)
    assert matrix.shape[0] == expected.size


def test_the_matrix_of_a_circular_layer_of_torch():
    layer = torch.nn.Conv1d(2, 3, 5, padding=2, padding_mode="circular", bias=False, dtype=torch.float64)
    x = torch.randn(2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = Bank(layer.weight.detach().numpy()).flip().matrix(9, "wrap")
    expected = layer(x[None])[0].detach().numpy().ravel()
    np.testing.assert_allclose(matrix @ x.numpy().ravel(), expected, rtol=1e-12, atol=1e-12)


# ---- laws of matrices are laws of banks -------------------------------------------------------------------


@st.composite
def chains(draw):
    ndim, channels = draw(st.integers(1, 2)), draw(st.tuples(*[st.integers(1, 3)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    banks = []
    for after, before in itertools.pairwise(channels):
        sizes = draw(st.tuples(*[st.integers(1, 3)] * ndim))
        banks.append(
            Bank(rng.integers(-8, 9, (after, before, *sizes)), draw(st.tuples(*[st.integers(-1, 3)] * ndim)))
        )
    return banks, draw(st.tuples(*[st.integers(1, 5)] * ndim))


@laws
@given(chains())
def test_composition_is_the_product_of_matrices(drawn):
    (second, first), lengths = drawn
    longer = tuple(n + m - 1 for n, m in zip(lengths, first.shape, strict=True))
    product = second.matrix(longer, shape="full") @ first.matrix(lengths, shape="full")
    np.testing.assert_array_equal((second * first).matrix(lengths, shape="full").toarray(), product.toarray())
    # And where the array is large enough, without a border.
    wide = tuple(n + m - 1 for n, m in zip(longer, second.shape, strict=True))
    between = tuple(n - m + 1 for n, m in zip(wide, first.shape, strict=True))
    product = second.matrix(between, shape="valid") @ first.matrix(wide, shape="valid")
    np.testing.assert_array_equal((second * first).matrix(wide, shape="valid").toarray(), product.toarray())


@laws
@given(chains())
def test_the_transposed_matrix_is_the_flipped_bank(drawn):
    (bank, _), lengths = drawn
    back = Bank(bank.flip().taps.swapaxes(0, 1))
    longer = tuple(n + m - 1 for n, m in zip(lengths, bank.shape, strict=True))
    full, valid = back.matrix(lengths, shape="full"), bank.matrix(longer, shape="valid")
    np.testing.assert_array_equal(full.toarray(), valid.T.toarray())


@laws
@given(problems(), quarters)
def test_the_matrix_is_linear_in_the_taps(problem, factor):
    bank, lengths, options = problem
    other = Bank(bank.taps[..., ::-1], bank.origin)
    total = bank.matrix(lengths, **options) + factor * other.matrix(lengths, **options)
    np.testing.assert_array_equal((bank + factor * other).matrix(lengths, **options).toarray(), total.toarray())


# ---- the way back -----------------------------------------------------------------------------------------


def agree(first, second):
    np.testing.assert_allclose(first.toarray(), second.toarray(), rtol=1e-11, atol=1e-11)


@laws
@given(problems(), st.booleans())
def test_some_bank_has_the_matrix_of_a_bank(problem, dense):
    bank, lengths, options = problem
    matrix = bank.matrix(lengths, **options)
    support = {} if options["shape"] == "same" else {"size": bank.shape}
    fitted = Bank.from_matrix(matrix.toarray() if dense else matrix, lengths, **options, **support)
    assert (fitted.out_channels, fitted.in_channels) == (bank.out_channels, bank.in_channels)
    agree(fitted.matrix(lengths, **options), matrix)


@laws
@given(problems(longest=(5, 3, 2), most=(5, 2, 2)))
def test_the_taps_are_found_wherever_they_are_determined(problem):
    bank, lengths, options = problem
    matrix = bank.matrix(lengths, **options)
    fitted = Bank.from_matrix(matrix, lengths, **options, size=bank.shape, origin=bank.origin)
    assert (fitted.shape, fitted.origin) == (bank.shape, bank.origin)
    agree(fitted.matrix(lengths, **options), matrix)
    # They are if the matrices of single taps are independent.
    single = options | {"groups": 1}
    units = np.eye(np.prod(bank.shape)).reshape(-1, 1, 1, *bank.shape)
    effects = [Bank(unit, bank.origin).matrix(lengths, **single).toarray().ravel() for unit in units]
    if np.linalg.matrix_rank(effects) == len(effects):
        np.testing.assert_allclose(fitted.taps, bank.taps, rtol=1e-12, atol=1e-12)


@laws
@given(problems(longest=(4, 3, 1), most=(4, 3, 1), shapes=("same",)))
def test_the_smallest_support_is_found(problem):
    bank, lengths, options = problem
    # Long enough that no two lags that may be meant have the same effect.
    far = [n + abs(o) for n, o in zip(bank.shape, bank.origin, strict=True)]
    lengths = [2 * m * d + n for m, d, n in zip(far, options["dilation"], lengths, strict=True)]
    fitted = Bank.from_matrix(bank.matrix(lengths, **options), lengths, **options)
    assert fitted == bank
    if bank.taps.any():
        for axis in range(bank.ndim):
            assert fitted.taps.take(0, 2 + axis).any()
            assert fitted.taps.take(-1, 2 + axis).any()
    else:
        assert (fitted.shape, fitted.origin) == ((1,) * bank.ndim, (0,) * bank.ndim)


@pytest.mark.parametrize("mode", MODES)
def test_tails_and_channels_of_very_different_size(mode):
    rows = [[fa.gaussian(1.0, truncate=6.0), 1e-9 * fa.sobel()], [1e6 * fa.delta(), 1e-3 * fa.box((1, 9))]]
    bank = Bank.stack(rows)
    assert Bank.from_matrix(bank.matrix((32, 30), mode), (32, 30), mode) == bank


def test_small_taps_far_away_in_one_channel_only():
    taps = np.zeros((6, 5, 9))
    taps[:, :, 4] = 1.0
    taps[2, 3, 0] = 3e-12
    bank = Bank(taps)
    fitted = Bank.from_matrix(bank.matrix(30), 30)
    assert fitted.shape == (5,)
    np.testing.assert_allclose(fitted.taps[2, 3, 0], 3e-12, rtol=1e-3)


def test_lags_far_beyond_the_border():
    bank = Bank([[[1, 2, 3]]], origin=-40)
    assert np.array_equal(bank.matrix(4, "nearest").toarray(), [[6, 0, 0, 0]] * 4)
    fitted = Bank.from_matrix(bank.matrix(4, "nearest"), 4, "nearest")
    np.testing.assert_allclose(fitted.taps, [[[6]]])
    assert fitted.origin == (-3,)
    assert bank.matrix(4, "constant").nnz == 0
    far = Bank([[[1, 2, 3]]], origin=2**40)
    assert far.matrix(3, "wrap", dilation=2**20).nnz == 9


def test_the_lags_nearest_to_zero_are_taken():
    # With a period of four samples, lag 3 is lag -1.
    fitted = Bank.from_matrix(Bank([[[5.0]]], origin=-3).matrix(4, "wrap"), 4, "wrap")
    assert (fitted.taps.tolist(), fitted.origin) == ([[[5.0]]], (1,))


def test_the_matrix_of_zeros():
    fitted = Bank.from_matrix(np.zeros((2 * 12, 3 * 12)), (3, 4))
    assert (fitted.taps.shape, fitted.origin) == ((2, 3, 1, 1), (0, 0))
    assert not fitted.taps.any()
    assert Bank([[[0.0]]]).matrix(3).nnz == 0
    assert Bank.from_matrix(np.zeros((2, 4)), 4, shape="valid", size=3).taps.tolist() == [[[0, 0, 0]]]


def test_single_precision_is_enough():
    bank = Bank(np.random.default_rng(3).standard_normal((3, 2, 3, 3)))
    for mode in MODES:
        fitted = Bank.from_matrix(bank.matrix((8, 9), mode).astype(np.float32), (8, 9), mode)
        np.testing.assert_allclose(fitted.taps, bank.taps, rtol=1e-5, atol=1e-6)


def test_other_spellings_of_a_matrix():
    bank, dense = Bank([[[1, 2, 3]]]), [[2, 1, 0], [3, 2, 1], [0, 3, 2]]
    as_int = np.array(dense)
    for matrix in (dense, as_int, sparse.coo_matrix(as_int), sparse.lil_array(as_int), sparse.dia_array(as_int)):
        assert Bank.from_matrix(matrix, (3,), "constant") == bank
    twice = sparse.coo_array(([1, 1, 5], ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
    assert Bank.from_matrix(twice + sparse.diags_array([3, -2.0]), 2, "constant", tol=1.0).size
    kept = sparse.csr_array(([1.0, 1.0], [0, 0], [0, 2]), shape=(1, 1))
    assert Bank.from_matrix(kept, 1).taps.tolist() == [[[2.0]]]
    assert kept.nnz == 2  # the argument is not changed


def test_every_class_of_bank_has_from_matrix():
    dense = Bank([[[1, 2, 3]]]).matrix(5)
    assert Stack.from_matrix(dense, 5) == Bank.from_matrix(dense, 5)
    assert Bank.stack([fa.sobel()]).from_matrix(dense, 5).taps.shape == (1, 1, 3)


def test_tolerance_makes_the_nearest_convolution():
    rng = np.random.default_rng(4)
    bank = Bank(rng.standard_normal((2, 1, 3, 3)))
    noisy = bank.matrix((9, 9), "wrap").toarray() + 1e-3 * rng.standard_normal((162, 81))
    with pytest.raises(ArgumentError, match="matrix: expected the matrix of a convolution"):
        Bank.from_matrix(noisy, (9, 9), "wrap")
    fitted = Bank.from_matrix(noisy, (9, 9), "wrap", size=(3, 3), tol=0.01)
    np.testing.assert_allclose(fitted.taps, bank.taps, atol=1e-3)


# ---- matrices that are none -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("groups", [1, 2])
def test_the_entry_that_differs_is_named(mode, groups):
    bank = Bank(np.random.default_rng(5).integers(1, 9, (4, 2, 3, 2)).astype(float))
    matrix = bank.matrix((9, 7), mode, groups=groups).tolil()
    # Output (1, 4, 3) and sample (0, 4, 3) are connected by a tap, far from the border.
    row, column = np.ravel_multi_index((1, 4, 3), (4, 9, 7)), np.ravel_multi_index((0, 4, 3), (2 * groups, 9, 7))
    matrix[row, column] += 2
    with pytest.raises(ArgumentError) as caught:
        Bank.from_matrix(matrix, (9, 7), mode, groups=groups)
    assert f"row {row}, column {column} (output [1, 4, 3], sample [0, 4, 3]) is " in str(caught.value)
    difference = float(re.search(r"differs by ([\d.e+-]+) from the nearest one:", str(caught.value))[1])
    assert 1.8 < difference <= 2


def test_an_entry_outside_of_a_group_is_named():
    matrix = Bank(np.ones((2, 1, 3))).matrix(5, "constant", groups=2).tolil()
    matrix[1, 7] = 0.25
    expected = (
        "matrix: expected the matrix of a convolution, got a matrix that differs by 0.25 from the nearest one: "
        "row 1, column 7 (output [0, 1], sample [1, 2]) is 0.25 instead of 0. Pass the arguments that the matrix was "
        "made with; tol allows for rounding errors."
    )
    with pytest.raises(ArgumentError) as caught:
        Bank.from_matrix(matrix, 5, "constant", groups=2)
    assert str(caught.value) == expected


def test_a_tap_beyond_the_size_is_named():
    matrix = Bank([[[1.0, 2.0, 3.0, 0.5]]], origin=1).matrix(6, "constant")
    with pytest.raises(
        ArgumentError, match=r"by 0.5 from the nearest one: row 2, column 0 \(output \[0, 2\], sample \[0, 0\]\)"
    ):
        Bank.from_matrix(matrix, 6, "constant", size=3)


@pytest.mark.parametrize(("made", "read"), [*itertools.permutations(MODES, 2)])
def test_another_mode_is_no_convolution(made, read):
    matrix = Bank([[[1, 2, 4, 8, 16]]]).matrix(6, made)
    with pytest.raises(ArgumentError, match="the matrix of a convolution"):
        Bank.from_matrix(matrix, 6, read, size=5)


def test_any_matrix_is_refused_soon():
    rng = np.random.default_rng(6)
    for mode in MODES:
        with pytest.raises(ArgumentError, match="the matrix of a convolution"):
            Bank.from_matrix(rng.standard_normal((144, 288)), (12, 12), mode)
        with pytest.raises(ArgumentError, match="the matrix of a convolution"):
            Bank.from_matrix(sparse.random_array((576, 576), density=1e-3, rng=rng), (24, 24), mode)


# ---- arguments --------------------------------------------------------------------------------------------

B = Bank(np.ones((4, 2, 3, 2)))
M = B.matrix((5, 6))


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda: B.matrix(5), ArgumentError, "lengths: expected 2 integers, one for each spatial axis, got 5."),
        (
            lambda: B.matrix((5, 6, 7)),
            ArgumentError,
            "lengths: expected 2 integers, one for each spatial axis, got (5",
        ),
        (lambda: B.matrix((5, 0)), ArgumentError, "lengths: expected an integer from 1 to 67108864, got 0."),
        (lambda: B.matrix((5, 6.0)), ArgumentTypeError, "lengths: expected an integer from 1 to 67108864, got 6.0."),
        (lambda: B.matrix((5, 6), "zeros"), ArgumentError, "got 'zeros'. Use mode='constant'."),
        (lambda: B.matrix((5, 6), 3), ArgumentTypeError, "mode: expected one of 'reflect', 'constant', 'nearest'"),
        (
            lambda: B.matrix((5, 6), shape="half"),
            ArgumentError,
            "shape: expected one of 'same', 'valid', 'full', got",
        ),
        (
            lambda: B.matrix((5, 1), shape="valid"),
            ArgumentError,
            "shape: expected 'same' or 'full' where the kernel is",
        ),
        (
            lambda: B.matrix((5, 4), shape="valid", dilation=(4, 1)),
            ArgumentError,
            "got 'valid' for a kernel of shape (9, 2) on axes of lengths (5, 4). Crop the kernel, or choose",
        ),
        (lambda: B.matrix((5, 6), stride=0), ArgumentError, "stride: expected an integer from 1 to 1048576, got 0."),
        (
            lambda: B.matrix((5, 6), stride=(1, 2, 3)),
            ArgumentError,
            "stride: expected a number, or 2 for ndim=2, got 3",
        ),
        (
            lambda: B.matrix((5, 6), dilation=1.5),
            ArgumentTypeError,
            "dilation: expected an integer from 1 to 1048576",
        ),
        (lambda: B.matrix((5, 6), groups=3), ArgumentError, "groups: expected a divisor of 4 channels out, got 3."),
        (lambda: B.matrix((5, 6), groups=True), ArgumentTypeError, "groups: expected an integer from 1 to"),
        (
            lambda: B.matrix((8000, 8000)),
            ArgumentError,
            "lengths: expected a matrix of at most 268435456 entries, got 3072000000. Use smaller lengths",
        ),
        (
            lambda: Bank([[[1.0]]], origin=2**41).matrix(5),
            ArgumentError,
            "origin: expected indices of at most 1099511627776, got (2199023255552,).",
        ),
        (
            lambda: Bank.from_matrix(np.ones(4), 2),
            ArgumentError,
            "matrix: expected an array with two axes, got shape (4,",
        ),
        (
            lambda: Bank.from_matrix([[1], [2, 3]], 2),
            ArgumentTypeError,
            "matrix: expected a NumPy array of numbers, got a",
        ),
        (
            lambda: Bank.from_matrix([["a"]], 1),
            ArgumentTypeError,
            "matrix: expected numbers of at most double precision",
        ),
        (
            lambda: Bank.from_matrix(torch.ones(2, 2), 2),
            ArgumentTypeError,
            "got torch Tensor. Pass matrix.detach().cpu().numpy().",
        ),
        (
            lambda: Bank.from_matrix([[np.nan]], 1),
            ArgumentError,
            "matrix: expected finite numbers, got infinity or NaN.",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 7)),
            ArgumentError,
            "matrix: expected a multiple of 35 rows, for outputs of shape (5, 7), got 120.",
        ),
        (
            lambda: Bank.from_matrix(M[:, :59], (5, 6)),
            ArgumentError,
            "matrix: expected a multiple of 30 columns, for inputs of shape (5, 6), got 59.",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), stride=4),
            ArgumentError,
            "matrix: expected the matrix of a convolution",
        ),
        (
            lambda: Bank.from_matrix(np.ones((0, 3)), 3),
            ArgumentError,
            "matrix: expected a multiple of 3 rows, for outputs",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), groups=4),
            ArgumentError,
            "groups: expected a divisor of 4 channels out and 2 channels in, got 4.",
        ),
        (
            lambda: Bank.from_matrix(M, []),
            ArgumentError,
            "lengths: expected 1 integer, one for each spatial axis, got [].",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), shape="full"),
            ArgumentError,
            "size: expected the number of taps per axis for shape='full', got None. The number of outputs",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), size=0),
            ArgumentError,
            "size: expected an integer from 1 to 2048, got 0.",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), origin=(1, 1)),
            ArgumentError,
            "origin: expected None where size is not given, got (1, 1). The smallest support has its own origin.",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), size=3, origin=1),
            ArgumentError,
            "origin: expected 2 integers, one per axis",
        ),
        (
            lambda: Bank.from_matrix(M, (5, 6), tol=-1.0),
            ArgumentError,
            "tol: expected a number of at least 0 and at most 1",
        ),
        (
            lambda: Bank.from_matrix(sparse.csr_array((768000, 768000)), (40, 40, 40), "constant", size=79),
            ArgumentError,
            "size: expected at most 67108864 taps to fit, got 12 x 12 x 79 x 79 x 79. Give a small",
        ),
        (
            lambda: Bank.from_matrix(sparse.eye_array(5000), 5000),
            ArgumentError,
            "lengths: expected at most 1023 samples per axis where size is not given, got (5000,). Give size,",
        ),
    ],
)
def test_bad_arguments_are_named(operation, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        operation()
    assert isinstance(caught.value, FaltungError)


def test_long_signals_are_read_where_the_size_is_known():
    bank = Bank(np.random.default_rng(7).standard_normal((1, 1, 9)))
    assert Bank.from_matrix(bank.matrix(5000), 5000, size=9) == bank


@pytest.mark.parametrize("operation", [lambda: B.matrix((5, 6)), lambda: Bank.from_matrix(np.eye(3), 3)])
def test_without_scipy_the_error_names_the_extra(operation, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match=re.escape('pip install ".[matrix]"')):
        operation()

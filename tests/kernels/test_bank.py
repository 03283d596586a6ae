"""The algebra of banks, against its definition written out as sums over channels and lags."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import pickle
import re
import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from faltung import convolve
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.kernels import (
    Bank,
    BankTaps,
    Box,
    Combination,
    Composition,
    Kernel,
    Outer,
    Product,
    Scaled,
    Stack,
    Sum,
    box,
    delta,
    gabor,
    gaussian,
    sobel,
)

laws = settings(deadline=None, max_examples=40)

# ---- the oracle: a bank is a dictionary from (channel out, channel in, *lag) to values --------------------


def entries(bank):
    return {
        (i, j, *(k - o for k, o in zip(index, bank.origin, strict=True))): value
        for (i, j, *index), value in np.ndenumerate(bank.taps)
        if value != 0
    }


def entry(kernel, i=0, j=0):
    lags = ((at - o for at, o in zip(index, kernel.origin, strict=True)) for index in np.ndindex(kernel.shape))
    return {(i, j, *lag): value for lag, value in zip(lags, kernel.taps.ravel(), strict=True) if value != 0}


def added(first, second):
    total = {place: first.get(place, 0) + second.get(place, 0) for place in {*first, *second}}
    return {place: value for place, value in total.items() if value != 0}


def scaled(factor, bank):
    return {place: factor * value for place, value in bank.items() if factor * value != 0}


def composed(second, first):
    """First `first`, then `second`: sum over the channels between, and over the lags of both."""
    total = {}
    for ((i, m, *p), a), ((n, j, *q), b) in itertools.product(second.items(), first.items()):
        if m == n:
            place = (i, j, *(x + y for x, y in zip(p, q, strict=True)))
            total[place] = total.get(place, 0) + a * b
    return {place: value for place, value in total.items() if value != 0}


def on_every_channel(kernel, channels):
    total = {}
    for i in range(channels):
        total |= entry(kernel, i, i)
    return total


def filtered(channels, bank):
    """Periodic convolution by the definition: y_i[n] = sum_j sum_m k_ij[m] x_j[n - m]."""
    result = np.zeros((bank.out_channels, *channels.shape[1:]), np.result_type(channels, bank.dtype))
    for (i, j, *lag), value in entries(bank).items():
        result[i] += value * np.roll(channels[j], lag, range(channels.ndim - 1))
    return result


# Multiples of 1/4 make every sum and product below exact, so the laws hold to the last bit.
quarters = st.integers(-12, 12).map(lambda n: n / 4)
complex_quarters = st.builds(complex, quarters, quarters)
sizes = st.integers(1, 3)
dimensions = st.integers(1, 3)


@st.composite
def arrays(draw, shape, numbers):
    values = draw(st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape)))
    return np.array(values).reshape(shape)


@st.composite
def kernels(draw, ndim, numbers=quarters):
    origin = draw(st.tuples(*[st.integers(-1, 3)] * ndim))
    if draw(st.booleans()):
        return Box(draw(st.tuples(*[st.sampled_from([1, 2])] * ndim)), origin)
    return Kernel(draw(arrays(draw(st.tuples(*[st.integers(1, 2)] * ndim)), numbers)), origin)


@st.composite
def leaves(draw, channels, ndim, numbers=quarters):
    """A bank given by taps, or stacked of kernels that differ in support and origin."""
    after, before = channels
    if draw(st.booleans()):
        taps = draw(arrays((after, before, *draw(st.tuples(*[st.integers(1, 2)] * ndim))), numbers))
        return Bank(taps, draw(st.one_of(st.none(), st.tuples(*[st.integers(-1, 3)] * ndim))))
    return Bank.stack([[draw(kernels(ndim, numbers)) for _ in range(before)] for _ in range(after)])


@st.composite
def expressions(draw, channels, ndim, numbers, depth=2):
    """Any expression, as a bank and as a dictionary of taps that is computed without the bank."""
    kind = draw(st.sampled_from(["leaf", "sum", "difference", "multiple", "kernel", "product"])) if depth else "leaf"
    if kind == "leaf":
        bank = draw(leaves(channels, ndim, numbers))
        return bank, entries(BankTaps(bank))
    if kind == "product":
        between = draw(st.integers(1, 2))
        left, a = draw(expressions((channels[0], between), ndim, numbers, depth - 1))
        right, b = draw(expressions((between, channels[1]), ndim, numbers, depth - 1))
        return left * right, composed(a, b)
    left, a = draw(expressions(channels, ndim, numbers, depth - 1))
    if kind == "multiple":
        factor = draw(numbers)
        return factor * left, scaled(factor, a)
    if kind == "kernel":
        kernel = draw(kernels(ndim, numbers))
        return draw(st.sampled_from([kernel * left, left * kernel])), composed(
            a, on_every_channel(kernel, channels[1])
        )
    right, b = draw(expressions(channels, ndim, numbers, depth - 1))
    return (left + right, added(a, b)) if kind == "sum" else (left - right, added(a, scaled(-1, b)))


anything = st.tuples(
    sizes, sizes, dimensions, st.sampled_from([quarters, st.one_of(quarters, complex_quarters)])
).flatmap(lambda drawn: expressions(drawn[:2], *drawn[2:]))


@st.composite
def layers(draw, count):
    """Banks that can be applied one after the other, the last one first."""
    ndim = draw(dimensions)
    channels = [draw(sizes) for _ in range(count + 1)]
    return [draw(leaves(pair, ndim)) for pair in itertools.pairwise(channels)]


# ---- the laws ---------------------------------------------------------------------------------------------


@laws
@given(anything)
def test_every_expression_means_what_the_definition_says(pair):
    bank, meaning = pair
    assert entries(bank) == meaning
    assert bank.taps.shape == (bank.out_channels, bank.in_channels, *bank.shape)
    assert bank.taps.dtype == bank.dtype
    assert bank.taps.size == bank.size
    assert bank == Bank(bank)
    assert entries(bank.flip()) == {(i, j, *(-k for k in lag)): value for (i, j, *lag), value in meaning.items()}
    assert entries(bank.conj()) == {place: value.conjugate() for place, value in meaning.items()}


@laws
@given(anything)
def test_every_kernel_of_an_expression_is_part_of_the_bank(pair):
    bank, meaning = pair
    for i, j in itertools.product(range(bank.out_channels), range(bank.in_channels)):
        part = {place: value for place, value in meaning.items() if place[:2] == (i, j)}
        assert entry(bank[i, j], i, j) == part
    assert Bank.stack(bank) == bank


@laws
@given(layers(3))
def test_composition_is_associative(banks):
    b3, b2, b1 = banks
    assert (b3 * b2) * b1 == b3 * (b2 * b1)
    assert ((b3 * b2) * b1).fingerprint == (b3 * (b2 * b1)).fingerprint
    assert (b3 * b2 * b1).flip() == b3.flip() * b2.flip() * b1.flip()


@laws
@given(st.data())
def test_banks_are_a_linear_space_over_which_composition_distributes(data):
    b2, b1 = data.draw(layers(2))
    c2, d2 = (data.draw(leaves((b2.out_channels, b2.in_channels), b2.ndim)) for _ in range(2))
    c1 = data.draw(leaves((b1.out_channels, b1.in_channels), b1.ndim))
    a, b, g = data.draw(quarters), data.draw(quarters), data.draw(kernels(b2.ndim))
    assert (b2 + c2) * b1 == b2 * b1 + c2 * b1
    assert b2 * (b1 - c1) == b2 * b1 - b2 * c1
    assert b2 + c2 == c2 + b2
    assert (b2 + c2) + d2 == b2 + (c2 + d2)
    assert a * (b2 * b1) == (a * b2) * b1 == b2 * (a * b1)
    assert a * (b2 + c2) == a * b2 + a * c2
    assert (a + b) * b2 == a * b2 + b2 * b
    assert a * (b * b2) == (a * b) * b2
    assert g * (b2 * b1) == (g * b2) * b1 == b2 * (g * b1) == (b2 * b1) * g
    assert b2 * delta(ndim=b2.ndim) == b2 == 1 * b2 == +b2 == b2 / 2 + b2 / 2
    assert b2 - b2 == 0 * b2
    assert -b2 == 0 * b2 - b2
    assert (b2 + c2).flip() == b2.flip() + c2.flip()
    assert b2.flip().flip() == b2


@laws
@given(layers(2), st.integers(0, 99))
def test_the_right_factor_is_applied_first(banks, seed):
    b2, b1 = banks
    channels = np.random.default_rng(seed).integers(-8, 8, (b1.in_channels, *[4] * b1.ndim)).astype(float)
    np.testing.assert_array_equal(filtered(channels, b2 * b1), filtered(filtered(channels, b1), b2))


@laws
@given(st.data())
def test_composition_multiplies_matrices_with_scipys_convolution(data):
    b2, b1 = data.draw(layers(2))
    product = (b2 * b1).taps
    for i, j in itertools.product(range(b2.out_channels), range(b1.in_channels)):
        expected = np.zeros(product.shape[2:])
        for m in range(b2.in_channels):
            # An impulse response, with room for all of it: correlating with the flip is convolving.
            padded = np.pad(b1.taps[m, j], [(0, size - 1) for size in b2.shape])
            origin = [-(size // 2) for size in b2.shape]
            expected += ndimage.convolve(padded, b2.taps[i, m], mode="constant", origin=origin)
        np.testing.assert_array_equal(product[i, j], expected)


@laws
@given(anything)
def test_banks_survive_pickling_and_copying(pair):
    bank = pair[0].labelled("bank")
    restored = pickle.loads(pickle.dumps(bank))
    assert type(restored) is type(bank)
    assert restored.fingerprint == bank.fingerprint
    assert restored == bank
    assert repr(restored) == "bank"
    assert copy.copy(bank) is copy.deepcopy(bank) is bank


# ---- values written out -----------------------------------------------------------------------------------

f, g, h = Kernel([1, 2]), Kernel([3], origin=1), Kernel([1, 0, -1])


def test_stacked_kernels_are_aligned_at_lag_zero():
    bank = Bank.stack([f, g, h])
    assert (bank.out_channels, bank.in_channels) == (3, 1)
    assert (bank.shape, bank.origin, bank.ndim, bank.size) == ((3,), (1,), 1, 9)
    assert bank.lags == (range(-1, 2),)
    np.testing.assert_array_equal(bank.taps, [[[1, 2, 0]], [[3, 0, 0]], [[1, 0, -1]]])


def test_rows_are_channels_out():
    bank = Bank.stack([[f, g, h], [h, f, g]])
    assert (len(bank), bank.in_channels) == (2, 3)
    np.testing.assert_array_equal(bank.taps[1], [[1, 0, -1], [1, 2, 0], [3, 0, 0]])


def test_composition_written_out():
    first = Bank([[[1, 2]], [[3, 4]]], origin=0)
    second = Bank([[[1, 0], [0, 1]], [[1, 1], [5, 0]]], origin=(1,))
    product = second * first
    assert (product.out_channels, product.in_channels, product.origin) == (2, 1, (1,))
    # [1 0]*[1 2] + [0 1]*[3 4] and [1 1]*[1 2] + [5 0]*[3 4]
    np.testing.assert_array_equal(product.taps, [[[1, 5, 4]], [[16, 23, 2]]])
    assert product[1, 0] == Kernel([16, 23, 2], origin=1)


def test_composition_does_not_commute():
    mix, keep = Bank([[[0], [1]], [[0], [0]]]), Bank([[[1], [0]], [[0], [0]]])
    np.testing.assert_array_equal((keep * mix).taps[..., 0], [[0, 1], [0, 0]])
    np.testing.assert_array_equal((mix * keep).taps[..., 0], [[0, 0], [0, 0]])
    assert keep * mix != mix * keep


def test_flipped_weights_are_the_layer_of_a_neural_network_library():
    rng = np.random.default_rng(5)
    weights, channels = rng.normal(size=(3, 2, 3, 5)), rng.normal(size=(2, 8, 9))
    expected = [sum(ndimage.correlate(channels[j], row[j], mode="wrap") for j in range(2)) for row in weights]
    np.testing.assert_allclose(filtered(channels, Bank(weights).flip()), expected, rtol=1e-12, atol=1e-12)


def test_sum_of_a_list():
    bank = Bank([[[1.0]]])
    np.testing.assert_array_equal(sum([bank, bank, bank]).taps, [[[3]]])


@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.int8(2), Fraction(2), np.array(2.0)])
def test_every_real_number_scales(two):
    bank = Bank([[[1, 2]]])
    for product in (two * bank, bank * two):
        np.testing.assert_array_equal(product.taps, [[[2, 4]]])
        assert product.dtype == np.float64
    np.testing.assert_array_equal((bank / two).taps, [[[0.5, 1]]])
    np.testing.assert_array_equal((bank / (2j * two)).taps, [[[-0.25j, -0.5j]]])


def test_rank_is_the_largest_rank_of_the_kernels():
    assert Bank.stack([gabor(), gaussian(2)]).rank() == 1
    assert Bank.stack([gaussian(2), gabor(angle=0.5).real]).rank() == 2
    assert Bank([[np.eye(3)], [np.ones((3, 3))]]).rank() == 3
    assert Bank(np.zeros((2, 2, 3))).rank() == 0


# ---- structure --------------------------------------------------------------------------------------------


def test_kernels_keep_their_expressions():
    wave, edge = gabor(angle=0.5), gaussian(1) * sobel()
    bank = Bank.stack([wave, edge])
    assert isinstance(bank, Stack)
    assert bank[0, 0] is wave
    assert bank[1] == (edge,)
    assert bank[-1, -1] is edge
    match (2 * bank - bank)[1, 0]:
        case Sum((Scaled(2.0, first), Scaled(-1.0, second))):
            assert first is second is edge
        case other:
            pytest.fail(repr(other))
    match (gaussian(3) * bank)[0, 0]:
        case Product((Outer(), second)):
            assert second is wave
        case other:
            pytest.fail(repr(other))
    mixed = (Bank([[[[1]], [[2]]]]) * bank)[0, 0]
    assert [term.factors[1:] for term in mixed.terms] == [(wave,), edge.factors]


def test_layers_are_kept_one_by_one():
    first, second, third = Bank.stack([sobel(), gaussian(1)]), Bank([[[[1]], [[2]]]]), Bank([[[[3]]]])
    match gaussian(2) * third * (second * box(3) * first):
        case Composition((Outer(), Box()), (a, b, c)):
            assert (a, b, c) == (third, second, first)
            assert c is first
        case other:
            pytest.fail(repr(other))
    assert len((third * (second * first).labelled("net")).banks) == 2
    match 2 * (first - 3 * first):
        case Combination(((2.0, a), (-6.0, b))):
            assert a is b is first
        case other:
            pytest.fail(repr(other))
    assert len((first + (first - first).labelled("nothing")).terms) == 2
    assert first.conj() is first


def test_nothing_is_multiplied_out_unasked():
    huge = Bank.stack([Box((10**6, 10**6)), gaussian(1000)])
    product = Bank([[[[1]], [[2]]]]) * (huge - huge) * gaussian(1000)
    assert product.shape == (1008000, 1008000)
    assert product == product.flip().flip()
    assert product._repr_svg_() is None
    with pytest.raises(
        ArgumentError, match="taps: expected at most 67108864 taps to multiply out, got 1 x 1 x 1008000 x"
    ):
        _ = product.taps


def test_a_shared_support_may_be_wider_than_the_kernels():
    far = Bank.stack([Kernel([1], origin=2), Kernel([1], origin=-2)])
    assert (far.shape, far.origin) == ((5,), (2,))
    np.testing.assert_array_equal(far.taps[:, 0], [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])


# ---- a sequence of rows -----------------------------------------------------------------------------------


def test_indexing():
    bank = Bank(np.arange(12.0).reshape(3, 2, 2))
    assert [kernel.taps.tolist() for kernel in bank[1]] == [[4, 5], [6, 7]]
    assert bank[-1, 0] == Kernel([8, 9])
    assert bank[np.int64(2), np.int64(1)] == Kernel([10, 11])
    assert [len(row) for row in bank] == [2, 2, 2]
    assert len(bank) == 3
    assert bank[0] in bank
    assert Bank.stack(bank[:2]) == Bank(np.arange(8.0).reshape(2, 2, 2))
    assert bank[5:] == ()
    assert Bank.stack(reversed(bank))[0] == bank[2]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (2, ArgumentError, "channel out: expected an integer from -2 to 1, got 2"),
        ((0, 3), ArgumentError, "channel in: expected an integer from -3 to 2, got 3"),
        ((-3, 0), ArgumentError, "channel out: expected an integer from -2 to 1, got -3"),
        (0.0, ArgumentTypeError, "channel out: expected an integer from -2 to 1, got 0.0"),
        ((0, slice(1)), ArgumentTypeError, "channel in: expected an integer from -3 to 2, got slice"),
        ((0, 0, 0), ArgumentError, "index: expected a channel out and a channel in, got 3 indices. Taps are read"),
    ],
)
def test_bad_indices_are_named(index, error, message):
    with pytest.raises(error, match=re.escape(message)):
        _ = Bank(np.ones((2, 3, 2)))[index]


# ---- values -----------------------------------------------------------------------------------------------


def test_taps_are_copied_and_read_only():
    source = np.ones((1, 1, 2))
    bank = Bank(source)
    source[...] = 9.0
    np.testing.assert_array_equal(bank.taps, [[[1, 1]]])
    nodes = (bank, bank.flip(), (1j * bank).conj(), Bank(1j * source).conj(), 2 * bank, bank * bank, Bank.stack([f]))
    for array in (*(node.taps for node in nodes), np.asarray(bank), bank[0, 0].taps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    with pytest.raises(AttributeError, match="'taps' cannot be set: a bank cannot be changed"):
        bank.taps = source
    with pytest.raises(AttributeError, match="'rows' cannot be deleted: a bank cannot be changed"):
        del Bank.stack([f]).rows
    with pytest.raises(TypeError, match="unhashable"):
        hash(bank)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        (Bank([[[1, 2]]]), Bank([[[0, 1, 2, 0]]], origin=2), True),
        (Bank([[[1, 2]]]), Bank.stack([Kernel([1, 2])]), True),
        (Bank([[[1, 2]]]), Bank([[[1, 2]]], origin=0), False),
        (Bank([[[1]], [[2]]]), Bank([[[1], [2]]]), False),
        (Bank([[[1]], [[2]]]), Bank([[[2]], [[1]]]), False),
        (Bank([[[1]], [[1e9]]]), Bank([[[1 + 1e-4]], [[1e9]]]), True),
        (Bank([[[1]], [[1]]]), Bank([[[1 + 1e-11]], [[1]]]), False),
        (Bank([[[1]]]), Bank([[[[1]]]]), False),
        (Bank([[[1, 2]]]), Kernel([1, 2]), False),
        (Kernel([[[1, 2]]]), Bank([[[1, 2]]]), False),
        (Bank([[[1]]]), [[[1]]], False),
    ],
)
def test_equality_is_that_of_functions_on_the_grid(first, second, equal):
    assert (first == second) is equal
    assert (first != second) is not equal


def test_isclose_takes_a_tolerance():
    assert Bank([[[1.0]]]).isclose(Bank([[[1.1]]]), rtol=0.1)
    with pytest.raises(ArgumentTypeError, match=r"other: expected a bank, got list\. Wrap taps in faltung\.Bank\."):
        Bank([[[1]]]).isclose([[[1]]])


def test_fingerprints_tell_structure_and_bits_apart():
    distinct = [
        Bank([[[1, 2]]]),
        Bank([[[1, 2]]], origin=0),
        Bank([[[1]], [[2]]]),
        Bank([[[1], [2]]]),
        Bank([[[[1, 2]]]]),
        Kernel([[[1, 2]]]),
        Bank.stack([Kernel([1, 2])]),
        Bank.stack([f, g, f, g]),
        Bank.stack([[f, g, f, g]]),
        Bank.stack([[f, g], [f, g]]),
        Bank.stack([[f, f], [g, g]]),
        2 * Bank([[[1, 2]]]),
        Kernel([2]) * Bank([[[1, 2]]]),
        Bank([[[2]]]) * Bank([[[1, 2]]]),
        Bank([[[1, 2]]]) * Bank([[[2]]]),
    ]
    assert len({value.fingerprint for value in distinct}) == len(distinct)
    assert (2 * Bank([[[1, 2]]])).fingerprint == (2.0 * Bank([[[1, 2]]]).labelled("b")).fingerprint


# ---- arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones((3, 3)),), ArgumentError, "taps: expected shape (channels out, channels in, *spatial), got (3, 3)"),
        ((np.ones((0, 1, 3)),), ArgumentError, "taps: expected at least one tap, got shape (0, 1, 3)"),
        (([[["1"]]],), ArgumentTypeError, "taps: expected numbers up to double precision, got dtype <U1"),
        (([[[1, np.nan]]],), ArgumentError, "taps: expected finite numbers, got nan at index (0, 0, 1)"),
        (([f, g],), ArgumentTypeError, "taps: expected an array of numbers, got kernels. Use Bank.stack"),
        (([[f], [g]],), ArgumentTypeError, "got kernels"),
        ((Kernel(np.ones((1, 1, 3))),), ArgumentTypeError, "got kernels"),
        ((np.ones((1, 1, 2, 2)), 0), ArgumentError, "origin: expected 2 integers, one per axis, got 0"),
        ((np.ones((1, 1, 2)), 0.5), ArgumentTypeError, "origin: expected 1 integer, one per axis, got 0.5"),
    ],
)
def test_bad_taps_are_named(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Bank(*arguments)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([], ArgumentError, "rows: expected rows with the same number of kernels, got none"),
        ([[], []], ArgumentError, "rows: expected rows with the same number of kernels, got none"),
        (
            [[f], [f, g]],
            ArgumentError,
            "got lengths 1 and 2. For two channels that are not connected, use",
        ),
        ([f, gaussian(1)], ArgumentError, "kernels with the same number of dimensions, got 1-D and 2-D"),
        (f, ArgumentTypeError, "rows: expected a list of kernels, or of rows of kernels, got Taps"),
        ([1, 2], ArgumentTypeError, "or of rows of kernels, got int. Bank.stack([f, g]) has two channels out"),
        ([[1, 2]], ArgumentTypeError, "kernels: expected kernels only, got int. Wrap taps in faltung.Kernel"),
        ([np.ones(3)], ArgumentTypeError, "kernels: expected kernels only, got float64"),
    ],
)
def test_bad_rows_are_named(rows, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Bank.stack(rows)


B = Bank(np.ones((2, 3, 2, 2)))


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (
            lambda: B * B,
            ArgumentError,
            "product: expected a right factor with 3 channels out, the channels in of the left factor, got 2. In b2",
        ),
        (
            lambda: B + Bank(np.ones((3, 2, 2, 2))),
            ArgumentError,
            "sum: expected banks with the same channels, got 2 x",
        ),
        (lambda: B - Bank(np.ones((2, 3, 2))), ArgumentError, "the same number of dimensions, got 2-D and 1-D"),
        (lambda: B * Bank(np.ones((3, 2, 2))), ArgumentError, "the same number of dimensions, got 2-D and 1-D"),
        (lambda: f * B, ArgumentError, "the same number of dimensions, got 1-D and 2-D"),
        (
            lambda: B + gaussian(1),
            ArgumentTypeError,
            "sum: expected two banks, got a bank and a kernel. Make a bank of the kernel",
        ),
        (lambda: gaussian(1) - B, ArgumentTypeError, "sum: expected two banks, got a bank and a kernel"),
        (lambda: B - 1, ArgumentTypeError, "sum: expected two banks, got a bank and the number 1"),
        (lambda: 2.5 + B, ArgumentTypeError, "sum: expected two banks, got a bank and the number 2.5"),
        (lambda: B * np.ones(3), ArgumentTypeError, "operand: expected a bank, a kernel or a number, got ndarray"),
        (lambda: np.ones(3) * B, ArgumentTypeError, "To filter an array, call bank(array)"),
        (lambda: np.ones(3) + B, ArgumentTypeError, "operand: expected a bank, a kernel or a number, got ndarray"),
        (lambda: B * [1, 2], ArgumentTypeError, "got list. To filter an array, call bank(array); to make a bank"),
        (lambda: B / np.ones(3), ArgumentTypeError, "operand: expected a bank, a kernel or a number"),
        (lambda: B * True, ArgumentTypeError, "scalar: expected a real or complex number, got True"),
        (lambda: B * np.nan, ArgumentError, "scalar: expected a finite number, got nan"),
        (lambda: 1e308 * (10 * B), ArgumentError, "scalar: expected a finite number, got inf"),
        (lambda: B / 0, ArgumentError, "divisor: expected a number other than zero, got 0"),
        (lambda: B / gaussian(1), ArgumentTypeError, "divisor: expected a number, got a kernel"),
        (lambda: Composition((), (B, gaussian(1))), ArgumentTypeError, "banks: expected banks only, got"),
        (lambda: Combination(()), ArgumentError, "kernels with the same number of dimensions, got none"),
        (lambda: Combination(((1, f),)), ArgumentTypeError, "banks: expected banks only, got Taps"),
        (
            lambda: (Bank([[[1e308]]]) * Bank([[[1e308]]])).taps,
            ArgumentError,
            "taps: expected finite numbers, got inf at index (0, 0, 0)",
        ),
    ],
)
def test_bad_operands_are_named(operation, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        operation()
    assert isinstance(caught.value, FaltungError)


@pytest.mark.parametrize("operation", [lambda: B * None, lambda: B / B, lambda: 1 / B, lambda: B + object()])
def test_other_types_get_their_turn(operation):
    with pytest.raises(TypeError, match="unsupported operand"):
        operation()


def test_a_call_passes_all_arguments_on(monkeypatch):
    calls = []
    monkeypatch.setattr(
        Bank, "apply", staticmethod(lambda *args, **options: calls.append((args, options))), raising=False
    )
    B("image")
    given = {"axes": 0, "out": "out", "dtype": "float64", "method": "direct", "workers": 2}
    B("image", "wrap", 1.0, **given)
    parameters = inspect.signature(convolve).parameters.values()
    unset = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    # In the order of the documentation, after whether the kernel is reflected.
    first = (True, "image", B, None, 0.0, *unset.values())
    second = (True, "image", B, "wrap", 1.0, *(unset | given).values())
    assert calls == [(first, {}), (second, {})]


# ---- text and pictures ------------------------------------------------------------------------------------

S = Bank.stack([sobel(axis=0), gaussian(1)])


@pytest.mark.parametrize(
    ("bank", "text"),
    [
        (Bank([[[1, 2]], [[0.5, 1j]]]), "Bank([[[(1+0j), (2+0j)]], [[(0.5+0j), 1j]]], origin=1)"),
        (Bank([[[[1], [2]]]], (0, 0)), "Bank([[[[1], [2]]]], origin=(0, 0))"),
        (Bank(np.ones((64, 3, 5, 5))), "Bank(..., shape=(64, 3, 5, 5), origin=(2, 2))"),
        (S, "Bank.stack([sobel(axis=0), gaussian(1)])"),
        (Bank.stack([[delta(), box(3)]] * 2), "Bank.stack([[delta(), box(3)], [delta(), box(3)]])"),
        (Bank.stack([gaussian(s) for s in range(1, 9)]), "Bank.stack([gaussian(1), gaussian(2), ..., gaussian(8)])"),
        (-S, "-Bank.stack([sobel(axis=0), gaussian(1)])"),
        (2 * S.labelled("s"), "2 * s"),
        (S.labelled("s") - 0.5 * S.labelled("t") + 2j * S.labelled("u"), "s - 0.5 * t + 2j * u"),
        (delta() * (S.labelled("s") + S.labelled("t")), "delta() * (s + t)"),
        (Bank([[[[1]], [[1]]]]).labelled("mix") * -S.labelled("s") * gaussian(2), "gaussian(2) * mix * -s"),
        (S.labelled("s").flip(), "s.flip()"),
        ((1j * S).labelled("s").conj(), "s.conj()"),
    ],
)
def test_banks_print_as_the_expression_that_made_them(bank, text):
    assert repr(bank) == text


@pytest.mark.parametrize(
    "bank", [S, Bank(np.ones((3, 1, 5))), Bank(np.eye(3)[:, :, None] * 1j), B * Bank.stack([[delta()]] * 3)]
)
def test_picture_is_small_and_well_formed(bank):
    svg = bank._repr_svg_()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert f"shape {bank.taps.shape}" in svg
    assert len(svg) < 20_000

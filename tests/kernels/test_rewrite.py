"""The rules of rewriting, each against the definition, and the structures that are found in arrays of taps."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
import faltung.kernels as fk
from faltung.kernels import Box, Kernel, Outer, Product, Scaled, Sum, Taps, lowrank
from faltung.kernels.lowrank import SLACK, outer_factors, outer_sum, windows
from faltung.kernels.rewrite import cost, factors, outer_terms, simplify, windows_of
from faltung.kernels.rules import FOLDING, RULES

laws = settings(deadline=None, max_examples=60)
ALL_RULES = dict((*RULES, *FOLDING))
DOUBLE, SINGLE = (float(np.finfo(kind).eps) for kind in (np.float64, np.float32))

# ---- the oracle: the taps of an expression, lag by lag ---------------------------------------------------


def means(kernel):
    """Return the function on the grid as a dictionary from lags to values, by the definition of each node."""
    match kernel:
        case Taps(taps, origin):
            return {tuple(np.subtract(index, origin).tolist()): value for index, value in np.ndenumerate(taps)}
        case Box(widths, origin):
            lags = [tuple(np.subtract(index, origin).tolist()) for index in np.ndindex(*widths)]
            return dict.fromkeys(lags, 1 / len(lags))
        case Outer(axes):
            total = {(): 1.0}
            for axis in axes:
                total = {(*lag, *own): a * b for lag, a in total.items() for own, b in means(axis).items()}
            return total
        case Sum(terms):
            total = {}
            for term in terms:
                for lag, value in means(term).items():
                    total[lag] = total.get(lag, 0) + value
            return total
        case Product(parts):
            return reduce(convolved, map(means, parts))
        case Scaled(scalar, inner):
            return {lag: scalar * value for lag, value in means(inner).items()}


def convolved(first, second):
    total = {}
    for m, a in first.items():
        for n, b in second.items():
            lag = tuple(i + j for i, j in zip(m, n, strict=True))
            total[lag] = total.get(lag, 0) + a * b
    return total


def size_of(kernel):
    """Sum of the magnitudes that an expression adds up: rounding is relative to it."""
    match kernel:
        case Sum(terms):
            return sum(map(size_of, terms))
        case Product(parts) | Outer(parts):
            return math.prod(map(size_of, parts))
        case Scaled(scalar, inner):
            return abs(scalar) * size_of(inner)
    return float(np.abs(kernel.taps).sum())


def assert_same(result, given):
    expected, got = means(given), means(result)
    worst = max(abs(expected.get(lag, 0) - got.get(lag, 0)) for lag in {*expected, *got})
    assert worst <= 1e-13 * size_of(given)


def nodes(kernel):
    yield kernel
    match kernel:
        case Sum(parts) | Product(parts) | Outer(parts):
            for part in parts:
                yield from nodes(part)
        case Scaled(_, inner):
            yield from nodes(inner)


# ---- expressions of every kind ---------------------------------------------------------------------------

quarters = st.integers(-6, 6).map(lambda n: n / 4)
scalars = st.one_of(quarters, st.just(1.0), st.just(-1.0), st.builds(complex, quarters, quarters))


@st.composite
def plain(draw, ndim):
    """Taps, often of a kind that a rule is about: zeros at the border, one value, one tap, rank one."""
    shape = draw(st.tuples(*[st.integers(1, {1: 7, 2: 4, 3: 2}[ndim])] * ndim))
    origin = draw(st.one_of(st.none(), st.tuples(*[st.integers(-2, 4)] * ndim)))
    kind = draw(st.sampled_from(["any", "any", "constant", "outer", "padded", "tap", "complex"]))
    if kind == "constant":
        return Taps(np.full(shape, draw(quarters)), origin)
    if kind == "tap":
        return Taps(np.full((1,) * ndim, draw(quarters)), origin)
    if kind == "outer":
        lines = [draw(st.lists(quarters, min_size=size, max_size=size)) for size in shape]
        return Taps(reduce(np.multiply.outer, map(np.array, lines)), origin)
    number = st.builds(complex, quarters, quarters) if kind == "complex" else quarters
    count = math.prod(shape)
    taps = np.array(draw(st.lists(number, min_size=count, max_size=count))).reshape(shape)
    return Taps(np.pad(taps, 1) if kind == "padded" else taps, origin)


@st.composite
def structured(draw, ndim):
    kind = draw(st.sampled_from(["outer", "box", "box", "named"]))
    if kind == "outer":
        return Outer([draw(expressions(1, depth=2)) for _ in range(ndim)])
    if kind == "box":
        widths = draw(st.tuples(*[st.sampled_from([1, 2, 3, 5])] * ndim))
        return Box(widths, draw(st.tuples(*[st.integers(-1, 2)] * ndim)))
    named = [fk.delta, fk.laplacian, lambda ndim: fk.binomial(3, ndim=ndim), lambda ndim: fk.box(3, ndim=ndim)]
    named += [lambda ndim: fk.sobel(0, ndim=ndim), lambda ndim: fk.unsharp(0.4, truncate=2, ndim=ndim)]
    named += [lambda ndim: fk.gaussian(0.5, truncate=3, ndim=ndim)]
    return draw(st.sampled_from(named))(ndim=ndim)


def expressions(ndim, depth=5):
    def grow(inner):
        return st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, c: a + c * a, inner, scalars),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, b: a * b - b * a, inner, inner),
            st.builds(lambda c, a: c * a, scalars, inner),
            st.builds(lambda a: a.labelled("f"), inner),
            st.builds(lambda a: a.flip(), inner),
        )

    return st.recursive(st.one_of(plain(ndim), structured(ndim)), grow, max_leaves=depth)


anything = st.integers(1, 3).flatmap(expressions)

# ---- every rule ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL_RULES)
@laws
@given(kernel=anything)
def test_a_rule_keeps_taps_and_origin(name, kernel):
    for node in nodes(kernel):
        changed = ALL_RULES[name](node)
        if changed is not None:
            assert_same(changed, node)


line, peak = Taps([1, 2, 4, 8, 5]), Taps([[1, 2, 0], [0, 1, 1], [3, 0, 1]])
zero, point = Taps([0.0]), Taps([[1.0]])
wide, one = Box((5,)), Taps([1.0])
total = (line + wide).labelled("total")
blur = Outer((line, wide))

EXAMPLES = {
    "zero dropped": [
        (0 * line, zero),
        (Product((line, zero)), zero),
        (Outer((line, zero)), Taps([[0.0]])),
        (Sum((line, zero, wide)), Sum((line, wide))),
        (Sum((zero, zero)), zero),
        (0j * line, Taps([0j])),
    ],
    "single part taken out": [
        (Sum((line,)), line),
        (Product((wide,)), wide),
        (Outer((line,)), line),
    ],
    "scalars gathered": [
        (Scaled(1.0, line), line),
        (Scaled(2.0, Scaled(3.0, wide).labelled("w")), Scaled(6.0, wide)),
        (Product((2 * line, wide, 4j * wide)), Scaled(8j, Product((line, wide, wide)))),
        (Outer((2 * line, Taps([3.0], 4))), Scaled(6.0, Outer((line, Taps([1.0], 4))))),
    ],
    "sums flattened": [
        (Sum((total, wide)), Sum((line, wide, wide))),
        (3 * total, Sum((3 * line, 3 * wide))),
        (Sum((peak, 2 * Sum((peak, 3 * point)))), Sum((peak, 2 * peak, 6 * point))),
    ],
    "equal terms merged": [
        (2 * wide + line + 3 * wide, 5 * wide + line),
        (line * wide - wide * line, zero),
        (wide + line - wide, line),
        (Outer((line * wide, one)) + Outer((wide * line, one)), 2 * Outer((wide * line, one))),
    ],
    "products flattened": [
        (Product((line, (line * wide).labelled("f"))), Product((line, line, wide))),
    ],
    "delta removed": [
        (one * wide, wide),
        (Taps([3.0], 2) * wide * Taps([2.0], 1), Scaled(6.0, Box((5,), 5))),
        (Taps([[2.0]], (1, -1)) * peak, Scaled(2.0, Taps(peak.taps, (2, 0)))),
        (Taps([[1.0]], (1, 2)) * blur, Outer((Taps(line.taps, 3), Box((5,), 4)))),
        (Taps([1.0], 1) * total, Taps(line.taps, 3) + Box((5,), 3)),
        (Taps([2.0], 1) * Taps([3.0], 4), Scaled(6.0, Taps([1.0], 5))),
    ],
    "outer products joined": [
        (blur * blur, Outer((line * line, wide * wide))),
        (Box((5, 1), (2, 0)) * blur, Outer((wide * line, Box((1,), 0) * wide))),
        (
            Taps([[4.0], [2.0]], (1, 0)) * peak * Taps([[3.0, 5.0]], (0, 1)),
            Outer((Taps([2, 1], 1) * one, Taps([2.0], 0) * Taps([3.0, 5.0], 1))) * peak,
        ),
        (
            Taps([[1j], [2]]) * blur,
            Outer((Taps([1j, 2]) * line, one * wide)),
        ),
    ],
    "boxes joined": [
        (Outer((wide, Box((3,), 0))), Box((5, 3), (2, 0))),
        (Outer((Taps([1.0], -2), wide)), Box((1, 5), (-2, 2))),
    ],
    "single tap written out": [
        (Box((1, 1), (3, 0)), Taps([[1.0]], (3, 0))),
        (Outer((Taps([2.0]), Taps([3.0], 4))), Taps([[6.0]], (0, 4))),
    ],
    "zero border trimmed": [
        (Taps([0, 0, 1, 0, 2, 0], 1), Taps([1, 0, 2], -1)),
        (Taps([[0, 0, 0], [0, 3j, 0]], (0, 1)), Taps([[3j]], (-1, 0))),
        (Taps(np.zeros((3, 2)), (7, 7)), Taps([[0.0]])),
    ],
    "constant taps made a box": [
        (Taps([3.0] * 5, 1), Scaled(15.0, Box((5,), 1))),
        (Taps(np.full((3, 3), 2j)), Scaled(18j, Box((3, 3)))),
    ],
    "taps made an outer product": [
        (Taps([[1, 2, 1], [2, 4, 2], [1, 2, 1]], (0, 2)), Outer((Taps([1, 2, 1], 0), Taps([1, 2, 1], 2)))),
    ],
    "small terms merged": [
        (Taps([1.0], 0) - Taps([1.0], -1), Taps([1.0, -1.0], 0)),
        (line + 2 * line.flip(), Taps(line.taps + 2 * line.taps[::-1])),
        (fk.laplacian(), Taps([[0, 1, 0], [1, -4, 1], [0, 1, 0]])),
        (fk.gaussian(2) + peak + point, Sum((Taps(peak.taps + np.pad([[1]], 1)), fk.gaussian(2)))),
    ],
    "small factors merged": [
        (line * Taps([1.0, -1.0]), Taps([1, 1, 2, 4, -3, -5], 3)),
        (wide * Taps([1, 1], 0) * Taps([1, 0, 2], 0), wide * Taps([1, 1, 2, 2], 0)),
        (Taps([[1, -1]]) * Taps([[1], [-1]]), Taps([[1, -1], [-1, 1]])),
    ],
    "scalar folded into taps": [
        (3 * line, Taps(3 * line.taps)),
        (2j * blur, Outer((Taps(2j * line.taps), wide))),
        (3 * Outer((one, wide * line)), Outer((one, wide * Taps(3 * line.taps)))),
        (2 * Product((Box((5, 5)), peak)), Product((Box((5, 5)), Taps(2 * peak.taps)))),
        (
            2 * Product((Box((5, 5)), peak + 3 * Box((9, 9)))),
            Product((Box((5, 5)), Taps(2 * peak.taps) + 6 * Box((9, 9)))),
        ),
    ],
}


def test_every_rule_has_an_example():
    assert [*EXAMPLES] == [*ALL_RULES]


@pytest.mark.parametrize(
    ("name", "given", "expected"), [(name, *pair) for name, pairs in EXAMPLES.items() for pair in pairs]
)
def test_a_rule_applies_to_its_example(name, given, expected):
    result = ALL_RULES[name](given)
    assert result.fingerprint == expected.fingerprint, f"{result} is not {expected}"
    assert_same(result, given)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("scalars gathered", (1e-100 * wide) * (1e-100 * line)),  # the product of scalars would vanish
        ("scalars gathered", (1e100 * wide) * (1e100 * line)),
        ("scalars gathered", Scaled(1e100j, Scaled(1e100, wide).labelled("w"))),
        ("scalars gathered", (1 + 0j) * wide),  # which makes the kernel complex
        ("scalar folded into taps", 1e-100 * Taps([1e-100])),
        ("scalar folded into taps", 1e100 * Taps([1e100])),
        ("scalar folded into taps", 2 * wide),
        ("constant taps made a box", Taps([1e308] * 5)),
        ("constant taps made a box", Taps([1.0] * 3)),  # a running sum is no cheaper
        ("taps made an outer product", Taps([[1, 2], [2, 4]])),
        ("taps made an outer product", Taps([[1, 2, 3], [2, 4, 6], [3, 6, 9.001]])),
        ("small factors merged", peak * peak),
        ("small factors merged", wide * wide),  # running sums want it like that
        ("small factors merged", Taps([1.0] + [0.0] * 7 + [1.0]) * Taps([1, 2, 1])),
        ("small factors merged", Taps([1e200, 1e200]) * Taps([1e200, 1e200])),
        ("small terms merged", 2 * point - fk.gaussian(2)),
        ("small terms merged", point + Taps([[1.0]], (10**6, 10**6))),
        ("small terms merged", Taps([1.7e308], 0) + Taps([1.7e308, 1.0], 0)),
        ("boxes joined", Outer((wide, Taps([2.0])))),
        ("equal terms merged", line + wide),
        ("products flattened", line * wide),
        ("sums flattened", line + wide),
    ],
)
def test_a_rule_is_not_applied_where_nothing_is_gained(name, kernel):
    assert ALL_RULES[name](kernel) is None


# ---- all rules together ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(kernel=anything)
def test_simplifying_keeps_the_kernel_and_never_costs(kernel):
    simplified = simplify(kernel)
    result = simplified.kernel
    assert_same(result, kernel)
    assert cost(result) <= cost(kernel)
    assert len({*simplified.rules}) == len(simplified.rules)
    assert (result is kernel) == (simplified.rules == ())
    assert (
        all(inner <= outer for inner, outer in zip(result.shape, kernel.shape, strict=True)) or not result.taps.any()
    )


@settings(deadline=None, max_examples=80)
@given(kernel=anything)
def test_nothing_is_left_to_simplify(kernel):
    first = simplify(kernel)
    second = simplify(first.kernel)
    assert second.rules == ()
    assert second.kernel is first.kernel


@laws
@given(kernel=anything)
def test_the_result_has_one_form(kernel):
    for node in nodes(simplify(kernel).kernel):
        match node:
            case Sum(terms):
                assert len(terms) > 1
                assert not any(isinstance(term, Sum) for term in terms)
            case Product(parts):
                assert len(parts) > 1
                assert not any(isinstance(part, Product | Scaled) or part.size == 1 for part in parts)
                assert node.ndim == 1 or sum(isinstance(part, Box | Outer) for part in parts) < 2
            case Outer(axes):
                assert len(axes) > 1
                assert not any(isinstance(axis, Scaled) for axis in axes)
            case Scaled(scalar, inner):
                assert scalar != 0
                assert not any(isinstance(part, Taps) and part.size > 1 for part in nodes(inner))


def test_rules_are_named_in_the_order_in_which_they_first_applied():
    smooth = fk.gaussian(2)
    result = simplify(fk.delta() * (3 * smooth - 2 * smooth) * Taps([[2.0]], (1, 0)))
    assert result.rules == ("equal terms merged", "delta removed", "scalar folded into taps")
    assert result.kernel == 2 * smooth * Taps([[1.0]], (1, 0))


def test_a_kernel_to_which_no_rule_applies_stays_the_same_object():
    for kernel in (fk.gaussian(2), fk.log(2), fk.disk(3), fk.box(9), fk.sobel(), fk.gabor(), fk.disk(3) * fk.box(9)):
        result = simplify(kernel)
        assert result.kernel is kernel
        assert result.rules == ()


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (fk.gaussian(2) * fk.sobel(), "Outer((Kernel("),
        (fk.box(5) * fk.box(9), "Outer((Box((5,), origin=(2,)) * Box((9,), origin=(4,)), "),
        (fk.box((5, 1)) * fk.box((1, 9)), "Box((5, 9), origin=(2, 4))"),
        (Kernel(np.ones((5, 5))) * Kernel(np.ones((3, 3))) / 225, "Outer((Box((5,), origin=(2,)) * Box((3,), "),
        (Kernel(fk.sobel()), "Outer((Kernel([1, 2, 1], origin=1), Kernel([1, 0, -1], origin=1)))"),
        (fk.sobel() + fk.sobel(0), "Kernel([[2, 2, 0], [2, 0, -2], [0, -2, -2]], origin=(1, 1))"),
        (fk.binomial(2, ndim=1) ** 2 * 16, "Kernel([1, 4, 6, 4, 1], origin=2)"),
        (fk.unsharp(2) - 2 * fk.delta(), "Outer((Kernel(["),
        (fk.gaussian(3) - fk.gaussian(3) * fk.delta(), "Kernel([[0]], origin=(0, 0))"),
        (fk.box(2**30) * fk.box(2**30), "Outer((Box((1073741824,), origin=(536870911,)) * Box((1073741824,), "),
    ],
)
def test_filters_simplified(kernel, expected):
    assert str(simplify(kernel).kernel).startswith(expected)


def test_scalars_out_of_range_are_not_moved():
    kernel = (1e-200 * wide) * (1e-200 * Box((7,))) * Taps([1e300, 2e300, -1e300])
    assert simplify(kernel).rules == ()
    kernel = (1e200 * wide) * (1e200 * Box((7,))) * Taps([1e-300, 2e-300, -1e-300])
    assert simplify(kernel).kernel is kernel


def test_large_supports_are_not_multiplied_out_to_see():
    narrow, broad = fk.gaussian(100), fk.gaussian(101)
    assert len(simplify(narrow - broad).kernel.terms) == 2
    assert "taps" not in vars(narrow) | vars(broad)


def test_long_products_are_one_pass_over_their_factors():
    assert simplify(fk.delta() ** 10_000).kernel == fk.delta()
    assert len(factors(simplify(peak**500).kernel)) == 500


# ---- cost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (Taps([[1, 0, -1], [2, 0, -2]]), 4),
        (Outer((line, Taps([1.0, 0.0, 1.0]))), 7),
        (Outer((line, one)), 5),
        (Outer((one, one)), 1),
        (Box((2, 1000)), 5),
        (Box((1, 1)), 1),
        (line + wide, 8),
        (3 * line, 5),
        (line * wide * wide, 11),
        (zero, 0),
    ],
)
def test_cost_counts_multiply_adds(kernel, expected):
    assert cost(kernel) == expected


# ---- reading a simplified kernel -------------------------------------------------------------------------


@laws
@given(kernel=anything)
def test_factors_make_up_the_kernel(kernel):
    result = simplify(kernel).kernel
    parts = factors(result)
    assert_same(Product(parts), result)
    assert sum(isinstance(part, Box | Outer) for part in parts) < 2


def test_factors_of_products():
    given = simplify(2 * fk.disk(3) * fk.box(9) * peak).kernel
    assert [type(part) for part in factors(given)] == [Taps, Taps, Box]
    boxes = Box((5,)) * Box((7,))
    assert [str(part) for part in factors(simplify(6 * boxes).kernel)] == [f"6 * {boxes}"]
    assert len(factors(simplify(boxes * line).kernel)) == 2
    assert factors(line) == (line,)


@laws
@given(kernel=anything)
def test_outer_terms_add_up_to_the_kernel(kernel):
    result = simplify(kernel).kernel
    terms = outer_terms(result)
    if terms is not None:
        assert all(axis.ndim == 1 for term in terms for axis in term)
        assert_same(Sum(map(Outer, terms)), result)


def test_outer_terms_are_none_where_a_term_is_not_separable():
    assert outer_terms(peak) is None
    assert outer_terms(simplify(fk.gaussian(3) + peak).kernel) is None
    assert outer_terms(simplify(fk.gaussian(3) * peak).kernel) is None
    assert outer_terms(Taps([[1, 2j], [3, 4]])) is None
    assert [len(term) for term in outer_terms(fk.log(2, ndim=3))] == [3, 3, 3]
    assert outer_terms(line * wide) == ((line * wide,),)


lines = st.lists(st.one_of(plain(1), st.integers(1, 9).map(lambda n: Box((n,)))), min_size=1, max_size=4)


def test_so_many_windows_that_no_float_holds_their_product_are_one_array():
    kernel = fa.box(9, ndim=1) ** 400
    widths, taps = windows_of(kernel)
    assert widths == ()
    assert_array_equal(taps, kernel.taps)
    assert_allclose(fa.convolve(np.ones(40), kernel, mode="wrap"), 1.0, rtol=1e-12)


@laws
@given(parts=lines, scalar=scalars)
def test_windows_of_a_line_make_it_up(parts, scalar):
    kernel = scalar * Product(parts)
    widths, rest = windows_of(kernel)
    made = reduce(np.convolve, [np.ones(width) for width in widths], rest)
    np.testing.assert_allclose(made, kernel.taps, rtol=1e-13, atol=1e-13 * (size_of(kernel) + 1))
    assert widths == tuple(sorted((part.widths[0] for part in parts if isinstance(part, Box)), reverse=True))


def test_windows_of_what_is_no_product():
    assert windows_of(line)[0] == ()
    np.testing.assert_array_equal(windows_of(3 * line)[1], 3 * line.taps)
    np.testing.assert_array_equal(windows_of(10 * wide)[1], [2.0])
    assert windows_of(line + wide)[0] == ()


# ---- low rank --------------------------------------------------------------------------------------------


def added_up(terms):
    return sum(reduce(np.multiply.outer, term) for term in terms)


def random_sum(rng, shape, rank):
    return sum(reduce(np.multiply.outer, [rng.normal(size=n) for n in shape]) for _ in range(rank))


@pytest.mark.parametrize("eps", [SINGLE, DOUBLE])
@pytest.mark.parametrize("shape", [(3, 3), (5, 9), (31, 31), (64, 7), (150, 150)])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_matrix_is_the_sum_of_as_many_outer_products_as_its_rank(shape, rank, eps):
    taps = random_sum(np.random.default_rng(rank), shape, rank)
    terms = outer_sum(taps, eps, most=rank)
    assert len(terms) == rank == np.linalg.matrix_rank(taps)
    assert np.abs(added_up(terms) - taps).max() <= SLACK * eps * np.abs(taps).max()
    assert rank == 1 or outer_sum(taps, eps, most=rank - 1) is None


@pytest.mark.parametrize("eps", [SINGLE, DOUBLE])
@pytest.mark.parametrize("shape", [(3, 3, 3), (5, 7, 9), (2, 3, 4, 3)])
def test_arrays_of_more_axes_are_sums_too(shape, eps):
    rng = np.random.default_rng(3)
    for rank in (1, 2):
        taps = random_sum(rng, shape, rank)
        terms = outer_sum(taps, eps, most=8)
        assert rank <= len(terms) <= rank ** (len(shape) - 1)
        assert np.abs(added_up(terms) - taps).max() <= SLACK * eps * np.abs(taps).max()
        assert [factor.shape for factor in terms[0]] == [(n,) for n in shape]
    assert outer_sum(rng.normal(size=shape), eps, most=2) is None


def test_axes_of_one_tap_are_free():
    taps = random_sum(np.random.default_rng(5), (1, 5, 1, 6, 1), 2)
    terms = outer_sum(taps, DOUBLE, most=2)
    assert [factor.shape for factor in terms[1]] == [(1,), (5,), (1,), (6,), (1,)]
    np.testing.assert_allclose(added_up(terms), taps, rtol=0, atol=SLACK * DOUBLE * np.abs(taps).max())
    ((first, second),) = outer_sum(np.array([[-3.0]]), DOUBLE, most=1)
    assert first * second == [-3.0]
    ((row, column),) = outer_sum(np.array([[1.0, 2.0, 0.0]]), DOUBLE, most=1)
    np.testing.assert_array_equal(np.multiply.outer(row, column), [[1, 2, 0]])


@pytest.mark.parametrize("seed", range(4))
def test_smooth_cubes_are_as_exact(seed):
    rng, places = np.random.default_rng(seed), np.arange(31) - 15
    axes = [np.exp(-((places + rng.normal()) ** 2) / 31) for _ in range(3)]
    taps = reduce(np.multiply.outer, axes)
    assert len(outer_sum(taps, DOUBLE, most=4)) == 1
    taps += reduce(np.multiply.outer, [axis * (places + 1) for axis in axes])
    assert len(outer_sum(taps, DOUBLE, most=4)) == 4


@pytest.mark.parametrize("seed", range(4))
def test_singular_vectors_are_made_as_exact_as_their_sum(seed):
    # As LAPACK returns them, they miss some tap by five to twenty roundings of the largest.
    taps = random_sum(np.random.default_rng(seed), (101, 101), 3)
    assert np.abs(added_up(outer_sum(taps, DOUBLE, most=3)) - taps).max() <= 1.6 * DOUBLE * np.abs(taps).max()


def test_what_is_nearly_of_low_rank_is_refused():
    rng = np.random.default_rng(7)
    for shape in ((9, 9), (5, 6, 7)):
        taps = random_sum(rng, shape, 1)
        noise = rng.normal(size=shape)
        noise *= np.abs(taps).max() / np.abs(noise).max()
        assert outer_sum(taps + 1e-9 * noise, DOUBLE, most=2) is None
        assert outer_sum(taps + 1e-5 * noise, SINGLE, most=2) is None
        assert len(outer_sum(taps + 1e-9 * noise, SINGLE, most=2)) == 1


def test_one_term_more_is_taken_where_some_tap_needs_it():
    taps = np.multiply.outer(np.ones(31), np.linspace(0.5, 1.0, 31))
    taps[7, 5] += 12 * SINGLE  # beyond the tolerance of a tap, within that of the matrix as a whole
    terms = outer_sum(taps, SINGLE, most=2)
    assert len(terms) == 2
    assert np.abs(added_up(terms) - taps).max() <= SLACK * SINGLE
    assert outer_sum(taps, SINGLE, most=1) is None


def test_a_sum_that_is_not_exact_is_not_returned(monkeypatch):
    taps = random_sum(np.random.default_rng(3), (5, 5), 2)
    terms = outer_sum(taps, SINGLE, most=2)
    off = [(terms[0][0] * (1 + 100 * SINGLE), terms[0][1]), terms[1]]
    monkeypatch.setattr(lowrank, "_split", lambda *_: off)
    assert outer_sum(taps, SINGLE, most=2) is None


def test_a_large_matrix_is_refused_by_a_sample_of_it_only_if_its_rank_is_too_high():
    taps = np.random.default_rng(11).normal(size=(300, 200))
    assert outer_sum(taps, SINGLE, most=3) is None
    # Here the sample has rank zero, and only the whole can tell.
    taps = np.zeros((300, 200))
    taps[151, 77] = taps[33, 31] = 1.0
    assert len(outer_sum(taps, SINGLE, most=3)) == 2
    assert outer_sum(taps, SINGLE, most=1) is None


@pytest.mark.parametrize("scale", [1e-300, 1e-37, 1.0, 1e37, 1e300])
@pytest.mark.parametrize("shape", [(9, 7), (3, 4, 5)])
def test_factors_share_the_magnitude(shape, scale):
    taps = scale * random_sum(np.random.default_rng(13), shape, 2)
    terms = outer_sum(taps, DOUBLE, most=4)
    assert np.abs(added_up(terms) - taps).max() <= SLACK * DOUBLE * np.abs(taps).max()
    for term in terms:
        sizes = [np.abs(factor).max() for factor in term]
        assert max(sizes) <= 4 * min(sizes)
    if 1e-38 < scale < 1e38:
        single = added_up([[factor.astype(np.float32) for factor in term] for term in terms])
        assert np.abs(single - taps).max() <= 16 * SINGLE * np.abs(taps).max()


def test_zeros_are_not_a_sum():
    assert outer_sum(np.zeros((3, 3)), DOUBLE, most=3) is None
    assert outer_factors(np.zeros((3, 3)), DOUBLE) is None
    assert outer_sum(np.ones((3, 3)), DOUBLE, most=0) is None


@laws
@given(st.lists(st.lists(quarters, min_size=1, max_size=4), min_size=1, max_size=3))
def test_outer_factors_are_found_where_there_are_some(given):
    taps = reduce(np.multiply.outer, map(np.array, given))
    result = outer_factors(taps, DOUBLE)
    if not taps.any():
        assert result is None
    else:
        made = reduce(np.multiply.outer, result)
        np.testing.assert_allclose(made, taps, rtol=SLACK * DOUBLE)
        assert ((made == 0) == (taps == 0)).all()


@pytest.mark.parametrize("eps", [SINGLE, DOUBLE])
def test_outer_factors_are_exact_or_none(eps):
    taps = np.multiply.outer([1.0, 2.0, 3.0], [1.0, 1e-3])
    assert outer_factors(taps * (1 + eps * np.eye(3, 2)), eps) is not None
    assert outer_factors(taps * (1 + 20 * eps * np.eye(3, 2)), eps) is None  # also where the tap is small
    assert outer_factors(np.full((2, 2), 5e-324), eps) is None


# ---- windows ---------------------------------------------------------------------------------------------


def with_windows(widths, rest):
    return reduce(np.convolve, [np.ones(width) for width in widths], np.asarray(rest, dtype=float))


@pytest.mark.parametrize(
    ("taps", "widths", "rest"),
    [
        ([0.25] * 4, (4,), [0.25]),
        ([5.0] * 3, (3,), [5.0]),
        ([1, 2, 3, 4, 3, 2, 1], (4, 4), [1]),
        (with_windows((9, 5), [1, -3]), (9, 5), [1, -3]),
        (with_windows((5, 5, 5), [2]), (5, 5, 5), [2]),
        ([1, 1, 1, 0, 0, -1, -1, -1], (3,), [1, 0, 0, 0, 0, -1]),
        ([0, 0, 1, 1, 1, 1, 0], (4,), [0, 0, 1, 0]),
        ([1, 1], (), [1, 1]),  # nothing is saved
        ([1, 4, 6, 4, 1], (), [1, 4, 6, 4, 1]),
        (with_windows((9,), [1, -2, 1]), (), with_windows((9,), [1, -2, 1])),  # windows would touch zero taps
        (with_windows((9,), [1, -0.99]), (), with_windows((9,), [1, -0.99])),  # large numbers would cancel
        ([1, 2, 4, 8], (), [1, 2, 4, 8]),
        ([3.0], (), [3.0]),
        ([0.0, 0.0], (), [0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1 / 3, 1e-30])
def test_windows_are_found(taps, widths, rest, scale):
    got, left = windows(scale * np.array(taps, dtype=float), DOUBLE)
    assert got == widths
    np.testing.assert_allclose(left, scale * np.array(rest, dtype=float), rtol=1e-13, atol=1e-14 * scale)


@pytest.mark.parametrize("scale", [1.0, 1 / 3, 1e-30])
def test_many_wide_windows_are_found_in_single_precision(scale):
    # Two roundings of double precision are already too much for three windows of this width.
    got, left = windows(scale * with_windows((101, 101, 31), [1, 2]), SINGLE)
    assert got == (101, 101, 31)
    np.testing.assert_allclose(left, [scale, 2 * scale], rtol=SINGLE)


def test_zeros_between_windows_stay_zeros():
    rest = [0.3, 0, 0, 0.79889136, 0, 0.11631584, 0.7]
    got, left = windows(with_windows((11, 10), rest), DOUBLE)
    assert got == (11, 10)
    np.testing.assert_array_equal(left == 0, np.array(rest) == 0)


@laws
@given(
    widths=st.lists(st.integers(1, 40), max_size=3),
    rest=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=9),
    single=st.booleans(),
)
def test_windows_make_up_the_taps(widths, rest, single):
    kind = np.float32 if single else np.float64
    eps = float(np.finfo(kind).eps)
    taps = with_windows(widths, rest).astype(kind)
    got, left = windows(taps, eps)
    assert np.abs(with_windows(got, left) - taps).max() <= SLACK * eps * taps.max() * 1.01
    assert got == tuple(sorted(got, reverse=True))
    assert np.count_nonzero(left) + 2 * len(got) <= len(taps)
    assert len(left) + sum(got) - len(got) == len(taps)


@pytest.mark.parametrize("eps", [SINGLE, DOUBLE])
def test_windows_are_exact_or_not_found(eps):
    taps = with_windows((7, 5), [1.0, 2.0])
    off = np.zeros(len(taps))
    off[4] = taps.max()
    assert windows(taps + eps * off, eps)[0] == (7, 5)
    assert windows(taps + 100 * eps * off, eps)[0] == ()


def test_smooth_taps_hold_no_window():
    for sigma in (1, 3, 10):
        taps = fk.gaussian(sigma, ndim=1).taps
        assert windows(taps, SINGLE)[0] == windows(taps, DOUBLE)[0] == ()

"""Every integer and every real argument of kernels, banks and named kernels: the same kinds of numbers everywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import faltung as fa
from faltung import ArgumentTypeError
from faltung.ground.threads import worker_count
from faltung.kernels import Box

K = fa.Kernel([[1.0, 2.0, 3.0], [0.0, 4.0, 5.0]])
B = fa.Bank(np.arange(1.0, 25.0).reshape(2, 2, 2, 3))
LINE = fa.Bank([[[1.0, 2.0, 3.0]]])
MATRIX = LINE.matrix(4)


def entries(matrix):
    return matrix.toarray().tolist()


def workers(count):
    with fa.workers(count):
        return worker_count()


#: A call with an integer argument, and an integer that it takes.
INTEGERS = {
    "delta ndim": (lambda n: fa.delta(ndim=n), 3),
    "box size": (lambda n: fa.box(n), 3),
    "box sizes": (lambda n: fa.box((1, n)), 3),
    "box ndim": (lambda n: fa.box(3, ndim=n), 1),
    "gaussian ndim": (lambda n: fa.gaussian(1.0, ndim=n), 1),
    "binomial order": (lambda n: fa.binomial(n), 2),
    "binomial ndim": (lambda n: fa.binomial(2, ndim=n), 1),
    "disk ndim": (lambda n: fa.disk(1.0, ndim=n), 1),
    "gaussian_derivative order": (lambda n: fa.gaussian_derivative(1.0, n), 1),
    "gaussian_derivative orders": (lambda n: fa.gaussian_derivative(1.0, (0, n)), 1),
    "gaussian_derivative axis": (lambda n: fa.gaussian_derivative(1.0, 1, n), 0),
    "gaussian_derivative ndim": (lambda n: fa.gaussian_derivative(1.0, ndim=n), 1),
    **{
        f"{make.__name__} {name}": (lambda n, make=make, name=name: make(**{name: n}), value)
        for make in (fa.sobel, fa.prewitt, fa.scharr)
        for name, value in (("axis", 0), ("ndim", 3))
    },
    "laplacian ndim": (lambda n: fa.laplacian(ndim=n), 1),
    "log ndim": (lambda n: fa.log(1.0, ndim=n), 1),
    "dog ndim": (lambda n: fa.dog(1.0, ndim=n), 1),
    "unsharp ndim": (lambda n: fa.unsharp(1.0, ndim=n), 1),
    "gabor ndim": (lambda n: fa.gabor(ndim=n), 1),
    "Kernel origin": (lambda n: fa.Kernel([1.0, 2.0], n), 0),
    "Kernel origins": (lambda n: fa.Kernel(K, (0, n)), 1),
    "Kernel power": (lambda n: K**n, 2),
    "Box widths": (lambda n: Box((2, n)), 3),
    "Box origin": (lambda n: Box((3,), n), 0),
    "Bank origin": (lambda n: fa.Bank(LINE, n), 0),
    "Bank origins": (lambda n: fa.Bank(B, (0, n)), 1),
    "Bank row": (lambda n: B[n], 1),
    "Bank kernel, channel out": (lambda n: B[n, 0], 1),
    "Bank kernel, channel in": (lambda n: B[0, n], 1),
    "matrix lengths": (lambda n: entries(LINE.matrix(n)), 4),
    "matrix lengths of axes": (lambda n: entries(B.matrix((3, n))), 4),
    "matrix stride": (lambda n: entries(LINE.matrix(4, stride=n)), 2),
    "matrix strides": (lambda n: entries(B.matrix((3, 4), stride=(1, n))), 2),
    "matrix dilation": (lambda n: entries(LINE.matrix(4, dilation=n)), 2),
    "matrix dilations": (lambda n: entries(B.matrix((3, 4), dilation=(1, n))), 2),
    "matrix groups": (lambda n: entries(B.matrix((3, 4), groups=n)), 2),
    "from_matrix lengths": (lambda n: fa.Bank.from_matrix(MATRIX, n), 4),
    "from_matrix stride": (lambda n: fa.Bank.from_matrix(MATRIX, 4, stride=n), 1),
    "from_matrix dilation": (lambda n: fa.Bank.from_matrix(MATRIX, 4, dilation=n), 1),
    "from_matrix groups": (lambda n: fa.Bank.from_matrix(MATRIX, 4, groups=n), 1),
    "from_matrix size": (lambda n: fa.Bank.from_matrix(MATRIX, 4, size=n), 3),
    "from_matrix origin": (lambda n: fa.Bank.from_matrix(MATRIX, 4, size=3, origin=n), 1),
    "workers": (workers, 2),
    "worker_count": (worker_count, 2),
}

#: A call with a real argument, which takes 0.25.
REALS = {
    "gaussian sigma": lambda a: fa.gaussian(a),
    "gaussian sigmas": lambda a: fa.gaussian((2.0, a)),
    "gaussian truncate": lambda a: fa.gaussian(9.0, truncate=a),
    "disk radius": lambda a: fa.disk(a),
    "motion length": lambda a: fa.motion(a),
    "motion angle": lambda a: fa.motion(5.0, a),
    "gaussian_derivative sigma": lambda a: fa.gaussian_derivative((9.0, a), (1, 0)),
    "gaussian_derivative truncate": lambda a: fa.gaussian_derivative(9.0, truncate=a),
    "log sigma": lambda a: fa.log(a, truncate=9.0),
    "log truncate": lambda a: fa.log(9.0, truncate=a),
    "dog low": lambda a: fa.dog(a, 1.0),
    "dog high": lambda a: fa.dog(0.1, a),
    "dog truncate": lambda a: fa.dog(9.0, truncate=a),
    "unsharp sigma": lambda a: fa.unsharp(a),
    "unsharp amount": lambda a: fa.unsharp(1.0, a),
    "unsharp truncate": lambda a: fa.unsharp(9.0, truncate=a),
    **{
        f"gabor {name}": lambda a, name=name: fa.gabor(**{name: a})
        for name in ("frequency", "angle", "bandwidth", "sigma_x", "sigma_y", "truncate", "phase")
    },
    "rank tol": lambda a: K.rank(a),
    "rank of an outer product": lambda a: fa.box(3).rank(a),
    "rank of a bank": lambda a: B.rank(a),
    "isclose rtol": lambda a: K.isclose(2 * K, rtol=a),
    "isclose atol": lambda a: B.isclose(2 * B, atol=a),
    "from_matrix tol": lambda a: fa.Bank.from_matrix(MATRIX, 4, tol=a),
}
SCALARS = {
    "kernel times number": lambda a: K * a,
    "number times kernel": lambda a: a * K,
    "kernel by number": lambda a: K / a,
    "bank times number": lambda a: B * a,
    "number times bank": lambda a: a * B,
    "bank by number": lambda a: B / a,
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_any_kind_are_integers(name):
    call, value = INTEGERS[name]
    expected = call(value)
    for same in (np.int8(value), np.uint64(value), np.array(value)):
        result = call(same)
        assert result == expected
        assert repr(result) == repr(expected)


@pytest.mark.parametrize("name", INTEGERS)
def test_booleans_and_whole_floats_are_no_integers(name):
    call, value = INTEGERS[name]
    floats = (float(value), np.float64(value), np.float32(value), np.array(float(value)), Fraction(value), value + 0j)
    for wrong in (True, False, np.True_, np.array(True), *floats, str(value), [[value]]):
        with pytest.raises(ArgumentTypeError):
            call(wrong)


@pytest.mark.parametrize("name", [*REALS, *SCALARS])
def test_real_numbers_of_any_kind_are_numbers(name):
    call = {**REALS, **SCALARS}[name]
    expected = call(0.25)
    for same in (np.float32(0.25), np.array(0.25), Fraction(1, 4)):
        assert call(same) == expected


@pytest.mark.parametrize("name", [*REALS, *SCALARS])
def test_booleans_and_texts_are_no_numbers(name):
    call = {**REALS, **SCALARS}[name]
    for wrong in (True, np.True_, np.array(True), *((0.25j, np.array(0.25j)) if name in REALS else ())):
        with pytest.raises(ArgumentTypeError):
            call(wrong)
    for wrong in ("0.25", np.array("0.25")):
        with pytest.raises((ArgumentTypeError, TypeError)):
            call(wrong)


@pytest.mark.parametrize("function", [K, B], ids=["kernel", "bank"])
@pytest.mark.parametrize("other", [False, True, np.False_, 0.0, np.int64(1), 2])
def test_only_the_zero_of_the_built_in_sum_is_added(function, other):
    assert sum([function, function]) == 2 * function
    for operation in (lambda: other + function, lambda: function + other, lambda: function - other):
        with pytest.raises((ArgumentTypeError, TypeError)):
            operation()

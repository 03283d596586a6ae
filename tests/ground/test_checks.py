"""Checks of numbers: what counts as an integer, a real number or a number, and what the errors say."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from faltung import ArgumentError, ArgumentTypeError
from faltung.ground.checks import dimensions, integer, is_integer, is_number, is_sequence, number, per_axis, real

INTEGERS = [3, np.int8(3), np.uint64(3), np.array(3), np.array(3, dtype=object)]
WHOLE = [3.0, np.float32(3), np.array(3.0), Fraction(3)]
COMPLEX = [3 + 0j, np.complex64(3), np.array(3 + 0j)]
NO_NUMBERS = [
    True,
    np.True_,
    np.array(True),
    np.array(True, dtype=object),
    "3",
    np.array("3"),
    None,
    [3],
    np.array([3]),
]


def check_integer(value):
    return integer("n", value, 1, 9)


def check_real(value):
    return real("n", value, 0.0)


def check_number(value):
    return number("n", value)


CHECKS = {check_integer: INTEGERS, check_real: INTEGERS + WHOLE, check_number: INTEGERS + WHOLE + COMPLEX}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("value", INTEGERS + WHOLE + COMPLEX + NO_NUMBERS, ids=repr)
def test_each_check_takes_the_same_kinds_of_numbers(check, value):
    if any(value is one for one in CHECKS[check]):
        plain = check(value)
        assert plain == 3
        assert type(plain) in (int, float, complex)
    else:
        with pytest.raises(ArgumentTypeError, match=r"^n: expected an? (integer from 1 to 9|real|real or complex)"):
            check(value)


@pytest.mark.parametrize("value", INTEGERS + WHOLE + COMPLEX + NO_NUMBERS, ids=repr)
def test_kinds_are_told_apart(value):
    assert is_integer(value) == any(value is one for one in INTEGERS)
    several = isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim > 0)
    assert is_sequence(value) == several
    text = isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype.kind == "U")
    assert is_number(value) == (not several and not text and value is not None)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32("nan"), np.array(np.inf), 10**400])
def test_numbers_are_finite(value):
    for check in (check_real, check_number):
        with pytest.raises(ArgumentError, match=r"^n: expected a finite number, got "):
            check(value)


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda: integer("n", 0, 1, 9), ArgumentError, "n: expected an integer from 1 to 9, got 0."),
        (lambda: integer("n", np.int8(10), 1, 9), ArgumentError, "n: expected an integer from 1 to 9, got 10."),
        (lambda: integer("n", 0, 1), ArgumentError, "n: expected a positive integer, got 0."),
        (
            lambda: integer("n", -1, 0, remedy="Use 0."),
            ArgumentError,
            "n: expected an integer from 0, got -1. Use 0.",
        ),
        (
            lambda: integer("n", 2.0, 1, remedy="Use 1."),
            ArgumentTypeError,
            "n: expected a positive integer, got 2.0.",
        ),
        (lambda: integer("n", 2.0, 0, 9), ArgumentTypeError, "n: expected an integer from 0 to 9, got 2.0. Use 2."),
        (lambda: integer("n", np.True_, 1), ArgumentTypeError, "n: expected a positive integer, got "),
        (lambda: integer("n", 2.5, 0), ArgumentTypeError, "n: expected an integer from 0, got 2.5."),
        (lambda: integer("n", np.inf, 0), ArgumentTypeError, "n: expected an integer from 0, got inf."),
        (lambda: integer("n", np.nan, 0), ArgumentTypeError, "n: expected an integer from 0, got nan."),
        (lambda: integer("n", 10.0, 0, 9), ArgumentTypeError, "n: expected an integer from 0 to 9, got 10.0."),
        (lambda: real("n", -1, 0.0), ArgumentError, "n: expected a number of at least 0, got -1."),
        (lambda: real("n", 0, 0.0, 1.0, open_end=True), ArgumentError, "n: expected a number above 0 and at most 1"),
        (
            lambda: real("n", 1.5, 0.0, 1.0),
            ArgumentError,
            "n: expected a number of at least 0 and at most 1, got 1.5.",
        ),
        (lambda: dimensions(33), ArgumentError, "ndim: expected an integer from 1 to 32, got 33."),
        (
            lambda: per_axis("n", (1, 2), 3, real),
            ArgumentError,
            "n: expected a number, or 3 for ndim=3, got 2 numbers.",
        ),
        (lambda: per_axis("n", (), None, real), ArgumentError, "len(n): expected an integer from 1 to 32, got 0."),
    ],
)
def test_errors_name_argument_expected_received(operation, error, message):
    with pytest.raises(error, match="^" + re.escape(message)):
        operation()


def test_one_number_is_used_for_all_axes():
    assert per_axis("n", 2, None, real) == (2.0, 2.0)
    assert per_axis("n", np.array(2.0), 3, real) == (2.0, 2.0, 2.0)
    assert per_axis("n", np.array([1, 2]), None, real) == (1.0, 2.0)

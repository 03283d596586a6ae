"""The arguments of a fit: integers are integers, real numbers are finite, and errors say what to pass instead."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import faltung as fa

X = np.random.default_rng(3).normal(size=(12, 14))
NOT_INTEGERS = (1.0, True, np.float64(1), np.bool_(True), 1.5, float("nan"), "1", 1j, {1})
NOT_REAL = (True, np.bool_(False), "0.1", 0.1j, [0.1], np.array([0.1, 0.1]))
SPOILED = (float("nan"), float("inf"), -float("inf"), np.float32("nan"))


def fit(name, value):
    """Call the function that has this argument."""
    by_gradient = name in ("iterations", "tolerance")
    function = fa.fit.fit_filter_by_gradient if by_gradient else fa.fit_filter
    return function(X, X, **{"size": 3, "workers": 1, name: value})


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", ["size", "axes", "channel_axis", "seed", "iterations"])
def test_integers_are_integers(name, value):
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected an integer from .* got ") as caught:
        fit(name, value)
    equals_one = isinstance(value, float | bool | np.bool_) and value == 1
    assert str(caught.value).endswith(" Use 1.") == equals_one


@pytest.mark.parametrize("value", [1.0, True, 1.5, "1"], ids=repr)
def test_the_number_of_workers_is_an_integer(value):
    with pytest.raises(fa.ArgumentTypeError, match="workers: expected a positive integer, got "):
        fit("workers", value)


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", ["size", "axes"])
def test_integers_in_sequences_are_integers(name, value):
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected an integer from "):
        fit(name, (0, value) if name == "axes" else (1, value))
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected an integer from "):
        fit(name, np.array([1.0, 0.0]))


@pytest.mark.parametrize("value", NOT_REAL, ids=repr)
@pytest.mark.parametrize("name", ["cval", "ridge", "held_out", "tolerance"])
def test_real_numbers_are_real(name, value):
    with pytest.raises(fa.ArgumentTypeError, match=f"{name}: expected a real number, got "):
        fit(name, value)


@pytest.mark.parametrize("value", SPOILED, ids=repr)
@pytest.mark.parametrize("name", ["cval", "ridge", "held_out", "tolerance"])
def test_real_numbers_are_finite(name, value):
    with pytest.raises(fa.ArgumentError, match=f"{name}: expected a finite number, got "):
        fit(name, value)


@pytest.mark.parametrize("value", [True, 1, ["point"], np.array(["point"])], ids=repr)
def test_a_symmetry_is_a_name(value):
    with pytest.raises(fa.ArgumentTypeError, match=r"symmetric: expected 'point', .* got .* Use 'point'"):
        fit("symmetric", value)


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_integers_of_numpy_are_integers(kind):
    expected, _ = fa.fit_filter(X, X, 3, axes=1, seed=1)
    kernel, _ = fa.fit_filter(X, X, kind(3), axes=kind(1), seed=kind(1), held_out=np.float32(0.2), workers=kind(1))
    assert np.array_equal(kernel.taps, expected.taps)


def test_the_exact_filter_needs_no_torch():
    text = (
        "import sys; sys.modules['torch'] = None; import numpy, faltung as fa; x = numpy.random.random(99); "
        "print(fa.fit_filter(x, x, 1)[0].taps.round(6)); from faltung import learn, fit; "
        "assert learn.fit_filter is fit.fit_filter is fa.fit_filter; fit.fit_filter_by_gradient"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stdout == "[1.]\n"
    assert done.stderr.splitlines()[-1] == (
        "faltung.errors.MissingExtraError: faltung.fit.fit_filter_by_gradient needs packages that are not installed. "
        'In the folder from which faltung was installed, run: pip install ".[learn]"'
    )

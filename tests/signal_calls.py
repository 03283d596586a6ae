"""Calls of scipy.signal and of faltung.compat.signal with the same arguments, and what "the same" means."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.signal
from hypothesis import strategies as st

from faltung.compat import signal

#: Relative errors by the precision of the least precise argument.
TOLERANCES = {2: 2e-2, 4: 3e-5, 8: 1e-10}
DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16")
#: Classes of exceptions that callers tell apart.
KINDS = (ValueError, TypeError, IndexError, NotImplementedError)


def samples(seed: int, shape: Any, dtype: str, small: bool = False) -> np.ndarray[Any, Any]:
    """Return random numbers; integers over the whole range of their dtype, unless `small`."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) > 0.5
    if kind in "iu":
        limits = np.iinfo(dtype)
        low, high = (0, 6) if small else (limits.min, limits.max)
        return rng.integers(low, high, shape, dtype, endpoint=True)
    parts = rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == "c" else 0)
    return parts.astype(dtype)


def outcome(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Return the result, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            return error


def both(name: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
    """Return the outcome of our function, and that of SciPy's."""
    functions = (getattr(signal, name), getattr(scipy.signal, name))
    ours, theirs = (outcome(function, arguments, keywords) for function in functions)
    return ours, theirs


def assert_same(ours: Any, theirs: Any, *arguments: Any) -> None:
    """Assert that two outcomes have the same dtype, shape and values, or are exceptions of the same class."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(theirs, Exception), ours
        assert isinstance(ours, Exception), theirs
        assert any(isinstance(ours, kind) and isinstance(theirs, kind) for kind in KINDS), (ours, theirs)
        return
    if isinstance(theirs, tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, *arguments)
        return
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if theirs.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, theirs)
        return
    floats = [a.dtype for a in (theirs, *arguments) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    tolerance = max(TOLERANCES[dtype.itemsize // (2 if dtype.kind == "c" else 1)] for dtype in floats)
    scale = max(1.0, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def check(name: str, *arguments: Any, **keywords: Any) -> None:
    """Assert that our function and SciPy's do the same."""
    assert_same(*both(name, *arguments, **keywords), *arguments)


seeds = st.integers(0, 1 << 30)
dtypes = st.sampled_from(DTYPES)
modes = st.sampled_from(("full", "same", "valid"))


def shapes(least: int, most: int, low: int = 1, high: int = 8) -> Any:
    """Return a strategy for shapes with so many axes of such lengths."""
    return st.lists(st.integers(low, high), min_size=least, max_size=most).map(tuple)

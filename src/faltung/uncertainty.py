"""How do errors of samples become errors of outputs? Their variances are convolved with the squares of the taps."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from faltung.doors import door_of
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import is_masked_array, is_tensor, where
from faltung.kernels import Bank, CoordinateKernel, Kernel
from faltung.planning.question import Options, as_value

__all__ = ["with_variance"]


def with_variance(
    y: Any, x: Any, kernel: Any, options: Options, variance: Any, valid: Any, workers: int | None
) -> Any:
    """Return the outputs of a filter, and their variances if those of the samples are given.

    An output is ``sum(k * x)``, so its variance is ``sum(abs(k)**2 * v)`` for independent errors of samples. Where
    some are missing, an output is ``sum((k + c * abs(k)) * w * x)`` with weights w of the samples, since each
    missing sample counts as the mean of the others: ``c = sum(k * (1 - w)) / sum(abs(k) * w)``.

    Parameters
    ----------
    y : array
        The outputs.
    x, kernel, options, valid, workers
        The arguments of the filter.
    variance : array, optional
        The variances of the samples.
    """
    return y if variance is None else (y, _propagated(y, x, kernel, options, variance, valid, workers))


def _propagated(y: Any, x: Any, kernel: Any, options: Options, variance: Any, valid: Any, workers: int | None) -> Any:
    x, variance = _checked(x, variance)
    taps = _taps(kernel, options)
    plain = options._replace(
        cval=0.0,
        dtype=options.dtype if options.dtype is not None and y.dtype == options.dtype else None,
        nan="propagate",
        masked=False,
        graded=False,
        min_weight=0.0,
        keep_nan=False,
        method="auto",
    )
    if not is_tensor(y) and np.dtype(y.dtype).kind != "f":
        plain = plain._replace(dtype=None)

    def sums(samples: Any, taps: Any, cval: float = 0.0) -> Any:
        return door_of(samples, taps).filter(samples, taps, plain._replace(cval=cval), None, None, workers)

    if valid is None and options.nan != "ignore" and not is_masked_array(x):
        return sums(variance, _map(taps, lambda k: abs(k) ** 2))
    if _is_complex(taps):
        raise ArgumentError(
            "variance", "real taps where samples may be missing", "complex taps", "Filter both parts."
        )
    plain = plain._replace(accuracy="pointwise")
    weights = _weights(x, valid, options)
    spread = where(weights > 0, variance, 0.0) * weights**2
    present = sums(weights, _map(taps, abs), 1.0)
    own = sums(spread, _map(taps, lambda k: k * k))
    shared = sums(spread, _map(taps, lambda k: k * abs(k)))
    with np.errstate(invalid="ignore", divide="ignore"):
        filled = sums(1.0 - weights, taps) / present
        result = own + filled * (2.0 * shared + filled * own)
    result = where(y == y, result, np.nan)  # NaN is not equal to itself
    if is_tensor(y):
        return result.to(y.dtype) if y.is_floating_point() else result
    return result.astype(y.dtype) if np.dtype(y.dtype).kind == "f" else result


def _checked(x: Any, variance: Any) -> tuple[Any, Any]:
    """Return the array and its variances, of one kind and shape."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x)
    if not hasattr(variance, "dtype"):
        variance = np.asarray(variance)
    if not hasattr(x, "shape") or tuple(variance.shape) != tuple(x.shape):
        received = f"shape {tuple(variance.shape)}"
        raise ArgumentError("variance", f"the shape of x, {tuple(getattr(x, 'shape', ()))}", received)
    if door_of(x, None) is not door_of(variance, None):
        received = f"a {type(variance).__name__} beside a {type(x).__name__}"
        raise ArgumentTypeError("variance", "an array of the kind of x", received, "Convert one of them.")
    complex_ = variance.is_complex() if is_tensor(variance) else np.dtype(variance.dtype).kind == "c"
    if complex_ or (isinstance(variance, np.ndarray) and (variance < 0).any()):
        received = "complex numbers" if complex_ else f"{variance.min():.3g}"
        raise ArgumentError(
            "variance", "numbers that are not negative", received, "Square standard deviations first."
        )
    if hasattr(x, "attrs") and hasattr(x, "encoding"):
        from faltung.planning.nodata import declared  # only arrays with labels declare missing values

        if declared(x.attrs, x.encoding, x.dtype).values:
            remedy = "Replace these values by NaN first, and pass nan='ignore'."
            raise ArgumentError("variance", "an array that declares no missing values", "declared ones", remedy)
    return x, variance


def _taps(kernel: Any, options: Options) -> Any:
    """Return the filter as a kernel, a bank or a tensor of taps."""
    if isinstance(kernel, CoordinateKernel):
        remedy = "Make a kernel in samples of it with kernel.sampled(spacing)."
        raise ArgumentTypeError(
            "kernel", "a kernel in samples where variances are given", "one in coordinates", remedy
        )
    return kernel if is_tensor(kernel) else as_value(kernel, options.channel_axis is not None)


def _is_complex(taps: Any) -> bool:
    return bool(taps.is_complex()) if is_tensor(taps) else taps.dtype.kind == "c"


def _map(taps: Any, function: Any) -> Any:
    """Return the filter with a function of each tap."""
    if is_tensor(taps):
        return function(taps)
    if isinstance(taps, Kernel) and function(-2.0) == 4.0:
        return taps.squared()  # outer products stay separable
    return (Bank if isinstance(taps, Bank) else Kernel)(function(taps.taps), taps.origin)


def _weights(x: Any, valid: Any, options: Options) -> Any:
    """Return the weights of the samples, as floats: 0 for a missing one."""
    tensor = is_tensor(x)
    given: Any = 1.0
    if valid is not None:
        if tensor and not is_tensor(valid):
            valid = sys.modules["torch"].as_tensor(np.ascontiguousarray(valid), device=x.device)
        given = valid
    if is_masked_array(x):
        given = given * ~np.ma.getmaskarray(x)
        x = np.ma.getdata(x)
    present = (x == x) | (options.nan != "ignore")  # NaN is not equal to itself
    weights = present * given
    return weights.double() if tensor else weights * np.float64(1.0)

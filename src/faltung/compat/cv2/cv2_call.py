"""How does a call of OpenCV become a plan that runs? The plans of recent calls are kept by their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.cv2.cv2_arguments import as_image
from faltung.compat.cv2.cv2_errors import refuse
from faltung.ground.bounded import Bounded
from faltung.kernels import Kernel
from faltung.planning.kept import plan_of
from faltung.planning.machine import on_change
from faltung.planning.planned import Planned
from faltung.planning.question import Options
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cv2Request", "filtered"]


class Cv2Request(NamedTuple):
    """What a call asks for: a correlation, and a number that is added to every output."""

    kernel: Kernel
    mode: str
    result: np.dtype[Any]
    delta: float = 0.0


class _Cv2Prepared(NamedTuple):
    shape: tuple[int, ...]
    plan: Planned
    result: np.dtype[Any]
    delta: float


#: Most calls that are remembered, and most bytes of their plans.
_prepared: Bounded[tuple[Any, ...], _Cv2Prepared] = Bounded(512, 1 << 26)
on_change(_prepared.clear)


def filtered(
    function: str,
    src: Any,
    dst: Any,
    arguments: tuple[Any, ...],
    taps: Any,
    ask: Callable[[NDArray[Any]], Cv2Request],
) -> NDArray[Any]:
    """Filter an image, by the plan of the last call with the same arguments if there was one.

    Parameters
    ----------
    function : str
        The name of the function.
    src, dst
        The arguments of these names.
    arguments : tuple
        All other arguments, as they were passed, but not arrays of taps.
    taps
        What the result depends on besides; equal only for equal taps.
    ask : callable
        Checks the arguments for an image, and returns what is asked for.
    """
    # As a text, 1 differs from True and 1.0, which OpenCV tells apart, and lists can be part of a key.
    text = repr(arguments)
    kept = type(src) is np.ndarray and "array(" not in text  # the text of an array has not all its digits
    key = (function, src.shape, src.dtype, text, taps) if kept else ()
    prepared = _prepared.get(key) if kept else None
    if prepared is None:
        image = as_image(function, src)
        prepared = _prepare(image, ask(image))
        if kept:
            _prepared.put(key, prepared, prepared.plan.kept_bytes)
        else:
            src = image
    if src.shape != prepared.shape:
        src = src.reshape(prepared.shape)
    if prepared.delta:
        return _stored(_shifted(prepared, execute(prepared.plan, src)), dst)
    if dst is None:
        return execute(prepared.plan, src)
    out = _target(dst, prepared.plan.result_shape, prepared.result)
    if out is None:
        return execute(prepared.plan, src)
    execute(prepared.plan, src, out)
    return dst  # type: ignore[no-any-return]


def _prepare(image: NDArray[Any], asked: Cv2Request) -> _Cv2Prepared:
    # With a delta, integers are rounded after it was added.
    exact = np.dtype(np.float64) if asked.delta and asked.result.kind in "iu" else asked.result
    options = Options(False, asked.mode, 0.0, axes=(0, 1), dtype=exact)
    plan = plan_of(image.shape, image.dtype, asked.kernel, options)
    return _Cv2Prepared(image.shape, plan, asked.result, asked.delta)


def _shifted(prepared: _Cv2Prepared, result: NDArray[Any]) -> NDArray[Any]:
    """Add the delta; integers are rounded half to even, and saturated."""
    result += result.dtype.type(prepared.delta)
    if prepared.result.kind == "f":
        return result
    limits = np.iinfo(prepared.result)
    np.rint(result, out=result)
    np.nan_to_num(result, copy=False, nan=0.0)
    return np.clip(result, limits.min, limits.max, out=result).astype(prepared.result)


def _stored(result: NDArray[Any], dst: Any) -> NDArray[Any]:
    """Copy a result to `dst`, if it fits there, and return the array that it is in."""
    out = None if dst is None else _target(dst, result.shape, result.dtype)
    if out is None:
        return result
    out[...] = result
    return dst  # type: ignore[no-any-return]


def _target(dst: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return `dst` as an array of a shape; None if OpenCV would make another array for the result."""
    if not isinstance(dst, np.ndarray):
        refuse("dst", "a NumPy array, or None", f"a {type(dst).__name__}")
    if not dst.flags.writeable:
        refuse("dst", "an array that can be written to", "an array that is read-only", "Pass a copy of it.")
    out = np.asarray(dst)
    if out.ndim == 3 and out.shape[2] == 1 and len(shape) == 2:
        out = out[:, :, 0]
    elif out.ndim == 1 and len(shape) == 2:
        out = out[np.newaxis]
    return out if out.shape == shape and out.dtype == dtype else None

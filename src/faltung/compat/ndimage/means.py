"""scipy.ndimage's means over windows: along one axis, and over several."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from faltung.compat.ndimage.filter_steps import Steps, is_complex, run_filter
from faltung.compat.ndimage.ndimage_arguments import axes_of, axis_of, each, mode_of, number_of
from faltung.compat.ndimage.ndimage_plans import CallSetting, Pass, boxed, chain_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["uniform_filter", "uniform_filter1d"]


def uniform_filter1d(
    input: Any,
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: complex = 0.0,
    origin: int = 0,
) -> NDArray[Any]:
    """Take means over a window along one axis, as `scipy.ndimage.uniform_filter1d`.

    Parameters
    ----------
    input, output, mode, cval
        As for `correlate`.
    size : int
        Samples of the window.
    axis : int, optional
        The axis.
    origin : int, optional
        Shift of the window.

    Returns
    -------
    ndarray
        The result, of the shape of `input`: sums in double precision, divided by `size`.

    Raises
    ------
    RuntimeError
        The window has no sample, or as for `correlate`.
    ValueError
        The origin is out of range.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    arguments = (size, axis, mode, cval, origin)
    return run_filter("uniform_filter1d", _along_axis, input, output, arguments, is_complex)


def uniform_filter(
    input: Any,
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Take means over a window of several axes, as `scipy.ndimage.uniform_filter`.

    Parameters
    ----------
    input, output, cval, axes
        As for `correlate`.
    size, mode, origin
        As for `uniform_filter1d`: one value, or one for each of `axes`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`. Each pass is stored in its dtype, which truncates integers.

    Raises
    ------
    RuntimeError, ValueError
        As for `uniform_filter1d`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.uniform_filter(np.arange(12).reshape(3, 4) * 3, size=2)
    array([[ 0,  1,  4,  7],
           [ 6,  7, 10, 13],
           [18, 19, 22, 25]])
    """
    arguments = (size, mode, cval, origin, axes)
    return run_filter("uniform_filter", _over_axes, input, output, arguments, is_complex)


def _along_axis(setting: CallSetting, size: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Steps:
    along = axis_of(axis, len(setting.shape))
    one = _pass(size, along, mode, origin)
    return Steps((chain_of(setting, [one], number_of(cval, setting.dtype.kind == "c")),), setting.result)


def _over_axes(setting: CallSetting, size: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Steps:
    found = axes_of(axes, len(setting.shape))
    rows = zip(found, *(each(value, len(found)) for value in (size, mode, origin)), strict=True)
    passes = [_pass(int(width), axis, name, at) for axis, width, name, at in rows if width > 1]
    chain = chain_of(setting, passes, number_of(cval, setting.dtype.kind == "c")) if passes else ()
    return Steps((chain,), setting.result)


def _pass(size: Any, axis: int, mode: Any, origin: Any) -> Pass:
    if size < 1:
        raise RuntimeError(f"incorrect filter size: {size!r}")
    if not 0 <= size // 2 + origin < size:
        raise ValueError(f"invalid origin: {origin!r} for a window of {size!r} samples")
    return boxed(operator.index(size), axis, mode_of(mode), operator.index(origin))

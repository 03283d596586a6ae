"""scipy.ndimage's differences: Sobel, Prewitt and Laplace filters, and sums of derivatives that a caller defines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.compat.ndimage.filter_steps import Steps, run_filter
from faltung.compat.ndimage.ndimage_arguments import axes_of, axis_of, each, mode_of, number_of
from faltung.compat.ndimage.ndimage_output import place_of
from faltung.compat.ndimage.ndimage_plans import CallSetting, chain_of, sum_plan, weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["generic_gradient_magnitude", "generic_laplace", "laplace", "prewitt", "sobel"]

_SLOPE = np.array([-1.0, 0.0, 1.0])
_CURVATURE = np.array([1.0, -2.0, 1.0])


def sobel(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: complex = 0.0) -> NDArray[Any]:
    """Return the Sobel difference along one axis, as `scipy.ndimage.sobel`.

    Parameters
    ----------
    input, output, cval
        As for `correlate`.
    axis : int, optional
        The axis of the difference.
    mode : str or sequence of str, optional
        As for `correlate`: one name, or one for each axis of `input`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`. Negative differences of unsigned integers wrap.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.sobel(np.tri(3, dtype=int))
    array([[-3, -4, -1],
           [-1, -3, -2],
           [ 0, -1, -1]])
    """
    return run_filter("sobel", _sobel, input, output, (axis, mode, cval))


def prewitt(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: complex = 0.0
) -> NDArray[Any]:
    """Return the Prewitt difference along one axis, as `scipy.ndimage.prewitt`.

    Parameters
    ----------
    input, axis, output, mode, cval
        As for `sobel`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.prewitt(np.tri(3, dtype=int))
    array([[-2, -3, -1],
           [-1, -2, -1],
           [ 0, -1, -1]])
    """
    return run_filter("prewitt", _prewitt, input, output, (axis, mode, cval))


def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None
) -> NDArray[Any]:
    """Return the sum of second differences, as `scipy.ndimage.laplace`.

    Parameters
    ----------
    input, output, cval, axes
        As for `correlate`.
    mode : str or sequence of str, optional
        As for `correlate`: one name, or one for each of `axes`.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> ndimage.laplace([0, 0, 5, 0, 0])
    array([  0,   5, -10,   5,   0])
    """
    return run_filter("laplace", _laplace, input, output, (mode, cval, axes))


def generic_laplace(
    input: Any,
    derivative2: Callable[..., Any],
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    extra_arguments: Any = (),
    extra_keywords: Mapping[str, Any] | None = None,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Return the sum of second derivatives that a function computes, as `scipy.ndimage.generic_laplace`.

    Parameters
    ----------
    input, output, mode, cval, axes
        As for `laplace`.
    derivative2 : callable
        ``derivative2(input, axis, output, mode, cval, *extra_arguments, **extra_keywords)``, where `output` is an
        array to fill, or the dtype of the array to return.
    extra_arguments : sequence, optional
        Further arguments.
    extra_keywords : mapping, optional
        Further arguments by name.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> from faltung.compat import ndimage
    >>> def second(input, axis, output, mode, cval):
    ...     return ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    >>> ndimage.generic_laplace([0, 0, 5, 0, 0], second)
    array([  0,   5, -10,   5,   0])
    """
    x, rest = np.asarray(input), (extra_arguments, extra_keywords or {})
    return _sum_of(x, derivative2, _new(output, x), axes, mode, cval, rest, squared=False)


def generic_gradient_magnitude(
    input: Any,
    derivative: Callable[..., Any],
    output: Any = None,
    mode: Any = "reflect",
    cval: complex = 0.0,
    extra_arguments: Any = (),
    extra_keywords: Mapping[str, Any] | None = None,
    *,
    axes: Any = None,
) -> NDArray[Any]:
    """Return the magnitude of a gradient that a function computes, as `scipy.ndimage.generic_gradient_magnitude`.

    Parameters
    ----------
    input, output, mode, cval, extra_arguments, extra_keywords, axes
        As for `generic_laplace`.
    derivative : callable
        The first derivative along an axis, with the arguments of `derivative2` there.

    Returns
    -------
    ndarray
        The result, of the shape of `input`.

    Raises
    ------
    RuntimeError, ValueError
        As for `correlate`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import ndimage
    >>> ndimage.generic_gradient_magnitude(np.array([[0.0, 3.0], [4.0, 0.0]]), ndimage.sobel)
    array([[10.29563014,  7.07106781],
           [12.72792206, 10.29563014]])
    """
    x, rest = np.asarray(input), (extra_arguments, extra_keywords or {})
    return _sum_of(x, derivative, _new(output, x), axes, mode, cval, rest, squared=True)


def _new(output: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return the array that was passed for the result, or a new one."""
    place = place_of(output, x)
    return np.zeros(x.shape, place.dtype) if place.array is None else place.array


def _sum_of(
    x: NDArray[Any],
    derivative: Callable[..., Any],
    out: NDArray[Any],
    axes: Any,
    mode: Any,
    cval: Any,
    rest: tuple[Any, Any],
    squared: bool,
) -> NDArray[Any]:
    """Fill the result with a sum of derivatives, or with the root of the sum of their squares."""
    found = axes_of(axes, x.ndim)
    if not found:
        out[...] = x
        return out
    modes, (arguments, keywords) = each(mode, len(found)), rest
    if len(found) > 1 and np.may_share_memory(x, out):
        x = x.copy()  # the first derivative would overwrite what the second one reads
    derivative(x, found[0], out, modes[0], cval, *arguments, **keywords)
    if squared:
        np.multiply(out, out, out=out)
    for axis, name in zip(found[1:], modes[1:], strict=True):
        term = derivative(x, axis, out.dtype, name, cval, *arguments, **keywords)
        if squared:
            np.multiply(term, term, out=term)
        out += term
    if squared:
        np.sqrt(out, out=out, casting="unsafe")
    return out


def _sobel(setting: CallSetting, axis: Any, mode: Any, cval: Any) -> Steps:
    return _slope(setting, np.array([1.0, 2.0, 1.0]), axis, mode, cval)


def _prewitt(setting: CallSetting, axis: Any, mode: Any, cval: Any) -> Steps:
    return _slope(setting, np.ones(3), axis, mode, cval)


def _slope(setting: CallSetting, across: NDArray[np.float64], axis: Any, mode: Any, cval: Any) -> Steps:
    """Return the steps of a difference along one axis, and a filter along all others."""
    ndim = len(setting.shape)
    along, modes = axis_of(axis, ndim), each(mode, ndim)
    order = [along, *(place for place in range(ndim) if place != along)]
    passes = [weighed(across if place != along else _SLOPE, place, mode_of(modes[place])) for place in order]
    return Steps((chain_of(setting, passes, number_of(cval, setting.dtype.kind == "c")),), setting.result)


def _laplace(setting: CallSetting, mode: Any, cval: Any, axes: Any) -> Steps:
    found = axes_of(axes, len(setting.shape))
    if not found:
        return Steps(((),), setting.result)
    constant = number_of(cval, setting.dtype.kind == "c")
    modes = each(mode, len(found))
    terms = [weighed(_CURVATURE, axis, mode_of(name)) for axis, name in zip(found, modes, strict=True)]
    joined = sum_plan(setting, terms, constant) if len(terms) > 1 else None
    if joined is not None:
        return Steps(((joined,),), setting.result)
    return Steps(tuple(chain_of(setting, [term], constant) for term in terms), setting.result)

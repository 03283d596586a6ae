"""Where does a result of scipy.ndimage go? Into an array that was passed, or a new one of the dtype asked for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OutputPlace", "place_of"]


class OutputPlace(NamedTuple):
    """The dtype of a result, and the array that it is written to, if one was passed."""

    dtype: np.dtype[Any]
    array: NDArray[Any] | None = None


def place_of(output: Any, x: NDArray[Any], complex_result: bool = False) -> OutputPlace:
    """Return where the result for an array goes.

    Parameters
    ----------
    output : array, dtype, type, str or None
        What was passed. With None, the result has the dtype of `x`.
    x : ndarray
        The input.
    complex_result : bool
        Whether the result must be complex: a dtype is promoted with a warning, a name or an array is refused.

    Raises
    ------
    RuntimeError
        The array has another shape, or the dtype is of the wrong kind.
    ValueError
        The array is read-only.
    """
    if output is None:
        return OutputPlace(np.promote_types(x.dtype, np.complex64) if complex_result else np.dtype(x.dtype.name))
    if isinstance(output, (type, np.dtype)):
        dtype = np.dtype(output)
        if complex_result and dtype.kind != "c":
            warnings.warn("promoting specified output dtype to complex", stacklevel=4)
            dtype = np.promote_types(dtype, np.complex64)
        return OutputPlace(dtype)
    if isinstance(output, str):
        dtype = np.dtype(output)
        if not complex_result and not issubclass(dtype.type, np.number):
            raise RuntimeError(f"output must have numeric dtype, not {dtype}")
        place = OutputPlace(dtype)
    else:
        array = np.asarray(output)
        if array.shape != x.shape:
            raise RuntimeError(f"output shape not correct: {array.shape} for an input of shape {x.shape}")
        if not array.flags.writeable:
            raise ValueError("output array is read-only.")
        place = OutputPlace(array.dtype, array)
    if complex_result and place.dtype.kind != "c":
        raise RuntimeError(f"output must have complex dtype, not {place.dtype}")
    return place

"""Which array is this? The only place that looks at the type of an array that a user hands in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_array", "as_dtype", "check_result_dtype", "computed_dtype", "is_tensor"]

# Arrays that NumPy would convert without a word, losing the device, the laziness or the labels.
_FOREIGN = {
    "torch": "Pass x.detach().cpu().numpy().",
    "dask": "Pass x.compute().",
    "xarray": "Pass x.to_numpy().",
    "cupy": "Pass x.get().",
    "jax": "Pass numpy.asarray(x).",
    "jaxlib": "Pass numpy.asarray(x).",
}


def as_array(x: Any, name: str) -> NDArray[Any]:
    """Return `x` as a NumPy array, without a copy where it is one.

    Raises
    ------
    ArgumentTypeError
        `x` is another library's array, has a mask that would be lost, or is not made of numbers.
    """
    expected = "a NumPy array of numbers"
    if type(x) is not np.ndarray:
        library = type(x).__module__.partition(".")[0]
        if library in _FOREIGN:
            kind = f"{library} {type(x).__name__}"
            raise ArgumentTypeError(name, expected, kind, _FOREIGN[library].replace("x", name, 1))
        if isinstance(x, np.ma.MaskedArray):
            remedy = f"Fill it first: {name}.filled(value)."
            raise ArgumentTypeError(name, expected, "a masked array, whose mask would be lost", remedy)
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ArgumentTypeError(name, expected, f"a ragged {type(x).__name__}") from error
    computed_dtype(x.dtype, name)
    return x  # type: ignore[no-any-return]


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of torch, which need not be loaded to be asked."""
    kind = type(x)
    if kind is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def computed_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the number that `dtype` is computed with: the default dtype of the result.

    Single precision for half and single floats and for integers up to 16 bits, double precision for double
    floats and wider integers, and the same for complex numbers.

    Raises
    ------
    ArgumentTypeError
        `dtype` is not a number, or wider than double precision.
    """
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b" or (kind in "iu" and size <= 2) or (kind == "f" and size <= 4):
        return np.dtype(np.float32)
    if (kind in "iu" and size <= 8) or (kind == "f" and size == 8):
        return np.dtype(np.float64)
    if kind == "c" and size <= 16:
        return np.dtype(np.complex64 if size == 8 else np.complex128)
    remedy = ""
    if kind in "fc":
        remedy = f"Use {'float64' if kind == 'f' else 'complex128'}."
    elif kind == "O":
        remedy = "Convert to float64."
    raise ArgumentTypeError(name, "numbers of at most double precision", f"dtype {dtype}", remedy)


def as_dtype(dtype: Any, name: str) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype.

    Raises
    ------
    ArgumentTypeError
        NumPy does not know it.
    """
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ArgumentTypeError(name, "a NumPy dtype of numbers", repr(dtype)) from error
    return found


def check_result_dtype(dtype: Any, computed: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the dtype asked for the result, if `computed` numbers can be stored in it.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `dtype` is no dtype, no number, or would lose the imaginary part.
    """
    wanted = as_dtype(dtype, name)
    if wanted.kind == "b":
        raise ArgumentError(name, "an integer, float or complex dtype", "bool", "Compare the result instead.")
    computed_dtype(wanted, name)
    if computed.kind == "c" and wanted.kind != "c":
        raise ArgumentError(
            name,
            "a complex dtype for a complex result",
            str(wanted),
            "Take .real, .imag or abs() of the result.",
        )
    return wanted

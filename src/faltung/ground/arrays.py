"""Which array is this, and which dtype is it computed with? Only this file looks at the types of users' arrays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_array", "as_dtype", "check_result_dtype", "computed_dtype", "computed_number", "is_tensor"]

#: The dtype that is computed with, by kind and bytes of the dtype of an array.
_COMPUTED: dict[tuple[str, int], np.dtype[Any]] = {
    **dict.fromkeys([("b", 1), ("i", 1), ("u", 1), ("i", 2), ("u", 2), ("f", 2), ("f", 4)], np.dtype(np.float32)),
    **dict.fromkeys([("i", 4), ("u", 4), ("i", 8), ("u", 8), ("f", 8)], np.dtype(np.float64)),
    ("c", 8): np.dtype(np.complex64),
    ("c", 16): np.dtype(np.complex128),
}
#: What to do with a dtype that cannot be computed with, by kind.
_CONVERSIONS = {"f": "Use float64.", "c": "Use complex128.", "O": "Convert to float64."}

# Arrays that NumPy would convert silently, and lose their device, their laziness or their labels.
_FOREIGN = {
    "torch": "Pass x.detach().cpu().numpy().",
    "dask": "Pass x.compute().",
    "xarray": "Pass x.to_numpy().",
    "cupy": "Pass x.get().",
    "jax": "Pass numpy.asarray(x).",
    "jaxlib": "Pass numpy.asarray(x).",
}


def as_array(x: Any, name: str) -> NDArray[Any]:
    """Return `x` as a NumPy array; a NumPy array is not copied.

    Raises
    ------
    ArgumentTypeError
        `x` is an array of another library, is a masked array, or does not hold numbers.
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
    """Whether `x` is a tensor of torch. Torch is not loaded by this check."""
    kind = type(x)
    if kind is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def computed_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the dtype that arrays of `dtype` are computed with, which is also the default dtype of the result.

    It is float32 for floats up to 32 bits and integers up to 16 bits, and float64 for float64 and wider integers.
    Complex numbers keep their precision.

    Raises
    ------
    ArgumentTypeError
        `dtype` is not a dtype of numbers, or has more than double precision.
    """
    computed = _COMPUTED.get((dtype.kind, dtype.itemsize))
    if computed is None:
        remedy = _CONVERSIONS.get(dtype.kind, "")
        raise ArgumentTypeError(name, "numbers of at most double precision", f"dtype {dtype}", remedy)
    return computed


def computed_number(array: np.dtype[Any], result: np.dtype[Any]) -> np.dtype[Any]:
    """Return the real number computed with: double precision if array or result need it, or else single precision.

    Examples
    --------
    >>> computed_number(np.dtype("uint8"), np.dtype("float64")), computed_number(np.dtype("c8"), np.dtype("f2"))
    (dtype('float64'), dtype('float32'))
    """
    both = (computed_dtype(array, "x"), computed_dtype(result, "dtype"))
    double = any(kind in (np.float64, np.complex128) for kind in both)
    return np.dtype(np.float64 if double else np.float32)


def as_dtype(dtype: Any, name: str) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype.

    Raises
    ------
    ArgumentTypeError
        NumPy does not know such a dtype.
    """
    try:
        return np.dtype(dtype)  # type: ignore[no-any-return]
    except (TypeError, ValueError, SyntaxError) as error:
        raise ArgumentTypeError(name, "a NumPy dtype of numbers", repr(dtype)) from error


def check_result_dtype(dtype: Any, computed: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype, if results that are computed in dtype `computed` can be stored in it.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        `dtype` is not a dtype of numbers, or would lose the imaginary part.
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

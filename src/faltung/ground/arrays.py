"""Which array is this, and which dtype is it computed with? Only this file looks at the types of users' arrays."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import is_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "array_of_shape",
    "as_array",
    "as_dtype",
    "carried",
    "check_result_dtype",
    "computed_dtype",
    "computed_number",
    "is_masked_array",
    "is_tensor",
    "where",
]

#: The dtype that is computed with, by kind and bytes of the dtype of an array.
_COMPUTED: dict[tuple[str, int], np.dtype[Any]] = {
    **dict.fromkeys([("b", 1), ("i", 1), ("u", 1), ("i", 2), ("u", 2), ("f", 2), ("f", 4)], np.dtype(np.float32)),
    **dict.fromkeys([("i", 4), ("u", 4), ("i", 8), ("u", 8), ("f", 8)], np.dtype(np.float64)),
    ("c", 8): np.dtype(np.complex64),
    ("c", 16): np.dtype(np.complex128),
}
#: What to do with a dtype that cannot be computed with, by kind.
_CONVERSIONS = {"f": "Use float64.", "c": "Use complex128.", "O": "Convert to float64."}

# Arrays that NumPy would convert silently, and lose their device, their laziness, their labels or their units.
_FOREIGN = {
    "torch": "Pass x.detach().cpu().numpy().",
    "dask": "Pass x.compute().",
    "xarray": "Pass x.to_numpy().",
    "pandas": "Pass x.to_numpy().",
    "polars": "Pass x.to_numpy().",
    "cupy": "Pass x.get().",
    "jax": "Pass numpy.asarray(x).",
    "jaxlib": "Pass numpy.asarray(x).",
    "zarr": "Pass x[...] if it fits into memory, or else use faltung.chunked.apply(x, kernel, out).",
}


def as_array(x: Any, name: str) -> NDArray[Any]:
    """Return `x` as a NumPy array; a NumPy array is not copied.

    Raises
    ------
    ArgumentTypeError
        `x` is an array of another library, has a mask or a unit, or does not hold numbers.
    """
    expected = "a NumPy array of numbers"
    if type(x) is not np.ndarray:
        # A subclass in another module is an array of that library all the same.
        libraries = [base.__module__.partition(".")[0] for base in type(x).__mro__]
        library = next((name for name in libraries if name in _FOREIGN), libraries[0])
        kind = f"{library} {type(x).__name__}"
        if library in _FOREIGN:
            raise ArgumentTypeError(name, expected, kind, _FOREIGN[library].replace("x", name, 1))
        if hasattr(type(x), "__array_namespace__") and not isinstance(x, (np.ndarray, np.generic)):
            # An array by the standard of arrays, maybe on a device: a result of NumPy would be another kind.
            remedy = f"Pass numpy.asarray({name}), whose result is an array of NumPy."
            raise ArgumentTypeError(name, expected, kind, remedy)
        if is_masked_array(x):
            remedy = f"Fill it first: {name}.filled(value)."
            raise ArgumentTypeError(name, expected, "a masked array, whose mask would be lost", remedy)
        if more := carried(x):
            received = f"{kind}, whose {more} would be lost"
            raise ArgumentTypeError(name, expected, received, _numbers_of(x, more).replace("x", name))
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ArgumentTypeError(name, expected, f"a ragged {type(x).__name__}") from error
    computed_dtype(x.dtype, name)
    return x  # type: ignore[no-any-return]


def is_masked_array(x: Any) -> bool:
    """Whether `x` is a masked array of NumPy, whose module is not loaded by this check."""
    if type(x) is np.ndarray:
        return False
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(x, masked.MaskedArray)


def carried(x: Any) -> str:
    """Return what an array holds besides numbers, which NumPy would drop silently: a mask, a unit, or neither."""
    kind = type(x)
    if kind is np.ndarray or kind in (list, tuple):
        return ""
    for what in ("mask", "unit", "units"):
        if getattr(x, what, None) is not None and not callable(getattr(kind, what, None)):
            return what.removesuffix("s")
    return ""


def _numbers_of(x: Any, more: str) -> str:
    """Return how to pass the numbers of an array with a mask or a unit."""
    data = "x.unmasked" if hasattr(x, "unmasked") else "x.data" if more == "mask" else "x"
    if more == "mask":
        return f"Pass {data}{'.value' if hasattr(x, 'value') else ''}, and mask=~x.mask."
    return f"Pass {data}.{'value' if hasattr(x, 'value') else 'magnitude' if hasattr(x, 'magnitude') else 'data'}."


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


def array_of_shape(shape: tuple[Any, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of a shape that takes no memory."""
    if not all(is_integer(length) and length >= 0 for length in shape):
        raise ArgumentError("x", "an array, or a shape of integers that are not negative", repr(shape))
    chosen = as_dtype("float32" if dtype is None else dtype, "dtype")
    computed_dtype(chosen, "dtype")
    sample = np.empty((), chosen)
    if math.prod(shape) * sample.itemsize >= 1 << 62:
        raise ArgumentError("x", "a shape whose samples can be counted in bytes", repr(shape))
    return np.broadcast_to(sample, [int(length) for length in shape])


def where(condition: Any, yes: Any, otherwise: float) -> Any:
    """Return one array where a condition holds, and a number elsewhere, for every kind of array."""
    if is_tensor(yes):
        return sys.modules["torch"].where(condition, yes, otherwise)
    if not isinstance(yes, np.ndarray) and hasattr(yes, "where"):
        return yes.where(condition, otherwise)
    return np.where(condition, yes, otherwise)

"""What is looked for? Templates, with a mask of the samples that count, less their mean and checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array, is_tensor
from faltung.planning.missing_rule import check_held

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Templates", "as_templates"]

#: Relative size of the samples of a template, less their mean, that is rounding.
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


class Templates(NamedTuple):
    """Templates of one shape.

    Parameters
    ----------
    taps : ndarray, shape ``(templates, *shape)``
        Samples less their mean over the mask; zero where the mask is False.
    masks : ndarray, shape ``(templates, *shape)`` or ``(1, *shape)``, or None
        Ones where samples count, zeros elsewhere: one mask for each template, or for all; None if all samples count.
    norms : ndarray, shape ``(templates,)``
        Root of the sum of squares of each template's taps.
    several : bool
        Whether a stack was given: the result has an axis for it, even for a stack of one.
    """

    taps: NDArray[Any]
    masks: NDArray[Any] | None
    norms: NDArray[Any]
    several: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a template."""
        return self.taps.shape[1:]

    @property
    def counts(self) -> NDArray[Any]:
        """Number of samples that count, of each mask."""
        if self.masks is None:
            return np.array([float(math.prod(self.shape))])
        return self.masks.sum(tuple(range(1, self.masks.ndim)))  # type: ignore[no-any-return]


@np.errstate(all="ignore")  # what is not finite is refused
def as_templates(templates: Any, mask: Any, ndim: int) -> Templates:
    """Return templates with `ndim` axes, which are one array, a stack along a new first axis, or a list of arrays.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The templates or their mask cannot be used; the message names which, and says what to do.
    """
    array = _stacked("templates", templates)
    if array.dtype.kind == "c":
        raise ArgumentError("templates", "real numbers", f"dtype {array.dtype}", "Match real and imaginary parts.")
    if array.ndim not in (ndim, ndim + 1) or 0 in array.shape:
        axes = f"{ndim} {'axis' if ndim == 1 else 'axes'}"
        expected = f"a template with {axes}, or a stack of them with one axis more, with at least one sample"
        remedy = "Name the axes of x that a template has with axes=."
        raise ArgumentError("templates", expected, f"shape {array.shape}", remedy)
    stack = (array if array.ndim > ndim else array[np.newaxis]).astype(np.float64)
    weights = _masks(mask, stack.shape, several=array.ndim > ndim)
    counted = np.ones((1, *stack.shape[1:])) if weights is None else weights
    finite = np.isfinite(stack) | (counted == 0)
    if not finite.all():
        remedy = "Leave the others out: mask=numpy.isfinite(template)."
        raise ArgumentError("templates", "finite samples", f"{_which(finite)} with others", remedy)
    spatial = tuple(range(1, stack.ndim))
    taps = np.where(counted > 0, stack, 0.0)
    largest = np.abs(taps).max(spatial)
    count = counted.sum(spatial, keepdims=True)
    for _ in range(2):  # the second mean is the rounding of the first
        taps = np.where(counted > 0, taps - taps.sum(spatial, keepdims=True) / count, 0.0)
    flat = np.abs(taps).max(spatial) <= _ROUNDING * largest
    if flat.any():
        remedy = "Nothing correlates with a constant; use a larger template."
        raise ArgumentError("templates", "samples that vary", f"{_which(~flat)} in which all are equal", remedy)
    return Templates(taps, weights, np.sqrt((taps * taps).sum(spatial)), array.ndim > ndim)


def _stacked(name: str, given: Any) -> NDArray[Any]:
    """Return an array; a list of arrays of one shape becomes a stack."""
    if isinstance(given, list | tuple) and any(hasattr(one, "shape") for one in given):
        arrays = [as_array(_detached(one), name) for one in given]
        if len({array.shape for array in arrays}) > 1:
            received = " and ".join(str(array.shape) for array in arrays[:4])
            remedy = "Match them one by one, or pad them with zeros and pass the mask= of what is no padding."
            raise ArgumentError(name, "arrays of one shape", f"shapes {received}", remedy)
        return np.stack(arrays)
    return as_array(_detached(given), name)


def _detached(array: Any) -> Any:
    """Return the numbers of a tensor; those of any other array are read as they are."""
    return array.detach().cpu().numpy() if is_tensor(array) else array.values if hasattr(array, "dims") else array


def _masks(mask: Any, shape: tuple[int, ...], several: bool) -> NDArray[Any] | None:
    """Return the masks as ones and zeros; None if all samples count."""
    if mask is None:
        return None
    array = _stacked("mask", mask)
    check_held("mask", array.dtype)
    if array.shape not in ((shape[1:], shape) if several else (shape[1:],)):
        remedy = "It says which samples of the template count; those of x are told by valid=."
        raise ArgumentError("mask", f"booleans in the shape of the template, {shape[1:]}", f"{array.shape}", remedy)
    weights = array.reshape(-1, *shape[1:]).astype(np.float64)
    if not weights.any(tuple(range(1, weights.ndim))).all():
        raise ArgumentError("mask", "a sample of each template that counts", "none")
    return None if weights.all() else weights


def _which(good: NDArray[Any]) -> str:
    """Return which template is not good, in words."""
    index = int(np.argmin(good.reshape(len(good), -1).all(1)))
    return f"template {index}" if len(good) > 1 else "one"

"""Which samples are missing, and what becomes of outputs that need them? The arguments that say so, checked."""

from __future__ import annotations

import numbers
from typing import Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = [
    "NOTHING_MISSING",
    "MissingRule",
    "check_given",
    "check_held",
    "check_in_shape",
    "check_range",
    "missing_rule",
    "one_of",
    "planned_with",
]

#: What a mask and weights hold: in words, and the names of such dtypes, without their bits.
_HELD = {
    "mask": ("booleans", {"bool"}),
    "weights": ("numbers", {"bool", "int", "uint", "float", "bfloat"}),
}


class MissingRule(NamedTuple):
    """Which samples are missing, and what becomes of outputs that need them.

    Parameters
    ----------
    skips_nan, masked, graded : bool
        Whether NaN is a missing sample, whether a mask says which samples are missing, and whether every sample has a
        weight between 0 and 1.
    min_weight : float
        Share of the sum of all abs(tap) that has to be present under an output.
    keep_nan : bool
        Whether outputs at the positions of missing samples are NaN.
    alone : bool
        Whether there are no samples beyond the border, neither present nor missing.
    """

    skips_nan: bool = False
    masked: bool = False
    graded: bool = False
    min_weight: float = 0.0
    keep_nan: bool = False
    alone: bool = False

    @property
    def applies(self) -> bool:
        """Whether samples may be missing."""
        return self.skips_nan or self.masked or self.graded


#: The rule for an array without missing samples.
NOTHING_MISSING = MissingRule()


def missing_rule(
    given: MissingRule, shape: str, stride: tuple[int, ...], up: tuple[int, ...], channel: int | None
) -> MissingRule:
    """Return a rule if it can be used with this shape, these steps and channels; none if nothing can be missing.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        A part of the rule cannot be used; the message names it and says what to do.
    """
    min_weight, keep_nan = _min_weight(given.min_weight), _keep_nan(given.keep_nan, shape, stride, up, channel)
    return given._replace(min_weight=min_weight, keep_nan=keep_nan) if given.applies else NOTHING_MISSING


def one_of(mask: Any, weights: Any) -> Any:
    """Return what says which samples are valid: a mask, which is weights of 0 and 1, or weights."""
    if mask is not None and weights is not None:
        raise ArgumentError("mask", "None where samples have weights", "both", "Use numpy.where(mask, weights, 0).")
    return mask if weights is None else weights


def planned_with(name: str, value: Any) -> bool:
    """Return whether a plan is made for a mask, or for weights: `value` is True, False, None or an array of them."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return bool(value)
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    if not _holds(name, dtype):
        raise ArgumentTypeError(name, f"True or False, or an array of {_HELD[name][0]}", repr(value)[:80])
    return True


def check_given(name: str, value: Any, planned: bool, noun: str = "an array") -> None:
    """Raise an error unless a plan that was made with a mask, or with weights, is called with one, and only then."""
    made = "a mask" if name == "mask" else "weights"
    if value is None and planned:
        kind = "booleans" if name == "mask" else "numbers from 0 to 1"
        raise ArgumentError(name, f"{noun} of {kind}, because this plan was made with {made}", "None")
    if value is not None and not planned:
        expected = f"None, because this plan was made without {made}"
        remedy = f"Make a plan with {name}=, or use convolve."
        raise ArgumentError(name, expected, f"a {type(value).__name__}", remedy)


def check_held(name: str, dtype: Any, noun: str = "an array") -> None:
    """Raise an error unless a mask holds booleans, and weights hold real numbers; `noun` is what `name` should be."""
    if _holds(name, dtype):
        return
    if name == "mask":
        remedy = "Compare it with a number, for example weights > 0, or pass it as weights=."
        raise ArgumentTypeError(name, f"{noun} of booleans, False where a sample is missing", f"{dtype}", remedy)
    raise ArgumentTypeError(name, f"{noun} of numbers from 0 to 1", f"{dtype}")


def check_range(lowest: float, highest: float) -> None:
    """Raise an error unless weights are from 0 to 1; NaN is not."""
    if not (lowest >= 0 and highest <= 1):
        remedy = "Divide them by their maximum; where a weight is NaN, use 0."
        raise ArgumentError("weights", "numbers from 0 to 1", f"some from {lowest} to {highest}", remedy)


def check_in_shape(name: str, given: tuple[int, ...], shape: tuple[int, ...], noun: str = "an array") -> None:
    """Raise an error unless the shape of a mask, or of weights, is that of the samples, or broadcasts to it."""
    ends = zip(reversed(given), reversed(shape), strict=False)
    if len(given) > len(shape) or any(length not in (1, wanted) for length, wanted in ends):
        expected = f"{noun} of {_HELD[name][0]} of shape {shape}, or one that broadcasts to it"
        raise ArgumentError(name, expected, f"shape {given}")


def _holds(name: str, dtype: Any) -> bool:
    """Whether a mask, or weights, may have this dtype of NumPy or of torch."""
    kind = str(getattr(dtype, "name", dtype)).removeprefix("torch.").rstrip("0123456789")
    return kind in _HELD[name][1]


def _min_weight(value: Any) -> float:
    """Return `min_weight` if it is a number from 0 to 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError("min_weight", "a number from 0 to 1", repr(value))
    share = float(value)
    if not 0 <= share <= 1:
        raise ArgumentError("min_weight", "a number from 0 to 1", repr(value))
    return share


def _keep_nan(value: Any, shape: str, stride: tuple[int, ...], up: tuple[int, ...], channel: int | None) -> bool:
    """Return `keep_nan` if it is False, or if each sample has an output of its own."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError("keep_nan", "True or False", repr(value))
    if not value:
        return False
    received = "True for a bank over channels" if channel is not None else ""
    if {*stride} != {1}:
        received = f"True with stride={stride}"
    if {*up} != {1}:
        received = f"True with up={up}"
    if shape != "same":
        received = f"True with shape={shape!r}"
    if received:
        expected = "False where samples have no output of their own"
        raise ArgumentError("keep_nan", expected, received, "Omit it, or use shape='same', stride=1 and up=1.")
    return True

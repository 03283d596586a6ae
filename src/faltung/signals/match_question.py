"""What is asked of a search for templates? The arguments of a call, checked as those of `correlate` are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import is_sequence
from faltung.kernels import Kernel
from faltung.planning.missing_rule import check_held, check_in_shape
from faltung.planning.question import Options, Question, question_of
from faltung.signals.match_tiles import Search
from faltung.signals.templates import Templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_present", "asked", "searched", "template_axes"]


def template_axes(x: Any, axes: Any, dims: Any) -> int:
    """Return how many axes a template has: those that are named, or all of the array."""
    named = dims if axes is None else axes
    if named is None:
        return max(np.ndim(x), 1)
    return len(named) if is_sequence(named) or isinstance(named, range) else 1


def searched(
    shape: tuple[int, ...], dtype: np.dtype[Any], templates: Templates, options: Options, normalised: bool
) -> tuple[Search, np.dtype[Any]]:
    """Check the arguments of a call; return where templates are looked for, and the dtype of the result."""
    question = asked(shape, dtype, templates, options)
    places = zip(question.regions, templates.shape, strict=True)
    where = tuple((start - size // 2, stop - size // 2) for (start, stop), size in places)
    missing = question.missing
    search = Search(
        question.axes, where, question.modes, question.cval.real, missing.skips_nan, missing.min_weight, normalised
    )
    return search, question.result


def asked(shape: tuple[int, ...], dtype: np.dtype[Any], templates: Templates, options: Options) -> Question:
    """Return the question of the sums over windows, whose checks are those of `correlate`."""
    if dtype.kind == "c":
        raise ArgumentError("x", "real numbers", f"dtype {dtype}", "Match its real and imaginary parts.")
    window = Kernel(np.ones(templates.shape))
    if options.shape == "valid":
        anywhere = question_of(shape, dtype, window, options._replace(shape="same"))
        lengths = tuple(shape[axis] for axis in anywhere.axes)
        if any(n < size for n, size in zip(lengths, templates.shape, strict=True)):
            expected = f"templates of at most the shape of x along their axes, {lengths}"
            raise ArgumentError("templates", expected, f"{templates.shape}", "Use shape='same', or swap the two.")
    return question_of(shape, dtype, window, options)


def as_present(valid: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return a mask of samples in the shape of the array; None if there is none."""
    if valid is None:
        return None
    array = np.asarray(valid)
    check_held("mask", array.dtype, "valid= as an array")
    check_in_shape("mask", array.shape, shape, "valid= as an array")
    return np.broadcast_to(array, shape)

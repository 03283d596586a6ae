"""How does a call of scikit-image become a plan that runs? The plans of recent calls are kept by their arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.compat.skimage.skimage_images import SkimageRuntimeError, as_modes, as_samples
from faltung.errors import ArgumentTypeError
from faltung.ground.bounded import Bounded
from faltung.ground.checks import real
from faltung.kernels import Bank, Kernel
from faltung.planning.kept import plan_of
from faltung.planning.machine import on_change
from faltung.planning.planned import Planned
from faltung.planning.question import Options
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SkimageBorder", "SkimageFilter", "filtered_image"]


class SkimageBorder(NamedTuple):
    """How an image continues: the arguments `mode` and `cval`."""

    mode: Any = "reflect"
    cval: Any = 0.0


class SkimageFilter(NamedTuple):
    """A convolution with a kernel over some axes of the image."""

    kernel: Kernel | Bank
    axes: tuple[int, ...]


class _KeptFilter(NamedTuple):
    plan: Planned
    #: Whether the image is filtered as it is.
    plain: bool


#: Most calls that are remembered, and most bytes of their plans.
_kept: Bounded[tuple[Any, ...], _KeptFilter] = Bounded(512, 1 << 26)
on_change(_kept.clear)


def filtered_image(
    function: str,
    image: NDArray[Any],
    arguments: tuple[Any, ...],
    border: SkimageBorder,
    make: Callable[[], SkimageFilter],
    *,
    preserve_range: bool = False,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """SkimageFilter an image in the range of floats.

    Parameters
    ----------
    function : str
        The name of the function.
    image : ndarray
        The image.
    arguments : tuple
        All that the filter is made of, as values whose texts are equal only if they are: no arrays.
    border : SkimageBorder
        The border.
    make : callable
        Returns the filter.
    preserve_range : bool
        Whether integers keep their values.
    out : ndarray, optional
        The array for the result, of any dtype of floats.
    """
    # A text tells 1 from True and 1.0, and can hold lists.
    dtype = None if out is None else out.dtype
    key = (function, image.shape, image.dtype, preserve_range, dtype, repr(arguments), repr(border))
    kept = _kept.get(key)
    if kept is not None and kept.plain:
        return execute(kept.plan, image, out)
    samples = as_samples(function, image, preserve_range)
    array = samples.array
    if kept is None:
        kernel, axes = make()
        modes = as_modes(border.mode, image.ndim)
        cval = _cval(border.cval) * samples.divisor
        if samples.divisor != 1.0:
            kernel = kernel / samples.divisor
        options = Options(True, [modes[axis] for axis in axes], cval, axes=axes, dtype=dtype or samples.result)
        plan = plan_of(array.shape, array.dtype, kernel, options)
        kept = _kept.put(key, _KeptFilter(plan, array is image), plan.kept_bytes)
    _check_shape(out, image.shape)
    return execute(kept.plan, array, out)


def _cval(cval: Any) -> float:
    try:
        value = float(cval)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError("cval", "a real number", repr(cval)) from error
    return value if math.isnan(value) or math.isinf(value) else real("cval", value)


def _check_shape(out: NDArray[Any] | None, shape: tuple[int, ...]) -> None:
    if out is not None and np.shape(out) != shape:
        raise SkimageRuntimeError("out", f"an array of shape {shape}", f"shape {np.shape(out)}")

"""How is a picture filtered? Along which axes, page by page, with opacity kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from faltung.cli.console import errors, progress
from faltung.errors import ArgumentError
from faltung.files import Picture
from faltung.front import convolve
from faltung.ground.arrays import check_result_dtype, computed_dtype
from faltung.kernels import Kernel, delta

__all__ = ["MODE_HELP", "filtered", "kernel_axes", "modes", "result_dtype"]

#: Help of the option that names the border.
MODE_HELP = (
    "How the input continues beyond its border: reflect, constant, nearest, mirror or wrap; or one for each axis of "
    "the kernel, such as wrap,nearest."
)


def modes(text: str) -> str | tuple[str, ...]:
    """Return the mode, or the modes of all axes, that the option ``--mode`` names.

    Examples
    --------
    >>> modes("wrap"), modes("wrap, nearest")
    ('wrap', ('wrap', 'nearest'))
    """
    names = tuple(name.strip() for name in text.split(","))
    return names if len(names) > 1 else text


def kernel_axes(picture: Picture, kernel: Kernel, chosen: str | None) -> tuple[int, ...]:
    """Return the axes of a picture that a kernel extends over: the chosen ones, or the last that are not colours.

    Raises
    ------
    ArgumentError
        The picture has too few axes, or `chosen` is not a list of axes.
    """
    if chosen is not None:
        return _chosen_axes(chosen, picture.samples.ndim, kernel.ndim)
    if picture.axes[-3:] == "QYX" and picture.samples.shape[-1] in (3, 4):
        lengths = ", ".join(str(length) for length in picture.samples.shape[-kernel.ndim :])
        errors.print(f"note: filters the last axes ({lengths}); if those are colours, add --axes 0,1")
    axes = [axis for axis, letter in enumerate(picture.axes) if letter not in "SC"]
    if len(axes) < kernel.ndim:
        raise ArgumentError(
            "--kernel",
            f"a kernel of at most {len(axes)} axes for a picture with axes {picture.axes}",
            f"one with {kernel.ndim}",
            "Named filters take ndim=.",
        )
    return tuple(axes[-kernel.ndim :])


def _chosen_axes(chosen: str, ndim: int, count: int) -> tuple[int, ...]:
    try:
        axes = tuple(int(axis) for axis in chosen.split(","))
    except ValueError as error:
        raise ArgumentError("--axes", "integers with commas between them", repr(chosen)) from error
    if len(axes) != count or any(not -ndim <= axis < ndim for axis in axes):
        expected = f"{count} of the axes 0 to {ndim - 1}, one for each axis of the kernel"
        raise ArgumentError("--axes", expected, repr(chosen))
    return tuple(axis % ndim for axis in axes)


def result_dtype(picture: Picture, kernel: Kernel, chosen: str | None) -> np.dtype[Any]:
    """Return the dtype of the result: the chosen one, or that of the picture.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        The results cannot be stored in it.
    """
    given = picture.samples.dtype
    computed = computed_dtype(given, "IMAGE")
    if kernel.dtype.kind == "c":
        computed = np.result_type(computed, np.complex64)
    dtype = check_result_dtype(given if chosen is None else chosen, computed, "--dtype")
    if dtype.kind == "u" and (kernel.real.taps < 0).any():
        errors.print(f"note: results below 0 become 0 in {dtype}; --dtype float32 keeps them")
    return dtype


def filtered(
    picture: Picture,
    run: Callable[..., Any],
    kernel: Kernel,
    axes: tuple[int, ...],
    dtype: np.dtype[Any],
    **options: Any,
) -> Picture:
    """Return a picture filtered by `run`, which is `convolve` or `correlate`; `options` are arguments of it."""
    samples = picture.samples
    result = np.empty(samples.shape, dtype)
    from_the_end = tuple(axis - samples.ndim for axis in axes)  # a page has fewer axes than a stack
    for page in _pages(picture, axes, kernel):
        run(samples[page], kernel, axes=from_the_end, out=result[page], **options)
    if picture.opacity:
        # The operator itself copies opacity, since it saturates if the dtype changes.
        convolve(samples[..., -1], delta(ndim=1), out=result[..., -1])
    return replace(picture, samples=result)


def _pages(picture: Picture, axes: tuple[int, ...], kernel: Kernel) -> Iterator[Any]:
    """Yield the index of each page: a stack is filtered page by page, to show progress."""
    if 0 in axes or picture.axes[0] in "SC":
        yield ...
    else:
        yield from progress(range(len(picture.samples)), f"{kernel!r}")

"""How is a picture filtered? Along which axes, page by page, with opacity, missing samples and depth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.cli.depth import Scale, depth_of
from faltung.cli.missing import NOTHING_SAID, MissingOptions, MissingSamples
from faltung.errors import ArgumentError
from faltung.files import Picture
from faltung.files.opacity import filtered_with_opacity, opaque_value, stored
from faltung.front import convolve, correlate
from faltung.ground.arrays import computed_dtype
from faltung.kernels import Kernel
from faltung.kernels.expression import MOST_TAPS
from faltung.kernels.totals import magnitude, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AXES_HELP", "MODE_HELP", "MOST_AXES", "Filtering", "is_index", "kernel_axes", "modes"]

#: Help of the option that names the border.
MODE_HELP = (
    "How the input continues beyond its border: reflect, constant, nearest, mirror or wrap; or one for each axis of "
    "the kernel, such as wrap,nearest."
)
#: Help of the option that names the axes.
AXES_HELP = "Axes to filter, as numbers or letters: 0,1 or Y,X."
#: Axes that an array of NumPy has at most, in every version.
MOST_AXES = 32

Note = Callable[[str], None]
Track = Callable[[range], Iterable[int]]


def modes(text: str) -> str | tuple[str, ...]:
    """Return the mode, or the modes of all axes, that the option ``--mode`` names.

    Examples
    --------
    >>> modes("wrap"), modes("wrap, nearest")
    ('wrap', ('wrap', 'nearest'))
    """
    names = tuple(name.strip() for name in text.split(","))
    return names if len(names) > 1 else text


@dataclass(frozen=True)
class Filtering:
    """What is done to every picture: the options of ``faltung apply``."""

    kernel: Kernel
    correlation: bool = False
    mode: str | tuple[str, ...] = "reflect"
    cval: float = 0.0
    axes: str | None = None
    dtype: str | None = None
    scale: Scale = None
    straight: bool = False
    missing: MissingOptions = NOTHING_SAID
    workers: int | None = None

    def __call__(self, picture: Picture, target: Path, note: Note, track: Track) -> Picture:
        """Return a filtered picture, for a file of this name.

        Parameters
        ----------
        picture : Picture
            The picture.
        target : path
            The file that it is written to.
        note : callable
            Called with what a user should know.
        track : callable
            Iterates over the pages of a stack, to show progress.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            An option does not fit the picture.
        """
        axes = kernel_axes(picture, self.kernel, self.axes, note)
        picture, missing = self.missing.of(picture, note)
        if missing.applies and self.kernel.size > MOST_TAPS:
            expected = f"at most {MOST_TAPS} taps where samples are missing"
            received = f"{' x '.join(map(str, self.kernel.shape))} taps"
            raise ArgumentError("--kernel", expected, received, "Take a smaller kernel.")
        depth = depth_of(picture, self.kernel, target, self.dtype, self.scale, note)
        if depth.dtype.kind in "iu" and not np.isfinite(self.cval):
            expected = f"a number that {depth.dtype} results can have"
            raise ArgumentError("--cval", expected, f"{self.cval}", "Or add --dtype float32.")
        run = partial(self._run, picture=picture, axes=axes, missing=missing, track=track)
        if not depth.scales and not missing.marks:
            return self._opacity(picture, depth.dtype, run)
        both = (picture.samples.dtype, depth.dtype)
        number = np.result_type(*(computed_dtype(dtype, "--dtype") for dtype in both))
        filtered = self._opacity(picture, number, run)
        return missing.marked(depth.store(filtered, note), filtered, depth.scales, note)

    def _opacity(self, picture: Picture, dtype: np.dtype[Any], run: Callable[..., NDArray[Any]]) -> Picture:
        """Return a picture in a dtype, its colours and its opacity filtered by `run`."""
        colours = partial(run, kernel=self.kernel, cval=self.cval)
        if not self.straight:
            whole = 0.0 if self.kernel.dtype.kind == "c" else total(self.kernel)
            sums_to_zero = abs(whole) <= 1e-9 * magnitude(self.kernel)
            opacity = None if sums_to_zero else partial(run, kernel=self.kernel / whole, cval=1.0)
            return filtered_with_opacity(picture, dtype, colours, opacity)
        samples = colours(picture.samples, dtype)
        if (index := picture.opacity_index) is not None and picture.colour_axis is not None:
            band = (slice(None),) * picture.colour_axis + (index,)
            factor = opaque_value(dtype) / opaque_value(picture.samples.dtype)
            samples[band] = stored(picture.samples[band] * factor, dtype)
        return replace(picture, samples=samples)

    def _run(
        self,
        samples: NDArray[Any],
        dtype: np.dtype[Any],
        *,
        kernel: Kernel,
        cval: float,
        picture: Picture,
        axes: tuple[int, ...],
        missing: MissingSamples,
        track: Track,
    ) -> NDArray[Any]:
        """Return samples of a picture, with its axes, filtered by a kernel."""
        result = np.empty(samples.shape, dtype)
        from_the_end = tuple(axis - samples.ndim for axis in axes)  # a page has fewer axes than a stack
        operation = correlate if self.correlation else convolve
        for page in _pages(picture, axes, track):
            operation(
                samples[page],
                kernel,
                self.mode,
                cval,
                axes=from_the_end,
                out=result[page],
                workers=self.workers,
                **missing.arguments(page),
            )
        return result


def _pages(picture: Picture, axes: tuple[int, ...], track: Track) -> Iterator[Any]:
    """Yield the index of each page: a stack is filtered page by page, to show progress."""
    if 0 in axes or picture.axes[0] in "SC":
        yield ...
    else:
        yield from track(range(len(picture.samples)))


# ---- axes


def kernel_axes(picture: Picture, kernel: Kernel, chosen: str | None, note: Note) -> tuple[int, ...]:
    """Return the axes of a picture that a kernel extends over: the chosen ones, or the last that are not colours.

    Raises
    ------
    ArgumentError
        The picture has too few axes, or `chosen` is not a list of axes.
    """
    if chosen is not None:
        return _chosen_axes(chosen, picture, kernel.ndim)
    if picture.axes[-3:] == "QYX" and picture.samples.shape[-1] in (3, 4) and kernel.ndim < picture.samples.ndim:
        lengths = ", ".join(str(length) for length in picture.samples.shape[-kernel.ndim :])
        last = picture.samples.ndim - 1
        before = ",".join(map(str, range(last - kernel.ndim, last)))
        note(f"filters the last axes ({lengths}); if the last has colours, add --axes {before}")
    axes = [axis for axis, letter in enumerate(picture.axes) if letter not in "SC"]
    if len(axes) < kernel.ndim:
        raise ArgumentError(
            "--kernel",
            f"a kernel of at most {len(axes)} axes for a picture with axes {picture.axes}",
            f"one with {kernel.ndim}",
            "Named filters take ndim=.",
        )
    return tuple(axes[-kernel.ndim :])


def is_index(text: str) -> bool:
    """Return whether a text is the index of an axis; the digits of one are few.

    Examples
    --------
    >>> is_index("-1"), is_index("--1"), is_index("Y")
    (True, False, False)
    """
    return re.fullmatch(r"-?\d{1,9}", text) is not None


def _chosen_axes(chosen: str, picture: Picture, count: int) -> tuple[int, ...]:
    ndim = picture.samples.ndim
    known = [letter for letter in picture.axes if picture.axes.count(letter) == 1]
    axes: list[int] = []
    for name in (part.strip() for part in chosen.split(",")):
        if name.upper() in known:
            axes.append(picture.axes.index(name.upper()))
        elif is_index(name) and -ndim <= int(name) < ndim:
            axes.append(int(name) % ndim)
    if len(axes) != count or len(chosen.split(",")) != count or len({*axes}) != count:
        letters = f" or {','.join(known)}" if known else ""
        expected = f"{count} of the axes 0 to {ndim - 1}{letters}, one for each axis of the kernel"
        raise ArgumentError("--axes", expected, repr(chosen))
    return tuple(axes)

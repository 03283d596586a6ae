"""What does a kernel look like? An SVG for notebooks: blue is negative, near white is zero, orange is positive."""

from __future__ import annotations

import math
from collections import defaultdict
from html import escape
from typing import NamedTuple

import numpy as np

from faltung.ground.colours import signed_colour
from faltung.kernels.taps import TapArray

__all__ = ["draw_kernel"]

_PANEL = 160.0
_GAP = 10.0
_LINE = 13.0
_MOST_CELLS = 41
_MOST_PANELS = 7
#: Taps along an axis up to which they are written as numbers.
_MOST_NUMBERS = 7
_LONGEST_CAPTION = 60
_TEXT = 'font-size="10" font-family="sans-serif" fill="currentColor"'


class _Drawn(NamedTuple):
    """A part of a picture, from its upper left corner."""

    svg: str
    width: float
    height: float


@np.errstate(all="ignore")  # the smallest taps are drawn as zeros
def draw_kernel(taps: TapArray, origin: tuple[int, ...], caption: str, channels: tuple[int, ...] = ()) -> str:
    """Return the SVG: bars for one axis, cells for two, a row of slices for more.

    The scale is linear and symmetric about zero, a legend has its ends, and a ring marks the tap at lag zero. Up to 7
    taps along an axis are written as numbers. If a kernel has more than 41 taps along an axis, a cell shows the
    largest tap in magnitude among several, and the caption says so. Complex kernels have two pictures. A bank is a
    table of kernels, with a row for each channel out and a column for each channel in.

    Parameters
    ----------
    taps : ndarray, shape (*channels, *spatial)
        The taps.
    origin : tuple of int
        Index of the tap at lag zero along each spatial axis.
    caption : str
        What the kernel is called.
    channels : tuple of int
        Channels out and in of a bank.
    """
    complex_ = np.iscomplexobj(taps)
    parts = {"real part": taps.real, "imaginary part": taps.imag} if complex_ else {"": taps}
    largest = float(np.abs(list(parts.values())).max()) or 1.0
    shape = taps.shape[len(channels) :]
    if len(caption) > _LONGEST_CAPTION:
        caption = f"{caption[:_LONGEST_CAPTION]} ..."
    note = f"{caption}, shape {taps.shape}, origin {origin}{_reduction(shape)}{_left_out(channels)}"
    rows: list[_Drawn] = []
    for name, part in parts.items():
        rows += [_line(name)] if name else []
        rows.append(_table(part / largest, origin, channels) if channels else _row(part / largest, origin, largest))
    rows += [_legend(largest), _line(note)]
    body, height = "", 0.0
    for row in rows:
        body += f'<g transform="translate(0 {height:g})">{row.svg}</g>'
        height += row.height + 4
    width = max(row.width for row in rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(note)}</title>{body}</svg>'
    )


def _line(text: str) -> _Drawn:
    return _Drawn(f'<text x="1" y="10" {_TEXT}>{escape(text)}</text>', 5.5 * len(text), _LINE)


def _legend(largest: float) -> _Drawn:
    """Return the ends and the middle of the scale, with their colours."""
    svg = ""
    for place, value in enumerate((-1.0, 0.0, 1.0)):
        colour, left = signed_colour(value), 70 * place + 1
        svg += f'<rect x="{left}" y="2" width="9" height="9" fill="{colour}" stroke="#888"/>'
        svg += f'<text x="{left + 13}" y="10" {_TEXT}>{_number(value * largest)}</text>'
    return _Drawn(svg, 210.0, _LINE)


def _table(values: TapArray, origin: tuple[int, ...], channels: tuple[int, ...]) -> _Drawn:
    """Return a kernel for each pair of channels: of a volume, its slice at lag zero or in the middle."""
    outs, ins = (min(count, _MOST_PANELS) for count in channels)
    side = _PANEL / 2
    svg = ""
    for i, j in np.ndindex(outs, ins):
        kernel = values[i, j]
        middle = tuple(min(max(at, 0), size - 1) for at, size in zip(origin[:-2], kernel.shape[:-2], strict=True))
        plane = kernel[middle] if kernel.ndim > 2 else np.atleast_2d(kernel)
        mark = origin[-2:] if kernel.ndim > 1 else (0, *origin)
        place = f"{j * (side + _GAP):g} {i * (side + _GAP):g}"
        svg += f'<g transform="translate({place})">{_cells(plane, mark, side)}</g>'
    return _Drawn(svg, ins * (side + _GAP), outs * (side + _GAP))


def _row(values: TapArray, origin: tuple[int, ...], largest: float) -> _Drawn:
    """Return one row of panels, for values between -1 and 1."""
    if values.ndim == 1:
        return _bars(values, origin[0], largest)
    slices = values.reshape(-1, *values.shape[-2:])
    at = _flat_index(origin[:-2], values.shape[:-2])
    shown = _window(len(slices), _MOST_PANELS, at)
    side = _PANEL / (1 if len(shown) == 1 else 2)
    panels = ""
    for place, index in enumerate(shown):
        mark = origin[-2:] if index == at else None
        drawn = _cells(slices[index], mark, side)
        if len(shown) == 1:
            drawn += _numbers(slices[index], side, largest)
        panels += f'<g transform="translate({place * (side + _GAP):g} 0)">{drawn}</g>'
    width = len(shown) * (side + _GAP) - _GAP
    return _Drawn(panels, max(width, _PANEL), side * values.shape[-2] / max(values.shape[-2:]))


def _cells(values: TapArray, origin: tuple[int, ...] | None, side: float) -> str:
    reduced, block = _reduce(values)
    unit = side / max(reduced.shape)
    rows, columns = reduced.shape
    # One path for each colour keeps the text short; zero is the background.
    paths: dict[str, list[str]] = defaultdict(list)
    for (row, column), value in np.ndenumerate(reduced):
        paths[signed_colour(float(value))].append(f"M{column} {row}h1v1h-1z")
    zero = signed_colour(0.0)
    paths.pop(zero, None)
    drawn = "".join(f'<path fill="{colour}" d="{"".join(cells)}"/>' for colour, cells in paths.items())
    frame = f'width="{columns}" height="{rows}"'
    return (
        f'<g transform="scale({unit:.6g})"><rect {frame} fill="{zero}"/>{drawn}'
        f'<rect {frame} fill="none" stroke="#888" stroke-width="{1 / unit:.3g}"/>'
        f"{_ring(origin, block, reduced.shape, max(0.25, 3 / unit))}</g>"
    )


def _numbers(values: TapArray, side: float, largest: float) -> str:
    """Return the taps as numbers on their cells, if they are few."""
    if max(values.shape) > _MOST_NUMBERS:
        return ""
    unit = side / max(values.shape)
    size = min(10.0, 0.26 * unit)
    return "".join(
        f'<text x="{(column + 0.5) * unit:.5g}" y="{(row + 0.5) * unit + 0.35 * size:.5g}" font-size="{size:.3g}" '
        f'font-family="sans-serif" text-anchor="middle" fill="{"#fff" if abs(value) > 0.55 else "#222"}">'
        f"{_number(value * largest)}</text>"
        for (row, column), value in np.ndenumerate(values)
    )


def _bars(values: TapArray, origin: int, largest: float) -> _Drawn:
    reduced, block = _reduce(values)
    width, half = _PANEL * 2 / len(reduced), _PANEL / 4
    svg = "".join(
        f'<rect x="{index * width:.5g}" y="{half - max(value, 0.0) * half:.5g}" width="{width * 0.8:.5g}" '
        f'height="{abs(value) * half:.5g}" fill="{signed_colour(value)}" stroke="#888" stroke-width="0.5"/>'
        for index, value in enumerate(reduced.tolist())
        if value != 0.0
    )
    svg += f'<path d="M0 {half:g}h{_PANEL * 2:g}" stroke="#888"/>'
    if 0 <= origin < len(values):
        centre = (origin // block + 0.4) * width
        svg += f'<circle cx="{centre:.5g}" cy="{half:g}" r="3" fill="#fff" stroke="#222"/>'
    if len(values) > _MOST_NUMBERS:
        return _Drawn(svg, _PANEL * 2, _PANEL / 2)
    svg += "".join(
        f'<text x="{(index + 0.4) * width:.5g}" y="{_PANEL / 2 + 11:g}" text-anchor="middle" {_TEXT}>'
        f"{_number(value * largest)}</text>"
        for index, value in enumerate(values.tolist())
    )
    return _Drawn(svg, _PANEL * 2, _PANEL / 2 + _LINE)


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}') + 0.0:g}"


def _ring(origin: tuple[int, ...] | None, block: int, shape: tuple[int, ...], radius: float) -> str:
    if origin is None:
        return ""
    row, column = (index // block for index in origin)
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        return ""
    place = f'cx="{column + 0.5}" cy="{row + 0.5}"'
    return f'<circle {place} r="{radius:.3g}" fill="none" stroke="#222" stroke-width="{radius / 3:.3g}"/>'


def _reduce(values: TapArray) -> tuple[TapArray, int]:
    """Return the value of largest magnitude of each block of taps, and the side of the blocks."""
    block = _block(values.shape)
    if block == 1:
        return values, 1
    padded = np.pad(values, [(0, -size % block) for size in values.shape])
    split = padded.reshape([part for size in padded.shape for part in (size // block, block)])
    inner = tuple(range(1, split.ndim, 2))
    highest, lowest = split.max(axis=inner), split.min(axis=inner)
    return np.where(highest >= -lowest, highest, lowest), block


def _block(shape: tuple[int, ...]) -> int:
    return math.ceil(max(shape[-2:]) / _MOST_CELLS)


def _reduction(shape: tuple[int, ...]) -> str:
    notes = []
    if (block := _block(shape)) > 1:
        notes.append(f"a cell shows the largest of {' x '.join([str(block)] * min(len(shape), 2))} taps")
    if (slices := math.prod(shape[:-2])) > _MOST_PANELS:
        notes.append(f"{_MOST_PANELS} of {slices} slices")
    return "".join(f", {note}" for note in notes)


def _left_out(channels: tuple[int, ...]) -> str:
    words = zip(channels, ("channels out", "channels in"), strict=False)
    notes = (f"{_MOST_PANELS} of {count} {word}" for count, word in words if count > _MOST_PANELS)
    return "".join(f", {note}" for note in notes)


def _window(count: int, most: int, centre: int) -> range:
    start = min(max(centre - most // 2, 0), max(count - most, 0))
    return range(start, min(start + most, count))


def _flat_index(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return the position of a slice in the row of slices, or -1 if the index is outside the array."""
    if not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        return -1
    return int(np.ravel_multi_index(index, shape)) if shape else 0

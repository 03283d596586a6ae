"""What does a kernel look like? An SVG for notebooks: blue is negative, white is zero, red is positive."""

from __future__ import annotations

import math
from collections import defaultdict
from html import escape

import numpy as np

from faltung.kernels.taps import TapArray

__all__ = ["draw_kernel"]

_PANEL = 160.0
_GAP = 10.0
_MOST_CELLS = 41
_MOST_PANELS = 7
_LONGEST_CAPTION = 60
_NEGATIVE, _POSITIVE, _WHITE = (33, 102, 172), (178, 24, 43), "#ffffff"


def draw_kernel(taps: TapArray, origin: tuple[int, ...], caption: str) -> str:
    """Return the SVG: bars for one axis, cells for two, a row of slices for more; complex kernels have two rows.

    The scale is linear and symmetric about zero, and a ring marks the tap at lag zero. If a kernel has more than 41
    taps along an axis, a cell shows the tap of largest magnitude among several, and the caption says so.
    """
    parts = [taps.real, taps.imag] if np.iscomplexobj(taps) else [taps]
    largest = float(np.abs(taps).max()) or 1.0
    rows = [_row(part / largest, origin) for part in parts]
    if len(caption) > _LONGEST_CAPTION:
        caption = f"{caption[:_LONGEST_CAPTION]} ..."
    note = f"{caption}, shape {taps.shape}, origin {origin}{_reduction(taps.shape)}"
    width = max(*(row[1] for row in rows), 5.5 * len(note))
    height = sum(row[2] + _GAP for row in rows)
    body = "".join(
        f'<g transform="translate(0 {index * (row[2] + _GAP):g})">{row[0]}</g>' for index, row in enumerate(rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height + 14:g}" '
        f'viewBox="0 0 {width:g} {height + 14:g}" role="img"><title>{escape(note)}</title>{body}'
        f'<text x="1" y="{height + 9:g}" font-size="10" font-family="sans-serif" fill="currentColor">'
        f"{escape(note)}</text></svg>"
    )


def _row(values: TapArray, origin: tuple[int, ...]) -> tuple[str, float, float]:
    """Return SVG, width and height of one row of panels, for values between -1 and 1."""
    if values.ndim == 1:
        return _bars(values, origin[0]), _PANEL * 2, _PANEL / 2
    slices = values.reshape(-1, *values.shape[-2:])
    at = _flat_index(origin[:-2], values.shape[:-2])
    shown = _window(len(slices), _MOST_PANELS, at)
    side = _PANEL / (1 if len(shown) == 1 else 2)
    panels = [
        f'<g transform="translate({place * (side + _GAP):g} 0)">'
        f"{_cells(slices[index], origin[-2:] if index == at else None, side)}</g>"
        for place, index in enumerate(shown)
    ]
    width = len(shown) * (side + _GAP) - _GAP
    return "".join(panels), max(width, _PANEL), side * values.shape[-2] / max(values.shape[-2:])


def _cells(values: TapArray, origin: tuple[int, ...] | None, side: float) -> str:
    reduced, block = _reduce(values)
    unit = side / max(reduced.shape)
    rows, columns = reduced.shape
    # One path for each colour keeps the text short; white is the background.
    paths: dict[str, list[str]] = defaultdict(list)
    for (row, column), value in np.ndenumerate(reduced):
        paths[_colour(float(value))].append(f"M{column} {row}h1v1h-1z")
    paths.pop(_WHITE, None)
    drawn = "".join(f'<path fill="{colour}" d="{"".join(cells)}"/>' for colour, cells in paths.items())
    frame = f'width="{columns}" height="{rows}"'
    return (
        f'<g transform="scale({unit:.6g})"><rect {frame} fill="#fff"/>{drawn}'
        f'<rect {frame} fill="none" stroke="#888" stroke-width="{1 / unit:.3g}"/>'
        f"{_ring(origin, block, reduced.shape, max(0.25, 3 / unit))}</g>"
    )


def _bars(values: TapArray, origin: int) -> str:
    reduced, block = _reduce(values)
    width, half = _PANEL * 2 / len(reduced), _PANEL / 4
    bars = "".join(
        f'<rect x="{index * width:.5g}" y="{half - max(value, 0.0) * half:.5g}" width="{width * 0.8:.5g}" '
        f'height="{abs(value) * half:.5g}" fill="{_colour(value)}"/>'
        for index, value in enumerate(reduced.tolist())
        if value != 0.0
    )
    line = f'<path d="M0 {half:g}h{_PANEL * 2:g}" stroke="#888"/>'
    if not 0 <= origin < len(values):
        return bars + line
    centre = (origin // block + 0.4) * width
    return f'{bars}{line}<circle cx="{centre:.5g}" cy="{half:g}" r="3" fill="#fff" stroke="#222"/>'


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


def _window(count: int, most: int, centre: int) -> range:
    start = min(max(centre - most // 2, 0), max(count - most, 0))
    return range(start, min(start + most, count))


def _flat_index(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Return the position of a slice in the row of slices, or -1 if the index is outside the array."""
    if not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        return -1
    return int(np.ravel_multi_index(index, shape)) if shape else 0


def _colour(value: float) -> str:
    end = _POSITIVE if value > 0 else _NEGATIVE
    channels = (round(255 + (limit - 255) * min(abs(value), 1.0)) for limit in end)
    return "#" + "".join(f"{channel:02x}" for channel in channels)

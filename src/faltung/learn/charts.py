"""How does one number depend on another? Line charts as inline SVG, drawn by the page's own style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "line_chart", "ticks"]

_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 16, 48
_MARKERS_UP_TO = 12  # more points than this are a curve


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Parameters
    ----------
    name : str
        What the legend says.
    points : tuple of (float, float)
        From left to right.
    colour : int
        Which of the page's series colours, counted from one.
    dashed : bool
        Whether the line is broken.

    Examples
    --------
    >>> Line("risk", ((1.0, 0.5), (2.0, 0.25)), colour=1).dashed
    False
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int
    dashed: bool = False

    @property
    def style(self) -> str:
        """CSS classes of the line and its key in the legend."""
        return f"line series-{self.colour}" + (" dashed" if self.dashed else "")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers, steps of 1, 2 or 5 times a power of ten, that lie from `low` to `high`.

    Examples
    --------
    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(3.0, 3.0)
    [3.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def line_chart(
    lines: Sequence[Line], *, title: str, x_label: str, y_label: str, x_ticks: Sequence[float] | None = None
) -> str:
    """Draw lines over common axes as an SVG element, and their legend as an HTML list.

    Colours and dashes come from the CSS classes `series-1`, `series-2` ... and `dashed` of the page around it.

    Parameters
    ----------
    lines : sequence of Line
        Each has at least one point.
    title : str
        Says what the chart shows, for those who cannot see it.
    x_label, y_label : str
        Names of the axes, with units.
    x_ticks : sequence of float, optional
        Where the horizontal axis is labelled, instead of at round numbers.

    Examples
    --------
    >>> chart = line_chart([Line("a", ((0, 0), (1, 1)), 1)], title="t", x_label="x", y_label="y")
    >>> chart[:17], chart.count("<polyline")
    ('<svg class="chart', 1)
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    frame = _Frame(min(xs), max(xs), *_padded(min(ys), max(ys)))
    x_ticks = ticks(frame.x_low, frame.x_high) if x_ticks is None else x_ticks
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}"><title>{escape(title)}</title>',
        *(_horizontal_rule(frame, y) for y in ticks(frame.y_low, frame.y_high)),
        *(
            f'<text class="tick" x="{frame.x(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{x:g}</text>'
            for x in x_ticks
        ),
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>",
        f'<text class="axis" transform="translate(12 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>',
        *(_polyline(frame, line) for line in lines),
        "</svg>",
    ]
    return "".join(parts) + _legend(lines)


@dataclass(frozen=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        span = (self.x_high - self.x_low) or 1.0
        return _LEFT + (value - self.x_low) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _horizontal_rule(frame: _Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _polyline(frame: _Frame, line: Line) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    drawn = f'<polyline class="{line.style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
    if len(places) <= _MARKERS_UP_TO:
        drawn += "".join(
            f'<circle class="marker series-{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places
        )
    return drawn


def _legend(lines: Sequence[Line]) -> str:
    keys = (
        f'<li><svg class="key" aria-hidden="true" viewBox="0 0 28 10"><line class="{line.style}" x1="1" x2="27" '
        f'y1="5" y2="5"/></svg>{escape(line.name)}</li>'
        for line in lines
    )
    return f'<ul class="legend">{"".join(keys)}</ul>'

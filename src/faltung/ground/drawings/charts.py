"""How are numbers drawn? As charts in inline SVG, with the colours of the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Curve", "bar_chart", "line_chart", "ticks"]

_WIDTH, _HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 16, 48
_MARKERS_UP_TO = 12  # more points than this are a curve
_COLOURS = 6  # series colours of the page


@dataclass(frozen=True)
class Curve:
    """One curve of a chart.

    Parameters
    ----------
    name : str
        Its name in the legend.
    points : tuple of (float, float)
        From left to right.
    colour : int
        Number of its colour among the six series colours of the page, counted from one; after the last colour the
        first one follows. Zero is grey, for a reference.
    dashed : bool
        Whether the curve is dashed.
    intervals : tuple of (float, float)
        Confidence interval of each value, low and high: one for each point, or none at all.

    Examples
    --------
    >>> Curve("risk", ((1.0, 0.5), (2.0, 0.25)), colour=1).style
    'line series-1'
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int
    dashed: bool = False
    intervals: tuple[tuple[float, float], ...] = ()

    @property
    def series(self) -> str:
        """CSS class of the curve's colour."""
        return f"series-{(self.colour - 1) % _COLOURS + 1 if self.colour else 0}"

    @property
    def style(self) -> str:
        """CSS classes of the curve and its key in the legend."""
        return f"line {self.series}" + (" dashed" if self.dashed else "")


@dataclass(frozen=True)
class Bar:
    """One bar of a chart, made of parts that are stacked.

    Parameters
    ----------
    low, high : float
        Its left and right end on the horizontal axis.
    parts : tuple of float
        Height of each part, from the bottom up.

    Examples
    --------
    >>> Bar(0.9, 1.0, (45, 5)).high
    1.0
    """

    low: float
    high: float
    parts: tuple[float, ...]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from `low` to `high`, in steps of 1, 2 or 5 times a power of ten.

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
    steps = [factor * power for factor in (1, 2, 5, 10)]
    index = next(index for index, step in enumerate(steps) if step >= rough * 0.999)
    # A range may lie between two multiples of a step that is larger than half of it.
    step = next(step for step in reversed(steps[: index + 1]) if math.ceil(low / step - 1e-9) <= high / step + 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def line_chart(
    lines: Sequence[Curve],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[float] | None = None,
    logarithmic: bool = False,
) -> str:
    """Draw curves over common axes as an SVG element, and their legend as an HTML list.

    Colours and dashes come from the CSS classes `series-0`, `series-1` ... and `dashed` of the page.

    Parameters
    ----------
    lines : sequence of Curve
        Each has at least one point.
    title : str
        Description of the chart, for readers who cannot see it.
    x_label, y_label : str
        Names of the axes, with units.
    x_ticks : sequence of float, optional
        Labels of the horizontal axis; round numbers by default.
    logarithmic : bool, optional
        Whether the horizontal axis is logarithmic; its values are then positive.

    Examples
    --------
    >>> chart = line_chart([Curve("a", ((0, 0), (1, 1)), 1)], title="t", x_label="x", y_label="y")
    >>> chart[:17], chart.count("<polyline")
    ('<svg class="chart', 1)
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points] + [
        y for line in lines for pair in line.intervals for y in pair
    ]
    frame = _Frame(min(xs), max(xs), *_padded(min(ys), max(ys)), logarithmic)
    x_ticks = ticks(frame.x_low, frame.x_high) if x_ticks is None else x_ticks
    drawn = [*(_intervals(frame, line) for line in lines), *(_polyline(frame, line) for line in lines)]
    return _chart(frame, drawn, x_ticks, title, x_label, y_label) + _legend({line.name: line.style for line in lines})


def bar_chart(bars: Sequence[Bar], names: Mapping[str, str], *, title: str, x_label: str, y_label: str) -> str:
    """Draw bars as an SVG element, and the legend of their parts as an HTML list.

    Parameters
    ----------
    bars : sequence of Bar
        From left to right, without overlap.
    names : mapping of str to str
        Name and CSS class of each part of a bar, from the bottom up.
    title, x_label, y_label : str
        As those of `line_chart`.

    Examples
    --------
    >>> chart = bar_chart([Bar(0, 1, (3, 1))], {"right": "a", "wrong": "b"}, title="t", x_label="x", y_label="y")
    >>> chart.count("<rect")
    2
    """
    frame = _Frame(bars[0].low, bars[-1].high, 0.0, 1.05 * max(sum(bar.parts) for bar in bars), False)
    drawn = [_bar(frame, bar, tuple(names.values())) for bar in bars]
    keys = {name: f"line thick {style}" for name, style in names.items()}
    return _chart(frame, drawn, ticks(frame.x_low, frame.x_high), title, x_label, y_label) + _legend(keys)


@dataclass(frozen=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    logarithmic: bool

    def x(self, value: float) -> float:
        low, high, position = (math.log(x) if self.logarithmic else x for x in (self.x_low, self.x_high, value))
        return _LEFT + (position - low) / ((high - low) or 1.0) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _chart(
    frame: _Frame, drawn: Sequence[str], x_ticks: Sequence[float], title: str, x_label: str, y_label: str
) -> str:
    middle = 'text-anchor="middle"'
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}"><title>{escape(title)}</title>',
        *(_horizontal_rule(frame, y) for y in ticks(frame.y_low, frame.y_high, 6)),
        *(
            f'<text class="tick" x="{frame.x(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}" {middle}>{_number(x)}</text>'
            for x in x_ticks
        ),
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" {middle}>{escape(x_label)}</text>',
        f'<text class="axis" transform="translate(8 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" {middle}>'
        f"{escape(y_label)}</text>",
        *drawn,
        "</svg>",
    ]
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def _horizontal_rule(frame: _Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
    )


def _polyline(frame: _Frame, line: Curve) -> str:
    positions = [(frame.x(x), frame.y(y)) for x, y in line.points]
    drawn = f'<polyline class="{line.style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in positions)}"/>'
    if len(positions) <= _MARKERS_UP_TO and line.colour:
        drawn += "".join(
            f'<circle class="marker {line.series}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in positions
        )
    return drawn


def _intervals(frame: _Frame, line: Curve) -> str:
    return "".join(
        f'<line class="interval {line.series}" x1="{frame.x(x):.1f}" x2="{frame.x(x):.1f}" '
        f'y1="{frame.y(low):.1f}" y2="{frame.y(high):.1f}"/>'
        for (x, _), (low, high) in zip(line.points, line.intervals, strict=False)
    )


def _bar(frame: _Frame, bar: Bar, styles: Sequence[str]) -> str:
    left, right = frame.x(bar.low), frame.x(bar.high)
    drawn, below = "", 0.0
    for height, style in zip(bar.parts, styles, strict=True):
        top = frame.y(below + height)
        drawn += (
            f'<rect class="bar {style}" x="{left + 1:.1f}" width="{right - left - 2:.1f}" '
            f'y="{top:.1f}" height="{frame.y(below) - top:.1f}"/>'
        )
        below += height
    return drawn


def _legend(keys: Mapping[str, str]) -> str:
    entries = (
        f'<li><svg class="key" aria-hidden="true" viewBox="0 0 28 10"><line class="{style}" x1="1" x2="27" '
        f'y1="5" y2="5"/></svg>{escape(name)}</li>'
        for name, style in keys.items()
    )
    return f'<ul class="legend">{"".join(entries)}</ul>'

"""How are ratios drawn? As bars on a logarithmic axis, in groups: an SVG for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Bar = tuple[str, float, str]
"""Label, ratio, and a text that is shown when the pointer is on the bar."""

_WIDTH, _LEFT, _RIGHT, _TOP, _PLOT, _LABELS = 1080, 44, 16, 84, 300, 118
_GAP = 14
_FASTER, _SLOWER, _TEXT, _RULE = "#d6336c", "#868e96", "#343a40", "#dee2e6"
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def bars(title: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Return the SVG, with a bar for each ratio from the line at 1 upwards or downwards."""
    shown = {name: group for name, group in groups.items() if group}
    ratios = [ratio for group in shown.values() for _, ratio, _ in group]
    low = max((tick for tick in _TICKS if tick <= min(*ratios, 0.7)), default=_TICKS[0])
    high = min((tick for tick in _TICKS if tick >= max(*ratios, 2)), default=_TICKS[-1])
    pitch = (_WIDTH - _LEFT - _RIGHT - _GAP * len(shown)) / len(ratios)

    def down(ratio: float) -> float:
        inside = min(max(ratio, low), high)
        return _TOP + _PLOT * math.log(high / inside) / math.log(high / low)

    parts = [_frame(title, _TOP + _PLOT + _LABELS)]
    for tick in _TICKS:
        if low <= tick <= high:
            parts.append(_rule(down(tick), _TEXT if tick == 1 else _RULE))
            parts.append(_words(_LEFT - 6, down(tick) + 4, f"{tick:g}x", 11, "end"))
    left = _LEFT + _GAP / 2
    for number, (name, group) in enumerate(shown.items()):
        width = pitch * len(group)
        # The names of groups are at two heights in turn, so that long names over few bars do not overlap.
        parts.append(_words(left + width / 2, 50 + 16 * (number % 2), name, 12, "middle", bold=True))
        for place, bar in enumerate(group):
            parts.append(_bar(left + place * pitch, pitch, down(1), down(bar[1]), bar))
        left += width + _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(title: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'font-family="sans-serif" fill="{_TEXT}"><title>{escape(title)}</title>\n'
        f'<rect width="{_WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>\n'
        + _words(_LEFT, 26, title, 15, "start", bold=True)
    )


def _bar(x: float, pitch: float, one: float, end: float, bar: Bar) -> str:
    label, ratio, hint = bar
    top, colour = min(one, end), _FASTER if ratio >= 1 else _SLOWER
    middle, below = x + pitch / 2, _TOP + _PLOT + 10
    return (
        f'<g><title>{escape(hint)}</title><rect x="{x + pitch * 0.12:.1f}" y="{top:.1f}" width="{pitch * 0.76:.1f}" '
        f'height="{max(abs(one - end), 1):.1f}" fill="{colour}"/>'
        f'<text x="{middle:.1f}" y="{below}" font-size="{min(10, pitch * 0.9):.1f}" text-anchor="end" '
        f'dominant-baseline="central" transform="rotate(-90 {middle:.1f} {below})">{escape(label)}</text></g>'
    )


def _rule(y: float, colour: str) -> str:
    return f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{colour}"/>'


def _words(x: float, y: float, text: str, size: int, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'

"""A line chart with logarithmic axes as SVG, readable on light and dark pages."""

from __future__ import annotations

import math
from html import escape

_COLOURS = {
    "faltung": "#d6336c",
    "OpenCV": "#1c7ed6",
    "torch": "#e8590c",
    "SciPy": "#2b8a3e",
    "copy": "#868e96",
}


def line_chart(title: str, x_label: str, y_label: str, lines: dict[str, list[tuple[float, float]]]) -> str:
    """Draw one line a contender through points of (x, y), both above zero."""
    width, height, left, right, top, bottom = 720, 400, 64, 96, 44, 48
    xs = sorted({x for points in lines.values() for x, _ in points})
    ys = [y for points in lines.values() for _, y in points]
    low, high = math.floor(math.log10(min(ys)) * 2) / 2, math.ceil(math.log10(max(ys)) * 2) / 2

    def across(x: float) -> float:
        return left + (width - left - right) * (math.log(x / xs[0]) / math.log(xs[-1] / xs[0]))

    def down(y: float) -> float:
        return top + (height - top - bottom) * (high - math.log10(y)) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="{left}" y="26" font-size="16" font-weight="600" fill="#212529">{escape(title)}</text>',
    ]
    for x in xs:
        parts.append(
            f'<line x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{top}" y2="{height - bottom}" stroke="#f1f3f5"/>'
        )
        parts.append(
            f'<text x="{across(x):.1f}" y="{height - bottom + 18}" font-size="12" text-anchor="middle" fill="#495057">{x:g}</text>'
        )
    for tick in (a * 10**b for b in range(-2, 6) for a in (1, 3)):
        if low <= math.log10(tick) <= high:
            parts.append(
                f'<line x1="{left}" x2="{width - right}" y1="{down(tick):.1f}" y2="{down(tick):.1f}" stroke="#dee2e6"/>'
            )
            parts.append(
                f'<text x="{left - 8}" y="{down(tick) + 4:.1f}" font-size="12" text-anchor="end" fill="#495057">{tick:g}</text>'
            )
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 10}" font-size="13" text-anchor="middle" fill="#212529">{escape(x_label)}</text>'
    )
    parts.append(
        f'<text x="16" y="{(top + height - bottom) / 2}" font-size="13" text-anchor="middle" fill="#212529" transform="rotate(-90 16 {(top + height - bottom) / 2})">{escape(y_label)}</text>'
    )
    taken: list[float] = []
    for name, points in sorted(lines.items(), key=lambda item: item[1][-1][1]):
        colour = _COLOURS.get(name.split()[0], "#495057")
        dash = ' stroke-dasharray="5 4"' if name == "copy" else ""
        thick = 3 if name == "faltung" else 1.8
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"{dash}/>')
        parts += [
            f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="{thick + 0.6}" fill="{colour}"/>' for x, y in points
        ]
        place = down(points[-1][1]) + 4
        while any(abs(place - other) < 15 for other in taken):
            place -= 3
        taken.append(place)
        parts.append(
            f'<text x="{width - right + 10}" y="{place:.1f}" font-size="13" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"

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

    def line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'

    def words(x: float, y: float, text: str, size: int, anchor: str = "middle", **more: str) -> str:
        extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
        return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'

    middle = (top + height - bottom) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        f'font-family="sans-serif" fill="#343a40"><title>{escape(title)}</title>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        words(left, 26, title, 16, "start", font_weight="600"),
        words((left + width - right) / 2, height - 10, x_label, 13),
        words(16, middle, y_label, 13, transform=f"rotate(-90 16 {middle})"),
    ]
    for x in xs:
        parts.append(line(across(x), top, across(x), height - bottom, "#f1f3f5"))
        parts.append(words(across(x), height - bottom + 18, f"{x:g}", 12))
    for tick in (a * 10**b for b in range(-2, 6) for a in (1, 3)):
        if low <= math.log10(tick) <= high:
            parts.append(line(left, down(tick), width - right, down(tick), "#dee2e6"))
            parts.append(words(left - 8, down(tick) + 4, f"{tick:g}", 12, "end"))
    taken: list[float] = []
    for name, points in sorted(lines.items(), key=lambda item: item[1][-1][1]):
        colour = _COLOURS.get(name.split()[0], "#495057")
        dash = ' stroke-dasharray="5 4"' if name == "copy" else ""
        thick = 3 if name == "faltung" else 1.8
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"{dash}/>')
        for x, y in points:
            parts.append(f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="{thick + 0.6}" fill="{colour}"/>')
        place = down(points[-1][1]) + 4
        while any(abs(place - other) < 15 for other in taken):
            place -= 3
        taken.append(place)
        parts.append(words(width - right + 10, place, name, 13, "start", fill=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"

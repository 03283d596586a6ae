"""How are series drawn? As small line drawings in inline SVG, with the colours of the page's style sheet."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["sketch"]

_WIDTH, _HEIGHT, _MARGIN = 168, 84, 4
_COLUMNS = 84  # of a series that is longer than twice this number
_CHANNELS = 6


def sketch(values: NDArray[Any], *, title: str, zero: bool = False) -> str:
    """Draw the channels of a series in one frame.

    A long series is drawn as the smallest and the largest of neighbouring values, so that no peak is lost. Of many
    channels the first six are drawn.

    Parameters
    ----------
    values : array, shape (channels, places)
        Finite numbers.
    title : str
        Description of the drawing, for readers who cannot see it.
    zero : bool, optional
        Whether the frame includes zero and marks it by a line.

    Examples
    --------
    >>> import numpy as np
    >>> drawing = sketch(np.array([[0.0, 1.0, 0.0]]), title="a peak")
    >>> drawing[drawing.index("points") :]
    'points="4.0,80.0 84.0,4.0 164.0,80.0"/></svg>'
    """
    shown = values[:_CHANNELS].astype(np.float64)
    low, high = shown.min(), shown.max()
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    lines = "".join(
        f'<polyline class="trace series-{index}" points="{_points(channel, low, high)}"/>'
        for index, channel in enumerate(shown, start=1)
    )
    level = f"{_height(np.zeros(1), low, high)[0]:.1f}"
    rule = f'<line class="rule" x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{level}" y2="{level}"/>' if zero else ""
    return (
        f'<svg class="sketch" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}"><title>{escape(title)}</title>'
        f"{rule}{lines}</svg>"
    )


def _points(channel: NDArray[np.float64], low: float, high: float) -> str:
    drawn = _envelope(channel)
    across = np.linspace(_MARGIN, _WIDTH - _MARGIN, len(drawn))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, _height(drawn, low, high), strict=True))


def _height(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    span = high - low
    shares = (values - low) / span if span > 0 else np.full(len(values), 0.5)
    return _HEIGHT - _MARGIN - shares * (_HEIGHT - 2 * _MARGIN)


def _envelope(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(channel) <= 2 * _COLUMNS:
        return channel
    limits = np.linspace(0, len(channel), _COLUMNS + 1).astype(int)[:-1]
    both = np.stack([np.minimum.reduceat(channel, limits), np.maximum.reduceat(channel, limits)], axis=1)
    return both.ravel()

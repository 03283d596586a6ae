"""Where are the pixels of a raster whose outputs are not its samples? The attribute `GeoTransform` of GDAL."""

from __future__ import annotations

__all__ = ["moved_transform"]


def moved_transform(text: str, row: tuple[float, float], column: tuple[float, float]) -> str:
    """Return the text of a transform for pixels whose centres are those of every n-th pixel from a first one on.

    Parameters
    ----------
    text : str
        Six numbers c a b f d e: the corner of a pixel is at x = c + a column + b row, y = f + d column + e row.
    row, column : (float, float)
        The first pixel that has an output, and the number of pixels between neighbouring outputs.

    Examples
    --------
    >>> moved_transform("100 10 0 500 0 -10", (0, 1), (1, 1))
    '110.0 10.0 0.0 500.0 0.0 -10.0'
    >>> moved_transform("100 10 0 500 0 -10", (0, 2), (0, 2))
    '95.0 20.0 0.0 505.0 0.0 -20.0'
    """
    c, a, b, f, d, e = map(float, text.split())
    down, right = (first + 0.5 - 0.5 * step for first, step in (row, column))
    numbers = (
        c + a * right + b * down,
        a * column[1],
        b * row[1],
        f + d * right + e * down,
        d * column[1],
        e * row[1],
    )
    return " ".join(map(repr, numbers))

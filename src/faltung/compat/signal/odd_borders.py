"""How does a signal continue beyond its ends where its samples alone do not say it? Slopes and changes of the sign.

The modes of the operator are index maps: a value beyond the border is that of a sample. The modes here are not, so
the signal is extended before it is filtered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.ground.boundary import index_map

__all__ = ["ODD_MODES", "extend_first_axis"]

ODD_MODES = ("smooth", "antireflect", "antisymmetric", "line")


def extend_first_axis(x: NDArray[Any], mode: str, before: int, after: int) -> NDArray[Any]:
    """Return an array with more samples at both ends of its first axis.

    Parameters
    ----------
    x : ndarray
        An array of floats with at least one sample on its first axis. A single sample has no slope.
    mode : {'smooth', 'antireflect', 'antisymmetric', 'line'}
        ``smooth``, the slope of the last two samples goes on; ``line``, that of the line through the first and the
        last sample; ``antireflect``, reflected about the end point; ``antisymmetric``, reflected with the other sign.
    before, after : int
        Samples at each end.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 4.0])
    >>> for mode in ODD_MODES:
    ...     print(mode, extend_first_axis(x, mode, 2, 2))
    smooth [-1.  0.  1.  2.  4.  6.  8.]
    antireflect [-2.  0.  1.  2.  4.  6.  7.]
    antisymmetric [-2. -1.  1.  2.  4. -4. -2.]
    line [-2.  -0.5  1.   2.   4.   5.5  7. ]
    """
    length = len(x)
    left, right = np.arange(-before, 0), np.arange(length, length + after)
    with np.errstate(invalid="ignore"):  # infinities
        if mode in ("smooth", "line"):
            ends = _sloped(x, mode, left), _sloped(x, mode, right)
        else:
            ends = _reflected(x, mode, left), _reflected(x, mode, right)
    return np.concatenate((ends[0], x, ends[1]))


def _sloped(x: NDArray[Any], mode: str, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of a straight line through one end."""
    if not positions.size:
        return x[:0]
    last = len(x) - 1
    end = 0 if positions[0] < 0 else last
    one, other = (0, last) if mode == "line" else (end, end + (1 if end == 0 else -1))
    slope = (x[other] - x[one]) / (other - one) if last else 0 * x[0]
    return np.asarray(x[end] + slope * _column(positions - end, x))


def _reflected(x: NDArray[Any], mode: str, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return samples with the other sign in every second image of the signal, about zero or about the end points."""
    length = len(x)
    if not positions.size:
        return x[:0]
    start, stop = int(positions[0]), int(positions[-1]) + 1
    if mode == "antisymmetric":
        odd = _column((positions // length) % 2 == 1, x)
        values = x[index_map("reflect", length, start, stop)]
        return np.where(odd, -values, values)
    if length == 1:
        return np.broadcast_to(x, (len(positions), *x.shape[1:]))
    # One period is there and back; each one continues at the height that the one before has reached.
    period = 2 * (length - 1)
    turns, back = positions // period, _column(positions % period >= length, x)
    values = x[index_map("mirror", length, start, stop)]
    raised = np.where(back, 2 * x[-1] - values, values)
    return np.asarray(raised + 2 * (x[-1] - x[0]) * _column(turns, x))


def _column(values: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(-1, *(1,) * (x.ndim - 1))

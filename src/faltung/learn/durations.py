"""How long is that? Times as they are typed and as they are told."""

from __future__ import annotations

import math
import re

from faltung.errors import ArgumentError
from faltung.ground.checks import is_number, real

__all__ = ["duration", "seconds_of"]

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(sec|min|s|m|h)\s*")
_MINUTE, _HOUR = 60, 3600


def seconds_of(time: float | str) -> float:
    """Return the seconds of a time that is given as a number of seconds or as a text.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If it is no time above zero.

    Examples
    --------
    >>> seconds_of("10min"), seconds_of("1h 30min"), seconds_of("90"), seconds_of(2.5)
    (600.0, 5400.0, 90.0, 2.5)
    >>> seconds_of("soon")
    Traceback (most recent call last):
    faltung.errors.ArgumentError: time: expected a time such as 90s, 10min or 1h, got 'soon'.
    """
    if is_number(time):
        return real("time", time, 0.0, open_end=True)  # strings are no numbers
    text = str(time).strip().lower()
    parts = _PART.findall(text)
    if parts and not _PART.sub("", text):
        seconds = math.fsum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
    if not (0 < seconds < math.inf):
        raise ArgumentError("time", "a time such as 90s, 10min or 1h", repr(time))
    return seconds


def duration(seconds: float) -> str:
    """Return a time for readers, as exact as it is useful.

    Examples
    --------
    >>> [duration(seconds) for seconds in (0.4, 42, 99, 130, 600, 5000)]
    ['1 s', '42 s', '1 min 40 s', '2 min 10 s', '10 min', '1 h 23 min']
    """
    if seconds <= 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 10 * _MINUTE - 5:
        minutes, rest = divmod(10 * round(seconds / 10), _MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / _MINUTE), _HOUR // _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

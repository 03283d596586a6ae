"""How is a kernel printed? As text that reads like the expression that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from faltung.kernels.taps import TapArray

__all__ = ["ATOM", "PRODUCT", "SUM", "Spelling", "spell", "spell_taps"]

SUM, PRODUCT, ATOM = range(3)
"""How tightly an expression binds: a part that binds less tightly than the whole gets parentheses."""

_LONGEST = 81
"""Most taps that are all printed: those of a 9 x 9 kernel."""


class Spelling(NamedTuple):
    """Text of an expression, and how tightly it binds."""

    text: str
    binding: int = ATOM

    def inside(self, binding: int) -> str:
        """Return the text as part of an expression that binds with `binding`."""
        return self.text if self.binding >= binding else f"({self.text})"


def spell(value: object) -> str:
    """Return the shortest text that reads back as the same number, or as the same tuple of numbers."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, str):  # the name of an axis
        return repr(value)
    if isinstance(value, Mapping):  # lengths by the names of axes
        return str({name: _plain(length) for name, length in value.items()})
    if isinstance(value, Sequence | np.ndarray):
        items = [spell(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(value, complex | np.complexfloating):
        return repr(complex(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e15 and repr(number) != "-0.0"
        return str(int(number)) if whole else repr(number)
    return str(value)


def _plain(length: object) -> object:
    """Return a number of NumPy as one of Python; durations stay as they are."""
    number = isinstance(length, np.number) and not isinstance(length, np.timedelta64)
    return length.item() if number else length  # type: ignore[attr-defined]


def spell_taps(taps: TapArray, origin: tuple[int, ...]) -> str:
    """Return a call of `Kernel` with the taps; many taps are shortened, and their shape is added."""
    at = f"origin={spell(origin[0] if len(origin) == 1 else origin)}"
    if taps.size <= _LONGEST:
        return f"Kernel({_nested(taps.tolist())}, {at})"
    short = np.array2string(taps, separator=", ", threshold=0, edgeitems=2, precision=4)
    return f"Kernel({' '.join(short.split())}, shape={taps.shape}, {at})"


def _nested(items: object) -> str:
    if isinstance(items, list):
        return f"[{', '.join(_nested(item) for item in items)}]"
    return spell(items)

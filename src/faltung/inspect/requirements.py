"""Does a card meet what is required of it? Comparisons such as ``parameters<1e6``."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from faltung.errors import ArgumentError

__all__ = ["Requirement", "check_requirement", "requirement_of"]

_COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Requirement:
    """A requirement, with the value that was measured.

    Parameters
    ----------
    text : str
        As it was written.
    value : float
        What was measured.
    met : bool
        Whether it holds.

    Examples
    --------
    >>> print(requirement_of("parameters<1e6", {"parameters": 12}))
    met: parameters<1e6 (12)
    """

    text: str
    value: float
    met: bool

    def __bool__(self) -> bool:
        return self.met

    def __str__(self) -> str:
        value = f"{self.value:,}" if self.value == int(self.value) else f"{self.value:.6g}"
        return f"{'met' if self.met else 'not met'}: {self.text} ({value.removesuffix('.0')})"


def requirement_of(text: str, figures: Mapping[str, float]) -> Requirement:
    """Return a requirement with the figure that it is about.

    Raises
    ------
    ArgumentError
        It is no comparison of a figure of the card with a number.

    Examples
    --------
    >>> requirement_of("consistency >= 0.9", {"consistency": 0.85}).met
    False
    >>> requirement_of("size < 3", {"parameters": 12})
    Traceback (most recent call last):
    faltung.errors.ArgumentError: require: expected a figure of the card: parameters, got 'size'.
    """
    name, sign, bound = check_requirement(text)
    if name not in figures:
        raise ArgumentError("require", f"a figure of the card: {', '.join(sorted(figures))}", repr(name))
    value = float(figures[name])
    return Requirement(text, value, bool(_COMPARISONS[sign](value, bound)))


def check_requirement(text: str) -> tuple[str, str, float]:
    """Return the figure, the sign and the number of a requirement.

    Raises
    ------
    ArgumentError
        It is no comparison.

    Examples
    --------
    >>> check_requirement("parameters < 1e6")
    ('parameters', '<', 1000000.0)
    """
    match = re.fullmatch(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*", text)
    expected = "a comparison such as parameters<1e6"
    if match is None:
        raise ArgumentError("require", expected, repr(text))
    name, sign, number = match.groups()
    try:
        bound = float(number)
    except ValueError as error:
        raise ArgumentError("require", expected, repr(text)) from error
    if bound != bound:
        raise ArgumentError("require", expected, repr(text), "NaN is neither smaller nor larger than a figure.")
    return name, sign, bound

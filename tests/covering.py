"""Few problems in which every two values of different arguments meet: what fails for two of them fails here."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any


def covering(*arguments: Iterable[Any], strength: int = 2) -> list[tuple[Any, ...]]:
    """Return combinations of the values of some arguments, in which any `strength` values of different ones meet.

    All combinations of four arguments of five values are 625; every two values meet in about 30 of them. With a
    strength of 1, each value is there.
    """
    values = [list(each) for each in arguments]
    places = [*itertools.combinations(range(len(values)), strength)]

    def met(one: tuple[int, ...]) -> set[tuple[Any, ...]]:
        return {(at, tuple(one[axis] for axis in at)) for at in places}

    left = {one: met(one) for one in itertools.product(*(range(len(each)) for each in values))}
    chosen = []
    while left:
        best = max(left, key=lambda one: len(left[one]))
        seen = left.pop(best)
        if not seen:
            break
        chosen.append(tuple(values[axis][k] for axis, k in enumerate(best)))
        left = {one: rest for one, pairs in left.items() if (rest := pairs - seen)}
    return chosen

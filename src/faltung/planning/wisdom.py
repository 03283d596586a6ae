"""Which way was fastest? Choices that were measured are remembered, as FFTW remembers its wisdom.

A choice is remembered for everything that determines a plan: the whole problem, the processor and the version of the
package. It lies on disk (see `machine`), so that later processes need not measure again.

Reference: Frigo and Johnson, *The design and implementation of FFTW3*, Proceedings of the IEEE 93(2), 2005.
"""

from __future__ import annotations

import hashlib
from typing import Any

from faltung.planning.machine import identity, known, note
from faltung.planning.planner import METHODS
from faltung.planning.problem import Problem

__all__ = ["remember", "remembered"]

_FILE = "wisdom.json"
#: Choices that are kept, the most recent ones: about a megabyte.
MOST = 10_000

_choices: dict[str, Any] | None = None


def remembered(problem: Problem) -> str | None:
    """Return the method that was fastest for a problem, or None where that was not measured."""
    global _choices
    choices = _choices
    if choices is None:
        choices = _choices = known(_FILE)
    found = choices.get(_key(problem)) if choices else None
    return next((method for method in METHODS if method == found), None)


def remember(problem: Problem, method: str) -> None:
    """Remember the fastest method for a problem, here and on disk."""
    global _choices
    key = _key(problem)
    note(_FILE, key, method, MOST)
    _choices = {**(_choices or {}), **known(_FILE), key: method}  # this process remembers without a disk too


def _key(problem: Problem) -> str:
    return hashlib.sha256("\0".join([identity(), *map(repr, problem.key)]).encode()).hexdigest()

"""Which way was fastest? Choices that were measured are remembered, as FFTW remembers its wisdom.

A choice is remembered for everything that determines a plan: the whole problem, the processor and the version of the
package. It lies on disk (see `machine`), so that later processes need not measure again.

Reference: Frigo and Johnson, *The design and implementation of FFTW3*, Proceedings of the IEEE 93(2), 2005.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from faltung.kernels import Bank
from faltung.planning.bank_plan import BANK_METHODS
from faltung.planning.channel_plan import CHANNEL_METHODS
from faltung.planning.machine import identity, known, note
from faltung.planning.planner import METHODS
from faltung.planning.problem import Problem
from faltung.planning.question import Question

__all__ = ["remember", "remembered"]

_FILE = "wisdom.json"
#: Choices that are kept, the most recent ones: about a megabyte.
MOST = 10_000

_choices: dict[str, Any] | None = None


def remembered(question: Question | Problem) -> str | None:
    """Return the method that was fastest for a question, or None if that was not measured."""
    global _choices
    choices = _choices
    if choices is None:
        choices = _choices = known(_FILE)
    method = choices.get(_key(question)) if choices else None
    return method if isinstance(method, str) and method in _methods(question) else None


def remember(question: Question | Problem, method: str) -> None:
    """Remember the fastest method for a question, here and on disk."""
    global _choices
    key = _key(question)
    note(_FILE, key, method, MOST)
    _choices = {**(_choices or {}), **known(_FILE), key: method}  # this process remembers without a disk too


def _methods(question: Question | Problem) -> Iterable[str]:
    if isinstance(question, Problem) or (question.plain and not isinstance(question.kernel, Bank)):
        return METHODS
    return BANK_METHODS if question.plain else CHANNEL_METHODS


def _key(question: Question | Problem) -> str:
    """Name of a question in the file; that of a single kernel is the name of its problem."""
    if isinstance(question, Question) and question.plain and not isinstance(question.kernel, Bank):
        question = question.problem
    # A convolution and the correlation with the reflected kernel are the same problem.
    kernel = question.kernel.flip() if question.reflected else question.kernel
    values = [kernel.fingerprint, *question.key[2:]]
    return hashlib.sha256("\0".join([identity(), *map(repr, values)]).encode()).hexdigest()

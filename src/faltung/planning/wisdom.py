"""Which method was the fastest? Measured choices are remembered, like the wisdom of FFTW.

A choice belongs to everything that determines a plan: the whole question, the processor and the version of the
package. It is kept on disk (see `machine`), so that later processes need not measure again.

Reference: Frigo and Johnson, *The design and implementation of FFTW3*, Proceedings of the IEEE 93(2), 2005.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from faltung.ground.bounded import SMALL, Bounded
from faltung.kernels import Bank
from faltung.planning.bank_plan import BANK_METHODS
from faltung.planning.channel_plan import CHANNEL_METHODS
from faltung.planning.machine import identity, known, note
from faltung.planning.planner import METHODS
from faltung.planning.problem import Problem
from faltung.planning.question import Question

__all__ = ["remember", "remembered"]

_FILE = "wisdom.json"
#: Most choices that are kept, about a megabyte; these are the most recent ones.
MOST = 10_000

_choices: Bounded[str, str] = Bounded(MOST)
_loaded = False


def remembered(question: Question | Problem) -> str | None:
    """Return the method that was the fastest for a question, or None if that was not measured."""
    choices = _known_choices()
    method = choices.get(_key(question)) if len(choices) else None
    return method if method is not None and method in _methods(question) else None


def remember(question: Question | Problem, method: str) -> None:
    """Remember the fastest method for a question, in this process and on disk."""
    key = _key(question)
    note(_FILE, key, method, MOST)
    choices = _known_choices()
    _read_into(choices)  # other processes may have measured meanwhile
    choices.put(key, method, SMALL)  # this process remembers it even without a disk


def _known_choices() -> Bounded[str, str]:
    """Return the choices of this process; it reads those on disk once."""
    global _loaded
    if not _loaded:
        _read_into(_choices)  # two threads may both do this, which does no harm
        _loaded = True
    return _choices


def _read_into(choices: Bounded[str, str]) -> None:
    for key, method in known(_FILE).items():
        if isinstance(method, str):
            choices.put(key, method, SMALL)


def _methods(question: Question | Problem) -> Iterable[str]:
    if isinstance(question, Problem) or (question.plain and not isinstance(question.kernel, Bank)):
        return METHODS
    return BANK_METHODS if question.plain else CHANNEL_METHODS


def _key(question: Question | Problem) -> str:
    """Return the key of a question in the file; for a single kernel, that of its problem."""
    if isinstance(question, Question) and question.plain and not isinstance(question.kernel, Bank):
        question = question.problem
    # A convolution and the correlation with the reflected kernel are the same problem.
    kernel = question.kernel.flip() if question.reflected else question.kernel
    values = [kernel.fingerprint, *question.key[2:]]
    return hashlib.sha256("\0".join([identity(), *map(repr, values)]).encode()).hexdigest()

"""Which sections does a report card have? A row for each: its name, and the module that measures it.

A further section is a module in `faltung.inspect.sections` with a function ``measure(subject)`` that returns a
`SectionResult`, and a row here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

from faltung.errors import ArgumentError
from faltung.inspect.section_result import NotMeasured, SectionResult, Subject

__all__ = ["SECTIONS", "SectionRow", "measured", "wanted_rows"]


@dataclass(frozen=True)
class SectionRow:
    """One section.

    Parameters
    ----------
    name : str
        Its name in the JSON, in `Card.sections`, and for the argument `sections` of `card`.
    module : str
        Where its function `measure` is.

    Examples
    --------
    >>> SECTIONS[0].name
    'execution'
    """

    name: str
    module: str


#: In the order in which a card shows them.
SECTIONS = (
    SectionRow("execution", "faltung.inspect.sections.execution"),
    SectionRow("counts", "faltung.inspect.sections.counts"),
    SectionRow("receptive_fields", "faltung.inspect.sections.receptive_fields"),
    SectionRow("effective_field", "faltung.inspect.sections.effective_field"),
    SectionRow("shifts", "faltung.inspect.sections.shifts"),
    SectionRow("filters", "faltung.inspect.sections.layer_filters"),
)


def wanted_rows(names: Iterable[str] | None) -> tuple[SectionRow, ...]:
    """Return the sections of these names, or all of them for None.

    Raises
    ------
    ArgumentError
        There is no section of a name.

    Examples
    --------
    >>> [row.name for row in wanted_rows(["counts"])]
    ['counts']
    """
    if names is None:
        return SECTIONS
    known = {row.name: row for row in SECTIONS}
    chosen = [names] if isinstance(names, str) else [*names]
    for name in chosen:
        if name not in known:
            raise ArgumentError("sections", f"names out of {', '.join(known)}", repr(name))
    return tuple(row for row in SECTIONS if row.name in chosen)


def measured(row: SectionRow, subject: Subject) -> SectionResult:
    """Return the results of a section; where torch cannot do what it needs, the reason takes their place.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    try:
        result: SectionResult = import_module(row.module).measure(subject)
        return result
    except (RuntimeError, NotImplementedError) as error:
        reason = " ".join((str(error).splitlines() or [""])[0].split())
        return NotMeasured(f"{type(error).__name__}: {reason}")

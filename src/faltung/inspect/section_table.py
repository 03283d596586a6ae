"""Which sections does a report card have? A row for each: its name, and the module that measures it.

A further section is a module in `faltung.inspect.sections` with a function ``measure(subject)`` that returns a
`SectionResult`, and a row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

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
    takes : tuple of str, optional
        Further arguments of `card` that it uses.

    Examples
    --------
    >>> SECTIONS[0].name
    'execution'
    """

    name: str
    module: str
    takes: tuple[str, ...] = ()


#: In the order in which a card shows them.
SECTIONS = (
    SectionRow("execution", "faltung.inspect.sections.execution"),
    SectionRow("counts", "faltung.inspect.sections.counts"),
    SectionRow("receptive_fields", "faltung.inspect.sections.receptive_fields"),
    SectionRow("effective_field", "faltung.inspect.sections.effective_field"),
    SectionRow("shifts", "faltung.inspect.sections.shifts"),
    SectionRow("filters", "faltung.inspect.sections.layer_filters"),
    SectionRow("patterns", "faltung.inspect.sections.patterns", ("data", "labels", "channels")),
    SectionRow("attribution", "faltung.inspect.sections.attribution", ("data",)),
)


def wanted_rows(
    names: Iterable[str] | None, given: Mapping[str, object] = MappingProxyType({})
) -> tuple[SectionRow, ...]:
    """Return the sections of these names, or all of them for None.

    Parameters
    ----------
    names : iterable of str or None
        The names.
    given : mapping of str, optional
        Further arguments of `card`; one of these sections uses each that is not None.

    Raises
    ------
    ArgumentError
        There is no section of a name, or none of them uses an argument.

    Examples
    --------
    >>> [row.name for row in wanted_rows(["counts"])]
    ['counts']
    >>> wanted_rows(["counts"], {"labels": [0, 1]})
    Traceback (most recent call last):
    faltung.errors.ArgumentError: labels: expected none for these sections, got labels. The section patterns uses ...
    """
    known = {row.name: row for row in SECTIONS}
    chosen = [*known] if names is None else [names] if isinstance(names, str) else [*names]
    for name in chosen:
        if name not in known:
            raise ArgumentError("sections", f"names out of {', '.join(known)}", repr(name))
    for argument, value in given.items():
        users = [row.name for row in SECTIONS if argument in row.takes]
        if value is not None and not {*users} & {*chosen}:
            remedy = f"The section {' or '.join(users)} uses them."
            raise ArgumentError(argument, "none for these sections", argument, remedy)
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

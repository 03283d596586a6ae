"""What is a section of a card? Its results, and how they are told: facts, a table, pictures, figures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from faltung.inspect.captured_run import Captured
from faltung.inspect.examples import Example
from faltung.inspect.input_samples import InputSamples
from faltung.inspect.layer_rows import LayerRow

__all__ = ["CardTable", "Drawing", "NotMeasured", "SectionResult", "Subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """What a section is measured on. The network is in evaluation mode, and guarded: it may be run as it is.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    examples : tuple of Example
        Its inputs, the first one first.
    captured : tuple of Captured
        What happened with each of them.
    layers : tuple of LayerRow
        The layers, as they ran on the first example.
    output : LayerRow
        The network as a whole, with its first result.
    was_training : bool
        Whether the network came in training mode.
    samples : InputSamples or None, optional
        The data, or else the examples as data; None if the input is no floating-point tensor.
    channels : mapping of str to tuple of int, optional
        Layers whose patterns are shown, and their channels; those that vary most by default.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """

    network: torch.nn.Module
    examples: tuple[Example, ...]
    captured: tuple[Captured, ...]
    layers: tuple[LayerRow, ...]
    output: LayerRow
    was_training: bool
    samples: InputSamples | None = None
    channels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """The modules by the names that layers have: a network that is one layer is called ``(itself)``."""
        return {name or "(itself)": module for name, module in self.network.named_modules()}


@dataclass(frozen=True)
class CardTable:
    """A table of a section.

    Parameters
    ----------
    header : tuple of str
        One cell for each column.
    rows : tuple of tuple of str
        Each begins with its name.
    caption : str
        What the reader has to know.
    page_only : tuple of str
        Columns that the terminal has no room for.

    Examples
    --------
    >>> CardTable(("layer", "parameters", "bytes"), (("0", "12", "48"),), page_only=("bytes",)).narrow
    (('layer', 'parameters'), (('0', '12'),))
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    page_only: tuple[str, ...] = ()

    @property
    def narrow(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows for the terminal."""
        kept = [place for place, name in enumerate(self.header) if name not in self.page_only]
        return tuple(self.header[place] for place in kept), tuple(
            tuple(row[place] for place in kept) for row in self.rows
        )


@dataclass(frozen=True)
class Drawing:
    """A picture of a section.

    Parameters
    ----------
    html : str
        An SVG element, or an ``img`` whose data are inside.
    caption : str
        What it shows.

    Examples
    --------
    >>> Drawing("<svg/>", "nothing").caption
    'nothing'
    """

    html: str
    caption: str


@dataclass(frozen=True, eq=False)
class SectionResult:
    """Base of the results of all sections: a frozen dataclass whose fields are numbers, texts, and tuples of those.

    A section overrides what it has; the card shows it in the terminal, as HTML and as JSON.

    Examples
    --------
    >>> NotMeasured("no input").facts()
    {'Not measured': 'no input'}
    """

    heading: ClassVar[str] = ""
    """Title of the section."""

    def facts(self) -> Mapping[str, str]:
        """Return what is most important, as pairs of a name and a text."""
        return {}

    def table(self) -> CardTable | None:
        """Return the numbers, or None if there is no table."""
        return None

    def drawings(self) -> Sequence[Drawing]:
        """Return pictures for the page."""
        return ()

    def warnings(self) -> Sequence[str]:
        """Return what a reader must not overlook, in whole sentences."""
        return ()

    def figures(self) -> Mapping[str, float]:
        """Return numbers by the names that requirements and comparisons use."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in dataclasses.fields(self) if entry.repr}


@dataclass(frozen=True, eq=False)
class NotMeasured(SectionResult):
    """In place of the results of a section that could not be measured.

    Parameters
    ----------
    reason : str
        Why.

    Examples
    --------
    >>> NotMeasured("no input").reason
    'no input'
    """

    reason: str

    def facts(self) -> Mapping[str, str]:
        """Return the reason."""
        return {"Not measured": self.reason}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in dataclasses.fields(value) if entry.repr}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no other word for it
    return value

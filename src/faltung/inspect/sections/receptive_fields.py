"""What does each layer see of the input? The exact set of positions for an output in the middle, holes included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from faltung.inspect.layer_rows import LayerRow, is_layer
from faltung.inspect.receptive_field import ReceptiveField, field_of
from faltung.inspect.section_result import CardTable, Drawing, SectionResult, Subject

__all__ = ["LayerField", "ReceptiveFieldsResult", "measure"]


@dataclass(frozen=True)
class LayerField:
    """What the middle output of one call of a layer sees.

    Parameters
    ----------
    name : str
        Path of the layer.
    size : tuple of int
        Length of the smallest box around it, along each axis of the input.
    count : int
        Number of positions.
    share : float
        Positions, divided by those of the whole input.
    has_holes : bool
        Whether positions of the box are left out.
    at_border : bool
        Whether it touches the border, so that it may be larger on a larger input.
    status : str
        What the set is: exact, whole input, upper bound, by gradients (a lower bound), unknown.
    reasons : tuple of str
        Operations that are the reason why it is not exact.

    Examples
    --------
    >>> LayerField("0", (5,), 3, 0.1, True, False, "exact", ()).size
    (5,)
    """

    name: str
    size: tuple[int, ...]
    count: int
    share: float
    has_holes: bool
    at_border: bool
    status: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ReceptiveFieldsResult(SectionResult):
    """Receptive fields of all layers, and of the output.

    Parameters
    ----------
    layers : tuple of LayerField
        In the order in which they ran.
    output : LayerField
        That of the output of the network.
    output_field : ReceptiveField
        The set itself.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """

    heading: ClassVar[str] = "What it sees"

    layers: tuple[LayerField, ...]
    output: LayerField
    output_field: ReceptiveField = field(repr=False)

    def facts(self) -> Mapping[str, str]:
        """Return what the output sees."""
        return {"Receptive field of the output": _in_words(self.output)}

    def table(self) -> CardTable:
        """Return the field of each layer."""
        rows = [
            (
                layer.name,
                " x ".join(map(str, layer.size)) or "1",
                f"{layer.count:,}",
                f"{100 * layer.share:.1f} %",
                "yes" if layer.has_holes else "",
                "yes" if layer.at_border else "",
                layer.status + (f" ({', '.join(layer.reasons)})" if layer.reasons else ""),
            )
            for layer in (*self.layers, self.output)
        ]
        header = ("Layer", "Field", "Positions", "Of the input", "Holes", "Border", "Known")
        caption = (
            "What the output in the middle can depend on: the smallest box around it, and how many positions of the "
            "box. Border: cut off by this input, and larger on a larger one. The sets are about structure: "
            "weights that happen to be zero count as others."
        )
        return CardTable(header, tuple(rows), caption, page_only=("Of the input",))

    def drawings(self) -> Sequence[Drawing]:
        """Return the field of the output as a picture."""
        told = f"{self.output_field}"
        return (Drawing(self.output_field.picture(told), f"{told}. Orange: the positions that it can depend on."),)

    def figures(self) -> Mapping[str, float]:
        """Return the size of the field of the output."""
        return {
            "receptive_field": float(max(self.output.size, default=1)),
            "receptive_field_share": self.output.share,
        }


def measure(subject: Subject) -> ReceptiveFieldsResult:
    """Follow the sets of all layers back to the input.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    captured = subject.captured[0]
    layers = tuple(
        _of(row.name, field_of(captured, row)) for row in subject.layers if row.result.shape and _follows(row)
    )
    whole = field_of(captured, subject.output)
    return ReceptiveFieldsResult(layers, _of("output", whole), whole)


def _follows(row: LayerRow) -> bool:
    """Whether a layer works on the input, and not on weights alone or position by position."""
    return any(operation.follows and is_layer(operation) for operation in row.operations)


def _of(name: str, found: ReceptiveField) -> LayerField:
    return LayerField(
        name,
        found.size,
        found.count,
        found.count / max(found.mask.size, 1),
        found.has_holes,
        found.at_border,
        found.status,
        found.reasons,
    )


def _in_words(found: LayerField) -> str:
    size = " x ".join(map(str, found.size)) or "1"
    holes = f", {found.count:,} of these positions" if found.has_holes else ""
    cut = ", cut off by the border" if found.at_border and found.status != "whole input" else ""
    why = f" because of {', '.join(found.reasons)}" if found.reasons else ""
    return f"{size}{holes}{cut} ({found.status}{why})"

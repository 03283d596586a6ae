"""What does a network do? Its report card, for the terminal, as a page, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from torch import nn

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.new_files import write_new_file
from faltung.ground.notebook import html_table
from faltung.ground.targets import check_new_file
from faltung.inspect.capture import capture
from faltung.inspect.captured_run import Captured
from faltung.inspect.card_page import card_page
from faltung.inspect.card_text import card_text, plain_text
from faltung.inspect.chosen_channels import checked_channels
from faltung.inspect.comparison import CardComparison
from faltung.inspect.examples import as_example
from faltung.inspect.guarded import check_network, guarded
from faltung.inspect.input_samples import samples_for
from faltung.inspect.layer_rows import LayerRow, layer_rows, output_row
from faltung.inspect.receptive_field import ReceptiveField, field_of, reach_of
from faltung.inspect.requirements import Requirement, requirement_of
from faltung.inspect.section_result import SectionResult, Subject
from faltung.inspect.section_table import measured, wanted_rows
from faltung.inspect.supports import needs_values

__all__ = ["Card", "card"]


class Card:
    """The report card of a network; `card` makes it.

    Parameters
    ----------
    title : str
        What the card is about.
    sections : mapping of str to SectionResult
        The results of each section, by its name.
    captured : Captured
        What happened with the first example.
    layers : tuple of LayerRow
        The layers, as they ran.
    output : LayerRow
        The network as a whole.

    Examples
    --------
    >>> import torch
    >>> import faltung as fa
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3, stride=2))
    >>> card = fa.inspect.card(network, torch.zeros(1, 1, 12, 12))
    >>> card.figures["parameters"], card.figures["multiply_adds"], card.figures["receptive_field"]
    (114, 4752, 5.0)
    >>> [row.met for row in card.require("parameters<1e6", "receptive_field>=7")]
    [True, False]
    """

    def __init__(
        self,
        title: str,
        sections: Mapping[str, SectionResult],
        captured: Captured,
        layers: Sequence[LayerRow],
        output: LayerRow,
    ) -> None:
        self.title = title
        self.sections = dict(sections)
        self._captured = captured
        self._layers = tuple(layers)
        self._output = output

    @property
    def figures(self) -> dict[str, float]:
        """Numbers of all sections, by the names that requirements use."""
        return {name: value for result in self.sections.values() for name, value in result.figures().items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must not overlook."""
        return tuple(text for result in self.sections.values() for text in result.warnings())

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in the order in which they ran; one that ran twice is there twice."""
        return tuple(row.name for row in self._layers)

    def sees(
        self, layer: str = "output", position: Sequence[int | None] | None = None, channel: int | None = None
    ) -> ReceptiveField:
        """Return which positions of the input an output sees.

        Parameters
        ----------
        layer : str, optional
            Name of a layer, of its first call; by default the output of the network.
        position : sequence of int, optional
            One number for each axis of the output behind batch and channels; the middle by default. Numbers for all
            axes behind the batch axis, with None for all of one, are taken as well.
        channel : int, optional
            By default all channels together.

        Examples
        --------
        See ``faltung.inspect.receptive_field.ReceptiveField``.
        """
        return field_of(self._captured, self._row(layer), position, channel)

    def reaches(
        self, position: Sequence[int | None], layer: str = "output", channel: int | None = None
    ) -> ReceptiveField:
        """Return which positions of the output of a layer a position of the input reaches.

        Parameters
        ----------
        position : sequence of int
            One number for each axis of the input behind batch and channels.
        layer : str, optional
            Name of a layer, of its first call; by default the output of the network.
        channel : int, optional
            By default all channels together.

        Examples
        --------
        >>> import torch
        >>> import faltung as fa
        >>> card = fa.inspect.card(torch.nn.Conv1d(1, 1, 3, padding=1), torch.zeros(1, 1, 9), sections=["counts"])
        >>> card.reaches((4,)).bounds
        ((3, 6),)
        """
        return reach_of(self._captured, self._row(layer), position, channel)

    def _row(self, layer: str) -> LayerRow:
        if layer == "output":
            return self._output
        for row in self._layers:
            if row.name == layer:
                return row
        raise ArgumentError("layer", f"'output' or one of {', '.join(dict.fromkeys(self.layers))}", repr(layer))

    def require(self, *texts: str) -> list[Requirement]:
        """Return which requirements are met, with the values.

        Parameters
        ----------
        *texts : str
            Comparisons of a figure with a number, such as ``"parameters<1e6"``; `figures` has the names.
        """
        figures = self.figures
        return [requirement_of(text, figures) for text in texts]

    def compare(self, other: Card) -> CardComparison:
        """Return the figures of two cards beside each other."""
        if not isinstance(other, Card):
            raise ArgumentTypeError("other", "a card", type(other).__name__)
        return CardComparison((self.title, other.title), self.figures, other.figures)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "title": self.title,
            "figures": self.figures,
            "warnings": [*self.warnings],
            "sections": {name: result.to_dict() for name, result in self.sections.items()},
        }

    def json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, default=str)

    def html(self) -> str:
        """Return the page, with its style and pictures in it."""
        return card_page(self.title, self.warnings, self.sections)

    def save(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the page (``.html``) or the numbers (``.json``) to one file.

        Raises
        ------
        ArgumentError
            The name has another ending, or the file cannot be written.
        """
        path = Path(path)
        texts = {".html": self.html, ".json": self.json}
        if path.suffix.lower() not in texts:
            raise ArgumentError("path", "a name that ends with .html or .json", repr(str(path)))
        check_new_file("path", path, overwrite)
        write_new_file(path, texts[path.suffix.lower()](), "path")

    def __rich__(self) -> Any:
        return card_text(self.title, self.warnings, self.sections)

    def __str__(self) -> str:
        return plain_text(self.__rich__())

    def __repr__(self) -> str:
        return f"<Card of {self.title}: {', '.join(self.sections)}>"

    def _repr_html_(self) -> str:
        parts = [f"<b>{escape(self.title)}</b>"]
        parts += [f"<p>{escape(text)}</p>" for text in self.warnings]
        for result in self.sections.values():
            parts.append(html_table(result.facts().items(), caption=result.heading))
            table = result.table()
            if table is not None:
                parts.append(html_table(table.rows, table.header))
            parts += [f"<figure>{drawing.html}</figure>" for drawing in result.drawings()]
        return "".join(parts)


def card(
    model: nn.Module,
    example: Any,
    *more_examples: Any,
    data: Any = None,
    labels: Any = None,
    channels: Mapping[str, Sequence[int]] | None = None,
    sections: Iterable[str] | None = None,
    title: str = "",
) -> Card:
    """Make the report card of a network: what it costs, what it sees, how it runs.

    The network is run in evaluation mode. It is left as it was: its mode, hooks, gradients, parameters, buffers, and
    the random number generators.

    Parameters
    ----------
    model : torch.nn.Module
        Any network, in any floating-point dtype, on any device.
    example : tensor, tuple of tensors, or mapping of str to tensor
        Its input, with the batch axis: the arguments of one call by position or by name.
    *more_examples
        Further inputs. If the network runs other operations for one of them, its control flow depends on data, and
        the card says so.
    data : tensor or array, shape (samples, ...), optional
        Samples in which patterns are looked for, as the network takes them; by default the examples. They take the
        place of the first floating-point input; further arguments are those of the example.
    labels : tensor, array or sequence of int, optional
        The class of each of these samples, for a linear probe of each layer.
    channels : mapping of str to sequence of int, optional
        Layers whose patterns are shown, and their channels; by default those that vary most.
    sections : iterable of str, optional
        Names of sections; all of them by default.
    title : str, optional
        What the card is about; by default the class of the network.

    Returns
    -------
    Card
        Printable; ``save("card.html")`` writes one page.

    Raises
    ------
    ArgumentError
        The network does not accept an example, or has parameters without values; or data, labels or channels do not
        fit to it, or no section uses them.
    ArgumentTypeError
        `model` is no torch module, or an example has no tensor.

    Examples
    --------
    >>> import torch
    >>> import faltung as fa
    >>> convolution = torch.nn.Conv2d(3, 8, 3, groups=1)
    >>> card = fa.inspect.card(convolution, torch.zeros(1, 3, 10, 10))
    >>> card.sections["counts"].multiply_adds == 8 * 8 * 8 * 3 * 9
    True
    """
    network = check_network(model)
    examples = tuple(as_example(one, "example") for one in (example, *more_examples))
    rows = wanted_rows(sections, {"data": data, "labels": labels, "channels": channels})
    was_training = network.training
    with guarded(network):
        runs = tuple(capture(network, one, needs_values) for one in examples)
        if not runs[0].results:
            raise ArgumentTypeError("model", "a network that returns tensors", "one that returns none")
        layers = layer_rows(runs[0])
        output = output_row(runs[0], type(network).__name__, layers)
        samples = samples_for(network, examples, runs[0].input, data, labels)
        chosen = checked_channels(channels or {}, layers)
        subject = Subject(network, examples, runs, layers, output, was_training, samples, chosen)
        results = {row.name: measured(row, subject) for row in rows}
    return Card(title or type(network).__name__, results, runs[0], layers, output)

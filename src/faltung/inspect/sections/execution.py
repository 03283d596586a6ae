"""How did the network run? Its inputs and outputs, its mode, its control flow, and whether torch can export it."""

from __future__ import annotations

import io
import logging
import warnings as warning_control
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.utils._python_dispatch import _disable_current_modes

from faltung.inspect.captured_run import Captured
from faltung.inspect.guarded import guarded
from faltung.inspect.section_result import SectionResult, Subject

__all__ = ["ExecutionResult", "measure"]


@dataclass(frozen=True, eq=False)
class ExecutionResult(SectionResult):
    """How a network ran.

    Parameters
    ----------
    network : str
        Its class.
    inputs : tuple of str
        Each example: names, shapes and dtypes of its tensors.
    outputs : tuple of str
        Shape and dtype of each tensor that it returned for the first example.
    was_training : bool
        Whether it came in training mode.
    operations : dict of str to int
        How often each operation of torch ran, without views.
    control_flow : str
        Where another example ran other operations; empty if none did.
    examples : int
        Number of examples.
    export : str
        Number of nodes of the graph from `torch.export`, or why there is none.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """

    heading: ClassVar[str] = "How it ran"

    network: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    was_training: bool
    operations: dict[str, int]
    control_flow: str
    examples: int
    export: str

    def facts(self) -> Mapping[str, str]:
        """Return inputs, outputs and the graph."""
        flow = "none seen" if self.examples > 1 else "not looked for: pass a second example"
        most = sorted(self.operations.items(), key=lambda pair: -pair[1])[:6]
        return {
            "Network": self.network,
            "Input": "; ".join(self.inputs),
            "Output": "; ".join(self.outputs),
            "Operations": ", ".join(f"{count} {name}" for name, count in most) + (" ..." if len(most) == 6 else ""),
            "Control flow that depends on data": self.control_flow or flow,
            "Graph (torch.export)": self.export,
        }

    def warnings(self) -> Sequence[str]:
        """Say what a reader must know of the mode and the control flow."""
        told = []
        if self.was_training:
            told.append("The network came in training mode; the card is about its evaluation mode.")
        if self.control_flow:
            told.append(
                f"The control flow depends on data: {self.control_flow}. The card is about the first example."
            )
        return told


def measure(subject: Subject) -> ExecutionResult:
    """Describe the runs, and export the network.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    first, *others = subject.captured
    flow = next((text for number, other in enumerate(others, 2) if (text := _difference(first, other, number))), "")
    return ExecutionResult(
        type(subject.network).__name__,
        tuple(map(str, subject.examples)),
        tuple(f"{' x '.join(map(str, place.shape)) or 'a number'} {place.dtype}" for place in first.results),
        subject.was_training,
        dict(Counter(operation.name for operation in first.operations)),
        flow,
        len(subject.captured),
        _exported(subject),
    )


def _difference(first: Captured, other: Captured, number: int) -> str:
    """Return where two runs differ in what they run; empty if they do not."""
    for one, two in zip(first.trace, other.trace, strict=False):
        if one != two:
            return f"example {number} ran {two} where example 1 ran {one}"
    if len(first.trace) == len(other.trace):
        return _other_choice(first, other, number)
    counts = f"{len(other.trace)} operations instead of {len(first.trace)}"
    return f"example {number} ran {counts}"


def _other_choice(first: Captured, other: Captured, number: int) -> str:
    """Return where two runs pass other numbers to an operation, or other weights; empty if they do not.

    Sizes are such numbers, so inputs of different sizes are not compared. Neither are fractions if the network reads
    numbers out of tensors: these depend on data without any branch.
    """
    if [place.shape for place in first.sources.values()] != [place.shape for place in other.sources.values()]:
        return ""
    reads = any("_local_scalar_dense" in name for name in first.trace)
    for name, one, two in zip(first.trace, first.choices, other.choices, strict=True):
        pairs = [(a, b) for a, b in zip(one, two, strict=False) if a != b and not (reads and isinstance(a, float))]
        if pairs or len(one) != len(two):
            what = f" ({pairs[0][1]} in place of {pairs[0][0]})" if pairs else ""
            return f"example {number} ran {name} with other arguments{what}"
    return ""


def _exported(subject: Subject) -> str:
    """Return what `torch.export` says of the network, in one line."""
    given = subject.examples[0].copied()
    try:
        with _disable_current_modes(), guarded(subject.network, preserving=False), _quiet():
            program = torch.export.export(subject.network, given.args, dict(given.kwargs), strict=False)
    except Exception as error:  # torch.export raises errors of many kinds for what it does not support
        reason = " ".join((str(error).splitlines() or [""])[0].split())
        return f"not possible: {type(error).__name__}: {reason[:160]}"
    return f"{sum(node.op == 'call_function' for node in program.graph.nodes)} operations"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch.export prints of its own work from the output: graphs, warnings, and lines for its log."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    silent = io.StringIO()
    try:
        with warning_control.catch_warnings(), redirect_stdout(silent), redirect_stderr(silent):
            warning_control.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)

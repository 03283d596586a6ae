"""What does the page show of a network? Its layers as maps, and how each number in them is made."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, MissingExtraError
from faltung.explorer.subject import PageSubject, Question

if TYPE_CHECKING:
    from faltung.explorer.network_answers import NetworkAnswers

__all__ = ["NetworkSubject"]

#: Numbers that a saved page holds, in bytes.
_STORED_BYTES = 10_000_000
_TILES = 16  # maps that the page asks for at once


class NetworkSubject(PageSubject):
    r"""A network, by default a small classifier that is part of this package.

    Nothing is read or run before the page asks, unless a network is given, which must accept its example.

    Parameters
    ----------
    network : torch.nn.Module, optional
        Any network. It is left as it was.
    example : tensor, tuple of tensors, or mapping of str to tensor, optional
        Its input, with the batch axis; each entry along it is a sample to choose.
    classes : sequence of str, optional
        Names of the classes.
    run : path, optional
        A run folder of `faltung learn`, in place of a network.
    stem : str, optional
        Network of the run: "model", or the name of a yardstick.

    Examples
    --------
    >>> import torch
    >>> subject = NetworkSubject(torch.nn.Conv1d(1, 2, 3), torch.zeros(1, 1, 8))
    >>> subject.questions()["network.overview"]()["title"]
    'Conv1d'
    """

    name = "network"

    def __init__(
        self,
        network: Any = None,
        example: Any = None,
        classes: Sequence[str] | None = None,
        run: str | Path | None = None,
        stem: str = "model",
    ) -> None:
        self._run, self._stem = run, stem
        self._made: NetworkAnswers | None = None
        if network is not None:
            from faltung.explorer.network_answers import NetworkAnswers
            from faltung.explorer.network_source import given_source

            self._made = NetworkAnswers(given_source(network, example, classes))
            self._made.run(_first_input(self._made))  # an example that does not fit is refused now

    def content(self) -> Mapping[str, object] | None:
        """Return whether there is a network: it is loaded when its view is opened."""
        missing = self._made is None and importlib.util.find_spec("torch") is None
        return {"missing": missing, "kind": "given" if self._made else "run" if self._run else "built in"}

    def questions(self) -> Mapping[str, Question]:
        """Return what can be asked."""
        return {
            "network.overview": self._overview,
            "network.run": self._of_input("run"),
            "network.maps": self._maps,
            "network.tensor": self._of_input("tensor", "tensor"),
            "network.weights": self._of_input("weights", "layer", "channel"),
            "network.contributions": self._of_position("contributions"),
            "network.field": self._of_position("field"),
            "network.reach": self._reach,
            "network.compared": self._of_input("compared"),
            "network.patches": self._patches,
            "network.depth": self._depth,
            "network.own": self._own,
        }

    def _answers(self) -> NetworkAnswers:
        if self._made is None:
            if importlib.util.find_spec("torch") is None:
                raise MissingExtraError("the view of networks", "learn")
            from faltung.explorer.network_answers import NetworkAnswers
            from faltung.explorer.network_source import built_in_source, run_source

            source = built_in_source() if self._run is None else run_source(self._run, self._stem)
            self._made = NetworkAnswers(source)
        return self._made

    def _overview(self) -> object:
        return self._answers().overview()

    def _of_input(self, name: str, *whole: str) -> Question:
        def answer(**given: Any) -> object:
            _check_names(given, "input", *whole)
            asked = self._checked_input(given["input"])
            return getattr(self._answers(), name)(asked, *(_whole(each, given[each]) for each in whole))

        return answer

    def _of_position(self, name: str) -> Question:
        def answer(**given: Any) -> object:
            _check_names(given, "input", "layer", "channel", "position")
            asked = self._checked_input(given["input"])
            numbers = [_whole(each, given[each]) for each in ("layer", "channel")]
            return getattr(self._answers(), name)(asked, *numbers, _position(given["position"]))

        return answer

    def _maps(self, **given: Any) -> object:
        _check_names(given, "input", "layer", "first", "count")
        numbers = [_whole(each, given[each]) for each in ("layer", "first", "count")]
        if numbers[1] < 0 or not 0 < numbers[2] <= 64:
            raise ArgumentError("count", "at most 64 maps from a first one", f"{numbers[2]} from {numbers[1]}")
        return self._answers().maps(self._checked_input(given["input"]), *numbers)

    def _reach(self, **given: Any) -> object:
        _check_names(given, "input", "position")
        answers, position = self._answers(), _position(given["position"])
        if len(position) != len(answers.source.samples.shape) - 2:
            raise ArgumentError("position", "one number for each axis of the input", str(position))
        return answers.reach(self._checked_input(given["input"]), position)

    def _patches(self, **given: Any) -> object:
        _check_names(given, "layer", "channel")
        return self._answers().patches(_whole("layer", given["layer"]), _whole("channel", given["channel"]))

    def _depth(self) -> object:
        return self._answers().depth()

    def _own(self, **given: Any) -> object:
        _check_names(given, "pixels")
        if not isinstance(given["pixels"], np.ndarray):
            raise ArgumentError("pixels", "an array", type(given["pixels"]).__name__)
        return self._answers().own(given["pixels"])

    def _checked_input(self, value: Any) -> dict[str, Any]:
        """Return which input is asked about, checked."""
        if not isinstance(value, dict) or {*value} != {"sample", "own", "shift", "fill"}:
            raise ArgumentError("input", "sample, own, shift and fill", repr(value)[:80])
        shift, axes = _position(value["shift"]), self._answers().axes
        lengths = self._answers().source.samples.shape[-axes:] if axes else ()
        if len(shift) != axes or any(abs(each) > length for each, length in zip(shift, lengths, strict=True)):
            raise ArgumentError("shift", f"{axes} whole numbers within the input", repr(shift)[:80])
        if value["fill"] not in ("zero", "wrap") or not isinstance(value["own"], str):
            raise ArgumentError("fill", "zero or wrap", repr(value["fill"])[:40])
        return {**value, "sample": _whole("sample", value["sample"]), "shift": shift}

    def stored(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what a saved page holds: all layers of the first sample, with their numbers, while there is room."""
        if self.content() == {"missing": True, "kind": "built in"}:
            return
        answers = self._answers()
        asked = _first_input(answers)
        yield "network.overview", {}
        yield "network.run", {"input": asked}
        layers = answers.run(asked)["layers"]
        yield from _bounded(_with_bytes(asked, layers), _STORED_BYTES)


def _first_input(answers: NetworkAnswers) -> dict[str, Any]:
    return {"sample": 0, "own": "", "shift": [0] * answers.axes, "fill": "zero"}


def _bounded(
    questions: Iterator[tuple[int, str, dict[str, Any]]], most: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield questions whose answers together have at most so many bytes."""
    total = 0
    for size, question, arguments in questions:
        if total + size <= most:
            total += size
            yield question, arguments


def _with_bytes(asked: dict[str, Any], layers: list[dict[str, Any]]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield questions about all layers, what is seen first before the rest, with about the bytes of each answer."""
    for number, layer in enumerate(layers):
        pixels = math.prod(min(length, 64) for length in layer["shape"][1:])
        for first in range(0, layer["shape"][0], _TILES):
            arguments = {"input": asked, "layer": number, "first": first, "count": _TILES}
            yield 2 * _TILES * pixels, "network.maps", arguments
    yield 200_000, "network.depth", {}
    known: set[int] = set()
    for layer in layers:
        for tensor, shape in [*zip(layer["making"]["inputs"], layer["making"]["shapes"], strict=True),
                              (layer["tensor"], layer["shape"])]:  # fmt: skip
            if tensor not in known:
                known.add(tensor)
                yield 6 * math.prod(shape), "network.tensor", {"input": asked, "tensor": tensor}
    channels = max((layer["shape"][0] for layer in layers), default=0)
    for channel in range(min(channels, 512)):
        for number, layer in enumerate(layers):
            if channel < layer["shape"][0] and layer["making"]["kind"] != "other":
                size = 6 * max(layer["weights"] // layer["shape"][0], 40)
                yield size, "network.weights", {"input": asked, "layer": number, "channel": channel}
    for number, layer in enumerate(layers):
        if layer["field"] is None:
            middle = [length // 2 for length in layer["shape"][1:]]
            arguments = {"input": asked, "layer": number, "channel": 0, "position": middle}
            yield 100_000, "network.field", arguments


def _check_names(given: Mapping[str, Any], *names: str) -> None:
    if {*given} != {*names}:
        raise ArgumentError("arguments", ", ".join(names), ", ".join(sorted(given))[:80] or "none")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1 << 40:
        raise ArgumentError(name, "a whole number", repr(value)[:40])
    return value


def _position(value: Any) -> list[int]:
    if not isinstance(value, list) or len(value) > 4:
        raise ArgumentError("position", "a list of whole numbers", repr(value)[:40])
    return [_whole("position", each) for each in value]

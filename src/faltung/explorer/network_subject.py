"""What does the page show of a network? Its layers as maps, and how each number in them is made."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError, FaltungError, MissingExtraError, lacks_learning
from faltung.explorer.subject import PageSubject, Question

if TYPE_CHECKING:
    from faltung.explorer.network_answers import NetworkAnswers

__all__ = ["NetworkSubject"]

_WAITING = "This network is still being trained. It is shown here as soon as it is there."
#: Numbers that a saved page holds, in bytes.
_STORED_BYTES = 10_000_000
_TILES = 16  # maps that the page asks for at once
#: What the page may ask, and with which arguments.
_QUESTIONS = {
    "overview": (),
    "run": ("input",),
    "maps": ("input", "layer", "first", "count"),
    "tensor": ("input", "tensor"),
    "weights": ("input", "layer", "channel"),
    "contributions": ("input", "layer", "channel", "position"),
    "field": ("input", "layer", "channel", "position"),
    "reach": ("input", "position"),
    "compared": ("input",),
    "patches": ("layer", "channel"),
    "depth": (),
    "own": ("pixels",),
}


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
            try:
                from faltung.explorer.network_answers import NetworkAnswers
                from faltung.explorer.network_source import given_source
            except ModuleNotFoundError as error:
                if not lacks_learning(error):
                    raise
                raise MissingExtraError("the view of networks", "learn") from error

            self._made = NetworkAnswers(given_source(network, example, classes))
            self._made.check()  # an example or names that do not fit are refused now

    def content(self) -> Mapping[str, object]:
        """Return whether there is a network: it is loaded when its view is opened."""
        missing = self._made is None and not _is_installed()
        return {"missing": missing, "kind": "given" if self._made else "run" if self._run else "built in"}

    def questions(self) -> Mapping[str, Question]:
        """Return what can be asked: for each a method of `NetworkAnswers`, which checks the arguments."""
        return {f"network.{name}": self._question(name, arguments) for name, arguments in _QUESTIONS.items()}

    def _question(self, name: str, arguments: tuple[str, ...]) -> Question:
        def answer(**given: object) -> object:
            if {*given} != {*arguments}:
                received = ", ".join(sorted(given))[:80] or "none"
                raise ArgumentError("arguments", ", ".join(arguments) or "none", received)
            if name == "overview" and self._is_trained_now():
                return {"waiting": _WAITING}
            return getattr(self._answers(), name)(*(given[argument] for argument in arguments))

        return answer

    def _answers(self) -> NetworkAnswers:
        if self._made is None:
            if not _is_installed():
                raise MissingExtraError("the view of networks", "learn")
            from faltung.explorer.network_answers import NetworkAnswers
            from faltung.explorer.network_source import built_in_source, run_source

            source = built_in_source() if self._run is None else run_source(self._run, self._stem)
            self._made = NetworkAnswers(source)
        return self._made

    def _is_trained_now(self) -> bool:
        """Whether the network of the run will be there later."""
        if self._made is not None or self._run is None or not _is_installed():
            return False
        from faltung.learn.claim import is_claimed

        return is_claimed(Path(self._run)) and not Path(self._run, f"{self._stem}.safetensors").exists()

    def stored(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what a saved page holds: all layers of the first sample, with their numbers, while there is room."""
        if self.content()["missing"]:
            return
        yield "network.overview", {}
        try:
            answers = self._answers()
        except FaltungError:
            return  # the answer to the first question says why
        asked = answers.first_input
        yield "network.run", {"input": asked}
        layers = answers.run(asked)["layers"]
        yield from _bounded(_with_bytes(asked, layers), _STORED_BYTES)


def _is_installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "safetensors"))


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

"""What does the page show of learning? A run, also while it goes on; fits of pictures; paths from noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltung.errors import FaltungError, MissingExtraError, lacks_learning
from faltung.explorer.fit_question import LARGEST_SIZE, fit
from faltung.explorer.subject import PageSubject, Question
from faltung.ground.checks import integer

if TYPE_CHECKING:
    from faltung.explorer.noise_paths import NoisePaths
    from faltung.explorer.run_history import RunHistory

__all__ = ["LearningSubject"]

_MOST = 2**31
_STORED_CLASSES = 12  # so many classes have a path in a saved page


class LearningSubject(PageSubject):
    """How filters are learned: from two pictures, and in a run.

    Parameters
    ----------
    run : path, optional
        The folder of a run, which may go on.

    Raises
    ------
    ArgumentError
        If it is no run folder.

    Examples
    --------
    >>> LearningSubject().content()
    {'largest_size': 15, 'run': None, 'generator': None}
    """

    name = "learning"

    def __init__(self, run: str | PathLike[str] | None = None) -> None:
        self._history: RunHistory | None = None
        self._paths: NoisePaths | None = None
        if run is not None:
            try:
                from faltung.explorer.noise_paths import NoisePaths
                from faltung.explorer.run_history import RunHistory
            except ModuleNotFoundError as error:
                if not lacks_learning(error):
                    raise
                raise MissingExtraError("a run in the explorer", "learn") from error
            self._history, self._paths = RunHistory(Path(run)), NoisePaths(Path(run))

    def content(self) -> Mapping[str, object]:
        """Return the history so far, and what a generator can be asked; a sentence instead if a file is damaged."""
        shown: dict[str, object] = {"largest_size": LARGEST_SIZE, "run": None, "generator": None}
        if self._history is None:
            return shown
        try:
            return {**shown, **self._so_far(rows=0, epoch=-1)}
        except FaltungError as error:
            return {**shown, "problem": str(error)}

    def questions(self) -> Mapping[str, Question]:
        """Return what the page asks: fits, and of a run what is new and the paths of noise."""
        if self._history is None or self._paths is None:
            return {"fit": fit}
        return {"fit": fit, "history": self._so_far, "path": self._paths.path}

    def stored(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield a path from noise to a sample of each class."""
        generator = self.content()["generator"]
        if isinstance(generator, dict):
            for network in generator["networks"]:
                for label in range(min(len(generator["classes"]), _STORED_CLASSES)):
                    chosen = {name: generator[name] for name in ("seed", "steps", "guidance")}
                    yield "path", {"network": network, "label": label, **chosen}

    def _so_far(self, *, rows: object, epoch: object) -> dict[str, object]:
        assert self._history is not None
        assert self._paths is not None
        known = integer("rows", rows, 0, _MOST), integer("epoch", epoch, -1, _MOST)
        return {"run": self._history.since(*known), "generator": self._paths.content()}

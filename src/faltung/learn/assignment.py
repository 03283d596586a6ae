"""What is a run asked to do? It is recorded before the run begins, so that it can be continued after a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from faltung.datasets.data_error import data_error
from faltung.datasets.dataset import Split
from faltung.datasets.embedded import load_embedded
from faltung.datasets.reading import load
from faltung.errors import ArgumentError
from faltung.ground.checks import integer, real
from faltung.ground.given_files import read_object
from faltung.learn.arguments import seed_of, share, thread_count
from faltung.learn.augmentation import Augmentation
from faltung.learn.durations import duration
from faltung.learn.recipe import Recipe
from faltung.learn.runs import RunFolder

__all__ = ["ASSIGNMENT", "Assignment", "read_split"]

ASSIGNMENT = "run.json"
"""The file that is written first: what the run is asked to do."""

_FORMAT = 1
#: Arguments of `load` that a file may name, and kinds of what every run may be asked for.
_READING = {*signature(load).parameters} - {"path", "on_skip"}
_OPTIONS: dict[str, Any] = {"curve": bool, "fixed": bool, "splits": int | None, "time": int | float | None}


@dataclass(frozen=True)
class Assignment:
    """Data, recipe and seed of a run.

    Parameters
    ----------
    task : str
        Name of the task, such as "classify" or "generate".
    data : str or None
        Path of the data set; None is the one that ships with faltung.
    reading : dict or None
        Further arguments of `faltung.learn.load`; None if the data set was made of arrays.
    recipe : Recipe
        How the networks are trained.
    augmentation : Augmentation
        How samples are changed at random.
    label_smoothing : float
        Probability that a loss over classes takes from the true class.
    seed : int
        Seed of weights, order and augmentation.
    threads : int
        Threads of one operation on the CPU; the numbers depend on it.
    precision : str
        Precision of the products, as in `Hardware`.
    digest : str
        Digest of the data set when the run began.
    options : dict
        Whether there is a learning curve ("curve"), and the task's own settings.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If smoothing, seed or threads are of another type, or out of their range.

    Examples
    --------
    >>> import tempfile
    >>> assignment = Assignment("classify", None, {}, Recipe(), Augmentation(), 0.1, 0, 1, "float32", "b4ad")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     assignment.save(RunFolder(Path(folder)))
    ...     Assignment.load(Path(folder)) == assignment
    True
    """

    task: str
    data: str | None
    reading: dict[str, Any] | None
    recipe: Recipe
    augmentation: Augmentation
    label_smoothing: float
    seed: int
    threads: int
    precision: str
    digest: str
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Plain numbers, which JSON can hold. Recipe and augmentation have checked theirs.
        object.__setattr__(self, "label_smoothing", share("label_smoothing", self.label_smoothing))
        object.__setattr__(self, "seed", seed_of(self.seed))
        object.__setattr__(self, "threads", thread_count(self.threads))

    def save(self, run: RunFolder) -> None:
        """Write the assignment to the run folder."""
        run.write_json(ASSIGNMENT, {"format": _FORMAT, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Assignment:
        """Read the assignment of a run folder.

        Raises
        ------
        ArgumentError
            If the folder holds none, or one that cannot be read.
        """
        try:
            facts = read_object(folder / ASSIGNMENT)
            if facts.pop("format") != _FORMAT:
                raise ValueError("written by another version of faltung")
            facts["recipe"] = Recipe(**facts["recipe"])
            facts["augmentation"] = Augmentation(**facts["augmentation"])
            kinds = {"task": str, "data": str | None, "digest": str, "options": dict, "reading": dict | None}
            _check_kinds(facts, kinds)
            _check_options(facts["options"])
            if unknown := (facts["reading"] or {}).keys() - _READING:
                raise ValueError(f"{min(unknown)!r} is no argument of faltung.learn.load")
            return cls(**facts)
        except FileNotFoundError as error:
            received = f"{str(folder)!r}, which {'has none' if folder.is_dir() else 'does not exist'}"
            raise ArgumentError("resume", f"a run folder with {ASSIGNMENT}", received) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            received = f"{str(folder)!r} ({type(error).__name__}: {error})"
            raise ArgumentError("resume", f"a run folder with {ASSIGNMENT} as faltung wrote it", received) from error

    def check(self, settings: Mapping[str, object]) -> None:
        """Refuse settings with which the run did not begin, by name.

        Raises
        ------
        ArgumentError
            A setting is another one, or not one of a run.

        Examples
        --------
        >>> assignment = Assignment("classify", None, {}, Recipe(), Augmentation(), 0.1, 0, 1, "float32", "b4ad")
        >>> assignment.check({"seed": 0, "threads": 2})
        Traceback (most recent call last):
        faltung.errors.ArgumentError: threads: expected 1, with which the run began, got 2. Omit it, or begin a ...
        """
        own = {**asdict(self), **asdict(self.recipe), **(self.reading or {}), **self.options, "seed": self.seed}
        for name, value in settings.items():
            asked = str(value.resolve()) if isinstance(value, Path) else value
            if name not in own:
                expected = "nothing, since a run is continued with its own settings"
                raise ArgumentError(name, expected, repr(asked), "Omit it.")
            if own[name] != asked:
                began, received = (_told(name, setting) for setting in (own[name], asked))
                remedy = "Omit it, or begin a new run."
                raise ArgumentError(name, f"{began}, with which the run began", received, remedy)

    def read_data(self, place: str | Path | None = None) -> Split:
        """Read the data set again, from another place if it was moved.

        Raises
        ------
        ArgumentError
            If it is not what it was when the run began, or was not read from files.
        """
        if self.reading is None:
            remedy = "Call faltung.learn.resume(folder, split)."
            raise ArgumentError("split", "the data set, which was made of arrays", "none", remedy)
        data = self.data if place is None else str(place)
        if data is not None and not Path(data).exists():
            remedy = "If the data were moved, name where they are: faltung learn DATA --resume RUN"
            raise data_error("a folder or file that exists", repr(data), remedy)
        return self.checked(read_split(data, self.reading))

    def checked(self, split: Split) -> Split:
        """Return a data set if it is what it was when the run began.

        Raises
        ------
        ArgumentError
            If it is not.
        """
        if split.digest != self.digest:
            raise ArgumentError(
                "resume",
                f"the data set as it was when the run began (digest {self.digest[:12]})",
                f"another content of {split.name} ({split.digest[:12]})",
                "Put the data back as they were, or begin a new run.",
            )
        return split


def _check_kinds(facts: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    for name, kind in kinds.items():
        if not isinstance(facts[name], kind):
            raise TypeError(f"{name} is {repr(facts[name])[:80]}")


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError if what a run is asked for besides is of another kind."""
    plain = dict.fromkeys(options, str | int | float | bool | None)
    own = {name: kind for name, kind in _OPTIONS.items() if name in options}
    _check_kinds(options, {**plain, **own})
    if options.get("splits") is not None:
        integer("splits", options["splits"], 1)
    if options.get("time") is not None:
        real("time", options["time"], 0.0, open_end=True)


def read_split(data: str | None, reading: dict[str, Any]) -> Split:
    """Read a data set, or the one that ships with faltung."""
    return load_embedded() if data is None else load(data, **reading)


def _told(name: str, setting: object) -> str:
    """Return a setting as it is typed."""
    return duration(setting) if name == "time" and isinstance(setting, float) else repr(setting)

"""Which tasks can be learned? The table of tasks: a name, and the module that says what the task is.

A new task is one file in this folder that defines `TASK`, and one line in the table. The module is imported when the
task is first used, so that the names of the tasks cost nothing.

Examples
--------
>>> list(TASKS)
['classify', 'generate']
>>> TASKS["classify"].curve.name
'accuracy_by_training_samples'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError

if TYPE_CHECKING:
    from faltung.learn.task import Task

__all__ = ["TASKS"]


class _Tasks(Mapping[str, "Task[Any]"]):
    """Tasks by name, each loaded when it is used."""

    def __init__(self, module_of: Mapping[str, str]) -> None:
        self.module_of = dict(module_of)

    def __getitem__(self, name: str) -> Task[Any]:
        if not isinstance(name, str) or name not in self.module_of:
            raise ArgumentError("task", " or ".join(self.module_of), repr(name))
        task: Task[Any] = import_module(self.module_of[name]).TASK
        return task

    def __contains__(self, name: object) -> bool:
        return name in self.module_of

    def __iter__(self) -> Iterator[str]:
        return iter(self.module_of)

    def __len__(self) -> int:
        return len(self.module_of)


TASKS: Mapping[str, Task[Any]] = _Tasks(
    {
        "classify": "faltung.learn.tasks.classify",
        "generate": "faltung.learn.tasks.generate",
    }
)
"""The tasks that `faltung learn --task` and `faltung.learn.run` know."""

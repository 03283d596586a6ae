"""How fast is this machine? Figures that were measured on it are kept on disk for later processes.

They are in JSON files beside the compiled objects, under the same rules: private to the user, written completely or
not at all, and checked by a digest. A file that cannot be trusted is ignored, and replaced by the next measurement.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from faltung.jit import object_cache
from faltung.jit.target import host
from faltung.planning.cost import TYPICAL, Machine

__all__ = [
    "LAYER_TIMES",
    "Kept",
    "clear",
    "current",
    "identity",
    "keep",
    "keep_better",
    "known",
    "note",
    "on_change",
    "undo",
]

#: The file with the times of layers, which `faltung.tensors.layer_wisdom` writes.
LAYER_TIMES = "layers.json"
_FILE = "machine.json"
#: How long the problems took from which the figures come, and the figures before.
_HISTORY = "calibration.json"
#: Most pairs of machine and version of the package whose figures are kept; several may share a home folder.
_MOST_MACHINES = 100

_current: Machine | None = None
_dependents: list[Callable[[], object]] = []


def current() -> Machine:
    """Return the figures measured on this machine, or typical ones; each process reads the disk once."""
    global _current
    machine = _current
    if machine is None:
        machine = _current = _saved() or TYPICAL
    return machine


def keep(machine: Machine) -> bool:
    """Use these figures for planning, in later processes too; return whether they could be saved."""
    note(_FILE, identity(), asdict(machine), _MOST_MACHINES)
    _use(machine)
    return _saved() == machine


@dataclass(frozen=True)
class Kept:
    """What became of figures that were measured.

    Parameters
    ----------
    before : Machine
        The figures that were in use until then.
    used : bool
        Whether the new ones are in use now.
    saved : bool
        Whether the figures in use were saved for later processes.
    slower : float
        Time of this measurement over that of the earlier one, or 1 if there was none.
    """

    before: Machine
    used: bool
    saved: bool
    slower: float


def keep_better(machine: Machine, seconds: float) -> Kept:
    """Use these figures, unless an earlier measurement took less time: what disturbs one makes it longer.

    Parameters
    ----------
    machine : Machine
        The figures.
    seconds : float
        Typical time of the problems that were timed; the same problems are timed every time.
    """
    before, entry = current(), _entry()
    earlier = entry.get("seconds") if _saved() is not None else None
    slower = seconds / earlier if isinstance(earlier, float) and earlier > 0 else 1.0
    if slower > 1:
        return Kept(before, False, True, slower)
    note(_HISTORY, identity(), {"seconds": seconds, "before": asdict(before)}, _MOST_MACHINES)
    return Kept(before, True, keep(machine), slower)


def undo() -> Machine | None:
    """Use the figures before the last measurement again, and return them; None if there are none to go back to."""
    before = _as_machine(_entry().get("before"))
    if before is None:
        return None
    _drop(_HISTORY)
    if before == TYPICAL:
        _drop(_FILE)
        _use(before)
    else:
        keep(before)
    return before


def on_change(dependent: Callable[[], object]) -> None:
    """Call `dependent` whenever the figures change, for example to drop plans that were made with the old ones."""
    _dependents.append(dependent)


def identity() -> str:
    """Return a digest of processor, vector width and version of the package, for which measurements are valid."""
    target = host()
    # The version is in the package itself, which is on a higher floor and loaded whenever this runs.
    version = sys.modules["faltung"].__version__
    return hashlib.sha256(f"{target.identity} {target.vector_bytes} {version}".encode()).hexdigest()


def known(name: str) -> dict[str, Any]:
    """Return the entries of a JSON file; none if there is no file that can be trusted."""
    content = object_cache.read(name)
    if content is None:
        return {}
    import json  # if nothing was measured, the first convolution does not wait for this import

    try:
        entries = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def note(name: str, key: str, value: Any, most: int) -> None:
    """Add an entry to a file behind those of other processes; the `most` recent entries are kept."""
    import json

    entries = known(name)
    entries.pop(key, None)
    entries[key] = value
    recent = dict([*entries.items()][-most:])
    object_cache.write(name, json.dumps(recent, indent=1).encode())


def clear(name: str) -> bool:
    """Remove all entries of a file; return whether there were any."""
    had = bool(known(name))
    if had:
        object_cache.write(name, b"{}")
    return had


def _use(machine: Machine) -> None:
    global _current
    _current = machine
    for dependent in _dependents:
        dependent()


def _entry() -> dict[str, Any]:
    entry = known(_HISTORY).get(identity())
    return entry if isinstance(entry, dict) else {}


def _drop(name: str) -> None:
    """Remove the entry of this machine from a file."""
    import json

    entries = known(name)
    if entries.pop(identity(), None) is not None:
        object_cache.write(name, json.dumps(entries, indent=1).encode())


def _saved() -> Machine | None:
    entries = known(_FILE)
    return _as_machine(entries.get(identity()) if entries else None)


def _as_machine(figures: Any) -> Machine | None:
    """Return the figures of an entry, or None if it is not one of figures."""
    units = [field.name for field in fields(Machine)]
    if not isinstance(figures, dict) or figures.keys() != {*units}:
        return None
    values = [figures[unit] for unit in units]
    if not all(isinstance(value, float) and 0 <= value < math.inf for value in values):
        return None
    return Machine(*values)

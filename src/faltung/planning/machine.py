"""How fast is this machine? Figures that were measured on it are kept on disk for later processes.

They are in JSON files beside the compiled objects, under the same rules: private to the user, written completely or
not at all, and checked by a digest. A file that cannot be trusted is ignored, and replaced by the next measurement.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from faltung.jit import object_cache
from faltung.jit.target import host
from faltung.planning.cost import TYPICAL, Machine

__all__ = ["current", "identity", "keep", "known", "note", "on_change"]

_FILE = "machine.json"
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
    global _current
    note(_FILE, identity(), asdict(machine), _MOST_MACHINES)
    _current = machine
    for dependent in _dependents:
        dependent()
    return _saved() == machine


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
    except ValueError:
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


def _saved() -> Machine | None:
    entries = known(_FILE)
    figures = entries.get(identity()) if entries else None
    units = [field.name for field in fields(Machine)]
    if not isinstance(figures, dict) or figures.keys() != {*units}:
        return None
    values = [figures[unit] for unit in units]
    if not all(isinstance(value, float) and 0 <= value < math.inf for value in values):
        return None
    return Machine(*values)

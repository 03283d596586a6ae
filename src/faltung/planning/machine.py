"""Which machine is this, and what is known of it? Figures measured here are kept from process to process.

They lie in files of JSON beside the compiled objects and under the same rules: private to the user, written at once
or not at all, checked by a digest. What cannot be trusted is ignored, and replaced by the next measurement.
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
#: Machines that share a home folder, and versions of the package: more are not kept.
_MOST_MACHINES = 100

_current: Machine | None = None
_dependents: list[Callable[[], object]] = []


def current() -> Machine:
    """Return what was measured on this machine, or what is typical; the disk is read once in a process."""
    global _current
    found = _current
    if found is None:
        found = _current = _saved() or TYPICAL
    return found


def keep(machine: Machine) -> bool:
    """Plan with these figures from now on, in later processes too; return whether they could be saved."""
    global _current
    note(_FILE, identity(), asdict(machine), _MOST_MACHINES)
    _current = machine
    for dependent in _dependents:
        dependent()
    return _saved() == machine


def on_change(dependent: Callable[[], object]) -> None:
    """Have `dependent` called whenever other figures come into force, for example to drop plans made with the old."""
    _dependents.append(dependent)


def identity() -> str:
    """Digest of processor, vector width and version of the package: what is measured is true for these."""
    target = host()
    # The version stands in the package itself, which is on a higher rung, and loaded whenever this runs.
    version = sys.modules["faltung"].__version__
    return hashlib.sha256(f"{target.identity} {target.vector_bytes} {version}".encode()).hexdigest()


def known(name: str) -> dict[str, Any]:
    """Return the entries of a file, which is an object of JSON; none where there is no file that can be trusted."""
    content = object_cache.read(name)
    if content is None:
        return {}
    import json  # where nothing was measured, a first convolution does not wait for this

    try:
        entries = json.loads(content)
    except ValueError:
        return {}
    return entries if isinstance(entries, dict) else {}


def note(name: str, key: str, value: Any, most: int) -> None:
    """Put an entry into a file, after those of other processes, of which the `most` recent stay."""
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

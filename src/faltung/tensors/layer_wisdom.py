"""Which way was the fastest for a layer? Measured times are remembered, as the wisdom of plans is.

Times belong to everything that determines them: the layer, dtype, device and memory format, the number of threads,
the processor, and the versions of torch and of the package. They are kept on disk (see `faltung.planning.machine`).
A process looks at the disk only where it is told to measure a layer: its plans know the times that were measured or
recalled in it, and no others, so a result does not depend on what other programs have left behind.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from faltung.ground.bounded import SMALL, Bounded
from faltung.planning.layer import Layer
from faltung.planning.machine import LAYER_TIMES, clear, identity, known, note
from faltung.tensors.torch_threads import thread_count
from faltung.tensors.ways.way import PARTS, WAYS

__all__ = ["LEAD", "LayerTimes", "forget", "learn", "on_change", "recall", "times_of"]

#: How many times faster than torch's own kernels another way must have been to be taken.
LEAD = 1.03
#: Most layers whose times are kept, some megabytes; these are the most recent ones.
_MOST = 10_000

#: Times by layer, with the number of threads for which they were measured.
_known: Bounded[tuple[Any, ...], tuple[int, LayerTimes]] = Bounded(_MOST)
_dependents: list[Callable[[], object]] = []


@dataclass(frozen=True)
class LayerTimes:
    """Seconds that the ways to compute a layer took.

    Parameters
    ----------
    ways : dict of str to dict of str to float
        For each part that was measured, the seconds of each way that was; torch's are among them.
    calls : dict of str to tuple of float
        For sets of parts, joined by spaces, the seconds of a call of the layer that computes these parts as planned,
        with all that is around them, and of a call of torch's own layer.

    Examples
    --------
    >>> times = LayerTimes({"correlate": {"torch": 2e-3, "direct": 1e-3}}, {"correlate": (1.1e-3, 2e-3)})
    >>> times.left_to_torch(("correlate",)), times.joined(LayerTimes()) == times
    (False, True)
    """

    ways: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calls: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def left_to_torch(self, parts: tuple[str, ...]) -> bool | None:
        """Whether torch's own layer was faster for these parts, or as fast; None if that was not measured."""
        ours, torchs = self.calls.get(" ".join(parts), (0.0, 0.0))
        return LEAD * ours >= torchs if torchs else None

    def joined(self, more: LayerTimes) -> LayerTimes:
        """Return these times and more, which take their place where both have some."""
        return replace(self, ways={**self.ways, **more.ways}, calls={**self.calls, **more.calls})


def times_of(layer: Layer, *how: Any) -> LayerTimes | None:
    """Return the times that this process knows of a layer, or None; `how` is dtype, device, and channels last."""
    found = _known.get(_question(layer, how)) if len(_known) else None
    return None if found is None else found[1]


def recall(layer: Layer, *how: Any) -> LayerTimes:
    """Return the times that were measured for the present number of threads, here or by an earlier process."""
    threads, here = _known.get(_question(layer, how)) or (0, LayerTimes())
    if threads == thread_count():
        return here
    found = _as_times(known(LAYER_TIMES).get(_key(layer, how)))
    if found.ways:
        _keep(layer, how, found)
    return found


def learn(layer: Layer, *how: Any, times: LayerTimes) -> None:
    """Remember times in this process and on disk."""
    note(LAYER_TIMES, _key(layer, how), asdict(times), _MOST)
    _keep(layer, how, times)


def forget() -> bool:
    """Forget all times of layers, here and on disk; return whether there were any."""
    had = clear(LAYER_TIMES) or len(_known) > 0
    _known.clear()
    _changed()
    return had


def on_change(dependent: Callable[[], object]) -> None:
    """Call `dependent` whenever times are learnt or forgotten, to drop plans that were made without them."""
    _dependents.append(dependent)


def _keep(layer: Layer, how: tuple[Any, ...], times: LayerTimes) -> None:
    _known.put(_question(layer, how), (thread_count(), times), 4 * SMALL)
    _changed()


def _changed() -> None:
    for dependent in _dependents:
        dependent()


def _question(layer: Layer, how: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values of a layer, which are compared by identity themselves, and how it is computed."""
    return layer.images, layer.groups, layer.ins, layer.outs, layer.axes, layer.cval, *how


def _key(layer: Layer, how: tuple[Any, ...]) -> str:
    """Return the key of a layer in the file."""
    dtype, device, channels_last = how
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    values = (*_question(layer, ()), dtype, name, channels_last, thread_count(), torch.__version__)
    return hashlib.sha256("\0".join([identity(), *map(repr, values)]).encode()).hexdigest()


def _as_times(entry: Any) -> LayerTimes:
    """Return the times of an entry of the file; none if it is not one of times."""
    if not isinstance(entry, dict) or entry.keys() != {"ways", "calls"}:
        return LayerTimes()
    ways, calls = entry["ways"], entry["calls"]
    if not isinstance(ways, dict) or not isinstance(calls, dict):
        return LayerTimes()
    right = all(_is_part(part, found) for part, found in ways.items())
    right &= all(_is_call(parts, pair) for parts, pair in calls.items())
    return LayerTimes(ways, {parts: tuple(pair) for parts, pair in calls.items()}) if right else LayerTimes()


def _is_part(part: str, found: Any) -> bool:
    if part not in PARTS or not isinstance(found, dict) or "torch" not in found or not found.keys() <= {*WAYS}:
        return False
    return all(map(_is_time, found.values()))


def _is_call(parts: str, pair: Any) -> bool:
    named = {*parts.split(" ")} <= {*PARTS}
    return named and isinstance(pair, list) and len(pair) == 2 and all(map(_is_time, pair))


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < math.inf

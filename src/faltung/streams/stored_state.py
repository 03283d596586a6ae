"""How is a stream stored? As plain arrays: its setting, its kernels, and the last samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, FaltungError
from faltung.kernels import Bank, Kernel
from faltung.streams.fade import CURVES, Ramp
from faltung.streams.setting import Setting

__all__ = ["FORMAT", "packed", "unpacked"]

#: The version of what is stored.
FORMAT = 1

Voices = Sequence[tuple[Kernel | Bank, Ramp | None]]


def packed(
    setting: Setting,
    counts: tuple[int, int, int],
    kept: np.dtype[Any] | None,
    samples: NDArray[Any] | None,
    voices: Voices,
) -> dict[str, NDArray[Any]]:
    """Return all of it as arrays."""
    state = {"format": np.array(FORMAT), "counts": np.array(counts, np.int64)}
    for field in fields(Setting):
        value = getattr(setting, field.name)
        state[field.name] = np.array(-1 if value is None else value)
    state["dtype"] = np.array("" if kept is None else kept.str)
    if samples is not None:
        state["samples"] = samples.copy()
    for k, (kernel, ramp) in enumerate(voices):
        state[f"taps {k}"], state[f"origin {k}"] = np.array(kernel.taps), np.array(kernel.origin)
        shown = (0, 0, 0) if ramp is None else (ramp.length, ramp.done, CURVES.index(ramp.curve))
        state[f"ramp {k}"] = np.array(shown, np.int64)
    return state


def unpacked(
    state: Mapping[str, Any],
) -> tuple[
    Setting, tuple[int, int, int], np.dtype[Any] | None, NDArray[Any] | None, list[tuple[Kernel | Bank, Ramp | None]]
]:
    """Return what `packed` got."""
    try:
        if int(state["format"]) != FORMAT:
            raise ArgumentError("state", f"format {FORMAT}", str(state["format"]), "Use the version that wrote it.")
        values = {field.name: np.asarray(state[field.name]).item() for field in fields(Setting)}
        values["channels"] = None if values["channels"] == -1 else values["channels"]
        pushed, given, ended = np.asarray(state["counts"]).tolist()
        name = str(np.asarray(state["dtype"]).item())
        voices: list[tuple[Kernel | Bank, Ramp | None]] = []
        while f"taps {len(voices)}" in state:
            k = len(voices)
            taps, origin = np.asarray(state[f"taps {k}"]), np.asarray(state[f"origin {k}"]).tolist()
            length, done, curve = np.asarray(state[f"ramp {k}"]).tolist()
            kernel = Kernel(taps, origin) if taps.ndim == 1 else Bank(taps, origin)
            voices.append((kernel, Ramp(length, CURVES[curve], done) if length else None))
        if not voices:
            raise KeyError("taps 0")
        samples = np.asarray(state["samples"]) if "samples" in state else None
        return Setting(**values), (pushed, given, ended), np.dtype(name) if name else None, samples, voices
    except FaltungError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArgumentError("state", "what Stream.state returned", f"a mapping without it ({error})") from error

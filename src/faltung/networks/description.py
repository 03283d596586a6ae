"""Which network does a file of JSON describe? All that it says is checked: a run folder may come from anyone."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faltung.datasets.dataset import check_names
from faltung.datasets.pixels import EIGHT_BITS, FLOATS, SIXTEEN_BITS
from faltung.ground.checks import is_integer
from faltung.ground.given_files import check_fits, read_object

__all__ = ["FORMAT", "described_network", "read_description"]

FORMAT = 3
"""Version of the description that is saved with the weights."""

_READABLE = (2, FORMAT)  # version 2 has no digest, and one mean for all channels
_DTYPES = ("uint8", "float32")
_PIXELS = (None, EIGHT_BITS, SIXTEEN_BITS, FLOATS)
_MOST_NUMBERS = 2**26  # of one sample
_COPIES = 160  # bytes for each of them: some feature maps of it
_HIGHEST = 2**31 - 1
#: Arguments of networks, by what they are: whole numbers above zero, lists of these, and numbers by channel.
_WHOLE = {"classes", "size", "width", "blocks"}
_LISTS = {"sample_shape", "channels", "widths", "blocks"}
_SCALES = {"mean", "deviation"}


def read_description(path: Path) -> dict[str, Any]:
    """Return what a file says of a network: its class and arguments, names of classes, and samples.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It says something else, or says it in another form.
    """
    said = read_object(path)
    if said.get("format") not in _READABLE:
        raise ValueError(f"format {said.get('format')!r}, and this version of faltung reads {FORMAT}")
    kinds = {"class": str, "arguments": dict, "class_names": list, "samples": dict}
    kinds |= {"digest": str} if said["format"] == FORMAT else {}
    for name, kind in kinds.items():
        if not isinstance(said.get(name), kind):
            raise ValueError(f"{name} is {_told(said.get(name))}")
    names, samples, arguments = said["class_names"], said["samples"], said["arguments"]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names is {_told(names)}")
    check_names(names)
    if samples.get("dtype") not in _DTYPES or samples.get("pixels") not in _PIXELS:
        raise ValueError(f"samples is {_told(samples)}")
    for name, value in arguments.items():
        if not _is_argument(name, value):
            raise ValueError(f"{name} is {_told(value)}")
    if samples.get("shape") != arguments.get("sample_shape"):
        raise ValueError(f"samples of shape {_told(samples.get('shape'))}, and a network for others")
    numbers = math.prod(arguments.get("sample_shape", ()))
    if numbers > _MOST_NUMBERS:
        raise ValueError(f"a sample would have {numbers:,} numbers, and may have {_MOST_NUMBERS:,}")
    check_fits(_COPIES * numbers)
    return said


def _is_argument(name: str, value: Any) -> bool:
    """Return whether a value can be the argument of a network that has this name."""
    if name in _SCALES:
        numbers = value if isinstance(value, list) else [value]
        return all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers)
    if isinstance(value, list):
        return name in _LISTS and bool(value or name == "widths") and all(map(_is_count, value))
    return name in _WHOLE and _is_count(value)


def _is_count(value: Any) -> bool:
    return is_integer(value) and 0 < value <= _HIGHEST


def described_network(
    kind: type[nn.Module], arguments: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
) -> nn.Module:
    """Return the network that has these weights; no more memory is asked for than they take.

    Raises
    ------
    ValueError
        The arguments are not those of such a network, or the weights are not its weights, or are no finite numbers.
    """
    known = inspect.signature(kind).parameters
    if unknown := arguments.keys() - known.keys():
        raise ValueError(f"{min(unknown)!r} is no argument of {kind.__name__}")
    if missing := [name for name, one in known.items() if one.default is one.empty and name not in arguments]:
        raise ValueError(f"the argument {missing[0]} is missing")
    # A network of so many layers has more tensors than there are weights.
    listed = [value for name in ("channels", "widths") if isinstance(value := arguments.get(name), list)]
    blocks = arguments.get("blocks", 0)
    layers = max([*map(len, listed), sum(blocks) if isinstance(blocks, list) else blocks])
    if layers > len(weights):
        raise ValueError(f"{layers:,} layers, and the weights are {len(weights):,} tensors")
    with torch.device("meta"):
        expected = kind(**arguments).state_dict()
    if wrong := sorted(expected.keys() ^ weights.keys()):
        raise ValueError(f"the weights of {wrong[0][:80]!r} are {'missing' if wrong[0] in expected else 'unknown'}")
    for name, tensor in weights.items():
        own, like = _form(tensor), _form(expected[name])
        if own != like:
            raise ValueError(f"the weights of {name!r} are {own} instead of {like}")
        if not tensor.isfinite().all():
            raise ValueError(f"the weights of {name!r} are no finite numbers")
    network = kind(**arguments)
    network.load_state_dict(weights)
    return network


def _form(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _told(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"

"""Which samples does a layer read? Found from its attributes and its weight, as torch reads them at every call.

Attributes may be changed after a layer was made: a stride becomes a number, a padding a list or a word, and the
weight gets another size. It is the weight that decides, not what the layer says of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from faltung.layers.input_errors import InputError

__all__ = ["MODES", "Geometry", "correlation", "torch_can_pad", "transposition"]

#: Torch's names for how the input continues beyond its border, and ours.
MODES = {
    "zeros": "constant",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
    "symmetric": "reflect",
}
#: Stride, first position, outputs, dilation, groups and mode, as `faltung.tensors.operator.correlate` takes them.
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int, str]


def correlation(
    shape: Sequence[int],
    taps: Sequence[int],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    mode: str,
    margins: Sequence[int],
) -> Geometry | None:
    """Return the geometry of a layer for shapes of input and weight; None for what torch has to judge.

    Parameters
    ----------
    shape, taps : sequence of int
        Shapes of (images, channels in, *spatial) and (channels out, channels in of a group, *spatial).
    stride, padding, dilation, groups, mode
        The attributes of the layer; `mode` is its ``padding_mode``.
    margins : sequence of int
        What modes other than zeros pad with: before and after the last axis, then those of the axis before it.
    """
    count = len(taps) - 2
    _check(shape, count, taps[1] * groups)
    strides, dilations = _each(stride, count, 1), _each(dilation, count, 1)
    if strides is None or dilations is None or mode not in MODES or taps[0] % groups:
        return None
    reach = [d * (k - 1) for d, k in zip(dilations, taps[2:], strict=True)]
    ends = _ends(padding, reach, strides) if mode == "zeros" else _pairs(margins, count)
    if ends is None or _has_zeros(shape, taps):
        return None
    outputs = tuple(
        (length + low + high - far - 1) // step + 1
        for length, (low, high), far, step in zip(shape[2:], ends, reach, strides, strict=True)
    )
    if not torch.compiler.is_compiling() and min(outputs) < 1:
        expected = f"spatial axes at least as long as the kernel, {tuple(taps[2:])} with dilation {dilations}"
        received = f"shape {tuple(shape)} with padding {tuple(low for low, _ in ends)}"
        raise InputError("input", expected, received, "Add padding, or make the input larger.")
    return strides, tuple(-low for low, _ in ends), outputs, dilations, groups, MODES[mode]


def transposition(
    shape: Sequence[int], taps: Sequence[int], stride: Any, padding: Any, more: Any, dilation: Any, groups: int
) -> tuple[tuple[int, ...], Geometry] | None:
    """Return the lengths of the result of a transposed layer, and the geometry of the layer that it transposes.

    Parameters
    ----------
    shape, taps : sequence of int
        Shapes of (images, channels in, *spatial) and (channels in, channels out of a group, *spatial).
    stride, padding, dilation, groups
        The attributes of the layer.
    more : int or sequence of int
        Its output padding.
    """
    count = len(taps) - 2
    _check(shape, count, taps[0])
    each = [_each(value, count, least) for value, least in ((stride, 1), (padding, 0), (more, 0), (dilation, 1))]
    if None in each or taps[0] % groups or _has_zeros(shape, taps):
        return None
    strides, zeros, extras, dilations = each
    numbers = zip(shape[2:], strides, zeros, extras, dilations, taps[2:], strict=True)  # type: ignore[arg-type]
    lengths = tuple((n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, s, p, m, d, k in numbers)
    if not torch.compiler.is_compiling():
        beyond = [m and m >= max(s, d) for m, s, d in zip(extras, strides, dilations, strict=True)]  # type: ignore[arg-type]
        if any(beyond):
            expected = f"less than the stride {strides} or the dilation {dilations} on each axis"
            raise InputError("output_padding", expected, str(extras))
        if min(lengths) < 0:
            remedy = "Use less padding, or make the input larger."
            raise InputError("input", "a shape with an output for every axis", f"shape {tuple(shape)}", remedy)
    start = tuple(-p for p in zeros)  # type: ignore[union-attr]
    return lengths, (strides, start, tuple(shape[2:]), dilations, groups, "constant")  # type: ignore[return-value]


def torch_can_pad(mode: str, length: int, margin: int) -> bool:
    """Whether torch's own function pads an axis by so many samples; a mode repeats the input once at most there."""
    return mode in ("zeros", "replicate") or margin < length + (mode != "reflect")


def _check(shape: Sequence[int], count: int, channels: int) -> None:
    if len(shape) != count + 2 or shape[1] != channels:
        axes = f"{channels} channels and {count} spatial axes"
        expected = f"shape (images, channels, *spatial) or (channels, *spatial) with {axes}"
        raise InputError("input", expected, f"shape {tuple(shape)}")


def _each(value: Any, count: int, least: int) -> tuple[int, ...] | None:
    """Return a number for each axis, where torch takes a single one for all; None for what torch refuses."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    given = given * count if len(given) == 1 else given
    return given if len(given) == count and all(isinstance(n, int) and n >= least for n in given) else None


def _ends(padding: Any, reach: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]] | None:
    """Return the zeros before and after each axis."""
    if padding == "valid":
        return [(0, 0)] * len(reach)
    if padding == "same":
        return [(far // 2, far - far // 2) for far in reach] if max(strides) == 1 else None
    zeros = _each(padding, len(reach), 0)
    return None if zeros is None else [(n, n) for n in zeros]


def _pairs(margins: Sequence[int], count: int) -> list[tuple[int, int]] | None:
    numbers = _each(list(margins), 2 * count, 0)
    return None if numbers is None else [(numbers[2 * k], numbers[2 * k + 1]) for k in reversed(range(count))]


def _has_zeros(shape: Sequence[int], taps: Sequence[int]) -> bool:
    """Whether there is nothing to compute; where a graph is made, lengths may be symbols, which are not asked."""
    return not torch.compiler.is_compiling() and (0 in shape[1:] or 0 in taps)

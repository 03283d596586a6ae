"""What does the page get of an array, or of a file? Samples of shape (channels, *spatial), and what was left out."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.explorer.packing import DTYPES
from faltung.files import Picture, read
from faltung.files.opacity import opaque_value
from faltung.files.sound_files import open_sound, sound_format
from faltung.ground.arrays import is_masked_array, is_tensor
from faltung.ground.checks import axis_index
from faltung.ground.given_files import read_regular

__all__ = ["LONGEST_SIDE", "LONGEST_SIGNAL", "Opened", "open_file", "opened_array"]

#: Samples along each side of a picture in the page, and of a signal: what a page computes at once.
LONGEST_SIDE, LONGEST_SIGNAL = 1024, 2**17
_MOST_CHANNELS, _COLOURS = 8, (3, 4)
_LETTERS = {"T": "time", "Z": "slice", "C": "channel", "Q": "picture", "I": "picture"}

_Samples = NDArray[Any]


@dataclass(frozen=True)
class Opened:
    """What the page shows of something that a user has.

    Parameters
    ----------
    title : str
        What it is.
    note : str
        What was left out or changed, in sentences; empty if nothing was.
    samples : ndarray, shape (channels, *spatial)
        Its samples, one or two axes for each channel.
    """

    title: str
    note: str
    samples: _Samples


def opened_array(
    x: Any, channel_axis: int | None = None, *, argument: str = "thing", title: str = "Your array"
) -> Opened:
    """Return what the page shows of a signal or a picture, with its channels if it has some.

    Parameters
    ----------
    x : array_like
        Real numbers. Masked samples become NaN.
    channel_axis : int, optional
        The axis of channels. By default, of three axes it is the last one, if that is as long as colours are, or the
        first one, if it is short.
    argument, title : str
        What errors call it, and what the page calls it.

    Examples
    --------
    >>> opened_array([[1, 2], [3, 4]], channel_axis=0).samples.shape
    (2, 2)
    >>> opened_array(np.zeros((20, 30, 3))).samples.shape
    (3, 20, 30)
    """
    array = _real_array(x, argument)
    axis = _likely_channels(array) if channel_axis is None else axis_index(channel_axis, array.ndim)
    channels = array[np.newaxis] if axis is None else np.moveaxis(array, axis, 0)
    if not 2 <= channels.ndim <= 3 or not array.size:
        remedy = "Take one picture of it, or name the axis of its channels: channel_axis=0."
        raise ArgumentError(argument, "a signal or a picture", f"an array of shape {array.shape}", remedy)
    return _shown(channels, title, [])


def _likely_channels(array: _Samples) -> int | None:
    if array.ndim != 3:
        return None
    if array.shape[2] in _COLOURS and min(array.shape[:2]) > max(_COLOURS):
        return 2
    return 0 if len(array) <= _MOST_CHANNELS else None


def _real_array(x: Any, argument: str) -> _Samples:
    if is_tensor(x):
        x = x.detach().cpu()
        x = x.float() if x.dtype.itemsize == 2 and x.is_floating_point() else x  # NumPy has no bfloat16
    try:
        array = x.astype(np.float64).filled(np.nan) if is_masked_array(x) else np.asarray(x)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(argument, "an array of numbers", f"{type(x).__name__} ({error})") from error
    if array.dtype.kind == "c":
        raise ArgumentTypeError(argument, "real numbers", f"dtype {array.dtype}", "Pass x.real, x.imag or abs(x).")
    if array.dtype.kind not in "buif":
        raise ArgumentTypeError(argument, "an array of real numbers", f"dtype {array.dtype}")
    return array


def _shown(channels: _Samples, title: str, notes: list[str]) -> Opened:
    """Return channels as the page can hold them: a large picture is averaged, a long signal is cut off."""
    if len(channels) > _MOST_CHANNELS:
        notes.append(f"The first {_MOST_CHANNELS} of {len(channels)} channels.")
        channels = channels[:_MOST_CHANNELS]
    if channels.ndim == 2 and channels.shape[1] > LONGEST_SIGNAL:
        notes.append(f"The first {LONGEST_SIGNAL:,} of {channels.shape[1]:,} samples.")
        channels = channels[:, :LONGEST_SIGNAL]
    elif channels.ndim == 3 and max(channels.shape) > LONGEST_SIDE:
        rows, columns = channels.shape[1:]
        high, wide = -(-rows // LONGEST_SIDE), -(-columns // LONGEST_SIDE)
        notes.append(f"Means of {high} × {wide} samples, as it has {rows:,} × {columns:,}.")
        channels = _means(channels, (high, wide))
    kept = channels if channels.dtype.name in DTYPES else channels.astype(np.float64)
    return Opened(f"{title}, {' × '.join(map(str, kept.shape[1:]))}", " ".join(notes), np.ascontiguousarray(kept))


def _means(channels: _Samples, block: tuple[int, int]) -> _Samples:
    """Return the means of blocks; what is left at the end of an axis is a smaller block."""
    for axis, factor in enumerate(block, start=1):
        starts = np.arange(0, channels.shape[axis], factor)
        sums = np.add.reduceat(channels, starts, axis=axis, dtype=np.float64)
        lengths = np.diff(np.append(starts, channels.shape[axis]))
        channels = sums / np.expand_dims(lengths, [other for other in range(3) if other != axis])
    return channels


def open_file(path: Path, argument: str, title: str = "") -> Opened:
    """Return what the page shows of a picture, a sound, an array or a table of numbers.

    Raises
    ------
    ArgumentError
        There is no such file, it is damaged, or it is of another kind.
    """
    title = title or path.name
    if sound_format(path):
        return _sound(path, argument, title)
    if path.suffix.lower() in (".csv", ".txt", ".tsv"):
        return _table(path, argument, title)
    first, *others = read(path, argument)
    notes = [f"The first of {1 + len(others)} pictures."] if others else []
    if first.metadata.format == "NPY":
        return opened_array(np.array(first.samples), argument=argument, title=title)
    return _shown(_channels(first, notes), title, notes)


def _channels(picture: Picture, notes: list[str]) -> _Samples:
    """Return the colours of the first frame, without opacity."""
    samples, axes = picture.samples, picture.axes
    for letter in [letter for letter in axes if letter not in "YXS"]:
        axis = axes.index(letter)
        if (count := samples.shape[axis]) > 1:
            notes.append(f"The first {_LETTERS.get(letter, 'picture')} of {count}.")
        samples, axes = samples.take(0, axis), axes.replace(letter, "", 1)
    channels = np.moveaxis(samples, axes.index("S"), 0) if "S" in axes else samples[np.newaxis]
    if picture.extra:
        notes.append("Its opacity is left out." if picture.opacity else "Bands that are no colours are left out.")
        channels = channels[: picture.colour_count]
    if picture.colours == "white is zero":
        channels = (2**picture.bits - 1 if picture.bits else opaque_value(channels.dtype)) - channels.astype(
            np.float64
        )
    if picture.nodata is not None and not math.isnan(picture.nodata):
        channels = np.where(channels == picture.nodata, np.nan, channels.astype(np.float64))
    return channels


def _sound(path: Path, argument: str, title: str) -> Opened:
    with open_sound(path, argument) as source:
        samples = source.read(LONGEST_SIGNAL)
        notes = [f"{source.rate:,} samples each second."]
        if source.frames > LONGEST_SIGNAL:
            notes.append(f"The first {LONGEST_SIGNAL:,} of {source.frames:,} samples.")
    if not len(samples):
        raise ArgumentError(argument, "a sound with at least one sample", f"'{path}'")
    return _shown(samples.T, title, notes)


def _table(path: Path, argument: str, title: str) -> Opened:
    """Return a table of numbers: with few columns, each is a channel of a signal; otherwise it is a picture."""
    rows = _numbers(path, argument)
    is_signal = rows.shape[1] <= _MOST_CHANNELS or len(rows) == 1
    signal = rows if len(rows) == 1 else rows.T
    return _shown(signal if is_signal else rows[np.newaxis], title, [])


def _numbers(path: Path, argument: str) -> _Samples:
    expected = "a table of numbers with as many in each line"
    try:
        text = read_regular(path).decode("utf-8-sig")
        separator = next((sign for sign in "\t;," if sign in text), " ")
        lines = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True)
        cells = [[cell for cell in line if cell.strip()] for line in lines]
        wanted = list(itertools.filterfalse(lambda line: not line, cells))
        if wanted and not _is_number(wanted[0][0]):  # names of the columns
            wanted = wanted[1:]
        rows = np.array(wanted, dtype=np.float64)
    except (OSError, ValueError, csv.Error) as error:
        raise ArgumentError(argument, expected, f"'{path}' ({error})") from error
    if rows.ndim != 2 or not rows.size:
        raise ArgumentError(argument, expected, f"'{path}'")
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""``faltung apply`` for sounds: files of any length are streamed from one file to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from faltung.cli.console import print_note, print_result, progress
from faltung.cli.filters import filter_file, read_filter
from faltung.errors import ArgumentError
from faltung.files.sound_chunks import other_chunks
from faltung.files.sound_files import (
    SoundSource,
    SoundTarget,
    chosen_subtype,
    decibels,
    open_sound,
    sample_bytes,
    sound_format,
    text_losses,
)
from faltung.ground.new_files import new_file
from faltung.ground.targets import check_new_file
from faltung.kernels import Bank, Kernel
from faltung.streams.stream import Stream

__all__ = ["RESAMPLE_HELP", "SUBTYPE_HELP", "TAIL_HELP", "SoundOptions", "apply_sound", "is_sound"]

TAIL_HELP = "Sounds: keep what sounds on after the end of the input."
SUBTYPE_HELP = "Sounds: coding of the output, such as PCM_24 or FLOAT."
RESAMPLE_HELP = "Sounds: bring an impulse response of another sample rate to that of the input."

#: Options that sounds and pictures have in common; and those of sounds alone.
_COMMON = {"image", "kernel", "output", "keep_metadata", "overwrite"}
_OWN = {"tail": "--tail", "subtype": "--subtype", "resample": "--resample"}
#: Samples that are read at a time; and most samples of an impulse response.
_BLOCK, _LONGEST = 1 << 14, 1 << 24
#: Bytes of samples that 32 bits count, with room for a head and a tail.
_MOST_BYTES = (1 << 32) - (1 << 26)
#: Zeros of the sinc on each side, and the shape of its Kaiser window: 100 dB.
_ZEROS, _BETA = 48, 10.0
#: Most samples of the sinc.
_LONGEST_SINC = 1 << 25


@dataclass(frozen=True)
class SoundOptions:
    """What can be said about the output.

    Parameters
    ----------
    tail, resample, metadata, overwrite : bool
        As for the command.
    subtype : str or None
        The coding.
    """

    tail: bool
    subtype: str | None
    resample: bool
    metadata: bool
    overwrite: bool


def is_sound(inputs: Sequence[Path], context: typer.Context) -> bool:
    """Return whether the input is a sound, by its name; refuse options that would have no effect."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    sounds = [path for path in inputs if sound_format(path)]
    if not sounds:
        for name in sorted(given & {*_OWN}):
            raise ArgumentError(_OWN[name], "a sound file as input", f"'{inputs[0]}'", "Leave the option out.")
        return False
    if len(inputs) > 1:
        remedy = "Run the command once for each."
        raise ArgumentError("IMAGE", "a single sound file", f"{len(inputs)} files", remedy)
    for name in sorted(given - _COMMON - {*_OWN}):
        option = next(typed.opts[0] for typed in context.command.params if typed.name == name)
        raise ArgumentError(option, "a picture as input", f"the sound '{sounds[0]}'", "Leave the option out.")
    return True


def apply_sound(path: Path, kernel: str, output: str, options: SoundOptions) -> None:
    """Filter a sound file.

    An impulse response from a sound file begins at lag zero: its first sample is for the input itself. The output has
    the length of the input, or with `tail` all that the input affects. Any other filter is centred at its origin.
    """
    target = Path(output)
    kind = sound_format(target)
    if kind is None:
        raise ArgumentError("--output", "a file named .wav, .flac, .ogg, .aiff, ...", f"'{output}'")
    check_new_file("--output", target, options.overwrite)
    with open_sound(path, "IMAGE") as source:
        stream = _stream_of(source, kernel, options)
        channels = stream.push(np.zeros((0, source.channels), source.dtype)).shape[1]
        is_opus = target.suffix.lower() == ".opus"
        subtype = chosen_subtype(source.subtype, kind, options.subtype, is_opus, source.rate, channels)
        texts = source.texts if options.metadata else {}
        _check_length(kind, subtype, source)
        with new_file(target) as temporary:
            written = SoundTarget(temporary, kind, subtype, source.rate, channels, texts)
            try:
                seconds = _write_all(source, stream, written, repr(stream.kernel))
                written.finish()
            finally:
                written.close()
            lost = text_losses(temporary, texts) + (other_chunks(path) if options.metadata else [])
    _report(target, source, written, subtype, lost, options.subtype is None)
    print_result(f"{target}: {seconds:.3f} s, {channels} x {source.rate} Hz, {kind} {subtype}")


def _check_length(kind: str, subtype: str, source: SoundSource) -> None:
    """Refuse a format that counts its bytes in 32 bits, for a sound that has more."""
    if kind in ("WAV", "AIFF", "AU") and source.frames * source.channels * sample_bytes(subtype) > _MOST_BYTES:
        received = f"{source.frames} samples of {source.channels} channels as {kind} {subtype}"
        raise ArgumentError("--output", "at most 4 GB in this format", received, "Name it .w64, .rf64 or .flac.")


def _write_all(source: SoundSource, stream: Stream, target: SoundTarget, name: str) -> float:
    """Filter everything, and return how many seconds were written."""
    frames = 0
    shown = name if len(name) <= 40 else f"{name[:37]}..."
    for block in _blocks(source, stream, shown):
        target.write(block)
        frames += len(block)
    return float(frames / source.rate)


def _blocks(source: SoundSource, stream: Stream, name: str) -> Iterator[NDArray[np.floating]]:
    for _ in progress(range(-(-source.frames // _BLOCK)), name):
        if not len(block := source.read(_BLOCK)):  # it is shorter than its head says
            break
        yield stream.push(block)
    while len(rest := source.read(_BLOCK)):  # the length in the head of the file may be wrong
        yield stream.push(rest)
    yield stream.flush()


def _stream_of(source: SoundSource, kernel: str, options: SoundOptions) -> Stream:
    """Return the filter for a sound."""
    if sound_format(Path(kernel)) is None:
        taps = read_filter(kernel)
        if taps.ndim == 2 and taps.shape[1] == 1 and filter_file(kernel) is not None:  # a table with a tap a line
            taps = Kernel(taps.taps[:, 0], taps.origin[0])
        if taps.ndim != 1:
            remedy = "Add ndim=1 to its names."
            raise ArgumentError("--kernel", "a filter with one axis", f"one with {taps.ndim} axes", remedy)
        if options.tail or options.resample:
            option = "--tail" if options.tail else "--resample"
            raise ArgumentError(option, "a sound file as --kernel", repr(kernel), "Leave the option out.")
        return Stream(taps, source.channels, _BLOCK, 0, align="centred", dtype=source.dtype)
    impulse = _impulse(Path(kernel), source.rate, options.resample)
    shape = "full" if options.tail else "same"
    count = impulse.shape[1]
    if count == 1:
        filter_: Kernel | Bank = Kernel(impulse[:, 0], origin=0)
        return Stream(filter_, source.channels, _BLOCK, 0, shape=shape, dtype=source.dtype)
    if source.channels not in (1, count):
        expected = f"an impulse response with 1 or {source.channels} channels"
        raise ArgumentError("--kernel", expected, f"'{kernel}' with {count} channels")
    filter_ = Bank(impulse.T[:, None], origin=0)
    return Stream(filter_, source.channels, _BLOCK, 0, shape=shape, dtype=source.dtype, groups=source.channels)


def _impulse(path: Path, rate: int, resample: bool) -> NDArray[np.float64]:
    """Return an impulse response at a rate, of shape (samples, channels)."""
    with open_sound(path, "--kernel") as source:
        if source.frames > _LONGEST:
            raise ArgumentError("--kernel", f"at most {_LONGEST} samples", f"'{path}' with {source.frames}")
        samples = source.read(source.frames).astype(np.float64)
        other = source.rate
    if not len(samples):
        raise ArgumentError("--kernel", "an impulse response with samples", f"'{path}', which is empty")
    if not np.isfinite(samples).all():
        raise ArgumentError("--kernel", "finite samples", f"'{path}' with some that are not")
    if other == rate:
        return samples
    if not resample:
        remedy = "Add --resample, or convert it first."
        raise ArgumentError("--kernel", f"an impulse response of {rate} Hz", f"'{path}' of {other} Hz", remedy)
    return _at_rate(samples, other, rate)


def _at_rate(samples: NDArray[np.float64], before: int, after: int) -> NDArray[np.float64]:
    """Return an impulse response at another rate, with the same frequency response below half of both rates."""
    up, down = after // gcd(before, after), before // gcd(before, after)
    most = max(up, down)
    if 2 * _ZEROS * most > _LONGEST_SINC:
        expected = f"a sample rate that has a larger common divisor with {after} Hz"
        raise ArgumentError("--kernel", expected, f"{before} Hz", "Convert it first.")
    lags = np.arange(-_ZEROS * most, _ZEROS * most + 1)
    # The gain is `up` for the zeros between samples, and down / up because there are more samples each second.
    taps = np.sinc(lags / most) * np.kaiser(len(lags), _BETA) / most * down
    stream = Stream(Kernel(taps), samples.shape[1], None, 0, up, down, align="centred")
    # Before the first sample, there is no place for what rings before it: the response stays causal.
    return np.concatenate([stream.push(samples), stream.flush()])


def _report(
    target: Path, source: SoundSource, written: SoundTarget, subtype: str, lost: Sequence[str], chosen: bool
) -> None:
    """Say what is not as one might expect."""
    if chosen and subtype != source.subtype:
        print_note(f"{target}: the coding is {subtype}, in place of {source.subtype}.")
    if written.clipped:
        print_note(
            f"{target}: {written.clipped} samples were out of range, the largest by {decibels(written.peak):.1f} dB, "
            "and were cut off. --subtype FLOAT keeps them in a .wav file."
        )
    if lost:
        print_note(f"{target}: not kept: {', '.join(lost)}.")

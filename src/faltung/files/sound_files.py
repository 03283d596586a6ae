"""How do sounds come from files, and go to files? Block by block, with the texts that a file has about them.

Samples are numbers from -1 to 1. Integers are read exactly; they are written rounded half to even, and what is out of
range is cut off and counted. Files with lossy coding take the same numbers.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError, MissingExtraError
from faltung.ground.given_files import check_regular

__all__ = [
    "SOUND_SUFFIXES",
    "SoundSource",
    "SoundTarget",
    "chosen_subtype",
    "decibels",
    "open_sound",
    "sample_bytes",
    "sound_format",
    "soundfile",
    "text_losses",
]

#: Formats by suffix, as libsndfile names them.
SOUND_SUFFIXES = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".au": "AU",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
}
#: Bits of integers, by coding.
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_BITS |= {"ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32}
_FLOATS = ("FLOAT", "DOUBLE")
#: Codings that single precision holds exactly, with room for rounding.
_SINGLE = ("PCM_S8", "PCM_U8", "PCM_16", "FLOAT", "ULAW", "ALAW", "VORBIS", "OPUS")
#: Why not all samples are in a file that was written: the library says no more than "System error".
_FULL = "not all of it could be written; the disk may be full"
#: Bytes that are written after the others, and taken away again.
_PROBE = 1 << 16
#: The library's number for what the system refuses.
_SYSTEM_ERROR = 2
#: What a coding becomes in a format that does not have it, the best first.
_INSTEAD = ("PCM_24", "PCM_16", "ALAC_24", "VORBIS", "MPEG_LAYER_III")


def soundfile(feature: str = "faltung apply") -> ModuleType:
    """Return the library, or say which extra installs it."""
    try:
        import soundfile as library
    except (ModuleNotFoundError, OSError) as error:  # the second if libsndfile is missing
        raise MissingExtraError(feature, "audio") from error
    return library  # type: ignore[no-any-return]


def sound_format(path: Path) -> str | None:
    """Return the format that a suffix stands for, or None if it is no sound.

    Examples
    --------
    >>> sound_format(Path("a.WAV")), sound_format(Path("a.png"))
    ('WAV', None)
    """
    return SOUND_SUFFIXES.get(path.suffix.lower())


def chosen_subtype(
    source: str, target: str, asked: str | None, opus: bool = False, rate: int = 48000, channels: int = 1
) -> str:
    """Return the coding for a file of a format: what was asked for, that of the source, or one that is near.

    Parameters
    ----------
    source : str
        The coding of the source.
    target : str
        The format of the file to write.
    asked : str or None
        What was asked for.
    opus : bool
        Whether the name of the file says that it is Opus.
    rate, channels : int
        Samples each second, and channels, which some codings do not have.
    """
    known = soundfile().available_subtypes(target)
    if asked is not None:
        name = asked.upper()
        if name not in known:
            names = ", ".join(known)
            raise ArgumentError("--subtype", f"a coding of {target} files", repr(asked), f"They are {names}.")
        return name
    if opus:
        return "OPUS"
    if source in known and _writes(target, source, rate, channels):
        return source
    return next((name for name in _INSTEAD if name in known), str(soundfile().default_subtype(target)))


def _writes(format: str, subtype: str, rate: int, channels: int) -> bool:
    """Whether the library writes such a file: it lists codings for some formats that it only reads."""
    library = soundfile()
    try:
        library.SoundFile(io.BytesIO(), "w", rate, channels, subtype, format=format).close()
    except (library.LibsndfileError, ValueError, TypeError):
        return False
    return True


class SoundSource:
    """A sound file that is read block by block.

    Parameters
    ----------
    path : path
        The file.
    argument : str
        What was typed for it, for messages.

    Attributes
    ----------
    rate, channels, frames : int
        Samples each second, channels, and samples of each.
    subtype : str
        The coding.
    dtype : dtype
        What samples are read as.
    texts : dict
        Title, artist and other texts.
    """

    def __init__(self, path: Path, argument: str) -> None:
        library = soundfile()
        self._path, self._argument, self._error = path, argument, library.LibsndfileError
        try:
            check_regular(path)
        except FileNotFoundError as error:
            raise ArgumentError(argument, "a sound file", f"'{path}', which does not exist") from error
        except OSError as error:
            kind = "a folder" if path.is_dir() else error.strerror
            raise ArgumentError(argument, "a sound file", f"'{path}', {kind}") from error
        try:
            self._file = library.SoundFile(_name_of(path))
        except library.LibsndfileError as error:
            raise self._refused(error) from error
        self.rate, self.channels, self.frames = self._file.samplerate, self._file.channels, self._file.frames
        self.subtype: str = self._file.subtype
        self.dtype = np.dtype(np.float32 if self.subtype in _SINGLE else np.float64)
        self.texts: dict[str, str] = {name: text for name, text in self._file.copy_metadata().items() if text}

    def read(self, count: int) -> NDArray[np.floating]:
        """Return the next samples, of shape (n, channels), with n at most `count`; none at the end."""
        try:
            return self._file.read(count, self.dtype.name, always_2d=True)  # type: ignore[no-any-return]
        except (self._error, RuntimeError) as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _refused(self, error: Exception) -> ArgumentError:
        said = getattr(error, "error_string", error)  # without the name, which is told in our way
        return ArgumentError(self._argument, "a sound file that can be read", f"'{self._path}' ({said})")


def _name_of(path: Path) -> Path | bytes:
    """Return a name as the library takes it: bytes, since it need not be text, but on Windows."""
    return path if os.name == "nt" else os.fsencode(path)


@contextmanager
def open_sound(path: Path, argument: str) -> Iterator[SoundSource]:
    """Open a sound file for reading."""
    source = SoundSource(path, argument)
    try:
        yield source
    finally:
        source.close()


class SoundTarget:
    """A sound file that is written block by block.

    Parameters
    ----------
    path : path
        The file, under a name that need not tell the format.
    format, subtype : str
        Format and coding.
    rate, channels : int
        Samples each second, and channels.
    texts : dict
        Title, artist and other texts.

    Attributes
    ----------
    clipped : int
        Samples that were out of range, or not a number in a file that has no such thing.
    peak : float
        The largest magnitude that came.
    """

    def __init__(
        self, path: Path, format: str, subtype: str, rate: int, channels: int, texts: dict[str, str]
    ) -> None:
        library = soundfile()
        self.clipped, self.peak = 0, 0.0
        self._path, self._subtype, self._frames, self._error = path, subtype, 0, library.LibsndfileError
        try:
            self._file = library.SoundFile(_name_of(path), "w", rate, channels, subtype, format=format)
        except (library.LibsndfileError, ValueError, TypeError) as error:
            if getattr(error, "code", 0) == _SYSTEM_ERROR:
                raise OSError(_FULL) from error
            received = f"{format} with {subtype}, {rate} samples each second, {channels} channels ({error})"
            raise ArgumentError("--output", "a format that holds this sound", received) from error
        for name, text in texts.items():
            try:
                setattr(self._file, name, text)
            except library.LibsndfileError:  # this format has no such text; `text_losses` will say so
                continue

    def write(self, samples: NDArray[np.floating]) -> None:
        """Write samples of shape (n, channels)."""
        if not samples.size:
            return
        self.peak = max(self.peak, float(np.nanmax(np.abs(samples), initial=0)))
        self._frames += len(samples)
        if self._subtype in _FLOATS:
            self._write(samples)
            return
        bits = _BITS.get(self._subtype)
        highest = 1 - 2.0 ** (1 - bits) if bits else 1.0
        # What rounds to the highest integer is no loss.
        inside = (samples >= -1) & (samples <= highest + (2.0**-bits if bits else 0))
        self.clipped += samples.size - int(np.count_nonzero(inside))
        cut = np.where(np.isnan(samples), 0, np.clip(samples, -1, highest))
        self._write(cut if bits is None else _integers(cut, bits))

    def _write(self, samples: NDArray[Any]) -> None:
        try:
            self._file.write(samples)
        except self._error as error:
            raise OSError(_FULL) from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(self._error):  # `finish` looks
            self._file.close()

    def finish(self) -> None:
        """Close the file, and look whether all is in it: the library does not always tell what the disk refused.

        Raises
        ------
        OSError
            Some of it is not, or the disk is full now.
        """
        self.close()
        with open(self._path, "rb+", buffering=0) as file:  # where a write was refused, another one is, too
            size = file.seek(0, os.SEEK_END)
            whole = file.write(bytes(_PROBE)) == _PROBE
            file.truncate(size)
        try:
            with open_sound(self._path, "--output") as written:
                whole = whole and written.frames == self._frames
        except ArgumentError as error:
            raise OSError(_FULL) from error
        if not whole:
            raise OSError(_FULL)


def _integers(samples: NDArray[np.floating], bits: int) -> NDArray[np.signedinteger]:
    """Return numbers from -1 to 1 as integers, in the upper bits of those that the library takes."""
    whole = np.rint(samples.astype(np.float64) * 2.0 ** (bits - 1)).astype(np.int64)
    if bits == 16:
        return whole.astype(np.int16)
    return (whole << (32 - bits)).astype(np.int32)


def sample_bytes(subtype: str) -> int:
    """Return the bytes of a sample, at least approximately.

    Examples
    --------
    >>> sample_bytes("PCM_24"), sample_bytes("DOUBLE")
    (3, 8)
    """
    return {"FLOAT": 4, "DOUBLE": 8}.get(subtype, _BITS.get(subtype, 8) // 8)


def text_losses(path: Path, texts: dict[str, str]) -> list[str]:
    """Return the names of texts that a file which was written does not have."""
    with open_sound(path, "--output") as written:
        return [name for name, text in texts.items() if not written.texts.get(name, "").startswith(text)]


def decibels(peak: float) -> float:
    """Return a magnitude in decibels relative to full scale.

    Examples
    --------
    >>> round(decibels(2.0), 1)
    6.0
    """
    return 20 * math.log10(peak) if peak > 0 else -math.inf

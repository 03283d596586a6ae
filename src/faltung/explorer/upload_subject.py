"""What does a user bring to the page? Files that Python decodes: the page cannot read all that `faltung` reads."""

from __future__ import annotations

from collections.abc import Mapping
from threading import BoundedSemaphore

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError
from faltung.explorer.decoding import decoded
from faltung.explorer.question_arguments import checked_text, kind_of
from faltung.explorer.subject import PageSubject, Question

__all__ = ["MOST_BYTES", "UploadSubject"]

#: Bytes of a file that is decoded.
MOST_BYTES = 48 * 2**20
_LONGEST_NAME = 255
_AT_ONCE = 2  # each has a process of its own


class UploadSubject(PageSubject):
    """Files of the user, which are read from their bytes; a page never names a file."""

    name = "upload"
    without_lock = frozenset({"open"})

    def __init__(self) -> None:
        self._places = BoundedSemaphore(_AT_ONCE)

    def content(self) -> Mapping[str, object]:
        """Return how large a file may be."""
        return {"most_bytes": MOST_BYTES}

    def questions(self) -> Mapping[str, Question]:
        """Return the question `open`."""
        return {"open": self._open}

    def _open(self, *, name: object, file: object) -> dict[str, object]:
        """Return samples of shape (channels, *spatial), what they are called, and what was left out."""
        if not self._places.acquire(blocking=False):
            raise FaltungError(f"Python is still reading {_AT_ONCE} other files. Try again later.")
        try:
            return _opened(name, file)
        finally:
            self._places.release()


def _opened(name: object, file: object) -> dict[str, object]:
    if not isinstance(file, np.ndarray) or file.dtype != np.uint8 or file.ndim != 1:
        raise ArgumentTypeError("file", "the bytes of a file", kind_of(file))
    if file.size > MOST_BYTES:
        raise ArgumentError("file", f"at most {MOST_BYTES >> 20} MB", f"{file.size:,} bytes", "Cut it first.")
    opened = decoded(checked_text("name", name, _LONGEST_NAME), file.tobytes())
    return {"name": opened.title, "samples": opened.samples, "note": opened.note}

"""How is a file decoded that anyone may have made? In a process of its own, with limits, that may die of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from faltung.errors import ArgumentError, FaltungError
from faltung.explorer.opened import Opened, open_file
from faltung.explorer.packing import DTYPES

__all__ = ["SUFFIXES", "decoded"]

#: Endings of names that say how a file is read; all others are read by what is in them.
SUFFIXES = (".csv", ".txt", ".tsv", ".wav", ".flac", ".ogg", ".aiff", ".aif", ".mp3")
_SECONDS, _MEMORY, _WRITTEN = 30, 3 * 2**29, 256 * 2**20
#: Pixels of a picture, as its header says.
_MOST_PIXELS = 64_000_000
_SAMPLES, _ABOUT = "samples.npy", "about.json"


def decoded(name: str, content: bytes) -> Opened:
    """Return what the page shows of a file, from its bytes.

    They are decoded by another process, which has little time and memory, in a folder that only this user can read
    and that is removed with all that is in it. Of the name only the ending is used, if it is a known one.

    Raises
    ------
    FaltungError
        The file is damaged, too large, or of another kind.
    """
    suffix = next((ending for ending in SUFFIXES if name.lower().endswith(ending)), "")
    with tempfile.TemporaryDirectory(prefix="faltung-") as folder:
        given = Path(folder) / f"file{suffix}"
        given.write_bytes(content)
        said = _run(given)
        if "error" in said:
            raise FaltungError(said["error"].replace(str(given), name))
        samples = np.load(given.with_name(_SAMPLES), allow_pickle=False)
    if samples.dtype.name not in DTYPES or not 2 <= samples.ndim <= 3:
        raise FaltungError(f"file: '{name}' became {samples.dtype} of shape {samples.shape}, which no page shows.")
    return Opened(said["title"].replace(given.name, name), said["note"], samples)


def _run(given: Path) -> dict[str, str]:
    # The package is found where it is found here, and nothing in the current folder is imported.
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "faltung.explorer.decoding", str(given)]
    try:
        done = subprocess.run(command, env=environment, cwd=given.parent, timeout=_SECONDS, capture_output=True)
    except subprocess.TimeoutExpired:
        return {"error": f"file: '{given}' takes longer than {_SECONDS} seconds to read. Make it smaller."}
    about = given.with_name(_ABOUT)
    if done.returncode or not about.is_file():
        return {"error": f"file: '{given}' is damaged, or unpacks to more than the page can show. Make it smaller."}
    said: dict[str, str] = json.loads(about.read_text(encoding="utf-8"))
    return said


def _limit() -> None:
    """Bound time, memory and files of this process, where the system can do it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"CPU": _SECONDS, "AS": _MEMORY, "FSIZE": _WRITTEN, "CORE": 0}
    for kind, most in limits.items():
        number = getattr(resource, f"RLIMIT_{kind}")
        _, hard = resource.getrlimit(number)
        resource.setrlimit(number, (most if hard < 0 else min(most, hard), hard))


def _check_pixels(given: Path) -> None:
    """Refuse a large picture by its header, before any work; what has no such header is left to its reader."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(given) as image:
            width, height = image.size
    except Exception:  # a damaged file can raise any kind of error
        return
    finally:
        Image.MAX_IMAGE_PIXELS = before
    if width * height > _MOST_PIXELS:
        expected = f"a picture of at most {_MOST_PIXELS // 10**6} million pixels"
        raise ArgumentError("file", expected, f"{height:,} × {width:,}", "Make it smaller, or cut it.")


def _main(given: Path) -> None:
    _limit()
    try:
        _check_pixels(given)
        opened = open_file(given, "file")
        said = {"title": opened.title, "note": opened.note}
        np.save(given.with_name(_SAMPLES), opened.samples, allow_pickle=False)
    except FaltungError as error:
        said = {"error": str(error)}
    given.with_name(_ABOUT).write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

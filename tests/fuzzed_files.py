"""Damaged files: each is read, or refused in one sentence, in bounded time and memory.

`python tests/fuzzed_files.py 2000 --seed 7` damages small files of every format; the test suite runs some of them.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import signal
import struct
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from faltung import files
from faltung.errors import ArgumentError
from faltung.files.directory import Structure

SECONDS = 2  # for one file
LONGEST = 700  # characters of a sentence


def _saved(image, name, **options):
    data = io.BytesIO()
    image.save(data, format=name, **options)
    return data.getvalue()


def _tiff(samples, **options):
    data = io.BytesIO()
    writer = {key: options.pop(key) for key in ("bigtiff", "byteorder", "imagej", "ome") if key in options}
    with tifffile.TiffWriter(data, **writer) as file:
        file.write(samples, **options)
    return data.getvalue()


def seeds():
    """Return small whole files, by name."""
    rng = np.random.default_rng(1)
    grey, colour = rng.integers(0, 256, (24, 20), np.uint8), rng.integers(0, 256, (24, 20, 4), np.uint8)
    deep = rng.integers(0, 65536, (24, 20), np.uint16)
    image, clear = Image.fromarray(colour[..., :3]), Image.fromarray(colour)
    frames = [Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)) for _ in range(3)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 70}
    exif = Image.Exif()
    exif[271], exif[274] = "maker", 6
    found = {
        "png": _saved(clear, "PNG", dpi=(72, 72), exif=exif, icc_profile=b"profile"),
        "deep.png": _saved(Image.fromarray(deep), "PNG"),
        "palette.png": _saved(image.quantize(9), "PNG", transparency=3),
        "moving.png": _saved(frames[0], "PNG", **moving),
        "jpg": _saved(image, "JPEG", exif=exif, progressive=True),
        "gif": _saved(frames[0], "GIF", **moving),
        "webp": _saved(clear, "WEBP", lossless=True, exif=exif.tobytes()),
        "moving.webp": _saved(frames[0], "WEBP", **moving),
        "bmp": _saved(image, "BMP"),
        "ppm": _saved(image, "PPM"),
        "text.pgm": b"P2\n3 2 # comment\n255\n1 2 3\n4 5 6\n",
        "tif": _tiff(colour, photometric="rgb", extrasamples=["unassalpha"]),
        "imagej.tif": _tiff(np.stack([deep] * 4), imagej=True, metadata={"axes": "ZYX", "unit": "um"}),
        "ome.tif": _tiff(np.stack([deep] * 4), ome=True, photometric="minisblack", metadata={"axes": "ZYX"}),
        "big.tif": _tiff(grey, bigtiff=True, byteorder=">", photometric="minisblack", tile=(16, 16)),
    }
    for compression in ("lzw", "deflate", "packbits", "zstd", "lzma", "jpeg"):
        found[f"{compression}.tif"] = _tiff(
            colour[..., :3], photometric="rgb", compression=compression, rowsperstrip=8, metadata=None
        )
    array = io.BytesIO()
    np.save(array, deep)
    return found | {"npy": array.getvalue()}


def damaged(data, rng):
    """Return data with some bytes changed, taken out, put in, or cut off."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 3)):
        at = int(rng.integers(0, max(1, len(data) if rng.random() < 0.5 else min(len(data), 200))))
        match rng.integers(0, 6):
            case 0:
                data[at : at + 1] = bytes([rng.integers(0, 256)])
            case 1:
                data[at : at + 4] = struct.pack(rng.choice(["<I", ">I"]), int(rng.integers(0, 2**32)))
            case 2:
                data[at : at + 2] = struct.pack("<H", int(rng.choice([0, 1, 255, 32767, 65535])))
            case 3:
                del data[at : at + int(rng.integers(1, 20))]
            case 4:
                data[at:at] = data[at : at + int(rng.integers(1, 20))]
            case 5:
                data[at] ^= 1 << int(rng.integers(0, 8)) if at < len(data) else 0
    if data[:2] in (b"II", b"MM") and rng.random() < 0.5:
        data = _with_another_tag(data, rng)
    cut = bytes(data[: int(rng.integers(1, len(data) + 1))] if rng.random() < 0.1 else data)
    return _with_checksums(cut) if cut.startswith(b"\x89PNG") else cut


def _with_another_tag(data, rng):
    """Return a TIFF in which one number of an entry of its first directory is another."""
    try:
        structure = Structure.of(bytes(data))
        entries = structure.entries(structure.first)
    except ValueError:
        return data
    code = entries[int(rng.integers(0, len(entries)))].code if entries else 256
    at = structure.place(code) if entries else 8
    field = int(rng.choice([-8, -6, -4, 0])) if not structure.big else int(rng.choice([-12, -10, -8, 0]))
    size = {-8: 2, -6: 2, -12: 2, -10: 2}.get(field, 4)
    value = int(rng.choice([0, 1, 2, 7, 8, 17, 255, 4096, 65535, 10**6, 2**31 - 1, 2**32 - 1]))
    data[at + field : at + field + size] = (value % 256**size).to_bytes(
        size, "little" if structure.order == "<" else "big"
    )
    return data


def _with_checksums(data):
    """Return a PNG whose checksums are right, so that damage is not found by them."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if end + 4 <= len(data):
            data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def outcome(path):
    """Read a file and write what was read; return "read" or the sentence of a refusal, or raise what must not be."""
    try:
        pictures = files.read(path)
        for picture in pictures:
            assert picture.samples.ndim == len(picture.axes), picture.axes
        files.lost(path.with_suffix(".tif"), pictures)
        files.write(path.with_name("out.tif"), pictures)
    except ArgumentError as error:
        sentence = str(error)
        assert "\n" not in sentence, sentence
        assert len(sentence) < LONGEST, sentence
        return sentence
    return "read"


def attack(count, seed, folder):
    """Return how many of `count` damaged files were read and refused, and the failures."""
    rng, whole = np.random.default_rng(seed), seeds()
    names, read, failures = sorted(whole), 0, []

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    for index in range(count):
        name = names[index % len(names)]
        path = folder / f"x.{name.rsplit('.')[-1]}"
        path.write_bytes(damaged(whole[name], rng))
        begin = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)
        try:
            read += outcome(path) == "read"
        except BaseException as error:
            failures.append((index, name, repr(error)))
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if (seconds := time.perf_counter() - begin) > SECONDS:
            failures.append((index, name, f"{seconds:.1f} s"))
        if failures and failures[-1][0] == index:
            (folder / f"failure_{index}.{name}").write_bytes(path.read_bytes())
    return read, count - read, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-"))
    read, refused, failures = attack(arguments.count, arguments.seed, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{read} read, {refused} refused, {len(failures)} failures in {folder}, {peak} MB at most, pid {os.getpid()}"
    )
    for failure in failures:
        print(*failure)


if __name__ == "__main__":
    main()

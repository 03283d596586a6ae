"""What comes from outside: small whole files of every kind, and the commands that read them."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import tifffile
from PIL import Image

from damage import digest_of
from faltung import learn
from faltung.datasets.reading import load
from faltung.kernels import gaussian
from faltung.learn import experiment
from faltung.learn.pace import Pace
from faltung.learn.runs import RunStopped
from faltung.learn.saved import save_network
from faltung.networks import DenseClassifier
from faltung.networks.generator import DenseGenerator

__all__ = ["Case", "cases"]


#: Pictures that are filters, too.
_GREY = ("deep.png", "text.pgm", "big.tif", "npy")
#: Pictures that filters are found between; reading them is what the other commands do.
_PAIRS = ("deep.png", "deflate.tif", "npy")


@dataclass(frozen=True)
class Case:
    """A folder of files, one of which is damaged, and what reads it.

    Parameters
    ----------
    name : str
        What the case is called.
    files : dict
        Contents by name, of all files.
    damaged : tuple of str
        The files of which one is damaged.
    command : str or callable
        A command line, in which {} is the file or folder; or a function of the folder.
    written : tuple of str
        What it may write, in the folder "out".
    kept : bool
        Whether the folder of the files must stay as it is; a run that goes on changes its own.
    """

    name: str
    files: dict[str, bytes]
    damaged: tuple[str, ...]
    command: str | Callable[[Path], object]
    written: tuple[str, ...] = ()
    kept: bool = True
    mended: Callable[[dict[str, bytes]], dict[str, bytes]] = field(default=lambda files: files)


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


def _npy(array):
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def _images():
    """Return small whole files of pictures and arrays, by name."""
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
    return found | {"npy": _npy(deep)}


def _sounds():
    import soundfile

    rng, found = np.random.default_rng(2), {}
    for suffix in ("wav", "flac", "aiff", "ogg"):
        data = io.BytesIO()
        soundfile.write(data, rng.uniform(-1, 1, (300, 2)), 8000, format=suffix.upper())
        found[suffix] = data.getvalue()
    return found


def _tables():
    return {"csv": b"0.25,0.5,0.25\n1,2,1\n", "txt": b"# taps\n1 2 1\n", "tsv": b"0,5\t1\n2\t3\n"}


def _samples():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (40, 8, 8), np.uint8), np.arange(40, dtype=np.uint8) % 2


def _data_sets():
    """Return the files of data sets, by the name of each set and of each file."""
    samples, labels = _samples()
    made = io.BytesIO()
    np.savez_compressed(made, x=samples, y=labels)
    pictures = {
        f"{'ab'[index % 2]}/{index}.png": _saved(Image.fromarray(samples[index]), "PNG") for index in range(12)
    }
    table = "file,label\n" + "".join(f"{name},{name[0]}\n" for name in pictures)
    idx = {
        "train-images-idx3-ubyte.gz": gzip.compress(struct.pack(">IIII", 0x803, 40, 8, 8) + samples.tobytes()),
        "train-labels-idx1-ubyte": struct.pack(">II", 0x801, 40) + labels.tobytes(),
    }
    return {
        "arrays": {"d.npz": made.getvalue()},
        "idx": idx,
        "folders": pictures,
        "table": {"d.csv": table.encode(), **pictures},
    }


def _all_files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _runs():
    """Return the files of a finished classifier and generator, and of a run that was stopped."""
    samples, labels = _samples()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        np.savez(place / "d.npz", x=samples, y=labels)
        split = load(place / "d.npz")
        save_network(learn.RunFolder.create(place / "c"), "model", _classifier(), split.training)
        save_network(learn.RunFolder.create(place / "g"), "model", _generator(), split.training)

        def stop(name, record):
            if record.epoch == 2:
                raise KeyboardInterrupt

        with suppress(RunStopped):
            learn.run(
                "classify",
                split,
                out=place / "r",
                epochs=3,
                batch_size=16,
                patience=5,
                curve=False,
                device="cpu",
                threads=1,
                on_epoch=stop,
            )
        stopped = {each: data for each, data in _all_files(place / "r").items() if not each.startswith("report")}
        return _all_files(place / "c"), _all_files(place / "g"), stopped, (place / "d.npz").read_bytes()


def _classifier():
    return DenseClassifier(sample_shape=(1, 8, 8), widths=(4,), classes=2)


def _generator():
    return DenseGenerator(sample_shape=(1, 8, 8), width=4, blocks=1, classes=2)


def resumed(folder):
    """Go on with a run until its checkpoint is read."""

    def stop(*_):
        raise KeyboardInterrupt

    # The pace of networks is not looked at here, and takes half a second of each.
    with mock.patch.object(experiment, "measured", return_value=Pace(1.0, 16, 1.0)), suppress(RunStopped):
        learn.resume(folder / "r", data=folder / "d.npz", on_continue=stop, on_epoch=stop)


def loaded(folder):
    """Read a data set."""
    found = [folder / name for name in ("d.npz", "d.csv") if (folder / name).exists()]
    load(found[0] if found else folder)


def _arrays():
    """Return the files of small arrays in Zarr, of both versions, in shards, and of several resolutions."""
    import zarr

    from faltung.chunked.pyramids import pyramid

    samples, found = np.random.default_rng(4).integers(0, 65536, (24, 20), np.uint16), {}
    ways = {
        "3": {"chunks": (8, 16), "dimension_names": ("y", "x")},
        "2": {"chunks": (8, 16), "zarr_format": 2},
        "shards": {"chunks": (4, 8), "shards": (8, 16), "compressors": None, "attributes": {"_FillValue": 7}},
    }
    with tempfile.TemporaryDirectory() as name:
        for way, options in ways.items():
            array = zarr.create_array(f"{name}/{way}/z.zarr", shape=(24, 20), dtype="uint16", **options)
            array[:] = samples
        Path(name, "levels").mkdir()
        pyramid(f"{name}/2/z.zarr", f"{name}/levels/z.zarr", 2)
        for way in (*ways, "levels"):
            found[way] = _all_files(Path(name, way))
    return found


def rewritten(folder):
    """Filter an array into another one that is stored in the same way."""
    from faltung.chunked.applying import apply

    with tempfile.TemporaryDirectory() as name:
        apply(folder / "z.zarr", gaussian(1), f"{name}/o.zarr")


def _of_arrays():
    for way, files in _arrays().items():
        described = tuple(name for name in files if Path(name).name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"))
        packed = tuple(name for name in files if name not in described)
        names = described * 2 + packed[:2]
        yield Case(f"array {way} into another", files, names, rewritten)
        if way != "levels":
            yield Case(f"array {way}", files, names, "apply {}/z.zarr -k [1,2,1] --axes -1 -o out/o.npy", ("o.npy",))


def _with_digest(files):
    """Return a run folder whose description has the digest of the weights."""
    try:
        described = json.loads(files["r/model.json"])
        described["digest"] = digest_of(files["r/model.safetensors"])
        return files | {"r/model.json": json.dumps(described).encode()}
    except (ValueError, TypeError, KeyError, RecursionError):
        return files


def _of_pictures():
    taps = {"a.npy": _npy(np.ones((9, 9), np.float32))}
    for name, data in _images().items():
        end = "npy" if name == "npy" else "tif"
        file = f"x.{name.rpartition('.')[2]}"
        yield Case(
            f"apply {name}", {file: data}, (file,), f"apply {{}}/{file} -k [1,2,1] -o out/o.{end}", (f"o.{end}",)
        )
        if name in _PAIRS:
            yield Case(f"fit {name}", {file: data}, (file,), f"fit {{}}/{file} {{}}/{file} --size 3")
        if name in _GREY:
            command = f"apply {{}}/a.npy -k {{}}/{file} -o out/o.npy"
            yield Case(f"kernel {name}", {file: data, **taps}, (file,), command, ("o.npy",))


def _of_other_files():
    taps = {"a.npy": _npy(np.ones((9, 9), np.float32))}
    for suffix, data in _tables().items():
        file = f"k.{suffix}"
        command = f"apply {{}}/a.npy -k {{}}/{file} -o out/o.npy"
        yield Case(f"kernel {suffix}", {file: data, **taps}, (file,), command, ("o.npy",))
    for suffix, data in _sounds().items():
        file = f"s.{suffix}"
        yield Case(f"sound {suffix}", {file: data}, (file,), f"apply {{}}/{file} -k [1,2,1] -o out/o.wav", ("o.wav",))
    for name, files in _data_sets().items():
        yield Case(f"data {name}", files, tuple(files)[:3], loaded)


def _of_runs():
    classifier, generator, stopped, data = _runs()
    picture = {"p.png": _saved(Image.fromarray(np.zeros((8, 8), np.uint8)), "PNG")}
    model = ("r/model.json", "r/model.safetensors")
    used = {f"r/{name}": held for name, held in classifier.items()} | picture
    for mended, how in ((lambda files: files, ""), (_with_digest, ", digest")):
        yield Case(f"predict{how}", used, model, "predict {}/r {}/p.png --csv out/o.csv", ("o.csv",), mended=mended)
        made = {f"r/{name}": held for name, held in generator.items()}
        command = "generate {}/r -n 2 --steps 1 --npz out/o.npz"
        yield Case(f"generate{how}", made, model, command, ("o.npz",), mended=mended)
    for suffix, held in (("png", picture["p.png"]), ("npy", _npy(np.zeros((8, 8), np.uint8)))):
        file = f"q.{suffix}"
        yield Case(f"predict {suffix}", used | {file: held}, (file,), f"predict {{}}/r {{}}/{file}")
    run = {f"r/{name}": held for name, held in stopped.items()} | {"d.npz": data}
    for name in stopped:
        if name.endswith(("checkpoint.safetensors", "run.json")):
            yield Case(f"resume {name}", run, (f"r/{name}",), resumed, kept=False)
            yield Case(f"resume {name} again", run, (f"r/{name}",), resumed, kept=False)
        else:
            yield Case(f"resume {name}", run, (f"r/{name}",), resumed, kept=False)


def cases(*parts):
    """Return the cases of "pictures", "files", "runs" and "arrays" by name; all of them if none is named."""
    made = {"pictures": _of_pictures, "files": _of_other_files, "runs": _of_runs, "arrays": _of_arrays}
    return {case.name: case for part in parts or made for case in made[part]()}

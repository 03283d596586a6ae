"""PNG files: written by Pillow and imagecodecs, passed through, and compared with what these read."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from faltung import files
from faltung.files.png_chunks import SIGNATURE, chunk, chunks


def noise(*shape, dtype="u1", largest=256, seed=0):
    return np.random.default_rng(seed).integers(0, largest, shape).astype(dtype)


def opened(path, mode=None):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode) if mode else image)


def through(path, name="new.png", **options):
    target = path.with_name(name)
    files.write(target, files.read(path), **options)
    return target


@pytest.mark.parametrize("bands", [0, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_all_depths_and_colours_are_kept(tmp_path, bands, depth):
    samples = noise(*((9, 13, bands) if bands else (9, 13)), dtype=f"u{depth // 8}", largest=2**depth)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(samples))
    (picture,) = files.read(tmp_path / "a.png")
    assert np.array_equal(picture.samples, samples)
    assert picture.opacity == ("straight" if bands in (2, 4) else None)
    assert np.array_equal(imagecodecs.png_decode(through(tmp_path / "a.png").read_bytes()), samples)
    assert files.lost(tmp_path / "b.png", [picture]) == []


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_become_eight(tmp_path, bits):
    indices = noise(9, 13, largest=2**bits)
    image = Image.fromarray(indices, "P")
    image.putpalette([level for index in range(2**bits) for level in [index * 255 // (2**bits - 1)] * 3])
    image.save(tmp_path / "a.png", bits=bits)
    assert np.array_equal(files.read(tmp_path / "a.png")[0].samples, opened(tmp_path / "a.png", "RGB"))
    if bits == 1:
        Image.fromarray(indices > 0).save(tmp_path / "a.png")
        assert np.array_equal(files.read(tmp_path / "a.png")[0].samples, indices * 255)


def test_palettes_and_their_opacity(tmp_path):
    image = Image.fromarray(noise(9, 13, 3)).quantize(9)
    for options, mode in (({}, "RGB"), ({"transparency": bytes(range(0, 180, 20))}, "RGBA")):
        image.save(tmp_path / "a.png", **options)
        assert np.array_equal(opened(through(tmp_path / "a.png")), opened(tmp_path / "a.png", mode))


def test_a_transparent_value_becomes_opacity(tmp_path):
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "a.png", transparency=0)
    written = imagecodecs.png_decode(through(tmp_path / "a.png").read_bytes())
    assert np.array_equal(written[..., 0], deep)
    assert np.array_equal(written[..., 1], np.where(deep == 0, 0, 65535))
    colours = noise(9, 13, 3, largest=3)
    Image.fromarray(colours).save(tmp_path / "a.png", transparency=(1, 1, 1))
    assert np.array_equal(opened(through(tmp_path / "a.png")), opened(tmp_path / "a.png", "RGBA"))


def test_what_chunks_say_is_kept(tmp_path):
    known = PngImagePlugin.PngInfo()
    known.add_text("Software", "me")
    known.add_text("Titel", "ünï→", zip=True)
    known.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    known.add(b"gAMA", b"\0\0\xb1\x8f")
    known.add(b"cHRM", bytes(range(32)))
    known.add(b"tIME", bytes([7, 228, 1, 2, 3, 4, 5]))
    exif = Image.Exif()
    exif[271], exif[274] = "maker", 6
    path = tmp_path / "a.png"
    Image.fromarray(noise(9, 13, 3)).save(path, pnginfo=known, dpi=(300, 200), icc_profile=b"profile" * 9, exif=exif)
    target = through(path)
    with Image.open(path) as before, Image.open(target) as after:
        assert np.array_equal(np.asarray(after), np.asarray(ImageOps.exif_transpose(before)))
        assert dict(after.getexif()) == {271: "maker", 274: 1}
        for key in ("gamma", "chromaticity", "dpi", "icc_profile", "Software", "Titel"):
            assert after.info[key] == before.info[key]
        assert after.info["XML:com.adobe.xmp"] == '<x tiff:Orientation="1"/>'
    kinds = [kind for kind, _ in chunks(target.read_bytes())]
    assert kinds.index(b"IDAT") > max(kinds.index(kind) for kind in (b"gAMA", b"cHRM", b"iCCP", b"pHYs"))
    assert b"tIME" in kinds
    with Image.open(through(path, "bare.png", metadata=False)) as bare:
        bare.load()
        assert {*bare.info} == {"gamma", "chromaticity", "icc_profile"}


def test_unknown_chunks_are_kept_if_they_may_be(tmp_path):
    header, *rest = chunks(imagecodecs.png_encode(noise(9, 13)))
    own = [(b"prIV", b"may not be copied"), (b"prIv", b"may be"), (b"bKGD", b"\0\7"), (b"iCCP", b"broken")]
    (tmp_path / "a.png").write_bytes(SIGNATURE + b"".join(chunk(*each) for each in (header, *own, *rest)))
    (picture,) = files.read(tmp_path / "a.png")
    found = dict(chunks(through(tmp_path / "a.png").read_bytes()))
    assert found[b"prIv"] == b"may be"
    assert found[b"bKGD"] == b"\0\7"
    assert b"prIV" not in found
    first, second = files.lost(tmp_path / "b.png", [picture])
    assert first == "The chunk prIV is not passed on."
    assert second.startswith("The chunk iCCP is not passed on: it is ")


def test_animations_keep_frames_and_durations(tmp_path):
    frames = [Image.fromarray(noise(9, 8, 4, seed=seed)) for seed in range(4)]
    options = {"save_all": True, "append_images": frames[1:], "duration": [50, 60, 70, 80], "loop": 3}
    frames[0].save(tmp_path / "a.png", disposal=0, blend=0, **options)
    (picture,) = files.read(tmp_path / "a.png")
    assert (picture.axes, picture.samples.shape) == ("TYXS", (4, 9, 8, 4))
    with Image.open(through(tmp_path / "a.png")) as image:
        assert (image.n_frames, image.info["loop"]) == (4, 3)
        for index, frame in enumerate(frames):
            image.seek(index)
            assert np.array_equal(np.asarray(image.convert("RGBA")), np.asarray(frame))
            assert image.info["duration"] == 50 + 10 * index
    deep = files.Picture(noise(2, 9, 8, dtype="u2"), "TYX", (), "grey")
    assert files.dtypes(tmp_path / "b.png", deep) == (np.uint8,)
    with pytest.raises(ValueError, match="8-bit samples for PNG, got uint16"):
        files.write(tmp_path / "b.png", [deep])


def test_exif_in_a_text_turns_the_picture(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    data = exif.tobytes()
    known = PngImagePlugin.PngInfo()
    known.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n")
    Image.fromarray(noise(9, 13)).save(tmp_path / "a.png", pnginfo=known)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(files.read(tmp_path / "a.png")[0].samples, np.asarray(ImageOps.exif_transpose(image)))

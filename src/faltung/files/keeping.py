"""What can a format not keep of what a file says? Each format keeps some fields of metadata; the others are named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from faltung.files.exif import parsed
from faltung.files.formats import format_of_name
from faltung.files.picture_value import Metadata, Picture
from faltung.files.plain import HOLDS, has_frames, has_many_colours, has_partial_opacity
from faltung.files.tiff_output import is_imagej, is_ome
from faltung.files.tiff_packing import packing
from faltung.files.tiff_tags import TEXTS

__all__ = ["lost"]

#: Fields that each format keeps.
_KEPT = {
    "TIFF": {"profile", "exif", "xmp", "resolution", "tags", "imagej", "ome", "nodata", "levels"},
    "PNG": {"profile", "exif", "xmp", "resolution", "texts", "durations", "chunks"},
    "JPEG": {"profile", "exif", "xmp", "resolution", "segments"},
    "WEBP": {"profile", "exif", "xmp", "durations"},
    "GIF": {"durations"},
    "BMP": {"resolution"},
    "PNM": set[str](),
    "PFM": set[str](),
    "NPY": set[str](),
}
_NAMES = {"NPY": ".npy", "WEBP": "WebP"}
_KEPT_TEXTS = {"TIFF": {"Description", "Software", "Creation Time", "Author", "Copyright"}}
_KEPT_TEXTS |= {"JPEG": {"Comment"}, "GIF": {"Comment"}}
_GEOGRAPHIC = {33550, 33922, 34264, 34735, 34736, 34737, 42112}
_JPEG = 7
_COMPRESSIONS = {6: "JPEG", 7: "JPEG", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC"}
_COMPRESSIONS |= {
    34933: "PNG",
    50001: "WebP",
    34927: "WebP",
    50002: "JPEG XL",
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    34892: "JPEG",
}
_COLOUR_CHUNKS = {b"gAMA", b"cHRM", b"sRGB", b"cICP"}


def lost(path: Path, pictures: Sequence[Picture], *, metadata: bool = True) -> list[str]:
    """Return what a file of this name cannot keep, as sentences; `metadata` is what `write` is called with."""
    name = format_of_name(path)
    fields = [field for picture in pictures for field in _lost_fields(picture, name, metadata)]
    if metadata and name == "TIFF" and any(each.metadata.ome for each in pictures) and not is_ome(pictures):
        fields.append("OME-XML")
    sentences = [f"A {_NAMES.get(name, name)} file does not keep {_listed(fields)}."] if fields else []
    sentences += [sentence for picture in pictures for sentence in _changed(picture, name)]
    if metadata:
        sentences += [sentence for picture in pictures for sentence in picture.metadata.unread]
    return list(dict.fromkeys(sentences))


def _listed(fields: Iterable[str]) -> str:
    *first, last = dict.fromkeys(fields)
    return f"{', '.join(first)} and {last}" if first else last


def _lost_fields(picture: Picture, name: str, metadata: bool) -> list[str]:
    meaning = {
        "nodata": "the value of missing samples" if picture.nodata is not None else "",
        "levels": "the smaller copies of a pyramid" if picture.levels else "",
        "durations": "for how long each frame is shown" if picture.metadata.durations else "",
        "profile": "the colour profile" if picture.metadata.profile else "",
    }
    if meaning["profile"] and picture.colours == "cmyk" and name in HOLDS and not HOLDS[name].inks:
        meaning = {**meaning, "profile": "", "": "the profile of the inks"}
    fields = meaning | (_said(picture, name) if metadata else {})
    return [words for field, words in fields.items() if words and field not in _KEPT[name]]


def _said(picture: Picture, name: str) -> dict[str, str]:
    """Return what a file says beside the meaning of its samples, by the fields of `Metadata`, in words."""
    known = picture.metadata
    imagej, ratio = name == "TIFF" and not is_imagej(picture), name == "BMP" and not known.unit
    texts = {*known.texts} - _KEPT_TEXTS.get(name, set())
    return {
        "resolution (ratio)" if ratio else "resolution": "the resolution" if known.resolution else "",
        "exif": _exif_words(known),
        "xmp": "XMP" if known.xmp else "",
        "tags": _tag_words(known),
        "imagej (other)" if imagej else "imagej": "the properties of ImageJ" if known.imagej else "",
        "ome": "OME-XML" if known.ome else "",
        "segments": "the segments of other programs" if known.encoding.get("segments") else "",
        "chunks": _chunk_words(known),
        "texts": f"the text{'s' * (len(texts) > 1)} {_listed(sorted(texts))}" if texts else "",
    }


def _exif_words(known: Metadata) -> str:
    codes = {*parsed(known.exif or b"")} - {274}
    if codes <= TEXTS:
        return "the texts of its tags" if codes else ""
    return "EXIF"


def _tag_words(known: Metadata) -> str:
    codes = {entry.code for page in known.tags for entry in page}
    words = ["the georeference"] if codes & _GEOGRAPHIC else []
    if others := sorted(codes - _GEOGRAPHIC - TEXTS):
        words.append(f"the TIFF tag{'s' * (len(others) > 1)} {_listed(map(str, others))}")
    if len(known.tags) > 1:
        words.append("what is said of each page")
    return _listed(words) if words else ""


def _chunk_words(known: Metadata) -> str:
    names = sorted(
        {kind.decode("ascii", "replace") for kind, _ in known.chunks if kind not in (b"bKGD", b"sBIT", b"sRGB")}
    )
    return f"the PNG chunk{'s' * (len(names) > 1)} {_listed(names)}" if names else ""


def _changed(picture: Picture, name: str) -> list[str]:
    """Return how pixels or their packing are other than in the input."""
    if name == "TIFF":
        return _packed_otherwise(picture)
    if name not in HOLDS:
        return []
    sentences = []
    if picture.colours == "cmyk" and not HOLDS[name].inks:
        sentences.append("CMYK becomes RGB: each colour is (1 - ink) (1 - black).")
    if picture.opacity is not None and not HOLDS[name].opacity:
        sentences.append("All pixels are opaque, so opacity is left out.")
    if picture.axes[0] != "T" and has_frames(picture):
        sentences.append("Its pages become the frames of an animation.")
    if name == "GIF" and has_many_colours(picture):
        sentences.append("A GIF file has 256 colours a frame: others become the closest of these.")
    if name == "GIF" and has_partial_opacity(picture):
        sentences.append("A GIF file has no partial opacity: below one half pixels are transparent.")
    return sentences


def _packed_otherwise(picture: Picture) -> list[str]:
    if picture.metadata.format != "TIFF":
        return []
    before, after = picture.metadata.encoding.get("compression", 1), packing(picture).get("compression", 1)
    if before not in _COMPRESSIONS or after == _JPEG:
        return []
    return [f"{_COMPRESSIONS[before]} compression becomes Deflate, without loss."]

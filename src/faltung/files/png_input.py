"""How is a PNG read? With all of its 16 bits, and with what its chunks say."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from faltung.files.exif import block, orientation_of, parsed, upright, upright_xmp
from faltung.files.orientation import as_seen
from faltung.files.picture_value import Metadata, Picture
from faltung.files.pillow_input import read_pillow
from faltung.files.png_chunks import SIGNATURE, chunk, chunks, said
from faltung.files.refusal import RefusedError
from faltung.ground.given_files import check_fits, check_size, read_regular

__all__ = ["read_png"]

_CHANNELS = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}


def read_png(path: Path) -> list[Picture]:
    """Return the picture of a file, or the frames of an animation."""
    import imagecodecs

    data = read_regular(path)
    found = list(chunks(data))
    if not found or found[0][0] != b"IHDR" or len(found[0][1]) != 13:
        raise ValueError("it has no header")
    width, height, depth, colour = struct.unpack(">IIBB", found[0][1][:10])
    check_size(nbytes := width * height * _CHANNELS.get(colour, 4) * -(-depth // 8), len(data))
    check_fits(nbytes)
    fields = said(found)
    if any(kind == b"acTL" and contents[:4] > b"\0\0\0\1" for kind, contents in found):
        if depth == 16:
            raise RefusedError("an animation of 8 bits", " with 16", "Save the pictures as pages of a TIFF.")
        return read_pillow(path, {"texts": fields["texts"], "chunks": fields["chunks"], "unread": fields["unread"]})
    # Decoders need no more than these, and may convert colours by others.
    needed = [pair for pair in found if pair[0] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")]
    samples = np.asarray(imagecodecs.png_decode(SIGNATURE + b"".join(chunk(*pair) for pair in needed)))
    samples = samples[..., 0] if samples.shape[2:] == (1,) else samples
    axes, bands = "YXS"[: samples.ndim], samples.shape[2] if samples.ndim == 3 else 1
    directory, xmp = parsed(fields.pop("exif", b"")), fields.pop("xmp", None)
    metadata = Metadata(
        "PNG", {"pixels": (colour, depth)}, exif=block(upright(directory)) or None, xmp=upright_xmp(xmp), **fields
    )
    return [
        Picture(
            as_seen(
                samples,
                axes,
                orientation_of(directory, xmp),
            ),
            axes,
            ("straight",) if bands in (2, 4) else (),
            "grey" if bands < 3 else "rgb",
            metadata=metadata,
        )
    ]

"""How is a TIFF opened? By tifffile, after its directories were checked, and without leave to open other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faltung.files.directory import Structure
from faltung.files.ome_planes import check_planes
from faltung.files.tiff_check import samples_of_pages

__all__ = ["opened_tiff"]

#: Kinds of TIFF that name other files.
_OF_OTHERS = ("is_mmstack", "is_ndtiff")


def opened_tiff(path: Path, structure: Structure | None = None) -> Any:
    """Return an open file of tifffile.

    Parameters
    ----------
    path : path
        The file.
    structure : Structure, optional
        Its directories, which were checked; None if it was opened before.

    Raises
    ------
    ValueError
        Its OME-XML speaks of planes that are not in it.
    """
    import tifffile

    # Stacks of Micro-Manager are OME-TIFF, or of ImageJ, too, and are read as such.
    others = {name: False for name in _OF_OTHERS if hasattr(tifffile.TiffFile, name)}
    file = tifffile.TiffFile(path, _multifile=False, **others)
    try:
        if structure is not None and (xml := file.ome_metadata) is not None:
            check_planes(xml, samples_of_pages(structure))
    except BaseException:
        file.close()
        raise
    return file

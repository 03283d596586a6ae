"""Arrays larger than memory: in files of Zarr and NumPy, filtered portion by portion."""

from faltung.chunked.applying import Applied, apply
from faltung.chunked.pyramids import pyramid

__all__ = ["Applied", "apply", "pyramid"]

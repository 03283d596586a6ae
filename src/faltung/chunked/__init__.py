"""Arrays larger than memory: in files of Zarr and NumPy, filtered portion by portion."""

from faltung.chunked.applying import Applied, apply

__all__ = ["Applied", "apply"]

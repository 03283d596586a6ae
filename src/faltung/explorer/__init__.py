"""What does convolution look like? The explorer: a page of four views, for browsers, notebooks and files."""

from __future__ import annotations

from faltung.ground.faces import load_when_used

_LOADED_WHEN_USED = {
    "Explorer": "faltung.explorer.explored",
    "explore": "faltung.explorer.given",
}

__all__ = ["Explorer", "explore"]  # loaded when they are used

__getattr__, __dir__ = load_when_used(__name__, _LOADED_WHEN_USED)

"""Which style sheet has every page? One for light and dark screens, and for paper."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["page_style"]


def page_style() -> str:
    """Return the style sheet of a page, as CSS.

    Examples
    --------
    >>> "prefers-color-scheme: dark" in page_style()
    True
    """
    return files("faltung.ground.drawings").joinpath("page_style.css").read_text(encoding="utf-8")

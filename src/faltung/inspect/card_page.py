"""How does a card look as a page? One file alone: its style and pictures are inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from faltung.ground.drawings.numbers import definitions, grid
from faltung.ground.drawings.style import page_style
from faltung.inspect.section_result import SectionResult

__all__ = ["card_page", "section_html", "section_link"]


def card_page(title: str, warnings: Sequence[str], sections: Mapping[str, SectionResult]) -> str:
    """Return the page of a card.

    Examples
    --------
    >>> page = card_page("a < b", ["Beware."], {})
    >>> "a &lt; b" in page, 'class="warning"' in page
    (True, True)
    """
    told = "".join(f'<p class="warning" role="note">{escape(text)}</p>' for text in warnings)
    links = "".join(section_link(name, result) for name, result in sections.items())
    body = "\n".join(section_html(name, result) for name, result in sections.items())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="color-scheme" content="light dark"/>\n'
        f"<title>Report card: {escape(title)}</title>\n<style>\n{page_style()}</style>\n</head>\n<body>\n<main>\n"
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="quiet">Report card of a network, by faltung inspect.</p>\n'
        f'{told}\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n</header>\n{body}\n</main>\n</body>\n</html>\n'
    )


def section_link(name: str, result: SectionResult) -> str:
    """Return an entry of the list of sections.

    Examples
    --------
    See `card_page`.
    """
    return f'<li><a href="#{name}">{escape(result.heading or name)}</a></li>\n'


def section_html(name: str, result: SectionResult) -> str:
    """Return a section of a page: facts, pictures, table.

    Examples
    --------
    See `card_page`.
    """
    table = result.table()
    numbers = "" if table is None else grid(table.header, table.rows, escape(table.caption))
    figures = "\n".join(
        f"<figure>{drawing.html}<figcaption>{escape(drawing.caption)}</figcaption></figure>"
        for drawing in result.drawings()
    )
    return (
        f'<section>\n<h2 id="{name}">{escape(result.heading or name)}</h2>\n<dl>{definitions(result.facts())}</dl>\n'
        f"{figures}\n{numbers}\n</section>"
    )

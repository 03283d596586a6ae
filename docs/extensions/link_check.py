"""Do all links of the built pages lead somewhere? Links to other hosts are checked for their form alone.

python docs/extensions/link_check.py build/docs
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class PageLinks(HTMLParser):
    """The links of a page, and the names in it that a link can lead to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what a tag links to, and its name."""
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def broken_links(folder: Path) -> list[str]:
    """Return the links of all pages in a folder that lead nowhere, each with its page."""
    pages = {page.resolve(): PageLinks(page) for page in folder.rglob("*.html") if "_static" not in page.parts}
    return [
        f"{page.relative_to(folder.resolve())}: {link}"
        for page, found in pages.items()
        for link in found.links
        if not _leads_somewhere(link, page, pages)
    ]


def _leads_somewhere(link: str, page: Path, pages: dict[Path, PageLinks]) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto"):
        return True
    if parts.scheme or parts.netloc:
        return parts.scheme == "https" and "." in parts.netloc and " " not in link
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target not in pages:
        return target.exists()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors


if __name__ == "__main__":
    broken = broken_links(Path(sys.argv[1]))
    print("\n".join(broken) or "all links lead somewhere")
    sys.exit(bool(broken))

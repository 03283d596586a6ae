"""Which files are the sources of the site? Those of docs/, and pages outside of it, copied into one folder.

The pages are written for readers of the repository: a link such as ``../benchmarks/results/grid.md`` leads out of
docs/, where Sphinx finds nothing. So all pages are copied into build/docs-source, and links to files that have
another place there are changed in the copy. What the build generates is written there too, and docs/ stays clean.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Where the files of these folders of the repository go, from the longest name to the shortest.
_PLACES = {"benchmarks/results": "results", "docs": ".", ".": "project"}
_OUTSIDE = ["CONTRIBUTING.md", "CHANGELOG.md", *(f"benchmarks/results/*.{suffix}" for suffix in ("md", "svg"))]
_COPIED = {".md", ".rst", ".png", ".svg", ".gif", ".html"}


def stage(folder: Path) -> None:
    """Copy all pages and their pictures into a folder, and remove those that are no longer there."""
    files = [file for file in (ROOT / "docs").rglob("*") if file.suffix in _COPIED]
    files += [file for pattern in _OUTSIDE for file in ROOT.glob(pattern)]
    staged = {folder / place_of(file.relative_to(ROOT)): file for file in files}
    for copy in folder.rglob("*.md"):  # generated pages are of other kinds
        if copy not in staged:
            copy.unlink()
    for copy, file in staged.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            write_if_new(copy, with_moved_links(file.read_text(encoding="utf-8"), file.relative_to(ROOT)))
        elif not copy.exists() or copy.stat().st_mtime != file.stat().st_mtime:
            shutil.copy2(file, copy)


def place_of(file: Path) -> Path:
    """Return the place of a file of the repository in the folder of sources.

    >>> str(place_of(Path("docs/speed.md"))), str(place_of(Path("benchmarks/results/grid.md")))
    ('speed.md', 'results/grid.md')
    """
    folder = next(folder for folder in _PLACES if file.is_relative_to(folder))
    return Path(_PLACES[folder], file.relative_to(folder))


def with_moved_links(text: str, page: Path) -> str:
    """Return the text of a page, whose relative links lead to the same files from its new place.

    >>> with_moved_links("[a](../CHANGELOG.md#new) [b](layers.md)", Path("docs/speed.md"))
    '[a](project/CHANGELOG.md#new) [b](layers.md)'
    """

    def moved(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / match[1]))
        return f"]({os.path.relpath(place_of(target), place_of(page).parent)}{match[2]})"

    return re.sub(r"\]\((?![a-z]+:|#)([^)\s#]+)([^)\s]*)\)", moved, text)


def write_if_new(file: Path, text: str) -> None:
    """Write a text, unless the file has it already: Sphinx reads files again that were written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")

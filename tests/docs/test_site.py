"""The sources of the site are copies whose links lead to the same files, and broken links are found."""

from __future__ import annotations

import os
import re
from pathlib import Path

import link_check
import pytest
import staged_sources

ROOT = staged_sources.ROOT


def link_targets(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text) if "://" not in link]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    staged_sources.stage(folder)
    return folder


@pytest.mark.parametrize(
    "page", ["docs/speed.md", "docs/decisions/README.md", "docs/learning.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_links_of_a_copy_lead_to_copies_of_the_same_files(page, sources):
    original, copy = ROOT / page, sources / staged_sources.place_of(Path(page))
    links = [*zip(link_targets(original), link_targets(copy), strict=True)]
    assert links or page == "CHANGELOG.md"
    for link, moved in links:
        target = Path(os.path.normpath(original.parent / link)).relative_to(ROOT)
        assert Path(os.path.normpath(copy.parent / moved)) == sources / staged_sources.place_of(target)
        assert (copy.parent / moved).exists()


def test_other_text_is_copied_as_it_is(sources):
    copy = (sources / "conventions.md").read_text(encoding="utf-8")
    assert copy == (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")


def test_pages_that_are_gone_are_removed_and_others_are_not_written_again(sources):
    old, kept = sources / "old.md", sources / "filters.md"
    old.touch()
    os.utime(kept, (0, 0))
    staged_sources.stage(sources)
    assert not old.exists()
    assert kept.stat().st_mtime == 0


def test_broken_links_are_found(tmp_path):
    (tmp_path / "other.html").write_text('<h1 id="here">x</h1>')
    good = ["other.html", "other.html#here", "#top", "https://example.org/a", "mailto:a@b.org", "picture.png"]
    bad = ["missing.html", "other.html#nowhere", "#nowhere", "http://example.org", "https://nohost", "missing.png"]
    (tmp_path / "picture.png").touch()
    body = "".join(f'<a href="{link}">x</a>' for link in good + bad)
    (tmp_path / "index.html").write_text(f'<p id="top">{body}</p>')
    assert [line.partition(": ")[2] for line in link_check.broken_links(tmp_path)] == bad

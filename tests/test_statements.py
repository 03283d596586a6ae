"""The pages of the statements: there are fourteen, and the table above them says what they print.

Each page asserts what its last line says, and the build of the documentation runs all pages. So a sentence without a
measured figure is read here without running its page.
"""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

STATEMENTS = Path(__file__).parent.parent / "docs" / "statements"
PAGES = sorted(STATEMENTS.glob("plot_*.py"))
ROW = r":doc:`(\w+)`\n +- (.+?)\n(?=\n| +\*)"
TABLE = re.findall(ROW, (STATEMENTS / "GALLERY_HEADER.rst").read_text(), re.DOTALL)


def last_sentence(page):
    """Return what a page prints last, as it is written: a text, or an expression with figures."""
    calls = [node.value for node in ast.parse(page.read_text()).body if isinstance(node, ast.Expr)]
    prints = [call for call in calls if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "print"]
    return prints[-1].args[0]


def printed_last(page, monkeypatch, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="the pages need the extra docs")
    pytest.importorskip("pywt", reason="the pages need the extra docs")
    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    runpy.run_path(str(page))
    return capsys.readouterr().out.splitlines()[-1]


def test_every_statement_has_a_page_and_a_row_in_its_order():
    assert [int(page.name[5:7]) for page in PAGES] == list(range(1, 15))
    assert [name for name, _ in TABLE] == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_table_says_what_the_page_prints(page, monkeypatch, capsys):
    sentence = last_sentence(page)
    plain = isinstance(sentence, ast.Constant)
    seen = (sentence.value if plain else printed_last(page, monkeypatch, capsys)).removeprefix("Seen: ")
    assert " ".join(dict(TABLE)[page.stem].split()) == seen[0].upper() + seen[1:]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_has_a_picture_a_check_an_outcome_and_a_way_on(page):
    text = page.read_text()
    for part in ("plt.show()", "assert", "**What was seen.**", "# More: "):
        assert part in text, f"{page.name} has no {part!r}"


OF_PACKAGES = (
    r"\bdata\.\w+\(|pywt\.data\.|nilearn|get_testdata_file|ndev_sampledata|get_pkg_data_filename|get_sample_data"
    r"|load_embedded"
)
SCRIPTS = [*PAGES, *sorted((STATEMENTS.parent / "gallery").glob("*/plot_*.py"))]
WITH_DATA = [script for script in SCRIPTS if re.search(OF_PACKAGES, script.read_text())]


@pytest.mark.parametrize("script", WITH_DATA, ids=[script.stem for script in WITH_DATA])
def test_a_page_that_loads_data_says_under_which_licence(script):
    assert re.search(r"\blicence\b|\bpublic\s(# )?domain\b", script.read_text())

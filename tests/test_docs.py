"""The pages: their code runs as printed, their commands and links exist, and their figures are the measured ones.

Two tables are copied from elsewhere, so that what they say is told once. After a change there, run

    python tests/test_docs.py --write
"""

from __future__ import annotations

import doctest
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import IPython.terminal.pt_inputhooks  # noqa: F401  # DIPlib looks for it wherever IPython is, and does not import it
import pytest
from pytest_doctestplus.output_checker import FLOAT_CMP, OutputChecker
from typer.testing import CliRunner

from test_architecture import LADDER

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SITE = sorted((ROOT / "docs").glob("*.rst"))  # pages of the site alone: the front page, and those of sections
RESULTS = ROOT / "benchmarks" / "results"

each_page = pytest.mark.parametrize("page", PAGES + SITE, ids=[str(page.relative_to(ROOT)) for page in PAGES + SITE])


# ---- what a page is made of


class CodeBlock(NamedTuple):
    """A block of code: the words that say what it is, its first line in the page, and its text."""

    words: list[str]
    line: int
    text: str


def code_blocks(page: Path) -> Iterator[CodeBlock]:
    text = page.read_text(encoding="utf-8")
    fenced = r"^```(?P<words>[^\n`]*)\n(?P<code>.*?)^```$"
    indented = r"^(?P<margin> *)\.\. code-block:: (?P<words>\w+)\n\n(?P<code>((?P=margin)   [^\n]*\n|\n)+)"
    for match in re.finditer(indented if page.suffix == ".rst" else fenced, text, re.MULTILINE | re.DOTALL):
        line = text[: match.start("code")].count("\n") + 1
        yield CodeBlock(match["words"].split(), line, textwrap.dedent(match["code"]))


def without_code(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def table_cells(text: str) -> dict[tuple[str, str], str]:
    """Return the cells of all tables by the first cell of their row and the header of their column."""
    cells: dict[tuple[str, str], str] = {}
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        row = [cell.strip(" *") for cell in line.strip().strip("|").split("|")]
        if not header:
            header = row
        elif not re.fullmatch(r"[|\-: ]+", line):
            cells.update({(row[0], name): cell for name, cell in zip(header[1:], row[1:], strict=True)})
    return cells


# ---- tables that are copied from elsewhere


def floors() -> str:
    """Return the table of floors, rooms and questions."""
    names = {"face": "`__init__.py`"}
    lines = ["| floor | room | the question that it answers |", "|---|---|---|"]
    for floor, rooms in enumerate(LADDER):
        for room, question in rooms.items():
            name = f"`{room}/`" if (ROOT / "src" / "faltung" / room).is_dir() else f"`{room}.py`"
            lines.append(f"| {floor} | {names.get(room, name)} | {question} |")
    return "\n".join(lines)


#: Rows of the table of speed: what a reader sees, and the cell of the grid.
CELLS = {
    "dense 3 x 3": "dense 3 on 2048² float32",
    "dense 7 x 7": "dense 7 on 2048² float32",
    "dense 15 x 15": "dense 15 on 2048² float32",
    "dense 63 x 63": "dense 63 on 2048² float32",
    "Gaussian, sigma 2": "Gaussian 2 on 2048² float32",
    "Gaussian, sigma 20": "Gaussian 20 on 2048² float32",
    "box 31 x 31": "box 31 on 2048² float32",
    "40 Gabor filters 31 x 31, 1024 x 1024": "40 Gabors 31 on 1024² float32",
    "signal of 1,000,000 samples, 1001 taps": "1001 taps on 1000000 float32",
    "volume of 160³ samples, dense 7³": "dense 7 on 160³ float32",
}
LIBRARIES = {
    "faltung": "faltung",
    "OpenCV 5.0": "OpenCV",
    "SciPy 1.17": "SciPy",
    "torch 2.13": "torch",
    "DIPlib 3.6": "DIPlib",
}
#: Products of spectra that the benchmark puts together by hand: no library has them as a filter.
BY_HAND = ("SciPy fft", "torch fft", "JAX fft")


def milliseconds(timings: dict[str, Any], library: str) -> str:
    """Return the time of the fastest filter of a library; empty if it has none."""
    own = {"faltung"} if library == "faltung" else {name for name in timings if name.split()[0] == library}
    best = [1e3 * timings[name]["best"] for name in own.difference(BY_HAND)]
    return two_digits(min(best)) if best else ""


def two_digits(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:.0f}"


def where(machine: dict[str, str]) -> str:
    """Return a sentence on what was measured, when and on which machine."""
    places = ("processor", "cores", "system", "date", "faltung")
    versions = ", ".join(f"{name} {version}" for name, version in machine.items() if name not in places)
    place = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"
    return f"**faltung {machine['faltung']}**, measured on {machine['date']}: {place}; {versions}."


def speed() -> str:
    """Return the table of times on the grid, and when and where they were measured."""
    result = json.loads((RESULTS / "grid.json").read_text())
    cells = {cell["cell"]: cell for cell in result["data"]}
    lines = [where(result["machine"]), ""]
    lines += ["| milliseconds | " + " | ".join(LIBRARIES) + " | copies |", "|---" * (len(LIBRARIES) + 2) + "|"]
    for label, name in CELLS.items():
        ours, *others = (milliseconds(cells[name]["timings"], library) for library in LIBRARIES.values())
        lines.append("| " + " | ".join([label, f"**{ours}**", *others, two_digits(cells[name]["copies"])]) + " |")
    return "\n".join(lines)


COPIED = {"floors": (ROOT / "docs" / "architecture.md", floors), "speed": (ROOT / "docs" / "speed.md", speed)}


def with_copy(page: str, name: str, table: str) -> str:
    """Return a page with the table between its two marks."""
    begin, end = f"<!-- {name}: written by python tests/test_docs.py --write -->", f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"


def write() -> None:
    """Write the tables into their pages."""
    for name, (page, make) in COPIED.items():
        page.write_text(with_copy(page.read_text(encoding="utf-8"), name, make()), encoding="utf-8")


@pytest.mark.parametrize("name", COPIED)
def test_copied_tables_are_those_of_their_source(name):
    page, make = COPIED[name]
    text = page.read_text(encoding="utf-8")
    assert text == with_copy(text, name, make()), "run python tests/test_docs.py --write"


# ---- code and commands


class PageChecker(OutputChecker):
    """Compares what is printed as text, where ... stands for anything, or else number by number."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        as_text = doctest.OutputChecker().check_output(want, got, flags | doctest.ELLIPSIS)
        return as_text or super().check_output(want, got, flags | FLOAT_CMP)


@each_page
def test_code_runs_as_printed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in code_blocks(page):
        if block.words == ["python"]:
            code = "\n" * (block.line - 1) + block.text  # errors then name the line of the page
            exec(compile(code, str(page), "exec"), names)
        elif block.words == ["pycon"]:
            test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
            result = doctest.DocTestRunner(PageChecker()).run(test, clear_globs=False)
            names.update(test.globs)
            assert not result.failed


@each_page
def test_blocks_say_what_they_are(page):
    kinds = {"python", "pycon", "sh", "text"}
    for block in code_blocks(page):
        assert {*block.words[:1]} & kinds, f"line {block.line}: name the language"
        assert block.words[1:] in ([], ["no-run"])


def shell_lines(page: Path) -> list[str]:
    text = "\n".join(block.text for block in code_blocks(page) if block.words[:1] == ["sh"])
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def helps() -> dict[str, bool]:
    """Whether a command answers to --help; filled when asked."""
    return {}


def command_exists(line: str, helps: dict[str, bool]) -> bool:
    words = re.sub(r"^(?:\w+=\S+ )+", "", line).split()  # without variables of the environment
    if words[0] == "faltung":
        if words[1] not in helps:
            from faltung.cli.main import app

            helps[words[1]] = CliRunner().invoke(app, [words[1], "--help"]).exit_code == 0
        return helps[words[1]]
    if words[0] == "make":
        return re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE) is not None
    if words[0] == "pip":
        return {*re.findall(r"\[(\w+)\]", line)} <= {*extras()}
    program = words[0].removeprefix(".venv/bin/")
    files = [word for word in words[1:] if "/" in word and not word.startswith("-")]
    return program in {"python", "pytest"} and all((ROOT / file.split("::")[0]).exists() for file in files)


@each_page
def test_commands_exist(page, helps):
    assert [line for line in shell_lines(page) if not command_exists(line, helps)] == []


# ---- links


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", without_code(page))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_links_lead_somewhere(page):
    for link in links(page):
        if not link.startswith("https://"):
            place, _, anchor = link.partition("#")
            target = page.parent / place if place else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_files_that_the_architecture_names_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {*re.findall(r"[\w/]+\.(?:py|js)\b", text)}
    files = [*(ROOT / "src").rglob("*.*"), *(ROOT / "tests").rglob("*.*")]
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in files]
    assert len(named) > 50
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        others = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link}
        waiting += [other for other in others if other in PAGES and other not in reached]
    assert reached == {*PAGES}


# ---- the README


def test_the_readme_is_short():
    words = [word for word in README.read_text(encoding="utf-8").split() if re.search(r"\w", word)]
    assert len(words) <= 950


def test_figures_of_the_readme_are_those_of_the_page_it_links_to():
    text = README.read_text(encoding="utf-8")
    table, link = re.search(r"((?:^\|[^\n]*\n)+).*?\]\((docs/\w+\.md)\)", text, re.M | re.S).groups()
    cells = table_cells(table)
    linked = table_cells((ROOT / link).read_text(encoding="utf-8"))
    assert len({row for row, _ in cells}) >= 4
    assert len({column for _, column in cells}) == 4, "five columns with that of the labels"
    assert {place: linked.get(place) for place in cells} == cells


def test_figures_in_sentences_of_the_readme_are_those_of_a_page_it_links_to():
    pages = [ROOT / link for link in links(README) if re.fullmatch(r"docs/\w+\.md", link)]
    known = "".join(page.read_text(encoding="utf-8") for page in pages)
    figures = re.findall(r"\d[\d.,]* (?:times|%|minutes|ms|MB)", without_code(README))
    assert figures
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure.split()[0])}(?![\d.]*\d)", known), figure


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_figures_of_tables_are_those_of_the_results(page):
    """A table with a link to results behind it, as far as the next table, has no figure that is not there."""
    text = page.read_text(encoding="utf-8")
    for table, after in re.findall(r"((?:^\|.*\n)+)((?:^(?!\|).*\n)*)", text, re.MULTILINE):
        names = re.findall(r"benchmarks/results/(\w+)\.md", after.split("\n#")[0])
        if not names or names == ["grid"]:  # the table of the grid is a copy
            continue
        figures = {number for cell in table_cells(table).values() for number in re.findall(r"\d+(?:\.\d+)?", cell)}
        measured = "".join((RESULTS / f"{name}.md").read_text(encoding="utf-8") for name in names)
        assert figures <= {*re.findall(r"\d+(?:\.\d+)?", measured)}


# ---- what can be installed

#: What a package is imported as, if not by its own name; None for tools, and for what other packages need.
IMPORTED_AS = {
    "opencv-python-headless": "cv2",
    "pywavelets": "pywt",
    "scikit-image": "skimage",
    "jupyterlab": None,
    "marimo": None,
    "itk-filtering": "itk",
    "pyvips-binary": None,  # the library that pyvips calls
    "mypy": None,
    "ruff": None,
    "onnxscript": None,
}


def extras() -> dict[str, list[str]]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {extra: [re.match(r"[\w-]+", package)[0] for package in packages] for extra, packages in extras.items()}


@pytest.mark.parametrize("extra", extras())
def test_an_extra_installs_what_is_used(extra):
    files = [file for folder in ("src", "tests", "benchmarks", "docs") for file in (ROOT / folder).rglob("*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    for package in extras()[extra]:
        module = IMPORTED_AS.get(package, package.replace("-", "_"))
        if module is not None and module != "faltung":
            called = rf"(import_module|importorskip|files|program)\(\"{module}\b"
            extension = rf"^    \"{module}(\.\w+)?\",$|^html_theme = \"{module}\"$"
            used = rf"^\s*(import|from) {module}\b|{called}|{extension}"
            assert re.search(used, text, re.MULTILINE), package


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write()

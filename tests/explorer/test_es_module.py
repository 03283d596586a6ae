"""The page's sources become one module: nothing leaks, nothing is left out, nothing comes from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from faltung.explorer import es_module as bundler
from faltung.explorer.es_module import es_module, page_source

PAGE = files("faltung.explorer") / "page"
SOURCES = sorted(path.name for path in PAGE.iterdir() if path.name.endswith(".js"))
LARGEST = 150_000  # bytes of the whole module, compressed


@pytest.fixture
def sources(monkeypatch):
    """A function that puts files in the place of the page's."""

    def put(**texts):
        es_module.cache_clear()
        monkeypatch.setattr(bundler, "page_source", lambda name: texts[name.removesuffix(".js")])

    yield put
    es_module.cache_clear()


def result_of(module, expression):
    """Return what an expression on the default export of a module is in JavaScript."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    text = re.sub(r"^export default (.*);$", r"const whole = \1;", module, flags=re.MULTILINE)
    code = f"{text}\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run([node, "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_names_of_a_file_are_its_own(sources):
    sources(
        main='import { f } from "./a.js";\nconst own = 3;\nexport default { value: f(own), seen: typeof hidden };\n',
        a='import { factor as two } from "./b.js";\nconst own = 5;\nconst hidden = 1;\n'
        "export function f(x) { return two * x + own; }\n",
        b="export const factor = 2;\nexport class Unused {}\nexport async function alsoUnused() {}\n",
    )
    assert result_of(es_module("main.js"), "whole") == {"value": 11, "seen": "undefined"}


def test_lines_that_are_comments_are_left_out_and_no_others(sources):
    sources(main='// Why?\n\n  // Because.\nexport default { address: "a://b" }; // so\n')
    assert "Why" not in es_module("main.js")
    assert "Because" not in es_module("main.js")
    assert result_of(es_module("main.js"), "whole") == {"address": "a://b"}


def test_a_file_that_two_import_is_there_once(sources):
    sources(
        main='import { a } from "./a.js";\nimport { b } from "./b.js";\nexport default { same: a === b };\n',
        a='import { shared } from "./c.js";\nexport const a = shared;\n',
        b='import { shared } from "./c.js";\nexport const b = shared;\n',
        c="export const shared = {};\n",
    )
    assert result_of(es_module("main.js"), "whole") == {"same": True}


def test_imports_that_lead_back_are_refused(sources):
    sources(main='import { a } from "./a.js";\n', a='import { b } from "./main.js";\nexport const a = 1;\n')
    with pytest.raises(ValueError, match=r"main\.js imports a\.js imports main\.js"):
        es_module("main.js")


@pytest.mark.parametrize(
    "line",
    [
        'import * as all from "./a.js";',
        'import "./a.js";',
        'import { a } from "https://elsewhere.example/a.js";',
        'export { a } from "./a.js";',
        'export * from "./a.js";',
        "export { a };",
        "export let changing = 1;",
        "export var changing = 1;",
        'const later = await import("./a.js");',
        "const place = import.meta.url;",
    ],
)
def test_other_forms_are_refused(sources, line):
    sources(main=f"{line}\n", a="export const a = 1;\n")
    with pytest.raises(ValueError, match=r"main\.js: .* is written in a form that is not joined"):
        es_module("main.js")


@pytest.mark.parametrize("entry", ["main.js", "page.js"])
def test_the_module_is_small_and_whole(entry):
    module = es_module(entry)
    assert len(gzip.compress(module.encode())) <= LARGEST
    assert module.count("export default") == 1
    assert "</script" not in module
    assert "<!--" not in module


def test_the_module_asks_for_nothing_from_elsewhere():
    # The name of SVG is the only address, and it is no place that anything is loaded from.
    assert {*re.findall(r"\w+://[^\"'` ]*", es_module("page.js"))} <= {"http://www.w3.org/2000/svg"}
    for word in (
        "XMLHttpRequest",
        "WebSocket",
        "EventSource",
        "sendBeacon",
        "importScripts",
        "eval(",
        "new Function",
    ):
        assert word not in es_module("page.js")
    assert "url(" not in page_source("style.css")
    assert "@import" not in page_source("style.css")
    assert not re.search(r"(?:src|href)=\"(?!data:,)", page_source("page.html"))


def test_every_source_is_part_of_the_page():
    module = es_module("page.js")
    assert [name for name in SOURCES if f"const module_{name.removesuffix('.js')} = " not in module] == []


def test_what_is_imported_is_exported_and_the_other_way_round():
    texts = {name: page_source(name) for name in (*SOURCES, "style.js")}
    exported = {(name, match["name"]) for name, text in texts.items() for match in bundler._EXPORT.finditer(text)}
    imports = [match for text in texts.values() for match in bundler._IMPORT.finditer(text) if match["names"]]
    assert {(match["file"], word.strip()) for match in imports for word in match["names"].split(",")} == exported


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_begins_with_its_question_and_stays_short(name):
    lines = page_source(name).splitlines()
    assert re.fullmatch(r"// .*\?( .*)?", lines[0])
    assert len(lines) <= 400

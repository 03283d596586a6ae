"""How do the page's source files become one ES module? Each turns into a function that returns what it exports."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

__all__ = ["es_module", "page_source"]

_IMPORT = re.compile(r'^import (?:(?P<default>\w+)|\{(?P<names>[^}]*)\}) from "\./(?P<file>[\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?P<what>(?:async )?function\*?|class|const) (?P<name>\w+)", re.MULTILINE)
_COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)
_EXPORT_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


def page_source(name: str) -> str:
    """Return the text of a file of the page. The module ``style.js`` is made from ``style.css``."""
    folder = files("faltung.explorer") / "page"
    if name == "style.js":
        return f"export const STYLE = {json.dumps((folder / 'style.css').read_text(encoding='utf-8'))};\n"
    return (folder / name).read_text(encoding="utf-8")


@cache
def es_module(entry: str) -> str:
    """Return one ES module with a file of the page and all that it imports.

    The sources are modules that import from each other by name, so that each file stands for itself. Here each
    becomes a function that is called once, in the order of the imports. No names of one file are seen in another.
    Lines that are comments are left out.

    Parameters
    ----------
    entry : str
        File name: ``"main.js"`` for notebooks, whose default export is the explorer; ``"page.js"`` for pages.

    Examples
    --------
    >>> es_module("main.js").splitlines()[-1]
    'export default module_main.default;'
    """
    parts: dict[str, str] = {}
    _add(entry, parts, ())
    text = "\n".join(parts.values())
    return f"{text}\nexport default {_variable(entry)}.default;\n"


def _add(name: str, parts: dict[str, str], trail: tuple[str, ...]) -> None:
    if name in trail:
        raise ValueError(f"{' imports '.join((*trail, name))}: an import leads back")
    if name in parts:
        return
    source = page_source(name)
    for match in _IMPORT.finditer(source):
        _add(match["file"], parts, (*trail, name))
    parts[name] = _wrapped(name, source)


def _wrapped(name: str, source: str) -> str:
    exported = [match["name"] for match in _EXPORT.finditer(source)]
    body = _IMPORT.sub(_taken_from_function, _COMMENT.sub("", source))
    body = _EXPORT.sub(lambda match: f"{match['what']} {match['name']}", body)
    body, has_default = _EXPORT_DEFAULT.subn("const defaultExport = ", body)
    left = re.search(r"^(?:import|export)\b.*|\bimport *\(.*|\bimport\.meta.*", body, re.MULTILINE)
    if left:
        raise ValueError(f"{name}: {left[0]!r} is written in a form that is not joined; use one line and no renaming")
    if has_default:
        exported.append("default: defaultExport")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"


def _taken_from_function(match: re.Match[str]) -> str:
    origin = _variable(match["file"])
    if match["default"]:
        return f"const {match['default']} = {origin}.default;"
    return f"const {{{match['names'].replace(' as ', ': ')}}} = {origin};"


def _variable(name: str) -> str:
    return f"module_{PurePosixPath(name).stem}"

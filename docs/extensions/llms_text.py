"""What does a language model read? llms.txt, a list of all pages, and llms-full.txt, their text in one file."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import api_pages
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from staged_sources import ROOT


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the writing of both files to Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app: Sphinx, error: Exception | None) -> None:
    """Write both files beside the pages."""
    if error is not None or app.builder.format != "html":
        return
    objects = {name.page: name for name in api_pages.public_names()}
    listed = [f"# {app.config.project}\n", f"> {first_sentence(app.env.get_doctree('index'))}\n"]
    texts = []
    for page in pages_below(app.env, app.config.root_doc):
        link = f"[{app.env.titles[page].astext()}]({app.config.html_baseurl}{app.builder.get_target_uri(page)})"
        listed.append(f"- {link}: {first_sentence(app.env.get_doctree(page))}")
        name = objects.get(page.removeprefix("api/"))
        texts.append(documented(name) if name else _source(app, page))
    Path(app.outdir, "llms.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    Path(app.outdir, "llms-full.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def pages_below(env: BuildEnvironment, page: str) -> Iterator[str]:
    """Return the pages in the order of the tables of contents."""
    for below in env.toctree_includes.get(page, []):
        yield below
        yield from pages_below(env, below)


def first_sentence(document: nodes.document) -> str:
    """Return the first sentence of a page that is not in a note, and not a heading such as "Context."."""
    sentences = (
        sentence
        for node in document.findall(nodes.paragraph)
        if not isinstance(node.parent, nodes.Admonition)
        for sentence in " ".join(node.astext().split()).split(". ")
    )
    return next((sentence.rstrip(".:") + "." for sentence in sentences if len(sentence) > 20), "")


def documented(name: api_pages.PublicName) -> str:
    """Return a public name with its signature and its docstring."""
    if not callable(name.value):
        return f"# {name.page}"
    try:
        signature = str(inspect.signature(name.value))
    except ValueError:  # a warning has that of Python's
        signature = "(message)"
    return f"# {name.page}\n\n    {name.page}{signature}\n\n{inspect.getdoc(name.value)}"


def _source(app: Sphinx, page: str) -> str:
    """Return the source of a page; that of an example is its program."""
    program = ROOT / "docs" / f"{page}.py"
    file = program if program.exists() else Path(app.env.doc2path(page))
    return file.read_text(encoding="utf-8")

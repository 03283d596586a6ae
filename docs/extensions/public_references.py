"""How is a docstring shown? Its names lead to the pages that document them, and its formulas keep their lines."""

from __future__ import annotations

import inspect
import re
from typing import Any

import api_pages
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

#: Without a network, the build does not know the pages of these.
_OTHER_LIBRARIES = ("astropy", "cv2", "dask", "jax", "numpy", "pandas", "scipy", "skimage", "torch", "xarray", "zarr")


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the rules to Sphinx."""
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", skips)
    app.connect("autodoc-process-docstring", keep_formulas, priority=400)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def resolve(app: Sphinx, env: BuildEnvironment, node: Any, contents: nodes.Node) -> nodes.Node | None:
    """Return a link to an object under its second name, or the plain name of an object of another library."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target:
        return None
    pages = {f"{one.module}.{one.name}": one.page for one in api_pages.public_names()}
    page = pages.get(target) or pages.get(f"{node.get('py:module')}.{target}")
    if page is not None and page != target:
        domain = env.domains.python_domain
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", page, node, contents)
    return contents if target.partition(".")[0] in _OTHER_LIBRARIES else None


def skips(app: Sphinx, kind: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """Return True for members that are not of the class: those of Python and torch, and what higher floors set."""
    function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", None) or member)
    module = getattr(function, "__module__", "faltung") or "faltung"
    set_later = "." not in getattr(function, "__qualname__", ".")
    is_field = type(member).__name__ == "_tuplegetter"
    return True if module.partition(".")[0] != "faltung" or set_later or is_field else None


def keep_formulas(app: Sphinx, kind: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Mark the indented paragraphs before the first section, which are formulas, as literal text."""
    headings = [number for number, line in enumerate(lines) if re.fullmatch("-{3,}", line.strip())]
    for number in reversed(range(1, min([*headings, len(lines)]))):
        if lines[number].startswith("    ") and not lines[number - 1].strip():
            before = "".join(lines[number - 2 : number])
            lines[number:number] = [] if before.endswith("::") else [".. code-block:: text", ""]

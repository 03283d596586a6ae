"""Which names are public, and which page documents each? The pages of the reference, made from the package."""

from __future__ import annotations

import functools
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from staged_sources import write_if_new

import faltung

#: Headings of the groups of a page, in their order.
_GROUPS = ("Functions", "Named kernels", "Classes", "Values", "Errors and warnings")


class PublicName(NamedTuple):
    """A public name: the module that shows it, and the object; `page` is the name under which it is documented."""

    module: str
    name: str
    value: Any
    page: str

    @property
    def group(self) -> str:
        """The heading that it is listed under."""
        if inspect.isclass(self.value):
            return "Errors and warnings" if issubclass(self.value, BaseException) else "Classes"
        if not callable(self.value):
            return "Values"
        return "Named kernels" if self.value.__module__.startswith("faltung.kernels") else "Functions"

    @property
    def summary(self) -> str:
        """The first sentence of its docstring, on one line."""
        documented = inspect.getdoc(self.value) if callable(self.value) else ""
        return " ".join((documented or "").partition("\n\n")[0].split())


def public_modules() -> dict[str, ModuleType]:
    """Return the modules with public names, by name: faltung, its packages, and the modules that these show."""
    found: dict[str, ModuleType] = {}
    waiting = ["faltung"]
    while waiting:
        module = importlib.import_module(waiting.pop(0))
        names = dir(module) if module is faltung else module.__all__
        inside = [getattr(module, name) for name in names if not name.startswith("_")]
        waiting += [value.__name__ for value in inside if inspect.ismodule(value)]
        found[module.__name__] = module
    return found


@functools.cache
def public_names() -> list[PublicName]:
    """Return all public names; an object with several names is documented under the shortest."""
    modules = public_modules().values()
    shown = [(module.__name__, name, getattr(module, name)) for module in modules for name in module.__all__]
    shown = [entry for entry in shown if not inspect.ismodule(entry[2])]
    pages: dict[int, str] = {}
    for module, name, value in sorted(shown, key=lambda entry: entry[0].count(".")):
        pages.setdefault(id(value), f"{module}.{name}")
    return [PublicName(module, name, value, pages[id(value)]) for module, name, value in shown]


def write_pages(folder: Path) -> None:
    """Write the reference: an index, a page for each module, and a page for each public object."""
    names, modules = public_names(), public_modules()
    pages = {"index": _index(modules)}
    for module in modules.values():
        pages[module.__name__] = _module_page(module, [name for name in names if name.module == module.__name__])
    pages.update({name.page: _object_page(name) for name in names if name.page == f"{name.module}.{name.name}"})
    for page, text in pages.items():
        write_if_new(folder / f"{page}.rst", text)
    for old in {*folder.glob("*.rst")} - {folder / f"{page}.rst" for page in pages}:
        old.unlink()


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def _module_summary(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def _index(modules: dict[str, ModuleType]) -> str:
    rows = "".join(f"   * - :doc:`{name} <{name}>`\n     - {_module_summary(modules[name])}\n" for name in modules)
    entries = "".join(f"   {name}\n" for name in modules)
    return (
        _title("API reference")
        + "Everything that is public, by the module that it is imported from. Each page names the parameters, the\n"
        + "errors, and examples that run as tests.\n\n"
        + f".. list-table::\n   :widths: 30 70\n\n{rows}\n.. toctree::\n   :hidden:\n\n{entries}"
    )


def _module_page(module: ModuleType, names: list[PublicName]) -> str:
    parts = [_title(module.__name__), f".. py:module:: {module.__name__}\n\n{_module_summary(module)}\n\n"]
    own: list[str] = []
    for group in _GROUPS:
        members = sorted((name for name in names if name.group == group), key=lambda name: name.name.lower())
        if members:
            rows = "".join(f"   * - :py:obj:`{one.name} <{one.page}>`\n     - {one.summary}\n" for one in members)
            parts.append(f"{_title(group, '-')}.. list-table::\n   :widths: 30 70\n\n{rows}\n")
            own += [f"   {one.name} <{one.page}>\n" for one in members if one.page == f"{module.__name__}.{one.name}"]
    return "".join([*parts, ".. toctree::\n   :hidden:\n\n", *own])


def _object_page(name: PublicName) -> str:
    if inspect.isclass(name.value):
        body = f".. autoclass:: {name.page}\n   :members:\n   :inherited-members:\n"
    elif callable(name.value):
        body = f".. autofunction:: {name.page}\n"
    else:
        body = f".. autodata:: {name.page}\n   :no-value:\n"
    gallery = f".. minigallery:: {name.page}\n   :add-heading: Examples that use {name.name}\n   :heading-level: -\n"
    return f"{_title(name.page)}.. currentmodule:: {name.module}\n\n{body}\n{gallery}"

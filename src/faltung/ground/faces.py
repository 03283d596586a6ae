"""Which names does a package show? Names that are loaded when they are first used, so that an import costs little."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from faltung.errors import MissingExtraError, lacks_learning

__all__ = ["load_when_used"]


def load_when_used(
    package: str, module_of: Mapping[str, str], extra: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package whose names are loaded when they are first used.

    Parameters
    ----------
    package : str
        Full name of the package.
    module_of : mapping of str to str
        For each name the module that defines it, or the module of that name itself.
    extra : str, optional
        The extra that installs torch; an error names it if torch is missing.

    Examples
    --------
    >>> load, names = load_when_used("faltung", {"SHAPES": "faltung.ground.regions", "errors": "faltung.errors"})
    >>> load("SHAPES"), load("errors").__name__
    (('same', 'valid', 'full'), 'faltung.errors')
    """

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(module_of[name])
        except ModuleNotFoundError as error:
            if not (extra and lacks_learning(error)):
                raise
            raise MissingExtraError(f"{package}.{name}", extra) from error
        return module if module_of[name] == f"{package}.{name}" else getattr(module, name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of})

    return load, names

"""How does a kernel get its name? A constructor's call, spelled out, becomes the label of what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from faltung.kernels.kernel import Kernel
from faltung.kernels.text import spell

__all__ = ["named"]

P = ParamSpec("P")


def named(constructor: Callable[P, Kernel]) -> Callable[P, Kernel]:
    """Label the kernels of `constructor` with the call that made them, without arguments left at default."""
    signature = inspect.signature(constructor)

    @wraps(constructor)
    def labelling(*args: P.args, **kwargs: P.kwargs) -> Kernel:
        kernel = constructor(*args, **kwargs)
        spelled = []
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            default = signature.parameters[name].default
            if default is inspect.Parameter.empty:
                spelled.append(spell(value))
            elif value is not default and spell(value) != spell(default):
                spelled.append(f"{name}={spell(value)}")
        return kernel.labelled(f"{constructor.__name__}({', '.join(spelled)})")

    return labelling

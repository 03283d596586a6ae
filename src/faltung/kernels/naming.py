"""How does a named kernel get its label? The label is the call that made the kernel, as text."""

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
    """Label the kernels that `constructor` returns with its call, without the arguments that have their default."""
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

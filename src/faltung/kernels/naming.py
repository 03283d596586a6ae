"""How does a named kernel get its label? The label is the call that made the kernel, as text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from faltung.kernels.coordinate_kernel import in_coordinates
from faltung.kernels.kernel import Kernel
from faltung.kernels.text import spell

__all__ = ["named"]

P = ParamSpec("P")


def named(constructor: Callable[P, Kernel]) -> Callable[P, Kernel]:
    """Label the kernels that `constructor` returns with its call, without the arguments that have their default.

    A call whose lengths are given by name of an axis returns a `CoordinateKernel`.
    """
    signature = inspect.signature(constructor)
    names = tuple(signature.parameters)

    def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, Any]:
        # `Signature.bind` takes as long as to compute the taps; arguments that are given by position need no binding.
        return signature.bind(*args, **kwargs).arguments if kwargs else dict(zip(names, args, strict=False))

    def call(arguments: Mapping[str, Any]) -> str:
        spelled = []
        for name, value in arguments.items():
            default = signature.parameters[name].default
            if default is inspect.Parameter.empty:
                spelled.append(spell(value))
            elif value is not default and spell(value) != spell(default):
                spelled.append(f"{name}={spell(value)}")
        return f"{constructor.__name__}({', '.join(spelled)})"

    @wraps(constructor)
    def labelling(*args: P.args, **kwargs: P.kwargs) -> Kernel:
        if any(isinstance(value, Mapping) for value in (*args, *kwargs.values())):
            arguments = signature.bind(*args, **kwargs).arguments
            waiting: Any = in_coordinates(constructor, arguments, call(arguments))
            if waiting is not None:
                return waiting  # type: ignore[no-any-return]
        with np.errstate(all="ignore"):  # taps may be too small for a number; those that are too large are refused
            kernel = constructor(*args, **kwargs)
        return kernel.labelled(call(bound(args, kwargs)))

    return labelling

"""``faltung kernels``: which filters have names, and what they look like."""

from __future__ import annotations

import inspect
import textwrap
from difflib import get_close_matches
from typing import Annotated

import typer

from faltung.cli.completion import filter_names
from faltung.cli.console import print_result
from faltung.cli.filters import sketch
from faltung.errors import ArgumentError
from faltung.kernels import parse
from faltung.kernels.named import NAMED
from faltung.planning.report import shape_text

__all__ = ["kernels"]

#: Arguments with which a filter is small enough to be seen: of those that need some.
_EXAMPLES = {
    "binomial": "binomial(4)",
    "box": "box(3)",
    "delta": "delta()",
    "disk": "disk(4)",
    "dog": "dog(1, 2)",
    "gabor": "gabor(0.2, 0.8)",
    "gaussian": "gaussian(1)",
    "gaussian_derivative": "gaussian_derivative(1, axis=1)",
    "laplacian": "laplacian()",
    "log": "log(1)",
    "motion": "motion(9, 0.5)",
    "prewitt": "prewitt()",
    "scharr": "scharr()",
    "sobel": "sobel()",
    "unsharp": "unsharp(1)",
    "savgol": "savgol(5, 2)",
    "lowpass": "lowpass(0.1, 9)",
    "highpass": "highpass(0.1, 9)",
    "bandpass": "bandpass(0.1, 0.2, 9)",
    "bandstop": "bandstop(0.1, 0.2, 9)",
    "differentiator": "differentiator(7)",
    "hilbert": "hilbert(7)",
    "least_squares_fir": "least_squares_fir(((0, 0.1), (0.2, 0.5)), (1, 0), 9)",
}


def kernels(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of a filter.", autocompletion=filter_names),
    ] = None,
) -> None:
    """List the named filters with their pictures, or describe one of them.

    Expressions are made of these names, as in Python: sums, multiples, and products, which are convolutions. Few taps
    are drawn as numbers, many as shades with their signs.

    Examples
    --------
      faltung kernels
      faltung kernels gaussian
      faltung apply in.png -k "2*delta() - gaussian(2)" -o sharp.png
    """
    if name is None:
        print_result("\n\n".join(map(_in_short, NAMED)))
        return
    if name not in NAMED:
        near = get_close_matches(name, NAMED, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"The names are {', '.join(NAMED)}."
        raise ArgumentError("NAME", "the name of a filter", repr(name), remedy)
    described = inspect.getdoc(NAMED[name]) or ""
    text, _, rest = described.partition("Parameters\n----------\n")
    parameters = rest.partition("\n\n")[0]
    print_result(f"{_call(name)}\n\n{text.strip()}\n\n{parameters}\n\n{_pictured(name)}".strip())


def _in_short(name: str) -> str:
    """Return how a filter is called, what it is, and its picture."""
    sentence = (inspect.getdoc(NAMED[name]) or "").partition("\n\n")[0].removeprefix("Return ")
    sentence = " ".join(sentence.split())
    return f"{_call(name)}\n  {sentence[:1].upper()}{sentence[1:]}\n{_pictured(name)}".rstrip()


def _call(name: str) -> str:
    """Return the name of a filter with its parameters and their defaults."""
    parameters = inspect.signature(NAMED[name]).parameters.values()
    shown = (p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)
    return f"{name}({', '.join(shown)})"


def _pictured(name: str) -> str:
    """Return an example of a filter with its picture."""
    if name not in _EXAMPLES:
        return ""
    kernel = parse(_EXAMPLES[name])
    part = ", its real part" if kernel.dtype.kind == "c" else ""
    picture = textwrap.indent(sketch(kernel.real.taps), "    ")
    return f"  {_EXAMPLES[name]} is, with {shape_text(kernel.shape)} taps{part}:\n{picture}"

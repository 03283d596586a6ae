"""What works with which kind of array? Every cell of the page is the outcome of a call, made when it is built.

python docs/extensions/capability_table.py build/docs-source/capabilities.rst

This is a process of its own: Sphinx starts others with fork, which does not go together with the threads of JAX.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import dask
import jax
import numpy as np
import torch
from capability_cases import (
    DTYPES,
    KERNEL,
    KINDS,
    OPTIONS,
    PLANAR,
    SAMPLES,
    Kind,
    NotRunError,
    Option,
    asked,
    calls,
)
from staged_sources import write_if_new

import faltung as fa


class Cell(NamedTuple):
    """What came of a call: a word, and why it was refused."""

    word: str
    reason: str = ""


def cell_of(kind: Kind, call: Callable[[], str]) -> Cell:
    """Return the word that a call returns, or why it is refused, in the words of the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Cell(call())
    except NotRunError as error:
        return Cell("not run", str(error))
    except AssertionError:  # a wrong result
        raise
    except Exception as error:
        return Cell("refused", _without_names(str(error), kind))


def _without_names(reason: str, kind: Kind) -> str:
    """Return a reason without the names of the kind of array and of the function, which many cells share."""
    names = {"masked array", type(kind.make(SAMPLES)).__name__}
    text = re.sub(rf"(?:an? |\b)(?:[\w.]+ )?(?:{'|'.join(names)})\b", "this kind of array", " ".join(reason.split()))
    return re.sub(r"^[\w.]+ is not served: \w+: ", "A function of a peer is not served: ", text)


# ---- the cells of the four tables


def option_cell(option: Option, kind: Kind) -> Cell:
    """Return whether `convolve` takes an option for a kind of array, with the result that NumPy's arrays have."""
    option = asked(option, kind)
    samples = _with_nan() if option.missing else SAMPLES
    expected = fa.convolve(samples, option.kernel, **_for_numpy(option.keywords))

    def call() -> str:
        arrays = {
            name: (kind.companion or kind.make)(value) if isinstance(value, np.ndarray) else value
            for name, value in option.keywords.items()
        }
        keywords = arrays if "axes" in arrays else {**kind.keywords, **arrays}
        got = np.asarray(kind.read(fa.convolve(kind.make(samples), option.kernel, **keywords)))
        rows = expected[: got.shape[0]] if kind.name == "pandas Series" else expected
        np.testing.assert_allclose(got, rows, rtol=1e-4, atol=1e-4 * np.nanmax(np.abs(expected)))
        return "yes"

    return cell_of(kind, call)


def dtype_cell(dtype: str, kind: Kind) -> Cell:
    """Return the dtype of the result for samples of one dtype."""

    def call() -> str:
        samples = _of_dtype(dtype, kind)
        if samples is None:
            return "–"
        return str(_array_in(fa.convolve(samples, KERNEL, **kind.keywords)).dtype).removeprefix("torch.")

    return cell_of(kind, call)


def function_cell(call: Callable[[Any, Mapping[str, Any]], Any], kind: Kind) -> Cell:
    """Return the type of what a function returns for a kind of array."""
    return cell_of(kind, lambda: type_name(call(kind.make(SAMPLES), kind.keywords)))


def kind_cells(kind: Kind) -> dict[str, Cell]:
    """Return what comes back for a kind of array, and whether it is lazy, has gradients, and stays on a GPU."""
    return {
        "result": cell_of(kind, lambda: type_name(fa.convolve(kind.make(SAMPLES), KERNEL, **kind.keywords))),
        "lazy": cell_of(kind, lambda: _lazy(kind)),
        "gradient": cell_of(kind, lambda: _gradient(kind)),
        "GPU": cell_of(kind, lambda: _on_gpu(kind)),
    }


def type_name(value: Any) -> str:
    """Return the type of a value with its library, as users write it."""
    if type(value) is tuple:
        return f"({', '.join(map(type_name, value))})"
    library = type(value).__module__.partition(".")[0]
    name = {"ArrayImpl": "Array", "Taps": "Kernel"}.get(type(value).__name__, type(value).__name__)
    shown = {"jaxlib": "JAX", "numpy": "NumPy"}.get(library, library)
    return name if library in ("builtins", "faltung") else f"{shown} {name}"


def _with_nan() -> Any:
    samples = SAMPLES.copy()
    samples[:, 5] = np.nan
    return samples


def _for_numpy(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords for an array of NumPy, whose axes have no names."""
    numbers = {"out": np.array, "channel_axis": lambda axis: 0}
    return {name: numbers.get(name, lambda value: value)(value) for name, value in keywords.items() if name != "dims"}


def _of_dtype(dtype: str, kind: Kind) -> Any:
    """Return samples of a dtype, or None if the library has no such dtype."""
    if dtype == "bfloat16":
        return kind.make(SAMPLES).to(torch.bfloat16) if kind.name == "torch Tensor" else None
    try:
        return kind.make(np.abs(SAMPLES).astype(dtype))
    except (TypeError, ValueError):
        return None


def _array_in(result: Any) -> Any:
    """Return a result that has a dtype: a variable of a data set, a column of a frame."""
    if type(result).__name__ == "Dataset":
        return result["v"]
    return result[0] if type(result).__name__ == "DataFrame" else result


@contextmanager
def _nothing_computed() -> Iterator[None]:
    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError("chunks were computed")

    with dask.config.set(scheduler=refuse):
        yield


def _lazy(kind: Kind) -> str:
    x = kind.make(SAMPLES)
    if kind.name.startswith("xarray"):
        x = x.chunk(4)
    with _nothing_computed():
        result = fa.convolve(x, KERNEL, **kind.keywords)
    return "yes" if dask.is_dask_collection(result) else "no"


def _gradient(kind: Kind) -> str:
    if kind.name == "JAX Array":
        jax.grad(lambda x: fa.convolve(x, KERNEL).sum())(kind.make(SAMPLES))
        return "yes"
    x = kind.make(SAMPLES)
    if not hasattr(x, "requires_grad_"):
        return "no"
    y = fa.convolve(x.requires_grad_(), KERNEL)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, fa.correlate(np.ones_like(SAMPLES), KERNEL, mode="reflect"), rtol=1e-4)
    return "yes"


def _on_gpu(kind: Kind) -> str:
    """Return whether the result is on the device of the array; without a GPU, a tensor without memory asks."""
    if kind.name == "CuPy ndarray":
        return type_name(fa.convolve(kind.make(SAMPLES), KERNEL))
    if kind.name == "JAX Array":
        fa.convolve(_OnOtherDevice(), KERNEL)
    if kind.name != "torch Tensor":
        return "no"
    device = "cuda" if torch.cuda.is_available() else "meta"
    return "yes" if fa.convolve(kind.make(SAMPLES).to(device), KERNEL).device.type == device else "no"


class _OnOtherDevice(jax.Array):  # type: ignore[misc]
    """An array that says that it is on a GPU."""

    __abstractmethods__ = frozenset()

    def devices(self) -> set[Any]:
        """Return a device that is no CPU."""
        return {type("Device", (), {"platform": "gpu"})()}


# ---- the page


def rows_of_options() -> dict[str, list[Cell]]:
    """Return the cells of the table of options, by what is typed."""
    return {f"``{one.typed}``": [option_cell(one, kind) for kind in KINDS] for one in OPTIONS}


def rows_of_dtypes() -> dict[str, list[Cell]]:
    """Return the cells of the table of dtypes."""
    return {dtype: [dtype_cell(dtype, kind) for kind in KINDS] for dtype in DTYPES}


def rows_of_functions() -> dict[str, list[Cell]]:
    """Return the cells of the table of functions."""

    def cell(name: str, kind: Kind, call: Callable[[Any, Mapping[str, Any]], Any]) -> Cell:
        needs_more = kind.name == "pandas Series" and name.endswith(PLANAR)
        return Cell("–") if needs_more else function_cell(call, kind)

    return {f"`{name}`": [cell(name, kind, call) for kind in KINDS] for name, call in calls().items()}


def rows_of_kinds() -> dict[str, list[Cell]]:
    """Return the cells of the table of kinds, which is turned: a row for each property."""
    cells = [kind_cells(kind) for kind in KINDS]
    return {name: [column[name] for column in cells] for name in cells[0]}


def write_page(file: Path) -> None:
    """Write the page with the four tables; each reason why something is refused is told once, below."""
    reasons: dict[str, int] = {}
    tables = {
        "What comes back": rows_of_kinds(),
        "Options of convolve": rows_of_options(),
        "Dtype of the result": rows_of_dtypes(),
        "Functions": rows_of_functions(),
    }
    parts = [_INTRODUCTION]
    for title, rows in tables.items():
        parts += [f"{title}\n{'-' * len(title)}\n", _TEXTS[title], _table(rows, reasons)]
    parts += ["Why not\n-------\n"] + [f"{number}. {_escaped(reason)}" for reason, number in reasons.items()]
    write_if_new(file, "\n".join(parts) + "\n")


_INTRODUCTION = """:html_theme.sidebar_secondary.remove:

What works with which array
===========================

No cell of this page is written by hand. When the page is built, each call is made with a small array of each kind,
and the result of an option is compared with that of an array of NumPy. The number behind *refused* is that of the
reason below, in the words of the error.
"""
_TEXTS = {
    "What comes back": (
        "For ``fa.convolve(x, kernel)``. *Lazy*: no chunk is computed before the result is asked for; arrays of\n"
        "xarray are asked with chunks. *GPU*: the result is on the device of the array. This is asked with CUDA;\n"
        "without a GPU, with a tensor that has no memory.\n"
    ),
    "Options of convolve": (
        "*yes*: the result has the numbers that an array of NumPy gives. Each kind is asked in its own words: a\n"
        "data set with the names of its axes, also in ``channel_axis=``; series and frames with ``index``, and with\n"
        "one mode, as a column has one axis.\n"
    ),
    "Dtype of the result": (
        "By the dtype of the samples, without ``dtype=``; – where a library has no such dtype. JAX is asked with\n"
        "its default, without ``jax_enable_x64``: its arrays have numbers of 32 bits where 64 are asked for.\n"
    ),
    "Functions": (
        "The type that comes back; – where a function needs two axes and a series has one. The functions of\n"
        "``faltung.compat`` take what their originals take.\n"
    ),
}


def _table(rows: Mapping[str, list[Cell]], reasons: dict[str, int]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", "   :class: capabilities", ""]
    for name, words in {"": [kind.name for kind in KINDS], **_shown(rows, reasons)}.items():
        lines += [f"   * - {name}", *(f"     - {word}" for word in words)]
    return "\n".join(lines) + "\n"


def _shown(rows: Mapping[str, list[Cell]], reasons: dict[str, int]) -> dict[str, list[str]]:
    def shown(cell: Cell) -> str:
        if not cell.reason:
            return cell.word
        return f"{cell.word} [{reasons.setdefault(cell.reason, len(reasons) + 1)}]"

    return {name: [shown(cell) for cell in cells] for name, cells in rows.items()}


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "*`|_\\" else sign for sign in text)


if __name__ == "__main__":
    write_page(Path(sys.argv[1]))

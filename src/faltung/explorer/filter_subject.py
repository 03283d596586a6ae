"""What does the page show of filters? What to filter, and what Python knows: plans, kernels, large results."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faltung.errors import ArgumentError, FaltungError
from faltung.explorer.opened import Opened, opened_array
from faltung.explorer.question_arguments import checked_samples, checked_text, listed, one_of
from faltung.explorer.sample_inputs import SampleInput, sample_inputs
from faltung.explorer.subject import PageSubject, Question
from faltung.front import convolve, correlate
from faltung.front import plan as make_plan
from faltung.ground.arrays import array_of_shape
from faltung.ground.checks import integer, real
from faltung.kernels import Bank, Kernel, parse
from faltung.kernels.named import DESIGNED
from faltung.planning.planned import Planned

__all__ = ["FilterSubject"]

_MOST_SAMPLES = 2**22
_MOST_PLANNED = 2**40
_MOST_OUTPUTS = 2**24
_MOST_TAPS = 2**14
_MOST_KERNELS = 64
_FARTHEST = 2**15  # origin, from the first tap
_LONGEST_STEP = 64
_LONGEST_NAME = 20  # of a mode
_LARGE_SIZE = (4096, 4096)
#: The filters that the page proposes, as it writes them, by the number of axes.
_TRIED_FIRST = {
    1: ("sobel(axis=0, ndim=1)", "gaussian(2, ndim=1)", "unsharp(sigma=2, ndim=1)", "log(2, ndim=1)"),
    2: ("sobel(axis=1)", "sobel(axis=0)", "gaussian(2)", "unsharp(sigma=2)", "log(2)"),
}
#: The page does not compute these kernels itself.
_DESIGNED = re.compile(rf"\b({'|'.join(DESIGNED)})\(")
_OPERATIONS = {"convolve": convolve, "correlate": correlate}


class FilterSubject(PageSubject):
    """Pictures and signals to filter; and a kernel to start with.

    Parameters
    ----------
    given : Opened or array_like, optional
        An image (rows, columns), a colour image (rows, columns, 3), a signal, or channels of any of them first.
    kernel : Kernel, str or array_like, optional
        The kernel that the page starts with, or an expression of one.

    Examples
    --------
    >>> subject = FilterSubject([1.0, 2.0, 4.0], "gaussian(1, ndim=1)")
    >>> subject.state()["filter.input"], subject.content()["inputs"][0]["samples"].tolist()
    ('given', [[1.0, 2.0, 4.0]])
    """

    name = "filter"

    def __init__(
        self, given: Opened | ArrayLike | None = None, kernel: Kernel | str | ArrayLike | None = None
    ) -> None:
        self._inputs = sample_inputs() if given is None else (_given(given), *sample_inputs())
        self._kernel = None if kernel is None else _kernel_given(kernel)
        if self._kernel is not None and self._kernel.ndim != self._inputs[0].samples.ndim - 1:
            axes = self._inputs[0].samples.ndim - 1
            raise ArgumentError("kernel", f"{axes} axes, as the input has", str(self._kernel.ndim), "Use ndim=.")

    def state(self) -> dict[str, object]:
        """Return the values of the page's state that show what was given."""
        state: dict[str, object] = {}
        if self._inputs[0].name == "given":
            state["filter.input"] = "given"
        if self._kernel is not None:
            state["filter.kernels"] = [[_description(self._kernel)]]
        return state

    def content(self) -> Mapping[str, object]:
        """Return the pictures and signals."""
        return {"inputs": [vars(sample) for sample in self._inputs]}

    def questions(self) -> Mapping[str, Question]:
        """Return what the page asks: a plan, the taps of an expression, and large results."""
        return {"plan": _plan, "kernel": _taps, "filter": _filter}

    def stored(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the plans of the filters that the page proposes, for its inputs and for a large picture."""
        shapes = [sample.samples.shape for sample in self._inputs]
        # The page filters each colour by itself.
        problems = [(*spatial, 1 if (count, len(spatial)) == (3, 2) else count) for count, *spatial in shapes]
        for *spatial, channels in dict.fromkeys([*problems, (*_LARGE_SIZE, 1)]):
            for text in _TRIED_FIRST[len(spatial)]:
                yield "plan", _plan_arguments([[{"text": text}] * channels], spatial)


def _plan_arguments(kernels: list[list[dict[str, str]]], size: list[int]) -> dict[str, object]:
    """Return the arguments of a plan as the page writes them before anything was changed."""
    ones = [1] * len(size)
    border = {"operation": "convolve", "mode": "reflect", "cval": 0, "shape": "same"}
    return {"kernels": kernels, **border, "stride": ones, "dilation": ones, "size": size}


def _plan(*, kernels: object, size: object, operation: object, **options: object) -> dict[str, object]:
    """Return what would run, and what else was considered, for single precision."""
    filter_ = _filter_of(kernels)
    lengths = [integer("size", length, 1, _MOST_PLANNED) for length in listed("size", size, 1, 2)]
    if math.prod(lengths) > _MOST_PLANNED:
        raise ArgumentError("size", "at most 2^40 samples", " x ".join(map(str, lengths)))
    keywords = _options(len(lengths), operation, options)
    if isinstance(filter_, Bank):
        lengths = [filter_.in_channels, *lengths]
        keywords["channel_axis"] = 0
    if operation == "correlate":
        filter_ = filter_.flip()
    plan: Planned = make_plan(array_of_shape(tuple(lengths), np.dtype(np.float32)), filter_, **keywords)
    candidates = [
        {
            "method": candidate.method,
            "milliseconds": candidate.seconds * 1e3 if math.isfinite(candidate.seconds) else None,
            "chosen": index == 0,
            "reason": candidate.reason,
        }
        for index, candidate in enumerate(plan.candidates)
    ]
    rows = [list(row) for row in plan.rows()]
    return {"candidates": candidates, "rows": rows, "error": plan.error, "pointwise": plan.pointwise}


def _taps(*, text: object, ndim: object) -> dict[str, object]:
    """Return the taps of an expression that the page does not know."""
    kernel = parse(checked_text("text", text))
    _check_kernel(kernel)
    if not isinstance(ndim, int) or kernel.ndim != ndim:
        raise ArgumentError(
            "text", f"a kernel with {ndim!r:.20} axes, as the input has", str(kernel.ndim), "Use ndim=."
        )
    return {"taps": np.asarray(kernel.taps, np.float64), "origin": list(kernel.origin)}


def _filter(*, samples: object, kernels: object, operation: object, **options: object) -> dict[str, object]:
    """Return the outputs of all channels out, in double precision."""
    channels = checked_samples("samples", samples, "channels", (2, 3), _MOST_SAMPLES)
    filter_ = _filter_of(kernels, bank=True)
    assert isinstance(filter_, Bank)
    keywords = _options(channels.ndim - 1, operation, options)
    if len(filter_.shape) != channels.ndim - 1:
        axes, had = channels.ndim - 1, len(filter_.shape)
        raise ArgumentError("kernels", f"kernels with {axes} axes, as the samples have", str(had), "Use ndim=.")
    spans = zip(channels.shape[1:], filter_.shape, keywords["dilation"], strict=True)
    if math.prod(length + size * dilation for length, size, dilation in spans) * filter_.out_channels > _MOST_OUTPUTS:
        raise ArgumentError(
            "kernels", f"at most {_MOST_OUTPUTS} outputs", "more", "Take fewer kernels, or a part of the input."
        )
    operator = _OPERATIONS[str(operation)]
    return {"outputs": operator(channels, filter_, channel_axis=0, **keywords)}


def _filter_of(descriptions: object, bank: bool = False) -> Kernel | Bank:
    """Return the kernel, or the bank, of lists of descriptions: one list for each channel out."""
    rows = [[_kernel_of(item) for item in row] for row in _checked_rows(descriptions)]
    kernels = [kernel for row in rows for kernel in row]
    if len({kernel.ndim for kernel in kernels}) > 1:
        raise ArgumentError("kernels", "kernels of the same number of axes", "different ones")
    if math.prod(_box(kernels)) > _MOST_TAPS:
        expected = f"kernels in a box of at most {_MOST_TAPS} taps"
        raise ArgumentError("kernels", expected, "kernels far from each other")
    return kernels[0] if len(kernels) == 1 and not bank else Bank.stack(rows)


def _checked_rows(descriptions: object) -> list[list[object]]:
    if not isinstance(descriptions, list) or not descriptions:
        raise ArgumentError("kernels", "a list of lists of kernels", f"{descriptions!r:.60}")
    if not all(isinstance(row, list) and row for row in descriptions):
        raise ArgumentError("kernels", "a list of kernels for each channel out", f"{descriptions!r:.60}")
    if (count := sum(map(len, descriptions))) > _MOST_KERNELS:
        raise ArgumentError("kernels", f"at most {_MOST_KERNELS} kernels", str(count))
    return descriptions


def _box(kernels: Sequence[Kernel]) -> list[int]:
    """Return the shape of the smallest box around kernels that have lag zero in common."""
    return [
        max(kernel.origin[axis] for kernel in kernels)
        + max(kernel.shape[axis] - kernel.origin[axis] for kernel in kernels)
        for axis in range(kernels[0].ndim)
    ]


def _kernel_of(description: object) -> Kernel:
    if not isinstance(description, dict):
        raise ArgumentError("kernels", "a text, or taps and origin", f"{description!r:.60}")
    if isinstance(description.get("text"), str):
        kernel = parse(description["text"])
    else:
        taps, origin = _finite(description.get("taps")), listed("origin", description.get("origin"), 1, 2)
        kernel = Kernel(taps, tuple(integer("origin", index, -_FARTHEST, _FARTHEST) for index in origin))
    _check_kernel(kernel)
    return kernel


def _check_kernel(kernel: Kernel) -> None:
    if kernel.ndim > 2:
        raise ArgumentError("kernels", "kernels with one or two axes", str(kernel.ndim))
    if math.prod(kernel.shape) > _MOST_TAPS:
        raise ArgumentError("kernels", f"kernels of at most {_MOST_TAPS} taps", str(math.prod(kernel.shape)))
    if np.iscomplexobj(kernel.taps):
        raise ArgumentError("kernels", "kernels with real taps", "complex ones", "Take .real or .imag.")


def _finite(taps: object) -> NDArray[np.float64]:
    try:
        numbers = np.array(taps, np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError("taps", "lists of numbers of one length", f"{taps!r:.60}") from error
    if not 1 <= numbers.ndim <= 2 or not numbers.size or not np.isfinite(numbers).all():
        raise ArgumentError("taps", "finite numbers along one or two axes", f"{taps!r:.60}")
    return numbers


def _options(ndim: int, operation: object, options: Mapping[str, object]) -> dict[str, Any]:
    """Return the keyword arguments of a call, from those that the page sends."""
    one_of("operation", operation, _OPERATIONS)
    if unknown := options.keys() - {"mode", "cval", "shape", "stride", "dilation"}:
        raise ArgumentError("options", "mode, cval, shape, stride, dilation", f"{sorted(unknown)!r:.60}")
    for name in ("mode", "shape"):
        checked_text(name, options.get(name, ""), _LONGEST_NAME)
    real("cval", options.get("cval", 0))
    keywords: dict[str, Any] = dict(options)
    for name in ("stride", "dilation"):
        steps = listed(name, options.get(name, [1] * ndim), 1, 2)
        keywords[name] = tuple(integer(name, step, 1, _LONGEST_STEP) for step in steps)
    return keywords


def _given(given: Opened | ArrayLike) -> SampleInput:
    """Return what a user gave as an input of the page."""
    opened = given if isinstance(given, Opened) else opened_array(given, title="Your array")
    return SampleInput("given", opened.title, opened.note, opened.samples)


def _kernel_given(kernel: Kernel | str | ArrayLike) -> Kernel:
    if isinstance(kernel, str):
        kernel = parse(kernel)
    elif not isinstance(kernel, Kernel):
        kernel = Kernel(kernel)
    _check_kernel(kernel)
    return kernel


def _description(kernel: Kernel) -> dict[str, object]:
    """Return a kernel as the state of the page has it: an expression if its text can be read back, or a table."""
    text = repr(kernel)
    try:
        if not _DESIGNED.search(text) and parse(text) == kernel:
            return {"source": "text", "text": text}
    except FaltungError:
        pass
    key = "table" if kernel.ndim == 2 else "line"
    taps: Sequence[Any] = np.asarray(kernel.taps, np.float64).tolist()
    return {"source": "table", key: {"taps": taps, "origin": list(kernel.origin)}}

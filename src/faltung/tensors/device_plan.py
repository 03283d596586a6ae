"""Which way is a fixed filter computed on a device, and why? By torch's kernels there: in one or several passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from faltung.errors import ArgumentError
from faltung.kernels import Kernel
from faltung.planning.layer import Axis, Layer
from faltung.planning.planned import Candidate, Planned, choose
from faltung.planning.problem import Problem
from faltung.planning.report import Row, scale_text, shape_text, shortened, time_text
from faltung.tensors.device import rates_of
from faltung.tensors.extension import extend
from faltung.tensors.finite import mended
from faltung.tensors.layer_cost import CPU, Rates
from faltung.tensors.ways import spectral
from faltung.tensors.ways import torch_kernels as own
from faltung.tensors.ways import triton_kernels as depthwise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FilterPlan", "filter_plan"]

#: Rounding errors of a stage of a Fourier transform, forwards and backwards, in units of half the machine epsilon.
_STAGE_ROUNDINGS = 4.0
#: The ways, in the order in which they are considered.
_WAYS = ("direct", "separable", "fourier")


@dataclass(frozen=True, eq=False)
class FilterPlan(Planned):
    """What a filter does with tensors of one shape on one device; it is called with such a tensor.

    Parameters
    ----------
    problem : Problem
        What is asked.
    dtype, device
        Of the tensors.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.

    Examples
    --------
    >>> plan = filter_plan(Kernel(np.ones((9, 9))), (512, 512), (0, 1), ((0, 512), (0, 512)), "reflect")
    >>> plan.method, plan(torch.ones(512, 512)).shape
    ('separable', torch.Size([512, 512]))
    """

    problem: Problem
    dtype: torch.dtype
    device: torch.device
    candidates: tuple[Candidate, ...]

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.problem.result_shape

    @property
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        unit = float(np.finfo(self.problem.number).eps) / 2
        if self.method == "fourier":
            return float(_STAGE_ROUNDINGS * math.log2(2 * math.prod(self.problem.shape)) * unit)
        if self.method == "direct":
            return (self.problem.correlated.size + 1) * unit
        terms = _terms(self.problem)
        sizes = sum(float(np.prod([np.abs(line).sum() for line in lines])) for lines in terms)
        amplified = max(1.0, sizes / (float(np.abs(self.problem.given.taps).sum()) or 1.0))
        return amplified * (len(terms) + max(sum(line.size for line in lines) for lines in terms)) * unit

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return self.method == "direct"

    @property
    def memory(self) -> int:
        """Bytes of tensors on the way, approximately: the extended input, and what passes leave."""
        return int(
            math.prod(self.problem.shape) * self.problem.number.itemsize * (1 if self.method == "direct" else 3)
        )

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        place = f"{self.dtype} on {self.device}, mode {problem.mode}, axes {problem.axes}"
        return [
            ("correlate", shortened(repr(problem.kernel))),
            ("input", f"{shape_text(problem.shape)} {place}"),
            ("output", f"{shape_text(problem.result_shape)}, computed in {problem.number}"),
            ("method", f"{self.method}: {time_text(self.seconds)} predicted"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Carry out the plan.

        Parameters
        ----------
        x : Tensor
            Of the planned shape, dtype and device.

        Returns
        -------
        Tensor
            In the same dtype.
        """
        kind = torch.float64 if self.dtype == torch.float64 else torch.float32
        planes, order = self._planes(x.to(kind))
        y = self._exactly(planes)
        y = y.reshape(*(x.shape[axis] for axis in order[: x.ndim - len(self.problem.axes)]), *y.shape[2:])
        return y.permute(np.argsort(order).tolist()).to(self.dtype)

    def _planes(self, x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
        """Extend the tensor, as (batch, 1, *spatial)."""
        problem = self.problem
        axes = [*problem.axes]
        order = [axis for axis in range(x.ndim) if axis not in axes] + axes
        planes = x.permute(order).reshape(-1, 1, *(x.shape[axis] for axis in axes))
        kernel = problem.correlated
        low = [a - at for (a, _), at in zip(problem.regions, kernel.origin, strict=True)]
        high = [
            b - at + size - 1 for (_, b), at, size in zip(problem.regions, kernel.origin, kernel.shape, strict=True)
        ]
        if problem.mode == "constant" and problem.cval:
            # Beyond the border stands a number: what is above it is extended by nothing.
            return extend(planes - problem.cval.real, low, high, "constant") + problem.cval.real, order
        return extend(planes, low, high, problem.mode), order

    def _exactly(self, planes: torch.Tensor) -> torch.Tensor:
        taps = _tensor(self.problem.correlated.taps, planes)
        return mended(self._apply(planes, taps), planes, taps, self._apply, _densely)

    def _apply(self, planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        if self.method == "fourier":
            return spectral.correlate(_layer(planes, tuple(taps.shape[2:])), planes, taps, None)
        if self.method == "direct":
            return _densely(planes, taps)
        total: Any = None
        for lines in _terms(self.problem):
            passed = planes
            for axis, line in enumerate(lines):
                shape = [1] * len(lines)
                shape[axis] = line.size
                if line.size > 1 or line[0] != 1:
                    passed = _densely(passed, _tensor(line.reshape(shape), planes))
            total = passed if total is None else total + passed
        return total  # type: ignore[no-any-return]


def _densely(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Correlate by a sum over taps."""
    layer = _layer(planes, tuple(taps.shape[2:]))
    refused = planes.device.type == "cpu" or depthwise.refusal(layer, "correlate", planes.device, planes.dtype)
    y: torch.Tensor = (own if refused else depthwise).correlate(layer, planes, taps, None)
    return y


def _layer(planes: torch.Tensor, sizes: tuple[int, ...]) -> Layer:
    axes = tuple(
        Axis(length, size, outputs=length - size + 1) for length, size in zip(planes.shape[2:], sizes, strict=True)
    )
    return Layer(planes.shape[0], 1, 1, 1, axes)


def _tensor(taps: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    return _on_device(np.asarray(taps, np.float64).tobytes(), taps.shape, like.dtype, like.device)


@lru_cache(maxsize=256)
def _on_device(taps: bytes, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Copy taps to a device once: each copy would wait for everything that the device has still to do."""
    return torch.frombuffer(bytearray(taps), dtype=torch.float64).reshape(1, 1, *shape).to(device, dtype)


def _terms(problem: Problem) -> list[list[NDArray[np.float64]]]:
    """Return one-dimensional factors, in the order of the axes of the kernel, of outer products that add up to it."""
    (factor,) = problem.forms[0].steps[0]
    order = [*problem.axes]
    # A layout may begin with a row axis of its own.
    shift = len(factor.taps.shape) - (max(order) + 1)
    found = []
    for term in factor.terms:
        lines = [term[axis + shift].taps for axis in order]
        others = [line.taps for place, line in enumerate(term) if place - shift not in order]
        lines[0] = lines[0] * reduce(lambda a, b: a * b, (float(line[0]) for line in others), 1.0)
        found.append(lines)
    return found


def filter_plan(
    kernel: Kernel,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    regions: tuple[tuple[int, int], ...],
    mode: str,
    cval: float = 0.0,
    method: str = "auto",
    accuracy: str = "norm",
    dtype: torch.dtype = torch.float32,
    device: torch.device = torch.device("cpu"),  # noqa: B008  # a constant
) -> FilterPlan:
    """Choose the way with the least predicted time, or take the one asked for.

    Parameters
    ----------
    kernel : Kernel
        What a tensor is correlated with.
    shape : tuple of int
        Of the tensor.
    axes, regions
        For each axis of the kernel, that of the tensor, and the positions for which there is an output.
    mode, cval, method, accuracy
        As for `faltung.convolve`; the methods are ``direct``, ``separable`` and ``fourier``.
    dtype, device
        Of the tensor.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do it.
    """
    key = (kernel.fingerprint, shape, axes, regions, mode, repr(cval), method, accuracy, dtype, device)
    found = _plans.get(key)
    if found is None:
        number = np.dtype(np.float64 if dtype == torch.float64 else np.float32)
        problem = Problem(shape, number, kernel, False, axes, mode, complex(cval).real, regions, number, accuracy)
        found = FilterPlan(problem, dtype, device, _choose(problem, method, accuracy, dtype, device))
        while len(_plans) >= _MOST_PLANS:
            _plans.pop(next(iter(_plans)), None)
        _plans[key] = found
    return found


_plans: dict[tuple[Any, ...], FilterPlan] = {}
_MOST_PLANS = 256


def _choose(
    problem: Problem, method: str, accuracy: str, dtype: torch.dtype, device: torch.device
) -> tuple[Candidate, ...]:
    if method not in ("auto", *_WAYS):
        names = ", ".join(map(repr, ("auto", *_WAYS)))
        raise ArgumentError("method", f"one of {names} for a tensor on {device}", repr(method))
    rates = (
        CPU if device.type == "cpu" else rates_of(device, torch.float64 if dtype == torch.float64 else torch.float32)
    )
    found = []
    for name in _WAYS:
        reason = _refusal(problem, name, accuracy)
        found.append(Candidate(name, (name,), math.inf if reason else _seconds(problem, name, rates), reason))
    return choose(found, method, "a way")


def _refusal(problem: Problem, name: str, accuracy: str) -> str:
    if name == "direct" and len(problem.axes) > 3:
        return "the kernel has more than three axes"
    if name == "separable" and not _terms(problem):
        return "the kernel is not a sum of few outer products"
    if name == "separable" and len(problem.axes) > 3:
        return "the kernel has more than three axes"
    return (
        "its rounding errors are not bounded point by point" if name == "fourier" and accuracy == "pointwise" else ""
    )


def _seconds(problem: Problem, name: str, rates: Rates) -> float:
    outputs: int = math.prod(problem.result_shape)
    moved = 2 * rates.number * outputs
    each = min(rates.depthwise, rates.alone or math.inf)
    if name == "direct":
        return outputs * problem.correlated.size * each + moved + rates.call
    if name == "separable":
        terms = _terms(problem)
        passes = [line.size for lines in terms for line in lines if line.size > 1]
        return sum(outputs * size * each + moved + rates.call for size in passes)
    lengths = [b - a + size - 1 for (a, b), size in zip(problem.regions, problem.correlated.shape, strict=True)]
    batch = outputs // max(math.prod(b - a for a, b in problem.regions), 1)
    size = batch * math.prod(lengths)
    return 2 * size * math.log2(max(size, 2)) * rates.transformed + 4 * moved + 10 * rates.call

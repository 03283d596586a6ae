"""Which way is a fixed filter computed on a device, and why? In one or several passes, by kernels for the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from faltung.ground.boundary import spelled
from faltung.ground.bounded import Bounded
from faltung.ground.lazy import lazy
from faltung.kernels import Kernel
from faltung.planning.layer import Axis, Layer
from faltung.planning.machine import on_change
from faltung.planning.planned import Candidate, Planned, check_method_name, choose
from faltung.planning.problem import Problem
from faltung.planning.report import Row, scale_text, shape_text, time_text
from faltung.tensors.device import rates_of
from faltung.tensors.dtypes import computed, constant, numpy_dtype
from faltung.tensors.extension import extend
from faltung.tensors.finite import SPREAD, WIDE_SPREAD, hidden, mended, spread
from faltung.tensors.layer_cost import CPU, LAUNCHED, Rates
from faltung.tensors.ways import plane_filter, spectral, torch_kernels, triton_kernels
from faltung.tensors.ways.plane_filter import AxisReach, PlaneFilter
from faltung.tensors.ways.way import Way

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FilterPlan", "filter_plan", "outer_products"]

#: Rounding errors of a stage of a Fourier transform, forwards and backwards, in units of half the machine epsilon.
_ROUNDINGS = 4.0
#: The ways, in the order in which they are considered.
_WAYS = ("direct", "separable", "fourier")


@dataclass(frozen=True, eq=False)
class FilterPlan(Planned):
    """How tensors of one shape on one device are filtered; it is called with such a tensor.

    Parameters
    ----------
    problem : Problem
        Shape, kernel and options.
    dtype, device
        Of the tensors.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.

    Examples
    --------
    >>> plan = filter_plan(Kernel(np.ones((9, 9))), (512, 512), (0, 1), ((0, 512), (0, 512)), ("reflect",) * 2)
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

    @lazy
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        unit = float(np.finfo(self.problem.number).eps) / 2
        if self.method == "fourier":
            return _ROUNDINGS * math.log2(2 * math.prod(self.problem.shape)) * unit
        if self.method == "direct":
            return (self.problem.correlated.size + 1) * unit
        products = outer_products(self.problem)
        sizes = sum(math.prod(float(np.abs(line).sum()) for line in lines) for lines in products)
        amplified = max(1.0, sizes / (float(np.abs(self.problem.given.taps).sum()) or 1.0))
        return amplified * (len(products) + max(sum(line.size for line in lines) for lines in products)) * unit

    @property
    def pointwise(self) -> bool:
        """Whether `error` is relative to the sum of abs(tap) * abs(sample) under each output."""
        return self.method == "direct"

    @property
    def memory(self) -> int:
        """Bytes of tensors on the way, approximately: the extended input, and the results of passes."""
        copies = {"direct": 0, "separable": 1, "fourier": 3} if self._in_place else {"direct": 1}
        return copies.get(self.method, 3) * math.prod(self.problem.shape) * self.problem.number.itemsize

    @property
    def kept_bytes(self) -> int:
        """Bytes that a plan keeps from call to call, here and on the device, approximately."""
        return self._bytes_for(1)

    def rows(self) -> list[Row]:
        """Return what the plan prints, as pairs of a word and a text."""
        problem = self.problem
        place = f"{self.dtype} on {self.device}, mode {spelled(problem.modes)}, axes {problem.axes}"
        return [
            problem.kernel_row,
            ("input", f"{shape_text(problem.shape)} {place}"),
            ("output", f"{shape_text(problem.result_shape)}, computed in {problem.number}"),
            ("method", f"{self.method}: {time_text(self.seconds)} predicted"),
            ("error", f"at most {self.error:.1e} of {scale_text(self.pointwise)}"),
        ]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Filter a tensor.

        Parameters
        ----------
        x : Tensor
            Of the planned shape, dtype and device.

        Returns
        -------
        Tensor
            In the same dtype.
        """
        if self._in_place is not None:
            return self._in_place(x.resolve_neg())
        planes, order = self._planes(x.to(computed(self.dtype)))
        y, finite = self._apply(planes)
        if not finite:
            y = mended(y, planes, self._taps, lambda samples, _: self._apply(samples)[0], _densely)
        y = y.reshape(*(x.shape[axis] for axis in order[: x.ndim - len(self.problem.axes)]), *y.shape[2:])
        return y.permute(np.argsort(order).tolist()).to(self.dtype)

    @lazy
    def _in_place(self) -> PlaneFilter | None:
        """The kernel that filters a tensor where it lies, if there is one for this filter."""
        if not _is_in_place(self.problem, self.method, self.device, self.dtype):
            return None
        lines = outer_products(self.problem)[0] if self.method == "separable" else []
        taps, place = self.problem.correlated.taps, (self.problem.cval.real, self.device, self.dtype)
        return PlaneFilter(taps, lines, self.problem.axes, _reaches(self.problem), *place)

    @lazy
    def _extension(self) -> PlaneFilter | None:
        """The same kernel with a single tap, which extends a tensor in one pass."""
        problem, number = self.problem, computed(self.dtype)
        if plane_filter.refusal(_extended_shape(problem), problem.axes, self.device, number):
            return None
        reaches = [reach._replace(outputs=reach.outputs + reach.size - 1, size=1) for reach in _reaches(self.problem)]
        one = np.ones((1,) * len(reaches))
        return PlaneFilter(one, [], problem.axes, reaches, problem.cval.real, self.device, number)

    def _planes(self, x: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
        """Extend the tensor, as (batch, 1, *spatial)."""
        problem = self.problem
        axes = [*problem.axes]
        order = [axis for axis in range(x.ndim) if axis not in axes] + axes
        if self._extension is not None:
            x = self._extension(x.resolve_neg()).permute(order)
            return x.reshape(-1, 1, *x.shape[x.ndim - len(axes) :]), order
        planes = x.permute(order).reshape(-1, 1, *(x.shape[axis] for axis in axes))
        reaches = _reaches(problem)
        low = [reach.low for reach in reaches]
        high = [reach.low + reach.outputs + reach.size - 1 for reach in reaches]
        return extend(planes, low, high, problem.modes, problem.cval.real), order

    @lazy
    def _taps(self) -> torch.Tensor:
        """The taps on the device, where they stay: a copy in every call would wait for all earlier work there."""
        return self._on_device(self.problem.correlated.taps)

    @lazy
    def _passes(self) -> list[list[torch.Tensor]]:
        """The taps of each pass, for each outer product of the kernel."""
        passes = []
        for lines in outer_products(self.problem):
            shapes = np.diag([line.size - 1 for line in lines]) + 1  # (n, 1, 1), (1, n, 1), ...
            terms = zip(lines, shapes.tolist(), strict=True)
            passes.append([self._on_device(line.reshape(s)) for line, s in terms if line.size > 1 or line[0] != 1])
        return passes

    def _on_device(self, taps: NDArray[Any]) -> torch.Tensor:
        return constant(lambda: np.asarray(taps, np.float64)[None, None], self.device, computed(self.dtype))

    def _apply(self, planes: torch.Tensor) -> tuple[torch.Tensor, bool]:
        """Filter extended planes; whether all outputs are known to be finite is the second result."""
        taps = self._taps.to(planes)  # which may be in double precision
        exact = self.method == "direct" or (self.method == "separable" and len(self._passes) == 1)
        known = not exact and not hidden(planes)
        if known:
            gain = taps.abs().sum() * math.prod(planes.shape[2:]) ** 2
            most = spread(planes, taps.shape[2:], gain)
            if most > SPREAD and self.method == "fourier" and most <= WIDE_SPREAD and taps.dtype == torch.float32:
                planes, taps = planes.double(), taps.double()
            elif not most <= SPREAD:  # errors would be in proportion to the largest sample
                return _densely(planes, taps), False
        if self.method == "fourier":  # no sum overflows where samples are that close
            return spectral.correlate(_layer(planes, tuple(taps.shape[2:])), planes, taps, None), known
        if self.method == "direct":
            return _densely(planes, taps), False
        total: torch.Tensor = reduce(torch.add, (reduce(_densely, passes, planes) for passes in self._passes))
        return total, False


def _reaches(problem: Problem) -> list[AxisReach]:
    kernel = problem.correlated
    each = zip(problem.axes, problem.regions, kernel.origin, kernel.shape, problem.modes, strict=True)
    return [AxisReach(problem.shape[axis], b - a, a - at, size, mode) for axis, (a, b), at, size, mode in each]


def _extended_shape(problem: Problem) -> tuple[int, ...]:
    shape = [*problem.shape]
    for axis, reach in zip(problem.axes, _reaches(problem), strict=True):
        shape[axis] = max(reach.length, reach.outputs + reach.size - 1)
    return tuple(shape)


def _is_in_place(problem: Problem, method: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel for planes computes this: as a dense sum, or as one outer product of two lines of taps."""
    if plane_filter.refusal(_extended_shape(problem), problem.axes, device, dtype):
        return False
    if method == "separable":
        products = outer_products(problem)
        return len(products) == 1 and len(products[0]) == 2 and min(line.size for line in products[0]) > 1
    return method == "direct"


def _densely(planes: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Correlate by a sum over taps; on more than three axes, by transforms in double precision."""
    layer, taps = _layer(planes, tuple(taps.shape[2:])), taps.to(planes)
    if len(layer.axes) > 3:
        return spectral.correlate(layer, planes.double(), taps.double(), None).to(planes.dtype)
    refused = planes.device.type == "cpu" or triton_kernels.refusal(layer, "correlate", planes.device, planes.dtype)
    way: Way = torch_kernels if refused else triton_kernels
    return way.correlate(layer, planes, taps, None)


def _layer(planes: torch.Tensor, sizes: tuple[int, ...]) -> Layer:
    axes = tuple(
        Axis(length, size, outputs=length - size + 1) for length, size in zip(planes.shape[2:], sizes, strict=True)
    )
    return Layer(planes.shape[0], 1, 1, 1, axes)


def outer_products(problem: Problem) -> list[list[NDArray[np.float64]]]:
    """Return outer products that add up to the kernel: a line of taps for each of its axes; none if it is no sum."""
    (factor,) = problem.forms[0].steps[0]
    order = [*problem.axes]
    # A layout may begin with a row axis of its own.
    shift = len(factor.taps.shape) - (max(order) + 1)
    products = []
    for term in factor.terms:
        lines = [term[axis + shift].taps for axis in order]
        others = [line.taps for place, line in enumerate(term) if place - shift not in order]
        lines[0] = lines[0] * math.prod(float(line[0]) for line in others)
        products.append(lines)
    return products


def filter_plan(
    kernel: Kernel,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    regions: tuple[tuple[int, int], ...],
    modes: tuple[str, ...],
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
    modes
        How the tensor continues beyond its border, along each of them.
    cval, method, accuracy
        As for `faltung.convolve`; the methods are ``direct``, ``separable`` and ``fourier``.
    dtype, device
        Of the tensor.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do it.
    """
    key = (kernel.fingerprint, shape, axes, regions, modes, repr(cval), method, accuracy, dtype, device)

    def make() -> FilterPlan:
        number = numpy_dtype(dtype)
        problem = Problem(shape, number, kernel, False, axes, modes, complex(cval).real, regions, number, accuracy)
        return FilterPlan(problem, dtype, device, _choose(problem, method, accuracy, dtype, device))

    return _plans.get_or_make(key, make, attrgetter("kept_bytes"))


#: Plans of recent calls. They keep their taps, here and on the device.
_plans: Bounded[tuple[Any, ...], FilterPlan] = Bounded(256, 1 << 26)
on_change(_plans.clear)


def _choose(
    problem: Problem, method: str, accuracy: str, dtype: torch.dtype, device: torch.device
) -> tuple[Candidate, ...]:
    check_method_name(method, ("auto", *_WAYS), f" for a tensor on {device}")
    rates = CPU if device.type == "cpu" else rates_of(device, computed(dtype))
    considered = []
    for name in _WAYS:
        reason = _refusal(problem, name, accuracy)
        considered.append(
            Candidate(name, (name,), math.inf if reason else _seconds(problem, name, rates, device, dtype), reason)
        )
    return choose(considered, method, "a way")


def _refusal(problem: Problem, name: str, accuracy: str) -> str:
    if name in ("direct", "separable") and len(problem.axes) > 3:
        return "the kernel has more than three axes"
    if name == "separable" and not outer_products(problem):
        return "the kernel is not a sum of few outer products"
    if name == "fourier" and accuracy == "pointwise":
        return "its rounding errors are not bounded point by point"
    return ""


def _seconds(problem: Problem, name: str, rates: Rates, device: torch.device, dtype: torch.dtype) -> float:
    outputs: int = math.prod(problem.result_shape)
    moved = 2 * rates.number * outputs
    if _is_in_place(problem, name, device, dtype):
        return _seconds_in_place(problem, name, rates, outputs)
    multiply_add, copied = min(rates.depthwise, rates.alone or math.inf), (len(problem.axes) + 1) * moved
    if name == "direct":  # extended axis by axis, and looked through at the end
        return outputs * problem.correlated.size * multiply_add + copied + rates.call
    if name == "separable":
        passes = [line.size for lines in outer_products(problem) for line in lines if line.size > 1]
        return copied + sum(outputs * size * multiply_add + moved + rates.call for size in passes)
    lengths = [b - a + size - 1 for (a, b), size in zip(problem.regions, problem.correlated.shape, strict=True)]
    batch = outputs // max(math.prod(b - a for a, b in problem.regions), 1)
    size = batch * math.prod(lengths)
    return 2 * size * math.log2(max(size, 2)) * rates.transformed + 4 * moved + 10 * rates.call


def _seconds_in_place(problem: Problem, name: str, rates: Rates, outputs: int) -> float:
    """Return the longer time: to launch the passes, or to move the numbers and issue the instructions of each."""
    height, width = (1, *problem.correlated.shape)[-2:]
    passes = [(height, 1), (1, width)] if name == "separable" else [(height, width)]
    times = [outputs * max(plane_filter.work(*taps) * rates.filtered, 2 * rates.number) for taps in passes]
    return max(sum(times), LAUNCHED * rates.call * len(times))

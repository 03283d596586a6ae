"""What will run where channels are added up, or outputs or taps lie apart? All at once, or kernel by kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.lazy import lazy
from faltung.kernels import Bank, Kernel
from faltung.planning.cost import Machine
from faltung.planning.layer import Axis, Layer
from faltung.planning.machine import current
from faltung.planning.planner import METHODS, Candidate, Plan, chosen_first, make_plan
from faltung.planning.problem import Problem
from faltung.planning.report import describe_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChannelPlan", "make_channel_plan", "spread"]

#: Most spatial axes of the machine code for channels.
MOST_AXES = 3
#: Bytes that the sum of two kernels' results takes through memory for each number.
_ADDED = 3.0


@dataclass(frozen=True, eq=False)
class ChannelPlan:
    """The answer to a bank over channels; it is called, printed and kept like a `Plan`.

    Parameters
    ----------
    bank : Bank
        The kernels, as they were given.
    together : Problem
        What is asked of an array, with a kernel that covers the support of all, taps with their dilation.
    channel_axis : int or None
        The axis of the array for channels in, or None where there is one channel without an axis.
    new_axis : bool
        Whether the result has a new first axis for channels out.
    stride, dilation : tuple of int
        For each spatial axis.
    groups : int
        Groups of channels.
    method : {'direct', 'apart'}
        Whether channels are added up in registers, or each kernel is applied by itself.
    candidates : tuple of Candidate
        Everything considered, the chosen one first.
    single : str
        How a kernel by itself is applied.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> run = fa.plan((3, 64, 64), fa.Bank(np.ones((8, 3, 5, 5))), channel_axis=0, stride=2)
    >>> run.method, run(np.ones((3, 64, 64), dtype="float32")).shape
    ('direct', (8, 32, 32))
    """

    bank: Bank
    together: Problem
    channel_axis: int | None
    new_axis: bool
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    method: str = "direct"
    candidates: tuple[Candidate, ...] = ()
    single: str = "auto"

    #: How it is carried out; the module that does it stands rungs higher and puts itself here.
    execute: ClassVar[Callable[[ChannelPlan, Any, Any, int | None, Any], NDArray[Any]]]

    def __call__(self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None) -> NDArray[Any]:
        """Carry out the plan on an array of the planned shape and dtype.

        Parameters
        ----------
        x : array_like
            The input.
        out : ndarray, optional
            Where to put the result.
        workers : int, optional
            Number of threads.
        mask : array_like, optional
            Which samples are there, if the plan was made with a mask.

        Returns
        -------
        ndarray
            The result, which is `out` if that was given.
        """
        return ChannelPlan.execute(self, x, out, workers, mask)

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        shape = [*self.together.shape]
        for axis, (start, stop), step in zip(self.together.axes, self.together.regions, self.stride, strict=True):
            shape[axis] = -(-(stop - start) // step)
        if self.channel_axis is not None:
            shape[self.channel_axis] = self.bank.out_channels
        return (self.bank.out_channels, *shape) if self.new_axis else tuple(shape)

    @lazy
    def batch(self) -> tuple[int, ...]:
        """Axes of the array that are neither spatial nor for channels."""
        taken = {*self.together.axes, self.channel_axis}
        return tuple(axis for axis in range(len(self.together.shape)) if axis not in taken)

    @lazy
    def correlated(self) -> Bank:
        """The bank that the array is correlated with."""
        return self.bank.flip() if self.together.reflected else self.bank

    @lazy
    def layer(self) -> Layer:
        """What is asked of the machine code for channels."""
        problem = self.together
        places = zip(problem.axes, problem.regions, self.bank.shape, self.correlated.origin, strict=True)
        axes = tuple(
            Axis(
                length=problem.shape[axis],
                size=size,
                start=first - origin * dilation,
                outputs=-(-(stop - first) // stride),
                stride=stride,
                dilation=dilation,
            )
            for (axis, (first, stop), size, origin), stride, dilation in zip(
                places, self.stride, self.dilation, strict=True
            )
        )
        return Layer(
            images=math.prod(problem.shape[axis] for axis in self.batch),
            groups=self.groups,
            ins=self.bank.in_channels,
            outs=self.bank.out_channels // self.groups,
            axes=axes,
            mode=problem.mode,
            cval=float(problem.cval.real),
        )

    @property
    def error(self) -> float:
        """Bound of the rounding error of an output, relative to what `pointwise` says."""
        if self.method == "direct":
            return (self.layer.ins * self.layer.taps + 1) * float(np.finfo(self.together.number).eps)
        return self.alone(0, 0).error * (1 + self.bank.in_channels * float(np.finfo(self.together.number).eps))

    @property
    def pointwise(self) -> bool:
        """Whether that is the sum of abs(tap) * abs(sample) under each output, or a largest one."""
        return self.method == "direct" or self.alone(0, 0).pointwise

    @lazy
    def _alone(self) -> dict[tuple[int, int], Plan]:
        return {}

    def alone(self, o: int, i: int) -> Plan:
        """Return the plan of one kernel by itself, at all positions, in the number computed with."""
        if (o, i) not in self._alone:
            self._alone[o, i] = self._plan_alone(o, i)  # kept, and with it the machine code that belongs to it
        return self._alone[o, i]

    def _plan_alone(self, o: int, i: int) -> Plan:
        problem = self.together
        shape = [*problem.shape]
        axes = problem.axes
        if self.channel_axis is not None:
            del shape[self.channel_axis]
            axes = tuple(axis - (axis > self.channel_axis) for axis in axes)
        complex_ = problem.dtype.kind == "c" or self.bank.dtype.kind == "c"
        number = np.result_type(problem.number, np.complex64) if complex_ else problem.number
        result = problem.result if self.bank.in_channels == 1 else number
        kernel = spread(self.bank[o, i], self.dilation)
        return make_plan(
            replace(problem, shape=tuple(shape), kernel=kernel, axes=axes, result=np.dtype(result)),
            self.single,
            current(),
        )

    def __str__(self) -> str:
        """Return the plan as a table."""
        return describe_channels(self)


def spread(kernel: Kernel, dilation: tuple[int, ...]) -> Kernel:
    """Return a kernel with zeros between its taps: `dilation` - 1 of them on each axis.

    Examples
    --------
    >>> spread(Kernel([1, 2, 3], origin=0), (2,)).taps
    array([1., 0., 2., 0., 3.])
    """
    if all(step == 1 for step in dilation):
        return kernel
    sizes = [step * (size - 1) + 1 for step, size in zip(dilation, kernel.shape, strict=True)]
    taps = np.zeros(sizes, kernel.dtype)
    taps[tuple(slice(None, None, step) for step in dilation)] = kernel.taps
    return Kernel(taps, [step * at for step, at in zip(dilation, kernel.origin, strict=True)])


def make_channel_plan(plan: ChannelPlan, method: str, machine: Machine) -> ChannelPlan:
    """Choose between the two ways, or take the one asked for.

    Raises
    ------
    ArgumentError
        `method` names no way, or one that cannot do the task.
    """
    if method not in (*METHODS, "apart"):
        names = ", ".join(map(repr, (*METHODS, "apart")))
        raise ArgumentError("method", f"one of {names}", repr(method))
    plan = replace(plan, single="auto" if method in ("apart", "direct") else method)
    options = [_direct(plan, machine), _apart(plan, machine)]
    options.sort(key=lambda option: option.seconds)
    wanted = "direct" if method == "direct" else "apart"
    chosen = options[0] if method == "auto" else next(option for option in options if option.method == wanted)
    if chosen.reason:
        raise ArgumentError("method", "a way that can do this", repr(method), f"It cannot: {chosen.reason}.")
    return replace(plan, method=chosen.method, candidates=chosen_first(chosen, options))


def _direct(plan: ChannelPlan, machine: Machine) -> Candidate:
    problem, layer = plan.together, plan.layer
    reason = ""
    if problem.dtype.kind == "c" or plan.bank.dtype.kind == "c":
        reason = "a sample or a tap is complex"
    elif problem.weighted:
        reason = "samples may be missing"
    elif len(layer.axes) > MOST_AXES:
        reason = f"there are more than {MOST_AXES} spatial axes"
    elif (problem.result.kind == "f" and problem.result.itemsize == 2) or not problem.result.isnative:
        reason = "the result is converted on its way"
    if reason:
        return Candidate("direct", (), math.inf, reason)
    numbers = math.prod(layer.source_shape) + math.prod(layer.target_shape)
    double = problem.number.itemsize / 4
    apart = 1.5 if layer.strided or any(axis.dilation > 1 for axis in layer.axes) else 1.0
    seconds = double * (layer.multiply_adds * machine.multiply_add * apart + numbers * machine.trip)
    return Candidate("direct", ("direct",), seconds + 4 * machine.call)


def _apart(plan: ChannelPlan, machine: Machine) -> Candidate:
    if plan.together.weighted and plan.bank.in_channels > 1:
        return Candidate("apart", (), math.inf, "what is missing in one of several channels has no one meaning")
    one = plan.alone(0, 0)
    kernels = plan.bank.in_channels * plan.bank.out_channels
    numbers = math.prod(one.problem.result_shape)
    added = (kernels + plan.bank.out_channels) * numbers * one.problem.number.itemsize * _ADDED * machine.byte
    return Candidate("apart", one.engines, kernels * one.candidates[0].seconds + added)

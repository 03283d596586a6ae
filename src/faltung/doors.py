"""Which module filters arrays of this kind? The table of doors, and the door for NumPy arrays."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentTypeError
from faltung.ground.arrays import as_array, is_masked_array
from faltung.kernels import Bank, Kernel
from faltung.planning.call_axes import warn_of_channels
from faltung.planning.kept import keep, plan_of
from faltung.planning.planned import Planned
from faltung.planning.question import Options, question_of
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DOORS", "Door", "door_of"]


class Door(NamedTuple):
    """A kind of array, and the module that filters arrays of this kind.

    The module has two functions, with the arguments of `convolve` as `Options`::

        filter(x, kernel, options, out, mask, workers)      return the result
        plan(x, kernel, options, effort)                    return the plan

    If ``options.graded``, the mask is weights of the samples.

    It is imported when the first array of this kind is passed. The library is never imported: whoever passes one of
    its arrays has imported it.

    Parameters
    ----------
    library : str
        The name under which the library is imported.
    type_name : str
        The class of its arrays in this library; arrays of a subclass are of this kind too.
    module : str
        The module of this package that filters them.
    """

    library: str
    type_name: str
    module: str


#: All kinds of arrays except NumPy's. The kind of `x` decides; that of the kernel, if `x` is of none of them.
DOORS = (
    Door("torch", "Tensor", "faltung.tensors.tensor_front"),
    Door("dask.array", "Array", "faltung.chunked.dask_front"),
)


class _Arrays:
    """The door for NumPy arrays, and for everything that can be converted to one."""

    @staticmethod
    def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> NDArray[Any]:
        """Make a plan, and run it."""
        x, options = _as_input(x, options)
        if options.dtype is None and isinstance(out, np.ndarray):
            options = options._replace(dtype=out.dtype, dtype_name="out")
        plan = plan_of(x.shape, x.dtype, kernel, options)
        warn_of_channels(x.shape, plan.problem.axes, options.axes, options.channel_axis)
        return execute(plan, x, out, workers, None, mask) if options.graded else execute(plan, x, out, workers, mask)

    @staticmethod
    def plan(x: Any, kernel: Any, options: Options, effort: str) -> Planned:
        """Make a plan; with effort ``measure``, by running the methods that might be the fastest."""
        x, options = _as_input(x, options)
        if effort == "estimate":
            plan = plan_of(x.shape, x.dtype, kernel, options)
            warn_of_channels(x.shape, plan.problem.axes, options.axes, options.channel_axis)
            return plan
        from faltung.run.race import fastest  # seldom used, and an import should cost little

        question = question_of(x.shape, x.dtype, kernel, options)
        return keep(question, fastest(question))


def door_of(x: Any, kernel: Any) -> Any:
    """Return the module that filters `x` with `kernel`, or the class for NumPy arrays."""
    if type(x) is np.ndarray and isinstance(kernel, (Kernel, Bank, np.ndarray)):
        return _Arrays
    for array in (x, kernel):
        for door in DOORS:
            kind = getattr(sys.modules.get(door.library), door.type_name, None)
            if kind is not None and isinstance(array, kind):
                return importlib.import_module(door.module)
    return _Arrays


def _as_input(x: Any, options: Options) -> tuple[NDArray[Any], Options]:
    if isinstance(x, (Kernel, Bank)):
        remedy = "Pass the array first; the convolution of two kernels is their product, a * b."
        raise ArgumentTypeError("x", "an array", f"a {'bank' if isinstance(x, Bank) else 'kernel'}", remedy)
    if is_masked_array(x):  # its mask is read when it is run
        as_array(np.ma.getdata(x), "x")
        return x, options._replace(masked=not options.graded) if np.ma.is_masked(x) else options
    return as_array(x, "x"), options

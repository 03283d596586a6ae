"""The front door for dask arrays: what `faltung.convolve`, `faltung.correlate` and `faltung.plan` call for them."""

from __future__ import annotations

from typing import Any

import dask.array as da

from faltung.chunked.dask_input import check_dask
from faltung.chunked.dask_plan import DaskPlan, check_no_out, make_dask_plan
from faltung.ground.arrays import as_array
from faltung.kernels import Bank, Kernel
from faltung.planning.call_axes import warn_of_channels
from faltung.planning.question import Options, question_of

__all__ = ["filter", "plan"]


def filter(x: Any, kernel: Any, options: Options, out: Any, mask: Any, workers: int | None) -> da.Array:
    """Filter a dask array, lazily; the arguments are those of `faltung.convolve`."""
    check_no_out(out)
    run = plan(x, kernel, options, "estimate")
    return run(x, None, workers, None, mask) if options.graded else run(x, None, workers, mask)


def plan(x: Any, kernel: Any, options: Options, effort: str) -> DaskPlan:
    """Return what would run for a dask array."""
    if not isinstance(kernel, (Kernel, Bank, str)):
        kernel = as_array(kernel, "kernel")  # the taps of a kernel cannot be a dask array
    check_dask("x", x)
    question = question_of(x.shape, x.dtype, kernel, options)
    warn_of_channels(x.shape, question.axes, options.axes, options.channel_axis)
    return make_dask_plan(x, question, effort)

"""What is the plan for an array with labels? The plan for its data, which gives the labels back."""

from __future__ import annotations

import importlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.kernels import Bank, Kernel
from faltung.planning.missing_rule import check_given
from faltung.planning.planned import Candidate, Planned
from faltung.planning.question import Options
from faltung.planning.report import Row

__all__ = ["LabelledPlan"]


@dataclass(frozen=True, eq=False, repr=False)
class LabelledPlan(Planned):
    """The plan for an array of xarray: it is called with arrays of the same axes and coordinates.

    Parameters
    ----------
    inner : Planned
        The plan for the data.
    dims : tuple
        The names of the axes.
    given : Kernel, Bank, CoordinateKernel or array_like
        The filter as it was passed.
    asked : Options
        The arguments as they were passed.
    kernel : Kernel or Bank
        The filter in samples.
    """

    inner: Planned
    dims: tuple[Hashable, ...]
    given: Any
    asked: Options
    kernel: Kernel | Bank

    @property
    def problem(self) -> Any:
        """The problem that the plan for the data solves."""
        return self.inner.problem

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All methods that were considered, the chosen one first."""
        return self.inner.candidates

    @property
    def error(self) -> float:
        """Bound of the rounding error."""
        return self.inner.error

    @property
    def pointwise(self) -> bool:
        """The scale that the bound is relative to."""
        return self.inner.pointwise

    @property
    def memory(self) -> int:
        """Bytes of scratch for each worker."""
        return self.inner.memory

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.inner.result_shape

    def rows(self) -> list[Row]:
        """Return what the plan prints."""
        return [*self.inner.rows(), ("axes", ", ".join(map(str, self.dims)))]

    def __call__(
        self, x: Any, out: Any = None, workers: int | None = None, mask: Any = None, weights: Any = None
    ) -> Any:
        """Run the plan on an array of xarray; the parameters are those of `Planned.__call__`."""
        # The door makes these plans, so it is looked up when one is called.
        door: Any = importlib.import_module("faltung.labelled.xarray_door")
        if getattr(x, "dims", None) != self.dims:
            expected = f"an array of xarray with the axes {', '.join(map(repr, self.dims))}"
            raise ArgumentError("x", expected, f"{getattr(x, 'dims', type(x).__name__)}", "Use convolve.")
        check_given("mask", mask, self.asked.masked)
        check_given("weights", weights, self.asked.graded)
        call = door.prepare(x, self.given, self.asked, out, mask if weights is None else weights)
        if call.kernel.fingerprint != self.kernel.fingerprint:
            remedy = "Use convolve, or make a plan for these coordinates."
            raise ArgumentError("x", "coordinates of the spacing that the plan was made for", "another", remedy)
        valid = call.valid
        if valid is None and call.nodata.values and not (self.asked.masked or self.asked.graded):
            valid = np.ones(x.shape, bool)  # the plan was made for missing samples, and there are none
        by_weight = self.asked.graded
        data = self.inner(x.data, None, workers, None if by_weight else valid, valid if by_weight else None)
        return door.relabelled(x, door.with_missing(x, data, call, workers), call)

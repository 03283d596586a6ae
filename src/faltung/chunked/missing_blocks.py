"""How is a block filtered in which samples of certain values are missing? With a mask that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from faltung.chunked.output_blocks import BlockRun, OutputBlock, OutputBlocks
from faltung.ground.arrays import computed_dtype
from faltung.planning.nodata import Nodata
from faltung.planning.question import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MissingBlocks", "MissingRun"]


@dataclass(frozen=True)
class MissingRun:
    """Computes blocks of outputs.

    Parameters
    ----------
    run : BlockRun
        What computes the outputs.
    floats : BlockRun, optional
        The same in floats, where the outputs are integers: those that are NaN are missing.
    nodata : Nodata
        The values of missing samples.
    """

    run: BlockRun
    floats: BlockRun | None
    nodata: Nodata

    def __call__(
        self, samples: NDArray[Any], valid: NDArray[Any] | None = None, workers: int | None = 1
    ) -> NDArray[Any]:
        """Return the outputs; the parameters are those of a `BlockRun`."""
        own = self.nodata.valid(samples)
        outputs = self.run(samples, own, workers)
        if self.floats is not None and not own.all():
            gone = np.isnan(self.floats(samples, own, workers))
            outputs[gone] = self.nodata.fill(outputs.dtype)
        return outputs


class _MissingBlock(NamedTuple):
    """A block of outputs: what it needs, and what computes it."""

    block: OutputBlock
    run: MissingRun

    def gather(self, read: Callable[[tuple[slice, ...]], Any]) -> NDArray[Any]:
        return self.block.gather(read)


class MissingBlocks:
    """The blocks of outputs of a question about an array in which samples with certain values are missing.

    Parameters
    ----------
    question : Question
        What is asked, with a mask.
    nodata : Nodata
        The values of missing samples.
    """

    def __init__(self, question: Question, nodata: Nodata) -> None:
        self._nodata, self._blocks = nodata, OutputBlocks(question)
        self._floats: OutputBlocks | None = None
        if question.result.kind in "iu":
            nodata.fill(question.result)  # raises an error if a missing output cannot be stored
            self._floats = OutputBlocks(replace(question, result=computed_dtype(question.dtype, "x")))

    def block(self, bounds: Sequence[tuple[int, int]]) -> _MissingBlock:
        """Return the block of a region of the result."""
        block = self._blocks.block(bounds)
        floats = None if self._floats is None else self._floats.block(bounds).run
        return _MissingBlock(block, MissingRun(block.run, floats, self._nodata))

"""What is asked of one array and one kernel? A `Problem`, and the axes in which it is computed.

Whatever its dimensions, a problem is computed on arrays with the axes (slices ..., row, column, channels ...).
The column axis is the last axis of the kernel. All axes behind it are interleaved channels, and so are the real and
imaginary part of a complex sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engines.base import Division, Job
from faltung.errors import ArgumentError
from faltung.ground.arrays import computed_number
from faltung.ground.boundary import spelled
from faltung.ground.lazy import lazy
from faltung.kernels import Kernel, Taps
from faltung.kernels.rewrite import Simplified, simplify
from faltung.kernels.taps import flipped
from faltung.planning.companion import Companion, rarer_sign
from faltung.planning.computed_axes import Layout, layout_of
from faltung.planning.forms import Form, cropped, forms
from faltung.planning.missing_rule import NOTHING_MISSING, MissingRule
from faltung.planning.report import Row, shape_text, shortened
from faltung.planning.whole import Range, Whole, whole_taps

__all__ = ["Problem"]

#: Bytes of a result that no cache is expected to keep.
STREAMED_BYTES = 1 << 23
#: Largest tap of a kernel that is computed with in double precision because some taps would be subnormal.
MINUTE = float(np.finfo(np.float32).tiny) * 2.0**30


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that a result depends on, except the samples.

    Parameters
    ----------
    shape, dtype
        Shape and dtype of the array.
    kernel : Kernel
        The filter.
    reflected : bool
        Whether the kernel is reflected first, so that the correlation is a convolution.
    axes : tuple of int
        The axis of the array for each axis of the kernel, not negative.
    modes : tuple of str
        For each axis of the kernel: how the array continues beyond its border.
    cval : complex
        The value beyond the border of an axis with the mode ``constant``.
    regions : tuple of (int, int)
        For each axis of the kernel: start and stop of the positions of the array that have an output.
    result : dtype
        The dtype of the result.
    accuracy : {'norm', 'pointwise'}
        The scale that the error bound has to be relative to.
    missing : MissingRule
        Which samples are missing, and what becomes of outputs that need them.
    as_c : bool
        Whether sums are in double precision, and are stored as C converts them: integers are truncated and wrap.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kernel: Kernel
    reflected: bool
    axes: tuple[int, ...]
    modes: tuple[str, ...]
    cval: complex
    regions: tuple[tuple[int, int], ...]
    result: np.dtype[Any]
    accuracy: str = "norm"
    missing: MissingRule = NOTHING_MISSING
    as_c: bool = False

    @property
    def kernel_row(self) -> Row:
        """The row that a plan prints for the kernel."""
        return "convolve" if self.reflected else "correlate", shortened(repr(self.kernel))

    @property
    def input_row(self) -> Row:
        """The row that a plan prints for the array."""
        mode = spelled(self.modes).replace("constant", f"constant({self.cval:g})")
        return "input", f"{shape_text(self.shape)} {self.dtype}, mode {mode}, axes {self.axes}"

    @lazy
    def key(self) -> tuple[Any, ...]:
        """What makes two problems equal; it can be hashed."""
        # As texts, 0.0 and -0.0 differ, and a NaN equals itself.
        kernel, cval = self.kernel.fingerprint, repr(self.cval)
        place = (self.shape, self.dtype, self.axes, self.regions, self.modes)
        return kernel, self.reflected, place, cval, self.result, self.accuracy, self.missing, self.as_c

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @lazy
    def given(self) -> Kernel:
        """The kernel that the array is correlated with, as it was given."""
        if not self.reflected:
            return self.kernel
        # The taps are flipped, not the expression: its parts would be multiplied out in another order.
        kernel = self._flipped
        return (
            kernel if isinstance(kernel, Taps) else Taps._make(taps=flipped(self.kernel.taps), origin=kernel.origin)
        )

    @lazy
    def _flipped(self) -> Kernel:
        return self.kernel.flip()

    @lazy
    def simplified(self) -> Simplified:
        """An equal, cheaper way to write that kernel, and the rules that led to it."""
        simplified = simplify(self._flipped if self.reflected else self.kernel)
        if simplified.kernel is self.given:
            return simplified
        kept = np.count_nonzero(cropped(self.given, simplified.kernel)) == np.count_nonzero(self.given.taps)
        return simplified if kept else Simplified(self.given, ())

    @lazy
    def correlated(self) -> Kernel:
        """The simplified kernel, with which engines correlate."""
        return self.simplified.kernel

    @lazy
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        shape = list(self.shape)
        for axis, (start, stop) in zip(self.axes, self.regions, strict=True):
            shape[axis] = stop - start
        return tuple(shape)

    @lazy
    def number(self) -> np.dtype[Any]:
        """The real number computed with: double precision if array, result or taps need it, or else single."""
        number = computed_number(self.dtype, self.result)
        # Single precision has few digits, or none, for taps as small as these.
        minute = 0.0 < self._largest < MINUTE
        return np.dtype(np.float64) if minute or self.as_c else number

    @lazy
    def _largest(self) -> float:
        """The largest magnitude of a tap."""
        return float(np.abs(self.kernel.taps).max(initial=0.0))

    @lazy
    def stored(self) -> np.dtype[Any]:
        """The dtype of a sample, or of its real and imaginary parts."""
        return _real_part(self.dtype)

    @lazy
    def readable(self) -> bool:
        """Whether an engine can read samples as they are stored."""
        return self.stored.isnative and self.stored.kind != "b" and self.stored != np.float16

    @lazy
    def extended(self) -> np.dtype[Any]:
        """The dtype of gathered blocks: that of the array, unless it would round the constant beyond the border."""
        if not self.readable or self.missing.graded:  # a sample is multiplied by its weight
            return self.number
        kept = self.stored == self.number or not self.rounds_outside(self.stored)
        return self.stored if kept else self.number

    @lazy
    def source(self) -> np.dtype[Any]:
        """The dtype of most source blocks: the array's if an engine can read it, or else that of gathered ones."""
        return self.stored if self.readable else self.extended

    def rounds_outside(self, dtype: np.dtype[Any]) -> bool:
        """Return whether the constant beyond the border is rounded if it is stored as `dtype`."""
        outside = complex(self.cval)
        return "constant" in self.modes and not (
            _representable(outside.real, dtype) and _representable(outside.imag, dtype)
        )

    @lazy
    def written(self) -> np.dtype[Any]:
        """The dtype that an engine writes: that of the result if it can, or else a number that NumPy converts."""
        return _real_part(self.result).newbyteorder("=") if self._single else self.number

    @lazy
    def direct(self) -> bool:
        """Whether an engine can write into the result itself."""
        return self._single and self.result.isnative

    @lazy
    def _single(self) -> bool:
        alike = (self.dtype.kind == "c") == (self.result.kind == "c")
        return self.correlated.dtype.kind != "c" and alike and _real_part(self.result).newbyteorder("=") != np.float16

    @lazy
    def streamed(self) -> bool:
        """Whether the result is so large that it is written past the cache."""
        return self.written.kind == "f" and math.prod(self.result_shape) * self.written.itemsize >= STREAMED_BYTES

    @lazy
    def layout(self) -> Layout:
        """The axes in which this problem is computed."""
        kernel, pair = self.correlated, 2 if self.dtype.kind == "c" else 1
        return layout_of(self.shape, pair, self.axes, kernel.shape, kernel.origin, self.regions, self.modes)

    @lazy
    def forms(self) -> tuple[Form, ...]:
        """Ways to write the kernel in the axes of the layout: in one step first, then as passes one by one."""
        ways = forms(self.correlated, self.given, *self._places)
        self._check_range(ways[0])
        return ways

    @property
    def weighted(self) -> bool:
        """Whether samples may be missing, so that outputs depend on the weights of those that are present."""
        return self.missing.applies

    @property
    def normalised(self) -> bool:
        """Whether outputs are divided by the weight that is present; where all taps are zero there is none."""
        return self.weighted and self._largest > 0

    @lazy
    def combined(self) -> bool:
        """Whether an output is put together of sums of which one may overflow though the output does not."""
        both = self.dtype.kind == "c" and self.correlated.dtype.kind == "c"
        large = np.abs(self.kernel.taps).sum() > 1.0 + 1e-4
        return self.dtype.kind in "fc" and (both or self.weighted) and bool(large or self.fills)

    @lazy
    def weight(self) -> np.dtype[Any]:
        """The dtype of the weights of samples."""
        return self.number if self.missing.graded else np.dtype(np.uint8)

    @lazy
    def fills(self) -> bool:
        """Whether missing samples count as the mean of the others; for taps of one sign, a division does the same."""
        taps = self.given.taps
        return self.missing.alone or taps.dtype.kind == "c" or bool((taps > 0).any() and (taps < 0).any())

    @lazy
    def companions(self) -> tuple[Companion, ...]:
        """Kernels whose sums, with those over all taps, make sums over magnitudes; none if they are summed apart."""
        if not self.fills or self.missing.alone or self.correlated.dtype.kind == "c":
            return ()
        taps = cropped(self.given, self.correlated)
        magnitudes = Companion("magnitudes", self.magnitudes, (0,) * len(self.layout.sizes), 0.0, 1.0)
        return rarer_sign(taps, *self._places), magnitudes

    @lazy
    def magnitudes(self) -> Form:
        """The form of the magnitudes of the taps, with which weights are correlated."""
        kernel = Taps(np.abs(cropped(self.given, self.correlated)), self.correlated.origin)
        return forms(kernel, kernel, *self._places)[0]

    def weights(self, form: int) -> Form:
        """Return the form for weights if samples are correlated in the given form."""
        chosen = self.forms[form]
        if self.companions:
            return chosen
        alike = all((factor.taps >= 0).all() for step in chosen.steps for factor in step)
        return chosen if alike and not self.fills else self.magnitudes

    @property
    def exact(self) -> bool:
        """Whether samples and results are integers, so that results can be exact."""
        return self.dtype.kind in "biu" and self.result.kind in "iu"

    @lazy
    def whole(self) -> Whole | None:
        """The taps as whole numbers over a divisor, if samples and results are integers; None if they are not.

        As C has it, sums are divided for floats too: then the mean of equal samples has their value.
        """
        if self.correlated.dtype.kind == "c":
            return None
        if not self.exact:
            return whole_taps(self.forms[0].steps[0][0].taps) if self.as_c else None
        return whole_taps(self.forms[0].steps[0][0].taps, self.range_of_samples, self.number == np.float32)

    @lazy
    def fixed_point(self) -> bool:
        """Whether taps may be rounded to 16 bits, since all samples and results are bytes."""
        bytes_ = self.dtype == self.result == self.extended == np.uint8
        return bytes_ and self.accuracy == "norm" and not (self.as_c or self.weighted)

    @property
    def range_of_samples(self) -> Range:
        """The largest magnitude of samples that are integers, and the constant beyond the border."""
        limits = np.iinfo(np.uint8 if self.dtype.kind == "b" else self.dtype)
        outside = self.cval.real if "constant" in self.modes else 0.0
        return Range(max(float(limits.max), -float(limits.min), abs(outside)), outside)

    def jobs(
        self,
        form: Form,
        source: np.dtype[Any],
        target: np.dtype[Any],
        to_scratch: bool = False,
        number: np.dtype[Any] | None = None,
        division: Division | None = None,
    ) -> list[list[Job]]:
        """Return the jobs of engines: for each step one, or two for complex taps, from source to target dtype.

        A result that goes `to_scratch` is read again at once, so it stays in the cache. The number computed with may
        be another one than that of the problem.
        """
        number = self.number if number is None else number
        last = len(form.steps) - 1
        extents = [tuple(stop - start for start, stop in self.layout.regions)]
        for step in reversed(form.steps[1:]):  # a step before another one also makes what that one reads beyond
            sizes = step[0].taps.shape
            extents.append(tuple(extent + size - 1 for extent, size in zip(extents[-1], sizes, strict=True)))
        return [
            [
                Job(
                    taps=np.ascontiguousarray(factor.taps, dtype=number),
                    terms=factor.terms,
                    faithful=factor.faithful,
                    step=self.layout.step,
                    source=source if place == 0 else number,
                    target=target if place == last else number,
                    extents=extents[last - place],
                    streamed=self.streamed and place == last and not to_scratch,
                    division=division if place == last else None,
                    truncated=self.as_c and place == last,
                    fixed_point=self.fixed_point,
                )
                for factor in step
            ]
            for place, step in enumerate(form.steps)
        ]

    @lazy
    def _places(self) -> tuple[list[int], int, np.dtype[Any]]:
        """The axis of the layout for each axis of the kernel, the number of axes, and the number computed with."""
        inserted = 1 if self.layout.column == 0 else 0
        axes = [axis + inserted for axis in self.axes]
        return axes, len(self.layout.lengths), self.number

    def _check_range(self, form: Form) -> None:
        if self._largest < float(np.finfo(self.number).max) / 2:
            return
        with np.errstate(over="ignore"):
            finite = all(np.isfinite(factor.taps.astype(self.number)).all() for factor in form.steps[0])
        if not finite:
            raise ArgumentError(
                "kernel",
                f"taps within the range of {self.number}, the dtype of the computation",
                f"a tap of magnitude {np.abs(self.kernel.taps).max():g}",
                "Convert the array to float64, or scale the kernel.",
            )


def _real_part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the real and imaginary parts of a complex dtype, or the dtype itself."""
    if dtype.kind != "c":
        return dtype
    return np.dtype(f"f{dtype.itemsize // 2}").newbyteorder("=" if dtype.isnative else "S")


def _representable(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return value != value or float(dtype.type(value)) == value
    limits = np.iinfo(dtype)
    return value.is_integer() and limits.min <= value <= limits.max

"""What is asked? The arguments of a call as one checked value, made of shape, dtype, kernel and options."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, check_result_dtype, computed_dtype
from faltung.ground.boundary import check_modes
from faltung.ground.bounded import SMALL, Bounded
from faltung.ground.lazy import lazy
from faltung.ground.regions import check_shape, regions
from faltung.ground.threads import chosen_count
from faltung.kernels import Bank, Kernel
from faltung.kernels.taps import as_taps
from faltung.planning.call_axes import channel_axis, check_channels, check_no_groups, checked_groups, spatial_axes
from faltung.planning.call_values import (
    check_choices,
    checked_cval,
    checked_steps,
    skips_nan,
)
from faltung.planning.missing_rule import MissingRule, missing_rule
from faltung.planning.problem import Problem
from faltung.planning.statistic import check_statistic

__all__ = ["ONE", "Options", "Question", "as_value", "check_no_text", "question_of"]

#: Largest origin: positions that far out can still be counted in 64 bits.
_FARTHEST = 1 << 40
#: Most samples that a kernel covers with its dilation: as many taps as a gigabyte holds.
_LARGEST_SUPPORT = 1 << 27
#: Most answers to the checks of a call that are kept; each is a few numbers.
_MOST_CHECKED = 1024
#: The object that a default of 1 is. `True` and 1.0 are equal to it, and are not the same object.
ONE = 1
#: The part of a key for arguments that are rarely given, where none of them is.
_COMMON = (float, "0.0", "None", "None", ("propagate", "norm", "auto"), False, "")


class Options(NamedTuple):
    """The arguments of a call except arrays and the kernel, as they were passed: not checked yet."""

    reflected: bool
    mode: Any = None
    cval: Any = 0.0
    shape: Any = "same"
    axes: Any = None
    channel_axis: Any = None
    stride: Any = 1
    dilation: Any = 1
    groups: Any = 1
    dtype: Any = None
    nan: Any = "propagate"
    masked: bool = False
    accuracy: Any = "norm"
    method: Any = "auto"
    #: Whether samples have weights. Doors get them in place of the mask.
    graded: bool = False
    min_weight: Any = 0.0
    keep_nan: Any = False
    #: The name of the argument that gives the dtype of the result.
    dtype_name: str = "dtype"
    #: Names of the axes of the kernel. Doors of labelled arrays turn them into `axes`.
    dims: Any = None
    #: What an output is of the samples that the kernel weighs: their sum, or one of `STATISTICS`.
    statistic: str = ""
    up: Any = 1

    @property
    def key(self) -> tuple[Any, ...]:
        """The arguments in a form that is equal only for calls with the same values of the same types."""
        # Many calls make this key, and names of its own take less time than attributes; so do defaults that are
        # recognised by identity. As texts, equal values of other types differ: 1 from True and 1.0, 0.0 from -0.0.
        reflected, mode, cval, shape, axes, channel_axis, stride, dilation, groups, dtype, nan, masked, *rest = self
        accuracy, method, graded, min_weight, keep_nan, _, dims, statistic, up = rest
        rare: tuple[Any, ...] = ()
        if not (channel_axis is None and stride is ONE and dilation is ONE and groups is ONE and up is ONE):
            rare = (repr(channel_axis), repr(stride), repr(dilation), repr(groups), repr(up))
        if graded or keep_nan is not False or type(min_weight) is not float or min_weight:
            rare = (rare, graded, repr(min_weight), repr(keep_nan))
        names = (nan, accuracy, method) if {type(nan), type(accuracy), type(method)} == {str} else repr(self)
        common = (type(cval), repr(cval), repr(axes), repr(dims), names, masked, statistic)
        # A short key if all have their defaults, so that it can be made without `Options`.
        return reflected, mode, shape, dtype, None if common == _COMMON and not rare else (common, rare)


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a filter: everything that the result depends on, except the samples.

    Every door of the package makes a question. Two questions are equal if they have the same answer, so a question is
    the key under which plans are kept.

    Parameters
    ----------
    shape, dtype
        Shape and dtype of the array.
    kernel : Kernel or Bank
        The filter, as it was given.
    reflected : bool
        Whether the kernel is reflected first: a convolution is a correlation with the reflected kernel.
    axes : tuple of int
        The axis of the array for each axis of the kernel, not negative.
    regions : tuple of (int, int)
        For each axis of the kernel: start and stop of the positions that have an output, for stride 1. Sample k is at
        position ``k * up``.
    modes : tuple of str
        For each axis of the kernel: how the array continues beyond its border.
    cval : complex
        The value beyond the border of an axis with the mode ``constant``.
    result : dtype
        The dtype of the result.
    channel_axis : int or None
        The axis of the channels that a bank adds up, not negative; None where there are none.
    stride, dilation : tuple of int
        Samples between neighbouring outputs, and between neighbouring taps, on each axis of the kernel.
    up : tuple of int
        Positions from a sample to the next one, on each axis of the kernel: there are zeros between.
    groups : int
        Groups of channels.
    accuracy : {'norm', 'pointwise'}
        The scale that the error bound has to be relative to.
    missing : MissingRule
        Which samples are missing, and what becomes of outputs that need them.
    method : str
        The name of a method, or ``auto``.
    as_c : bool
        Whether sums are in double precision, and are stored as C converts them: integers are truncated and wrap.
    statistic : str
        What an output is of the samples that the kernel weighs, one of `STATISTICS`; empty for their weighted sum.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kernel: Kernel | Bank
    reflected: bool
    axes: tuple[int, ...]
    regions: tuple[tuple[int, int], ...]
    modes: tuple[str, ...]
    cval: complex
    result: np.dtype[Any]
    channel_axis: int | None
    stride: tuple[int, ...]
    up: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    accuracy: str
    missing: MissingRule
    method: str
    as_c: bool = False
    statistic: str = ""

    @lazy
    def key(self) -> tuple[Any, ...]:
        """A value that is equal for equal questions, and can be hashed."""
        kernel, cval = self.kernel.fingerprint, repr(self.cval)
        array = (self.shape, self.dtype, self.axes, self.regions, self.modes, cval, self.result)
        steps = (self.channel_axis, self.stride, self.up, self.dilation, self.groups)
        what = (self.accuracy, self.missing, self.method, self.as_c, self.statistic)
        return kernel, self.reflected, array, steps, what

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def plain(self) -> bool:
        """Whether there are no channels, and neighbouring outputs and taps are neighbouring samples."""
        return self.channel_axis is None and {*self.stride, *self.up, *self.dilation, self.groups} == {1}

    @property
    def spread(self) -> bool:
        """Whether there are zeros between samples."""
        return {*self.up} != {1}

    @property
    def new_axis(self) -> bool:
        """Whether the result has a new first axis, for the channels out of a bank."""
        return self.channel_axis is None and isinstance(self.kernel, Bank)

    @lazy
    def bank(self) -> Bank:
        """The filter as a bank."""
        return self.kernel if isinstance(self.kernel, Bank) else Bank.stack([self.kernel])

    @lazy
    def problem(self) -> Problem:
        """The problem of one array and one kernel; for a bank or a dilation, with a kernel of ones that covers it."""
        kernel = self.kernel
        if isinstance(kernel, Bank) or not self.plain:
            # All taps are one, so no rule makes the support smaller.
            sizes, origin = _support(kernel, self.dilation)
            kernel = Kernel(np.ones(sizes), origin)
        return Problem(
            shape=self.shape,
            dtype=self.dtype,
            kernel=kernel,
            reflected=self.reflected,
            axes=self.axes,
            modes=self.modes,
            cval=self.cval,
            regions=self.regions,
            result=self.result,
            accuracy=self.accuracy,
            missing=self.missing,
            as_c=self.as_c,
        )

    def problem_of(self, kernel: Kernel) -> Problem:
        """Return the problem of one kernel of the bank."""
        return replace(self.problem, kernel=kernel)


def _support(kernel: Kernel | Bank, dilation: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Return size and origin of the kernel with the zeros of the dilation between its taps."""
    if {*dilation} == {1}:
        return [*kernel.shape], [*kernel.origin]
    sizes = [step * (size - 1) + 1 for step, size in zip(dilation, kernel.shape, strict=True)]
    if math.prod(sizes) > _LARGEST_SUPPORT:
        expected = f"a dilation with which the kernel covers at most {_LARGEST_SUPPORT} samples"
        raise ArgumentError("dilation", expected, f"{dilation} for a kernel of shape {kernel.shape}")
    return sizes, [step * at for step, at in zip(dilation, kernel.origin, strict=True)]


def check_no_text(kernel: Any) -> None:
    """Raise an error if a kernel is an expression in text, as the command line takes it."""
    if isinstance(kernel, str):
        remedy = "Read an expression with faltung.parse."
        raise ArgumentTypeError("kernel", "a kernel or an array of taps", repr(kernel), remedy)


def as_value(kernel: Any, channels: bool) -> Kernel | Bank:
    """Return the filter as a value: an array of taps is a bank if there is an axis of channels, or else a kernel."""
    if isinstance(kernel, (Kernel, Bank)):
        return kernel
    check_no_text(kernel)
    if not channels:
        return Kernel(as_taps(kernel, "kernel"))
    taps = as_array(kernel, "kernel")
    if taps.ndim < 3:
        remedy = "Pass a Kernel to filter every channel by itself."
        expected = "a bank, or its taps with the shape (channels out, channels in of a group, *spatial)"
        raise ArgumentError("kernel", expected, f"an array of shape {taps.shape}", remedy)
    return Bank(taps)


#: Fields of questions except the kernel, by everything that the checks look at.
_checked: Bounded[tuple[Any, ...], dict[str, Any]] = Bounded(_MOST_CHECKED)


def question_of(shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Any, options: Options) -> Question:
    """Check every argument, and return the question.

    Parameters
    ----------
    shape, dtype
        Shape and dtype of the array; its samples are not needed.
    kernel : Kernel, Bank or array_like
        The filter.
    options : Options
        All other arguments.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> question = question_of((480, 640), np.dtype("uint8"), [[1, 2, 1]], Options(reflected=True, shape="valid"))
    >>> question.regions, question.modes, question.result
    (((0, 480), (1, 639)), ('reflect', 'reflect'), dtype('float32'))
    """
    kernel = as_value(kernel, options.channel_axis is not None)
    chosen_count()  # a wrong FALTUNG_WORKERS is an error for every array, also for one that a single thread filters
    if isinstance(kernel, Bank):
        return _question_of(shape, dtype, kernel, options)
    # The answer to every check is the same for all kernels of one size.
    key = (shape, dtype, kernel.shape, kernel.origin, kernel.dtype, options.key, options.dtype_name)
    try:
        fields = _checked.get(key)
    except TypeError:  # an argument that cannot be hashed
        return _question_of(shape, dtype, kernel, options)
    if fields is None:
        known = _question_of(shape, dtype, kernel, options)
        _checked.put(key, {name: value for name, value in vars(known).items() if name != "kernel"}, 4 * SMALL)
        return known
    return Question(kernel=kernel, **fields)


def _question_of(shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Kernel | Bank, options: Options) -> Question:
    computed = computed_dtype(dtype, "x")
    if kernel.dtype.kind == "c":
        computed = np.result_type(computed, np.complex64)
    check_shape(options.shape)
    check_choices(options.nan, options.accuracy, options.method)
    if any(abs(at) > _FARTHEST for at in kernel.origin):
        raise ArgumentError("kernel", f"an origin of at most {_FARTHEST}", f"{kernel.origin}")
    if options.dims is not None:
        raise ArgumentError("dims", "None, as the axes of the array have no names", repr(options.dims), "Use axes=.")
    channel = channel_axis(options.channel_axis, len(shape))
    axes = spatial_axes(options.axes, channel, len(shape), kernel.ndim)
    stride = checked_steps("stride", options.stride, kernel.ndim)
    up = checked_steps("up", options.up, kernel.ndim)
    dilation = checked_steps("dilation", options.dilation, kernel.ndim)
    groups = checked_groups(options.groups)
    if isinstance(kernel, Bank):
        check_channels(kernel, channel, 1 if channel is None else shape[channel], groups)
    else:
        channel = None  # a kernel filters every channel by itself, so the axis does not matter
        check_no_groups(kernel, groups)
    default = "constant" if options.shape == "full" else "reflect"
    modes = check_modes(default if options.mode is None else options.mode, kernel.ndim)
    cval = checked_cval(options.cval, dtype)
    sizes, origins = _support(kernel, dilation)
    if options.reflected:
        origins = [size - 1 - at for size, at in zip(sizes, origins, strict=True)]
    outputs = regions(options.shape, _positions(options.shape, shape, axes, up), sizes, origins)
    if outputs.beyond:
        _check_window_fits(options, kernel, shape)
        modes, cval = ("constant",) * kernel.ndim, 0.0  # taps beyond the array are left out
    given = (
        skips_nan(options.nan, dtype, cval),
        options.masked,
        options.graded,
        options.min_weight,
        options.keep_nan,
        outputs.beyond,
    )
    result = _result(options, kernel, computed)
    return Question(
        shape=shape,
        dtype=dtype,
        kernel=kernel,
        reflected=options.reflected,
        axes=axes,
        regions=outputs.bounds,
        modes=modes,
        cval=cval,
        result=result,
        channel_axis=channel,
        stride=stride,
        up=up,
        dilation=dilation,
        groups=groups,
        accuracy=options.accuracy,
        missing=missing_rule(MissingRule(*given), options.shape, stride, up, channel),
        method=options.method,
        statistic=options.statistic,
    )


# ---- one argument each


def _result(options: Options, kernel: Kernel | Bank, computed: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the result."""
    if options.statistic:
        computed = check_statistic(options.statistic, kernel, computed)
    result = computed if options.dtype is None else check_result_dtype(options.dtype, computed, options.dtype_name)
    if options.statistic and result.kind in "iu":
        raise ArgumentError(options.dtype_name, "a float dtype for a statistic", str(result), "Round the result.")
    return result


def _positions(extent: str, shape: tuple[int, ...], axes: tuple[int, ...], up: tuple[int, ...]) -> list[int]:
    """Return how many positions samples take along each axis; for ``same``, with the zeros behind the last one."""
    lengths = [(shape[axis], zeros) for axis, zeros in zip(axes, up, strict=True)]
    return [length * zeros if extent == "same" else max((length - 1) * zeros + 1, 0) for length, zeros in lengths]


def _check_window_fits(options: Options, kernel: Kernel | Bank, shape: tuple[int, ...]) -> None:
    """Refuse statistics where the kernel is longer than the array, and the array does not continue."""
    if options.statistic:
        remedy = "Use shape='same', in which the array continues beyond its border."
        raise ArgumentError("window", f"a size within an array of shape {shape}", f"shape {kernel.shape}", remedy)

"""Mean, variance, deviation, covariance and correlation of the samples around each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.doors import door_of
from faltung.errors import ArgumentError
from faltung.ground.arrays import is_tensor
from faltung.ground.checks import integer, is_integer, is_sequence
from faltung.kernels import CoordinateKernel, Kernel, box
from faltung.planning.missing_rule import one_of
from faltung.planning.question import Options, as_value
from faltung.planning.statistic import mean_kernel
from faltung.signals.given_axes import unitless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["local_corr", "local_cov", "local_mean", "local_std", "local_var"]


def local_mean(
    x: ArrayLike,
    window: int | tuple[int, ...] | Kernel | CoordinateKernel | ArrayLike,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> NDArray[Any]:
    """Return the mean of the samples around each sample, weighted by the taps of a kernel.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of any kind that `convolve` filters.
    window : int, tuple of int, Kernel, CoordinateKernel or array_like
        The neighbourhood. An integer is the size of a box along every axis of `x`, or of those in `axes` or `dims`; a
        tuple has a size for each axis. A kernel, or an array of taps, weighs the samples by its taps, which are not
        negative; only their ratios matter.
    mode, cval, shape, axes, dims, stride, dilation, out, dtype, nan, mask, weights, min_weight, keep_nan, workers
        As for `convolve`. A sample beyond the border counts as any other.

    Returns
    -------
    ndarray or torch.Tensor
        The means. Where no sample of a neighbourhood is present, NaN.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.local_mean(np.array([1.0, 2.0, np.nan, 6.0]), 3, nan="ignore")
    array([1.33333333, 1.5       , 4.        , 6.        ])
    """
    missing: dict[str, Any] = {"nan": nan, "min_weight": min_weight, "keep_nan": keep_nan}
    options = Options(True, mode, cval, shape, axes, None, stride, dilation, dtype=dtype, dims=dims, **missing)
    return _statistic("mean", x, window, options, False, out, mask, weights, workers)  # type: ignore[no-any-return]


def local_var(
    x: ArrayLike,
    window: int | tuple[int, ...] | Kernel | CoordinateKernel | ArrayLike,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    unbiased: bool = False,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> NDArray[Any]:
    r"""Return the variance of the samples around each sample, weighted by the taps of a kernel.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of any kind that `convolve` filters; of complex numbers, the variance is the mean of squared
        magnitudes about the mean.
    window : int, tuple of int, Kernel, CoordinateKernel or array_like
        The neighbourhood, as for `local_mean`.
    unbiased : bool, optional
        Whether the mean of squares is divided by :math:`1 - \sum w^2 / (\sum w)^2`, where `w` are the weights. For a
        box of n samples that is :math:`n / (n - 1)` times the variance.
    mode, cval, shape, axes, dims, stride, dilation, out, dtype, nan, mask, weights, min_weight, keep_nan, workers
        As for `convolve`. The result is of floats. A sample beyond the border counts as any other.

    Returns
    -------
    ndarray or torch.Tensor
        The variances, which are not negative, in the square of the unit of `x`. NaN where no sample is present; where
        a sample is not finite; and, if unbiased, where there is a single sample.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    local_std : The square root.
    local_cov : The same for two arrays.

    Notes
    -----
    With weights w that are the taps times the weight of each sample, the variance is
    :math:`\sum w (x-c)^2 / \sum w - (\sum w (x-c) / \sum w)^2` for any constant c. It is computed tile by tile, in
    double precision, with a c close to the mean of the tile [1]_. So a mean that is large beside the spread costs no
    digits, and the array passes through memory once.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
       recommendations", The American Statistician 37 (1983), 242-247.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = 1e9 + np.array([0.0, 3.0, 0.0, 3.0, 0.0])
    >>> fa.local_var(x, 3, shape="valid")
    array([2., 2., 2.])
    >>> fa.local_var(x, 3, shape="valid", unbiased=True)
    array([3., 3., 3.])
    """
    missing: dict[str, Any] = {"nan": nan, "min_weight": min_weight, "keep_nan": keep_nan}
    options = Options(True, mode, cval, shape, axes, None, stride, dilation, dtype=dtype, dims=dims, **missing)
    return _statistic("variance", x, window, options, unbiased, out, mask, weights, workers)  # type: ignore[no-any-return]


def local_std(
    x: ArrayLike,
    window: int | tuple[int, ...] | Kernel | CoordinateKernel | ArrayLike,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    unbiased: bool = False,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> NDArray[Any]:
    """Return the standard deviation of the samples around each sample, weighted by the taps of a kernel.

    Parameters
    ----------
    x, window, mode, cval, unbiased, shape, axes, dims, stride, dilation, out, dtype
        As for `local_var`.
    nan, mask, weights, min_weight, keep_nan, workers
        As for `local_var`.

    Returns
    -------
    ndarray or torch.Tensor
        The square root of `local_var`, in the unit of `x`. The gradient of a tensor is zero where it is zero.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.local_std(np.array([5.0, 5.0, 5.0, 8.0]), 2)
    array([0. , 0. , 0. , 1.5])
    """
    missing: dict[str, Any] = {"nan": nan, "min_weight": min_weight, "keep_nan": keep_nan}
    options = Options(True, mode, cval, shape, axes, None, stride, dilation, dtype=dtype, dims=dims, **missing)
    return _statistic("deviation", x, window, options, unbiased, out, mask, weights, workers)  # type: ignore[no-any-return]


def local_cov(
    x: ArrayLike,
    y: ArrayLike,
    window: int | tuple[int, ...] | Kernel | CoordinateKernel | ArrayLike,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    unbiased: bool = False,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> NDArray[Any]:
    """Return the covariance of two real arrays around each sample, weighted by the taps of a kernel.

    Parameters
    ----------
    x, y : array_like or torch.Tensor
        Two arrays of one shape and kind. A sample that is missing in one of them is missing in both.
    window, mode, cval, unbiased, shape, axes, dims, stride, dilation
        As for `local_var`; `cval` is the value beyond the border of both.
    nan, mask, weights, min_weight, keep_nan, workers
        As for `local_var`.

    Returns
    -------
    ndarray or torch.Tensor
        The covariances, of floats.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> fa.local_cov(x, 10 - 2 * x, 3, shape="valid", unbiased=True)
    array([-2., -2.])
    """
    a, b = _two(x, y)
    missing: dict[str, Any] = {"nan": nan, "min_weight": min_weight, "keep_nan": keep_nan}
    options = Options(True, mode, complex(cval, cval), shape, axes, None, stride, dilation, dims=dims, **missing)
    # For z = x + iy, the pseudo-variance, the mean of squares of z about its mean, is var x - var y + 2i cov(x, y).
    with np.errstate(all="ignore"):  # samples that are not finite
        pairs = a + 1j * b
    both: Any = _statistic("pseudovariance", pairs, window, options, unbiased, None, mask, weights, workers)
    return both.imag / 2  # type: ignore[no-any-return]


def local_corr(
    x: ArrayLike,
    y: ArrayLike,
    window: int | tuple[int, ...] | Kernel | CoordinateKernel | ArrayLike,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    shape: str = "same",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    min_weight: float = 0.0,
    keep_nan: bool = False,
    workers: int | None = None,
) -> NDArray[Any]:
    """Return the correlation coefficient of two real arrays around each sample, weighted by the taps of a kernel.

    Parameters
    ----------
    x, y, window, mode, cval, shape, axes, dims, stride, dilation
        As for `local_cov`.
    nan, mask, weights, min_weight, keep_nan, workers
        As for `local_cov`.

    Returns
    -------
    ndarray or torch.Tensor
        Numbers from -1 to 1; NaN where one of the arrays is constant.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.array([1.0, 2.0, 3.0, 5.0])
    >>> fa.local_corr(x, 10 - 2 * x, 3, shape="valid")
    array([-1., -1.])
    """
    a, b = _two(x, y)
    missing: dict[str, Any] = {"nan": nan, "min_weight": min_weight, "keep_nan": keep_nan}
    options = Options(True, mode, cval, shape, axes, None, stride, dilation, dims=dims, **missing)

    def of(name: str, z: Any, options: Options) -> Any:
        return _statistic(name, z, window, options, False, None, mask, weights, workers)

    # 0 * y is NaN where y is missing, so that both variances are over the samples that both arrays have.
    with np.errstate(all="ignore"):
        spread = of("deviation", a + 0 * b, options) * of("deviation", b + 0 * a, options)
        both = of("pseudovariance", a + 1j * b, options._replace(cval=complex(cval, cval))).imag / 2
        result = both / spread * (spread / spread)  # NaN where one of them is constant
    return unitless(result.clip(-1.0, 1.0))  # type: ignore[no-any-return]


def _statistic(
    name: str,
    x: Any,
    window: Any,
    options: Options,
    unbiased: bool,
    out: Any,
    mask: Any,
    weights: Any,
    workers: int | None,
) -> Any:
    """Ask for a statistic through the door of the array."""
    if not isinstance(unbiased, bool | np.bool_):
        raise ArgumentError("unbiased", "True or False", repr(unbiased))
    kernel = _weights_of(window, x, options.axes, options.dims)
    statistic = f"unbiased {name}" if unbiased else name
    if name == "mean" and not isinstance(kernel, CoordinateKernel):  # one in the units of coordinates has no taps yet
        kernel, statistic = mean_kernel(kernel), ""
    options = options._replace(statistic=statistic, masked=mask is not None, graded=weights is not None)
    valid = mask if weights is None else one_of(mask, weights)
    return door_of(x, kernel).filter(x, kernel, options, out, valid, workers)


def _weights_of(window: Any, x: Any, axes: Any, dims: Any) -> Any:
    """Return the kernel that a window is: a box for an integer or a tuple of them."""
    if is_integer(window):
        named = dims if axes is None else axes
        if named is not None:
            return box(integer("window", window, 1), ndim=len(named) if is_sequence(named) else 1)
        if hasattr(x, "data_vars"):
            remedy = "Name the axes with dims=, or pass a kernel."
            raise ArgumentError(
                "window", "a kernel for a data set, whose arrays have other axes each", repr(window), remedy
            )
        return box(integer("window", window, 1), ndim=1 if hasattr(x, "iloc") else np.ndim(x))
    if isinstance(window, tuple):
        return box(tuple(integer("window", size, 1) for size in window))
    return window if isinstance(window, CoordinateKernel) else as_value(window, channels=False)


def _two(x: Any, y: Any) -> tuple[Any, Any]:
    """Return two arrays of one shape, in double precision unless both have floats of one precision."""
    x, y = (array if hasattr(array, "dtype") else np.asarray(array) for array in (x, y))
    if tuple(x.shape) != tuple(y.shape):
        remedy = "Cut or broadcast one of them first."
        raise ArgumentError("y", f"the shape of x, {tuple(x.shape)}", f"shape {tuple(y.shape)}", remedy)
    tensors = is_tensor(x)
    if tensors != is_tensor(y):
        raise ArgumentError("y", "an array of the kind of x", f"a {type(y).__name__} beside a {type(x).__name__}")
    for name, array in (("x", x), ("y", y)):
        if array.is_complex() if tensors else array.dtype.kind == "c":
            raise ArgumentError(name, "real numbers", f"dtype {array.dtype}", "Use its real and imaginary parts.")
    if x.dtype == y.dtype and str(x.dtype).removeprefix("torch.") in ("float32", "float64"):
        return x, y
    return (x.double(), y.double()) if tensors else (x.astype(np.float64), y.astype(np.float64))

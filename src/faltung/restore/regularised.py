"""Which image explains the samples and is plausible by itself? Least squares with a penalty: Tikhonov and Wiener."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import integer, real
from faltung.kernels import Bank, Kernel, laplacian
from faltung.planning.question import as_value
from faltung.restore.observation import Observation, check_callable, is_single, observe
from faltung.restore.solving import conjugate_gradients, filter_inverse, sum_of_squares
from faltung.signals.linear_operator import operator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["tikhonov", "wiener"]

#: The share of the right-hand side that may remain, in double and in single precision.
_TOLERANCE = (1e-7, 1e-5)
#: Ratio of noise to signal above which nothing of the signal is left.
_MOST_NOISE = 1e18


@np.errstate(all="ignore")
def tikhonov(
    x: ArrayLike,
    psf: Kernel | ArrayLike,
    ridge: float,
    penalty: Kernel | ArrayLike | None = None,
    mode: str | Sequence[str] | None = None,
    *,
    axes: int | Sequence[int] | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    iterations: int = 200,
    tolerance: float | None = None,
    progress: Callable[[int, Any], Any] | None = None,
) -> NDArray[Any]:
    r"""Restore a blurred image by least squares with a penalty: smooth, where the samples do not say otherwise.

    Parameters
    ----------
    x : array_like, torch.Tensor or xarray.DataArray
        The blurred image, real or complex, with any number of axes; those that the kernel does not have are a batch.
        For a tensor, the result is a tensor, with gradients; an array of xarray keeps its labels.
    psf : Kernel or array_like
        The point spread function, with any taps.
    ridge : float
        Weight of the penalty, above 0. A good start is the variance of the noise over that of the penalised image.
    penalty : Kernel or array_like, optional
        The filter whose output should be small; the default is the Laplacian. ``fa.delta(ndim=2)`` keeps the image
        itself small.
    mode : str or sequence of str, optional
        How the restored image continues beyond the border, as for `convolve`; the default is ``reflect``.
    axes : int or sequence of int, optional
        The axis of `x` for each axis of the kernel, as for `convolve`.
    nan : {'propagate', 'ignore'}, optional
        With ``ignore``, samples that are NaN are missing. Otherwise they are an error.
    mask : array_like of bool, optional
        False where a sample is missing; the image underneath is what the penalty makes of its surroundings.
    iterations : int, optional
        Most steps of conjugate gradients. There are none for ``wrap`` without missing samples.
    tolerance : float, optional
        The steps end when this share of the right-hand side of the normal equations remains. The default is 1e-5 in
        single precision and 1e-7 in double precision. A warning says if they do not get that far.
    progress : callable, optional
        Called as ``progress(step, estimate)`` after each step, counted from 1. If it returns True, the iteration
        ends.

    Returns
    -------
    ndarray or torch.Tensor
        The restored image, of the shape of `x`, in its floating dtype. It may undershoot zero beside edges.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    wiener : The same where noise and signal are known by their spread.
    richardson_lucy : For images that are not negative.

    Notes
    -----
    The result minimises :math:`\sum_n m_n |x_n - (A u)_n|^2 + r \sum_n |(P u)_n|^2` with blur A, penalty P, ridge r,
    and m = 0 at missing samples [1]_. For ``wrap`` it is a quotient of Fourier transforms. Otherwise conjugate
    gradients solve the normal equations, with the exact transpose for the border. The same quotient, of the image and
    its mirror image, is their preconditioner; it is exact for ``reflect`` and even kernels, so they end at once.

    References
    ----------
    .. [1] P. C. Hansen, J. G. Nagy, D. P. O'Leary, "Deblurring Images: Matrices, Spectra, and Filtering", SIAM
       (2006).

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> ramp, psf = np.arange(6.0), fa.gaussian(1.0, ndim=1)
    >>> x = fa.convolve(ramp, psf, mode="reflect")
    >>> fa.restore.tikhonov(x, psf, ridge=1e-9).round(3)
    array([0., 1., 2., 3., 4., 5.])
    """
    seen = observe(x, psf, mode, axes, nan, mask)
    weight = real("ridge", ridge, 0.0, open_end=True)
    ndim = len(seen.axes)
    kernel = laplacian(ndim=ndim) if penalty is None else as_value(penalty, channels=False)
    if isinstance(kernel, Bank) or kernel.ndim != ndim:
        raise ArgumentError("penalty", f"a kernel with as many axes as psf, {ndim}", repr(kernel)[:80])
    around = seen.samples * 0 + _level(seen)
    return seen.labelled(_least_squares(seen, around, (weight, kernel, True), iterations, tolerance, progress))  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def wiener(
    x: ArrayLike,
    psf: Kernel | ArrayLike,
    noise: float,
    signal: float | None = None,
    mode: str | Sequence[str] | None = None,
    *,
    axes: int | Sequence[int] | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    iterations: int = 200,
    tolerance: float | None = None,
    progress: Callable[[int, Any], Any] | None = None,
) -> NDArray[Any]:
    r"""Restore a blurred image with the least expected error, from the spread of its noise and of the signal.

    Parameters
    ----------
    x, psf
        As for `tikhonov`.
    noise : float
        Standard deviation of the noise, in the unit of `x`, above 0.
    signal : float, optional
        Standard deviation of the image before the blur, in the same unit. The default is that of `x` less the noise,
        which is too small by what the blur has taken; a smaller value smooths more.
    mode, axes, nan, mask, iterations, tolerance, progress
        As for `tikhonov`.

    Returns
    -------
    ndarray or torch.Tensor
        The restored image, of the shape of `x`, in its floating dtype.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    tikhonov : With another penalty: real images are smoother than independent samples.

    Notes
    -----
    The image is taken as its mean and independent deviations with the variance :math:`s^2`. Its best linear estimate
    from samples with independent noise of the variance :math:`n^2` is
    :math:`u = \mu + (A^H A + n^2/s^2)^{-1} A^H (x - A \mu)`, which for ``wrap`` is Wiener's quotient
    :math:`\bar K X / (|K|^2 + n^2/s^2)` [1]_. The mean is that of `x` over the sum of the taps.

    References
    ----------
    .. [1] N. Wiener, "Extrapolation, Interpolation, and Smoothing of Stationary Time Series", Wiley (1949).

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x, psf = np.array([2.0, 2.0, 3.0, 4.0, 3.0, 2.0, 2.0]), fa.Kernel([0.25, 0.5, 0.25])
    >>> fa.restore.wiener(x, psf, noise=0.01, signal=1.0).round(2)
    array([2.01, 1.97, 2.04, 5.95, 2.04, 1.97, 2.01])
    """
    seen = observe(x, psf, mode, axes, nan, mask)
    n, level = seen.reduced(real("noise", noise, 0.0, open_end=True)), _level(seen)
    if signal is None:
        spread = seen.masked(seen.samples - level * seen.psf.taps.sum().item())
        variance = sum_of_squares(spread) / max(seen.count, 1)
        s = max(variance - n * n, 0.01 * variance, 1e-300) ** 0.5
    else:
        s = seen.reduced(real("signal", signal, 0.0, open_end=True))
    around, ratio = seen.samples * 0 + level, min(n / s, _MOST_NOISE)
    return seen.labelled(_least_squares(seen, around, (ratio**2, None, False), iterations, tolerance, progress))  # type: ignore[no-any-return]


def _level(seen: Observation) -> Any:
    """Return the constant whose blur has the mean of the samples, or 0 if the blur of every constant is 0."""
    taps = seen.psf.taps
    total = taps.sum().item()
    flat = abs(total) <= 1e-6 * abs(taps).sum()
    return 0.0 if flat else seen.samples.sum() / (max(seen.count, 1) * total)


def _least_squares(
    seen: Observation,
    around: Any,
    penalty: tuple[float, Kernel | None, bool],
    iterations: Any,
    tolerance: Any,
    progress: Any,
) -> Any:
    """Minimise the squared error at the samples that are present, plus the penalty.

    The penalty has a weight and a kernel, and is of the whole image, or of how far it is from `around`.
    """
    steps, progress = integer("iterations", iterations, 1), seen.told(check_callable("progress", progress))
    enough = real("tolerance", _TOLERANCE[is_single(around)] if tolerance is None else tolerance, 0.0)
    (ridge, kernel, whole), blur, back = penalty, seen.blur, seen.blur.H

    def bend(u: Any) -> Any:
        return u

    unbend = bend
    if kernel is not None:
        bend = operator(kernel, blur.input_shape, seen.modes, axes=seen.axes)  # type: ignore[assignment]
        unbend = bend.H  # type: ignore[attr-defined]

    def apply(u: Any) -> Any:
        return back(seen.masked(blur(u))) + ridge * unbend(bend(u))

    target = back(seen.masked(seen.samples - blur(around)))
    if whole:
        target = target - ridge * unbend(bend(around))
    share = seen.count / max(math.prod(around.shape), 1)
    inverse = filter_inverse(target, seen.axes, seen.modes, seen.psf, share, ridge, kernel)
    if seen.periodic:
        return seen.restored(around + inverse(target))
    scale = sum_of_squares(back(seen.samples))
    call = progress and (lambda step, u: progress(step, around + u))
    estimate = around + conjugate_gradients(apply, target, inverse, steps, (enough, scale), call)
    return seen.restored(estimate)

"""Which non-negative image is most likely, if samples are counts of photons? Richardson's and Lucy's iteration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import is_tensor
from faltung.ground.checks import integer, non_negative
from faltung.ground.threads import share, worker_count
from faltung.restore.observation import Observation, alike, check_callable, observe
from faltung.restore.total_variation import curvature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from faltung.kernels import Kernel

__all__ = ["richardson_lucy"]

#: Bytes of the part of an array that a thread works on at a time: it stays in the cache.
_PART = 1 << 18


@np.errstate(all="ignore")
def richardson_lucy(
    x: ArrayLike,
    psf: Kernel | ArrayLike,
    iterations: int = 30,
    mode: str | Sequence[str] | None = None,
    *,
    axes: int | Sequence[int] | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    total_variation: float = 0.0,
    tolerance: float = 0.0,
    noise: float | None = None,
    start: ArrayLike | None = None,
    progress: Callable[[int, Any], Any] | None = None,
) -> NDArray[Any]:
    r"""Restore a non-negative image from a blurred one with photon noise, by the method of Richardson and Lucy.

    Parameters
    ----------
    x : array_like, torch.Tensor or xarray.DataArray
        The blurred image, without negative samples, with any number of axes; those that the kernel does not have are
        a batch. For a tensor, the result is a tensor, with gradients; an array of xarray keeps its labels.
    psf : Kernel or array_like
        The point spread function, without negative taps. Its sum need not be 1: ``x`` is ``psf(u)`` for the result u.
    iterations : int, optional
        Most steps. Each sharpens further, and in the end it sharpens the noise.
    mode : str or sequence of str, optional
        How the *restored* image continues beyond the border, as for `convolve`; the default is ``reflect``. None of
        them darkens or brightens the edge of an image that continues like this.
    axes : int or sequence of int, optional
        The axis of `x` for each axis of the kernel, as for `convolve`.
    nan : {'propagate', 'ignore'}, optional
        With ``ignore``, samples that are NaN are missing. Otherwise they are an error.
    mask : array_like of bool, optional
        False where a sample is missing, such as a saturated one. It has no effect, and the image is restored
        underneath it as far as samples around it know about it.
    total_variation : float, optional
        Weight of the total variation of the image, which keeps edges and smooths noise: 0 for none, some 0.002 to
        0.02, and less than ``1 / (2 * psf.ndim)``.
    tolerance : float, optional
        Stop when a step changes the image by less than this share, both as root mean squares.
    noise : float, optional
        Standard deviation of the noise, in the unit of `x`. Stop when `x` differs from the blurred estimate by no
        more than that, as a root mean square (the discrepancy principle): what remains is noise.
    start : array_like, optional
        The estimate to start from, without negative samples; the default is flat.
    progress : callable, optional
        Called as ``progress(step, estimate)`` after each step, counted from 1. If it returns True, the iteration
        ends. The estimate is valid during the call; copy it to keep it.

    Returns
    -------
    ndarray or torch.Tensor
        The restored image, of the shape of `x`, never negative: float32 for floats and integers that are narrow
        enough for it, float64 otherwise.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    tikhonov, wiener : Linear methods, in a single step or few.

    Notes
    -----
    With the blur A, its exact transpose for the border, and m, 0 at missing samples and 1 elsewhere, a step is
    :math:`u \leftarrow \frac{u}{A^T m} \cdot A^T \frac{m x}{A u}` [1]_ [2]_. Its fixed points have the largest
    likelihood of independent Poisson counts. With a weight t of total variation, the result is divided by
    :math:`1 - t\,\mathrm{div}(\nabla u / |\nabla u|)` [3]_. Five arrays of the size of `x` are needed, at most, and
    some more for total variation.

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", JOSA 62 (1972), 55-59.
    .. [2] L. B. Lucy, "An iterative technique for the rectification of observed distributions", The Astronomical
       Journal 79 (1974), 745-754.
    .. [3] N. Dey et al., "Richardson-Lucy algorithm with total variation regularization for 3D confocal microscope
       deconvolution", Microscopy Research and Technique 69 (2006), 260-266.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> stars, psf = np.zeros(12), fa.gaussian(1.0, ndim=1)
    >>> stars[[3, 11]] = 100.0
    >>> x = fa.convolve(stars, psf)
    >>> x.round()
    array([ 0.,  5., 24., 40., 24.,  5.,  0.,  0.,  0.,  6., 30., 64.])
    >>> fa.restore.richardson_lucy(x, psf, 500).round()
    array([  0.,   0.,   0., 100.,   0.,   0.,   0.,   0.,   0.,   0.,   0.,
           100.])
    """
    steps = integer("iterations", iterations, 0)
    seen = observe(x, psf, mode, axes, nan, mask)
    _check_signs(seen)
    most = 1 / (2 * len(seen.axes))
    weight = non_negative("total_variation", total_variation)
    if weight >= most:
        raise ArgumentError("total_variation", f"a number from 0 to less than {most:g}", repr(total_variation))
    limit = None if noise is None else seen.reduced(non_negative("noise", noise))
    iteration = _Iteration(seen, _first(seen, start), weight)
    tolerance, progress = non_negative("tolerance", tolerance), seen.told(check_callable("progress", progress))
    for step in range(1, steps + 1):
        iteration.blur()
        if limit is not None and iteration.discrepancy() <= limit:
            break
        before = +iteration.estimate if tolerance else None
        iteration.sharpen()
        if progress is not None and progress(step, iteration.estimate) is True:
            break
        if before is not None and _norm(iteration.estimate - before) <= tolerance * _norm(before):
            break
    return seen.labelled(seen.restored(iteration.estimate))  # type: ignore[no-any-return]


class _Iteration:
    """The estimate, and the arrays that are overwritten in every step; tensors are made anew, for their gradients."""

    def __init__(self, seen: Observation, estimate: Any, weight: float) -> None:
        x, self._seen, self._weight, self.estimate = seen.samples, seen, weight, estimate
        zeros = (x.detach() if is_tensor(x) else x) * 0
        ones = zeros + (1 if seen.present is None else seen.present)
        seen_by = seen.blur.T(ones)
        largest = float(seen_by.max())
        unseen = seen_by <= 1e-6 * largest
        self._unseen = unseen if bool(unseen.any()) else None
        # What is seen nowhere keeps its value: its correction is 1.
        self._share = seen_by if self._unseen is None else seen_by * ~unseen + unseen * 1.0
        #: Estimates whose blur is smaller count as that much, so that quotients can be added up.
        self._least = max(float(x.detach().max() if is_tensor(x) else x.max()), 1e-20) * 1e-15
        self._expected: Any = None
        self._corrections: Any = None
        if not is_tensor(x):
            self._share = self._share.astype(x.dtype)
            self._expected = np.empty_like(x, order="C")
            self._corrections = np.empty(seen.blur.extended_shape, x.dtype)

    def blur(self) -> None:
        """Compute the samples that the estimate would give."""
        memory = None if is_tensor(self.estimate) else self._expected  # gradients need what tensors held
        self._expected = self._seen.blur.forward(self.estimate, memory)

    def discrepancy(self) -> float:
        """Return the root mean square of what the estimate leaves of the samples."""
        rest = self._seen.masked(self._seen.samples - self._expected)
        return _norm(rest) / math.sqrt(max(self._seen.count, 1))

    def sharpen(self) -> None:
        """Correct the estimate by the quotients of the samples and what was expected."""
        x, least, transpose = self._seen.samples, self._least, self._seen.blur.transpose
        weights = self._share
        if self._weight:
            flat = 1e-6 * _norm(self.estimate) / math.sqrt(math.prod(self.estimate.shape))
            weights = weights * (1 - self._weight * curvature(self.estimate, self._seen.axes, flat))
        if is_tensor(x):
            corrections = transpose(x / self._expected.clamp(min=least))
            if self._unseen is not None:
                corrections = corrections * ~self._unseen + self._unseen * 1.0
            self.estimate = self.estimate * corrections / weights
            return
        expected = self._expected

        def divide(part: slice) -> None:
            below = expected[part]
            np.maximum(below, least, out=below)
            np.divide(x[part], below, out=below)

        _by_parts(divide, x)
        corrections = transpose(expected, self._corrections)
        if self._unseen is not None:
            corrections[self._unseen] = 1.0
        estimate = self.estimate

        def correct(part: slice) -> None:
            np.multiply(estimate[part], corrections[part], out=estimate[part])
            np.divide(estimate[part], weights[part], out=estimate[part])

        _by_parts(correct, x)


def _by_parts(work: Callable[[slice], None], x: NDArray[Any]) -> None:
    """Do the work on a part of the first axis at a time, on all threads."""
    length = len(x)
    rows = max(1, _PART * length // max(x.nbytes, 1))
    share(work, [slice(a, a + rows) for a in range(0, length, rows)], worker_count())


def _norm(values: Any) -> float:
    values = values.detach() if is_tensor(values) else values
    return math.sqrt(float((values * values).sum()))


def _first(seen: Observation, start: Any) -> Any:
    """Return the estimate to start from."""
    x = seen.samples
    if start is not None:
        estimate = alike("start", start, x)
        if not bool((estimate >= 0).all()):
            raise ArgumentError("start", "no negative samples and no NaN", "some")
        return seen.reduced(estimate)
    total = x.detach().sum() if is_tensor(x) else x.sum()  # a level has no effect after one step
    level = float(total) / max(seen.count, 1) / float(seen.psf.taps.sum())
    return x.new_full(x.shape, level) if is_tensor(x) else np.full(x.shape, level, x.dtype)


def _check_signs(seen: Observation) -> None:
    """Raise an error unless samples and taps are real and not negative."""
    taps, x = seen.psf.taps, seen.samples
    if taps.dtype.kind == "c" or (taps < 0).any() or not taps.any():
        remedy = "For other kernels, use tikhonov or wiener."
        raise ArgumentError("psf", "real taps that are not negative, and not all zero", "others", remedy)
    if x.is_complex() if is_tensor(x) else x.dtype.kind == "c":
        raise ArgumentError("x", "real samples", f"dtype {x.dtype}", "Use tikhonov or wiener.")
    if not bool((x >= 0).all()):
        remedy = "Add the background that was subtracted, or pass x.clip(0)."
        raise ArgumentError("x", "samples that are not negative, as counts are", f"{float(x.min()):g}", remedy)

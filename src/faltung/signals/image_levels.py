"""What is in an array at coarse and at fine scales? Pyramids, from which the array is rebuilt to rounding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import integer
from faltung.kernels import Kernel, binomial
from faltung.signals.given_axes import given_axes, is_labelled
from faltung.signals.level_steps import LevelFilter, expanded_with, reduced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["Pyramid", "collapse", "pyramid"]

_KINDS = ("gaussian", "laplacian")
_MOST_LEVELS = 64


@dataclass(frozen=True, eq=False)
class Pyramid(Sequence[Any]):
    """The levels of an array, from the finest to the coarsest, as `pyramid` returns them.

    It is a sequence of arrays: ``len(p)``, ``p[0]``, ``for level in p``.

    Attributes
    ----------
    levels : tuple of array
        The levels.
    kind : str
        ``gaussian`` or ``laplacian``.
    kernel : Kernel
        The filter along each axis.
    axes : tuple of int
        The axes that are halved.
    modes : tuple of str
        How levels continue beyond their border along each of these axes.
    cval : complex
        The value beyond the border, for the mode ``constant``.
    nan : str
        Whether NaN is a value, ``propagate``, or a missing sample, ``ignore``.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> p = fa.pyramid(np.arange(8.0), 3)
    >>> p, len(p), p[2].round(2)
    (Pyramid(gaussian: 8, 4, 2), 3, array([1.15, 3.88]))
    """

    levels: tuple[Any, ...]
    kind: str
    kernel: Kernel
    axes: tuple[int, ...]
    modes: tuple[str, ...]
    cval: complex = 0.0
    nan: str = "propagate"

    def __getitem__(self, index: Any) -> Any:
        """Return a level."""
        return self.levels[index]

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.levels)

    def __iter__(self) -> Iterator[Any]:
        """Return the levels one by one."""
        return iter(self.levels)

    def __repr__(self) -> str:
        """Return the shapes of the levels."""
        shapes = ", ".join(" x ".join(map(str, level.shape)) for level in self.levels)
        return f"Pyramid({self.kind}: {shapes})"

    def replaced(self, levels: Sequence[Any]) -> Pyramid:
        """Return a pyramid with other levels of the same shapes, for example blended with those of another one.

        Raises
        ------
        ArgumentError
            There are fewer or more levels, or one has another shape.

        Examples
        --------
        >>> import numpy as np
        >>> import faltung as fa
        >>> p = fa.pyramid(np.arange(8.0), 2, "laplacian")
        >>> sharper = p.replaced([2 * p[0], p[1]])
        """
        wanted = [tuple(level.shape) for level in self.levels]
        given = [tuple(level.shape) for level in levels]
        if wanted != given:
            raise ArgumentError("levels", f"arrays of the shapes {wanted}", f"shapes {given}")
        return replace(self, levels=tuple(levels))


def pyramid(
    x: ArrayLike,
    levels: int,
    kind: str = "gaussian",
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: complex = 0.0,
    *,
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    kernel: Kernel | None = None,
    nan: str = "propagate",
    workers: int | None = None,
) -> Pyramid:
    """Return an array at one scale after another, each with half as many samples along each axis.

    The levels of a Gaussian pyramid are smoothed, and every second sample is kept; those of a Laplacian pyramid are
    what is lost by that, and the last level is what is left::

        g[0] = x,    g[i + 1] = (k * g[i])[::2],    l[i] = g[i] - expand(g[i + 1]),    l[last] = g[last]

    where ``expand`` puts zeros between samples and convolves with ``2 k``, along each axis.

    Parameters
    ----------
    x : array_like, torch.Tensor, dask.array.Array or xarray.DataArray
        The array, of any shape: a level of n samples is followed by one of ``ceil(n / 2)``. Tensors have gradients.
    levels : int
        Number of levels, with the first one.
    kind : {'gaussian', 'laplacian'}, optional
        Which pyramid.
    mode, cval : optional
        How levels continue beyond their border, as for `convolve`: one mode, or one for each axis.
    axes : int or sequence of int, optional
        The axes that are halved; all by default. For a colour image of shape (height, width, 3), use ``axes=(0, 1)``.
    dims : str or sequence of str, optional
        The names of the axes, in place of `axes`, for an array of xarray.
    kernel : Kernel, optional
        The filter along each axis; ``binomial(4, ndim=1)`` by default, which is (1, 4, 6, 4, 1) / 16.
    nan : {'propagate', 'ignore'}, optional
        Whether a NaN is a missing sample. The array is rebuilt with NaN where samples are missing.
    workers : int, optional
        Number of threads, as for `convolve`.

    Returns
    -------
    Pyramid
        The levels, a sequence of arrays of the kind of `x`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    collapse : The array again, from a Laplacian pyramid.
    resample : Any other rate.

    Notes
    -----
    Sample i of a level is at sample 2 i of the one before, so that nothing moves. Where the even taps of k and its
    odd taps sum to one half each, the difference levels of a constant are zero.

    P. J. Burt and E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on Communications
    31, 1983.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.array([0.0, 0.0, 16.0, 0.0, 0.0])
    >>> fa.pyramid(x, 2)[1]
    array([1., 6., 1.])
    >>> p = fa.pyramid(np.random.default_rng(0).random((5, 13)), 3, "laplacian")
    >>> p
    Pyramid(laplacian: 5 x 13, 3 x 7, 2 x 4)
    """
    count = integer("levels", levels, 1, _MOST_LEVELS)
    if kind not in _KINDS:
        raise ArgumentError("kind", "'gaussian' or 'laplacian'", repr(kind))
    if kernel is not None and (not isinstance(kernel, Kernel) or kernel.ndim != 1):
        received = f"one with {kernel.ndim}" if isinstance(kernel, Kernel) else f"a {type(kernel).__name__}"
        raise ArgumentTypeError("kernel", "a Kernel with one axis", received, "Named filters take ndim=1.")
    given = given_axes(x, None, mode, axes, dims, nan)
    taps = _usual() if kernel is None else kernel
    made = Pyramid((), kind, taps, given.axes, given.modes, cval, given.nan)
    how = _filter_of(made)
    scales: list[Any] = [x if is_labelled(x) else given.data]
    for _ in range(count - 1):
        scales.append(reduced(scales[-1], how, workers))
    if kind == "laplacian":
        for i, (fine, coarse) in enumerate(itertools.pairwise([*scales])):
            scales[i] = expanded_with(fine, coarse, how, -1, workers)
    return replace(made, levels=tuple(scales))


def collapse(levels: Pyramid, *, workers: int | None = None) -> Any:
    """Return the array that has this Laplacian pyramid: ``g[i] = l[i] + expand(g[i + 1])``.

    Parameters
    ----------
    levels : Pyramid
        What `pyramid` returned for ``kind="laplacian"``, or `Pyramid.replaced`.
    workers : int, optional
        Number of threads, as for `convolve`.

    Returns
    -------
    array
        The array, equal to rounding for every shape and every mode.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        It is no Laplacian pyramid.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.random.default_rng(0).random((5, 13))
    >>> bool(np.allclose(fa.collapse(fa.pyramid(x, 3, "laplacian")), x, rtol=1e-15, atol=1e-15))
    True
    """
    if not isinstance(levels, Pyramid):
        remedy = "Keep what fa.pyramid returned, and change its levels with p.replaced(levels)."
        raise ArgumentTypeError("levels", "a Pyramid", f"a {type(levels).__name__}", remedy)
    if levels.kind != "laplacian":
        remedy = "Its first level is the array itself."
        raise ArgumentError("levels", "a Laplacian pyramid", "a Gaussian one", remedy)
    x, how = levels[-1], _filter_of(levels)
    for fine in levels[-2::-1]:
        x = expanded_with(fine, x, how, 1, workers)
    return x


def _filter_of(made: Pyramid) -> LevelFilter:
    """Return how the levels of a pyramid are filtered."""
    return LevelFilter(made.kernel, made.axes, made.modes, made.cval, made.nan)


@cache
def _usual() -> Kernel:
    """Return the filter of pyramids that were not given one."""
    return binomial(4, ndim=1)

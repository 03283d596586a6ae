"""Where in an array is a pattern? The coefficient of correlation of templates with every window."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.arrays import as_array
from faltung.ground.checks import integer
from faltung.ground.regions import check_shape, regions
from faltung.planning.question import Options
from faltung.signals.match_question import as_present, searched, template_axes
from faltung.signals.match_tiles import match_array
from faltung.signals.templates import as_templates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["lags", "match"]

#: Modules that match arrays of other libraries: the library, the class of its arrays, the module.
_DOORS = (
    ("torch", "Tensor", "faltung.signals.match_tensor"),
    ("xarray", "DataArray", "faltung.signals.match_labels"),
    ("dask.array", "Array", "faltung.signals.match_chunks"),
)


def match(
    x: ArrayLike,
    templates: ArrayLike | Sequence[ArrayLike],
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: float = 0.0,
    *,
    mask: ArrayLike | Sequence[ArrayLike] | None = None,
    shape: str = "valid",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    normalised: bool = True,
    nan: str = "propagate",
    valid: ArrayLike | None = None,
    min_weight: float = 0.0,
    workers: int | None = None,
) -> NDArray[Any]:
    r"""Return how well templates match an array at every position, as coefficients of correlation from -1 to 1.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of real numbers: of NumPy, torch (the result has gradients), xarray (it keeps its labels) or dask (it
        stays lazy).
    templates : array_like or list of array_like
        A template with as many axes as `x`, or as are named by `axes` or `dims`; or several of one shape, as a list
        or a stack along a new first axis. They share the Fourier transforms of `x`.
    mode, cval
        How `x` continues beyond its border, as for `convolve`; ``shape="valid"`` needs none of it.
    mask : array_like of bool, optional
        True for the samples of a template that count, in the shape of one template, or of the stack.
    shape : {'valid', 'same', 'full'}, optional
        Which positions: ``valid``, those at which the template is inside `x`, where output n is for the template's
        first sample on ``x[n]``; ``same``, one for each sample of `x`, where output n is for the template's centre,
        its sample ``size // 2``, on ``x[n]``; ``full``, all at which they overlap. `lags` returns where the first
        sample of the template is. Labels of a result are, for every shape, those of the template's centre.
    axes : int or sequence of int, optional
        The axis of `x` for each axis of a template. The default is all; if some are named, the others are a batch.
    dims : str or sequence of str, optional
        The names of these axes, for an array whose axes have names.
    normalised : bool, optional
        Whether the result is a coefficient; otherwise it is the covariance, summed over the window.
    nan : {'propagate', 'ignore'}, optional
        Whether a NaN in `x` makes every score NaN whose window has it, or is a missing sample.
    valid : array_like of bool, optional
        False where a sample of `x` is missing, in a shape that broadcasts to that of `x`. Each score is that of the
        samples present.
    min_weight : float, optional
        Share of the samples of a template that must be present in a window, from 0 to 1; otherwise the score is NaN.
        Scores of few samples are high by chance.
    workers : int, optional
        Number of threads; the result does not depend on it.

    Returns
    -------
    ndarray or torch.Tensor
        The scores, in the precision of `convolve`; several templates have a new first axis, which xarray calls
        ``template``. They are zero where the window has no spread, and NaN where it has no sample.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do. A template without spread is one.

    See Also
    --------
    peaks : The positions of the highest scores.
    lags : Where the template is for each output along an axis.

    Notes
    -----
    With weights w, one where template t and window x have a sample and zero elsewhere [1]_,

    .. math:: \frac{\sum w t x - \sum w t \sum w x / \sum w}
       {\sqrt{(\sum w t^2 - (\sum w t)^2 / \sum w) (\sum w x^2 - (\sum w x)^2 / \sum w)}}.

    All sums are in double precision. Arrays of NumPy are computed tile by tile, less a constant close to the mean of
    the tile, so a mean that is large beside the spread costs no digits. A tile has about a million outputs, or as
    many as the template has samples along each axis if that is more: scratch is within 200 MB for templates of up to
    500 x 500 samples, for any size of `x`. A chunk of dask is matched like an array.

    References
    ----------
    .. [1] D. Padfield, "Masked object registration in the Fourier domain", IEEE Transactions on Image Processing 21
       (2012), 2706-2718.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> fa.match(np.array([0.0, 1.0, 3.0, 2.0, 2.0, 2.0, 7.0]), [1.0, 3.0, 2.0]).round(3)
    array([ 0.327,  1.   , -0.866,  0.   ,  0.   ])
    """
    if not isinstance(normalised, bool | np.bool_):
        raise ArgumentError("normalised", "True or False", repr(normalised))
    options = Options(False, mode, cval, shape, axes, None, nan=nan, min_weight=min_weight, dims=dims)
    options = options._replace(masked=valid is not None)
    for library, name, module in _DOORS:
        kind = getattr(sys.modules.get(library), name, None)
        if kind is not None and isinstance(x, kind):
            door: Any = importlib.import_module(module)
            return door.match_any(x, templates, mask, options, valid, bool(normalised), workers)  # type: ignore[no-any-return]
    array = as_array(x, "x")
    given = as_templates(templates, mask, template_axes(array, axes, dims))
    search, result = searched(array.shape, array.dtype, given, options, bool(normalised))
    scores = match_array(array, given, search, as_present(valid, array.shape), result, workers)
    return scores if given.several else scores[0]


def lags(n: int, size: int, shape: str = "full") -> NDArray[np.int64]:
    """Return the positions of a template's first sample for each output along an axis.

    Parameters
    ----------
    n : int
        Number of samples of the array along the axis.
    size : int
        Number of samples of the template.
    shape : {'full', 'same', 'valid'}, optional
        Which outputs, as for `match` and `correlate`.

    Returns
    -------
    ndarray of int
        The lags, which rise by one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Notes
    -----
    They are those of `scipy.signal.correlation_lags`, except for ``same``, an odd `n` and an even `size`: there the
    first lag is ``-(size // 2)``, as for every other array, and SciPy's is one higher.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.lags(5, 3, "same"), fa.lags(5, 3, "valid")
    (array([-1,  0,  1,  2,  3]), array([0, 1, 2]))
    """
    n, size = integer("n", n, 1), integer("size", size, 1)
    ((start, stop),) = regions(check_shape(shape), [n], [size], [size // 2]).bounds
    return np.arange(start, stop, dtype=np.int64) - size // 2

"""How are missing samples interpolated as in astropy? By sums over the taps on samples that are present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.planning.kept import plan_of
from faltung.planning.question import Options
from faltung.run.entry import execute

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["interpolated", "plain_sums"]


def plain_sums(
    x: NDArray[Any], taps: NDArray[np.float64], mode: str, cval: float, shape: str = "same", **more: Any
) -> NDArray[np.float64]:
    """Convolve an array with taps, in double precision.

    Parameters
    ----------
    x, taps, mode, cval, shape
        As for `faltung.convolve`.
    more
        Further options that are not the default.
    """
    # A kernel is made of the taps if there is no plan for them.
    options = Options(True, mode, cval, shape, dtype=np.float64, **more)
    return execute(plan_of(x.shape, x.dtype, taps, options), x)


def interpolated(
    x: NDArray[np.float64],
    taps: NDArray[np.float64],
    mode: str,
    cval: float,
    shape: str = "same",
    least: float | None = None,
) -> NDArray[np.float64]:
    """Return the sums of the samples that are not NaN, over the sums of their taps; NaN where there are none.

    Parameters
    ----------
    x, taps, mode, cval, shape
        As for `faltung.convolve`; a constant that is NaN is missing, too.
    least : float, optional
        Where the sum of the taps is less than this, the result is NaN; a sum can be negative, if taps are.
    """
    total = float(taps.sum())
    # For taps of one sign, a missing sample counts as the mean of the others, and that is this quotient.
    share = 0.0 if least is None else least / total
    if taps.min() >= 0 and total > 0 and share <= 1:
        return plain_sums(x, taps / total, mode, cval, shape, nan="ignore", min_weight=share)
    present = ~np.isnan(x)
    outside = 0.0 if cval != cval else 1.0
    sums = plain_sums(np.where(present, x, 0.0), taps, mode, cval if outside else 0.0, shape)
    # Taps of both signs may cancel: their sum has to be exact where it is small.
    weights = plain_sums(present, taps, mode, outside, shape, accuracy="pointwise", method="direct")
    undefined = weights == 0.0 if least is None else weights < least
    with np.errstate(divide="ignore", invalid="ignore"):
        result = sums / weights
    result[undefined] = np.nan
    return result

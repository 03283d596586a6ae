"""Which filter leads from this input to this output? It is fitted to data, exactly or by gradient.

- `least_squares`: the exact filter of smallest squared error, `fit_filter`.
- `gradient_filter`: the filter for any other loss, by gradient descent with torch, `fit_filter_by_gradient`.
- `closest`: the named kernel that is most like a fitted filter, `closest_named`.
- `fit_report`: the risks of a filter, and how well the data determine it.

They share the data: `pairs` holds inputs and targets as the caller passed them, `sections` reads them piece by piece,
`tiles` cuts them, `fit_data` splits the tiles into training and held-out ones, `held_out` computes the risk on these.

The exact filter is the solution of `normal_equations`. Their sums come from sums over lags (`gram_sum`, `lag_sums`),
or window by window (`row_sums`). Solving them means to minimise a quadratic function (`quadratic`), if asked for
without negative taps (`nonnegative`) or with equal taps (`ties`).

The names below are loaded when they are first used. Only `fit_filter_by_gradient` needs torch.

Examples
--------
>>> import numpy as np
>>> import faltung as fa
>>> x = np.random.default_rng(0).normal(size=(50, 60))
>>> k, report = fa.fit_filter(x, fa.gaussian(1.0)(x), size=7)
>>> fa.fit.closest_named(k).kernel
gaussian(1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltung.ground.faces import load_when_used

if TYPE_CHECKING:
    from faltung.fit.closest import ClosestKernel as ClosestKernel
    from faltung.fit.closest import closest_named as closest_named
    from faltung.fit.fit_report import DescentReport as DescentReport
    from faltung.fit.fit_report import FitReport as FitReport
    from faltung.fit.gradient_filter import fit_filter_by_gradient as fit_filter_by_gradient
    from faltung.fit.least_squares import fit_filter as fit_filter

_MODULE_OF = {
    "ClosestKernel": "faltung.fit.closest",
    "DescentReport": "faltung.fit.fit_report",
    "FitReport": "faltung.fit.fit_report",
    "closest_named": "faltung.fit.closest",
    "fit_filter": "faltung.fit.least_squares",
    "fit_filter_by_gradient": "faltung.fit.gradient_filter",
}

__all__ = sorted(_MODULE_OF)

__getattr__, __dir__ = load_when_used(__name__, _MODULE_OF, extra="learn")

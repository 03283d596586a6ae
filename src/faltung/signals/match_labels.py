"""How are templates matched in an array of xarray? Names become axes, its data are matched, labels come back."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.kernels import Bank, Kernel
from faltung.labelled.xarray_door import NEW_DIM, prepare, relabelled
from faltung.planning.question import Options
from faltung.signals.match_question import template_axes
from faltung.signals.matching import match
from faltung.signals.templates import as_templates

__all__ = ["match_any"]

#: The name of the axis of several templates.
_TEMPLATE = "template"


def match_any(
    x: Any, templates: Any, mask: Any, options: Options, valid: Any, normalised: bool, workers: int | None
) -> Any:
    """Return the scores for an array of xarray; the arguments are those of `faltung.match`."""
    given = as_templates(templates, mask, template_axes(x, options.axes, options.dims))
    window = Kernel(np.ones(given.shape))
    filters = Bank.stack([window] * len(given.taps)) if given.several else window
    call = prepare(x, filters, options, None, valid)._replace(units=None)
    how = call.options
    scores = match(
        x.data,
        templates,
        how.mode,
        how.cval,
        mask=mask,
        shape=how.shape,
        axes=how.axes if how.axes is not None else range(x.ndim),
        normalised=normalised,
        nan=how.nan,
        valid=call.valid,
        min_weight=how.min_weight,
        workers=workers,
    )
    result = relabelled(x, scores, call)
    return result.rename({NEW_DIM: _TEMPLATE}) if given.several else result

"""How are templates matched in an array of dask? Each chunk with the samples behind it that its windows need."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from faltung.chunked.dask_input import as_chunked_valid, check_dask
from faltung.errors import ArgumentError
from faltung.planning.question import Options
from faltung.signals.match_question import searched, template_axes
from faltung.signals.match_tiles import Search, match_array
from faltung.signals.templates import Templates, as_templates

__all__ = ["match_any"]

#: The name in dask of each mode but ``constant``.
_PADDING = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


def match_any(
    x: Any, templates: Any, mask: Any, options: Options, valid: Any, normalised: bool, workers: int | None
) -> Any:
    """Return the scores for a dask array, lazily; the arguments are those of `faltung.match`."""
    check_dask("x", x)
    given = as_templates(templates, mask, template_axes(x, options.axes, options.dims))
    search, result = searched(x.shape, x.dtype, given, options, normalised)
    lengths = [x.shape[axis] for axis in search.axes]
    if any(n < size for n, size in zip(lengths, given.shape, strict=True)):
        remedy = "Pass x.compute()."
        raise ArgumentError("templates", f"at most the shape of x, {tuple(lengths)}", f"{given.shape}", remedy)
    blocks = [_overlapping(x, x.chunks, search, given, search.cval)]
    if valid is not None:
        inside = as_chunked_valid("mask", valid, True, x)
        blocks.append(_overlapping(da.broadcast_to(inside, x.shape), x.chunks, search, given, True))
    outputs = list(blocks[0].chunks)
    for axis, size in zip(search.axes, given.shape, strict=True):
        outputs[axis] = tuple(length - (size - 1) for length in outputs[axis])
    scores = da.map_blocks(
        _scores,
        *blocks,
        templates=given,
        search=search,
        result=result,
        workers=workers,
        new_axis=0,
        chunks=((len(given.taps),), *outputs),
        dtype=result,
        meta=np.empty((0,) * (x.ndim + 1), result),
    )
    return scores if given.several else scores[0]


def _scores(
    block: np.ndarray[Any, Any],
    inside: np.ndarray[Any, Any] | None = None,
    *,
    templates: Templates,
    search: Search,
    result: np.dtype[Any],
    workers: int | None,
) -> np.ndarray[Any, Any]:
    """Return the scores of all windows inside a block."""
    within = tuple((0, block.shape[axis] - size + 1) for axis, size in zip(search.axes, templates.shape, strict=True))
    return match_array(block, templates, search._replace(regions=within), inside, result, workers)


def _overlapping(x: Any, chunks: Any, search: Search, templates: Templates, cval: Any) -> Any:
    """Return an array whose chunks end with the first samples of the next one, as many as windows reach beyond."""
    x, behind = x.rechunk(chunks), dict.fromkeys(range(x.ndim), (0, 0))
    places = [*zip(search.axes, search.regions, search.modes, templates.shape, strict=True)]
    for axis, (start, stop), mode, size in sorted(places, key=lambda place: place[2] == "constant"):
        behind[axis] = (0, size - 1)
        more = (-start, stop + size - 1 - x.shape[axis])
        if more == (0, 0):
            continue
        widths = [(0, 0)] * x.ndim
        widths[axis] = more
        if mode == "constant":  # last, since it is the value beyond the border of any such axis
            x = da.pad(x.astype(np.result_type(x.dtype, type(cval))), widths, mode, constant_values=cval)
        else:
            x = da.pad(x, widths, _PADDING[mode])
    return da.overlap.overlap(x, behind, "none", allow_rechunk=True)

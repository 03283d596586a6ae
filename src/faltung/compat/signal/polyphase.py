"""How is a signal filtered between two sampling rates? Each phase of the taps is a filter of a bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.compat.signal.odd_borders import ODD_MODES, extend_first_axis
from faltung.compat.signal.regional import Region, convolve_region
from faltung.kernels.phases import PhaseBank, phase_banks

__all__ = ["BORDERS", "RateChange", "change_rate"]

#: How the modes of the peer are called here. Those of `odd_borders` extend the signal first.
BORDERS = {
    "constant": "constant",
    "symmetric": "reflect",
    "reflect": "mirror",
    "edge": "nearest",
    "wrap": "wrap",
    **dict.fromkeys(ODD_MODES, "constant"),
}


@dataclass(frozen=True)
class RateChange:
    """A filter between two sampling rates: ``y[t] = sum over k of h[t * down + offset - k * up] * x[k]``.

    Parameters
    ----------
    up, down : int
        The factors of the rate.
    offset : int
        The tap that the first sample has in the first output.
    count : int
        Number of outputs.
    """

    up: int
    down: int
    offset: int
    count: int


def change_rate(
    x: NDArray[Any], h: NDArray[Any], rates: RateChange, axis: int, result: np.dtype[Any], mode: str, cval: complex
) -> NDArray[Any]:
    """Return the outputs of a filter between two sampling rates, along one axis.

    Parameters
    ----------
    x : ndarray
        An array with at least one sample.
    h : ndarray
        The taps at the higher rate.
    rates : RateChange
        The factors, and which outputs are computed.
    axis : int
        The axis, not negative.
    result : dtype
        The dtype of the result.
    mode, cval
        How the array continues beyond its ends: a name in `BORDERS`.

    Returns
    -------
    ndarray
        The outputs, `count` of them on the axis.
    """
    if h.dtype.kind == "c" and not h.imag.any():
        h = h.real
    if x.dtype.kind == "c" and h.dtype.kind != "c" and not (mode == "constant" and cval):
        pairs = np.ascontiguousarray(x).view(x.real.dtype).reshape(*x.shape, 2)
        y = change_rate(pairs, h, rates, axis, result.type().real.dtype, mode, cval)
        return np.ascontiguousarray(y).view(result)[..., 0]
    banks = phase_banks(h, rates.up, rates.down, rates.offset, result.itemsize)
    periods = -(-rates.count // rates.up)
    start = 0
    if mode in ODD_MODES:
        low = min(bank.lag for bank in banks)
        high = max(bank.lag + bank.taps.shape[-1] for bank in banks)
        start = max(high - 1, 0)
        after = max((periods - 1) * rates.down - low - x.shape[axis] + 1, 0)
        x = extend_first_axis(x.swapaxes(axis, 0).astype(result), mode, start, after).swapaxes(0, axis)
    # The channels out are the phases: interleaved, they are the outputs in their order.
    shape = (*x.shape[:axis], periods, rates.up, *x.shape[axis + 1 :])
    bounds = (start, start + (periods - 1) * rates.down + 1)
    region = Region((axis,), (bounds,), result, BORDERS[mode], cval, rates.down, axis + 1)
    y = _interleaved(np.expand_dims(x, axis + 1), banks, region, shape)
    y = y.reshape(*shape[:axis], periods * rates.up, *shape[axis + 2 :])
    return y[(*(slice(None),) * axis, slice(rates.count))]


def _interleaved(x: NDArray[Any], banks: list[PhaseBank], region: Region, shape: tuple[int, ...]) -> NDArray[Any]:
    """Compute all phases, by banks of neighbouring ones."""
    out = np.empty(shape, region.result) if len(banks) > 1 else None
    for first, taps, lag in banks:
        ((start, stop),) = region.bounds
        shifted = region._replace(bounds=((start - lag, stop - lag),))
        if out is None:
            return convolve_region(x, taps, shifted)
        part = (*(slice(None),) * (region.axes[0] + 1), slice(first, first + len(taps)))
        convolve_region(x, taps, shifted, out[part])
    return out  # type: ignore[return-value]  # there was more than one bank

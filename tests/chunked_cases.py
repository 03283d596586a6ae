"""Random calls of every kind, and whether a result that was computed in parts is the one computed in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import faltung as fa
from faltung.ground.boundary import MODES

DTYPES = ("f4", "f8", "f2", "u1", "i2", "i4", "c8", "c16", ">f4", "?")
LONGEST = {1: 40, 2: 17, 3: 8}


class Case(NamedTuple):
    """A call: the array, the filter, the mask or weights, and all other arguments."""

    x: NDArray[Any]
    kernel: fa.Kernel | fa.Bank
    valid: dict[str, NDArray[Any]]
    options: dict[str, Any]
    correlated: bool

    def __repr__(self) -> str:
        what = f"{self.x.shape} {self.x.dtype}, {self.kernel!r:.200} {self.kernel.shape} {self.kernel.origin}"
        return f"{what}, {[*self.valid]}, {self.options}, correlated={self.correlated}"

    @property
    def call(self) -> Any:
        """`convolve` or `correlate`."""
        return fa.correlate if self.correlated else fa.convolve

    def whole(self) -> NDArray[Any]:
        """Return the result that is computed in memory."""
        return self.call(self.x, self.kernel, **self.options, **self.valid, workers=1)


def drawn(rng: np.random.Generator, *values: Any) -> Any:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


def random_array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return samples; some floats are not finite."""
    values: NDArray[Any] = rng.integers(0, 9, shape) + (0 if np.dtype(dtype).kind in "iub" else rng.random(shape))
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.random(shape)
    x = values.astype(dtype)
    if x.size and x.dtype.kind in "fc" and rng.random() < 0.3:
        x[tuple(int(rng.integers(n)) for n in shape)] = drawn(rng, np.nan, np.inf, -np.inf)
    return x


def random_case(rng: np.random.Generator) -> Case:
    """Draw arrays of 1 to 3 axes and kernels or banks over any of them, which may be longer than the array."""
    ndim = int(drawn(rng, 1, 2, 2, 3))
    kernel_ndim = int(rng.integers(1, ndim + 1))
    channels = kernel_ndim < ndim and rng.random() < 0.4
    lengths = [int(n) for n in rng.integers(1, LONGEST[ndim] + 1, ndim)]
    axes = [int(axis) for axis in rng.permutation(ndim)]
    options: dict[str, Any] = {"axes": tuple(axes[:kernel_ndim])}
    sides = tuple(int(n) for n in rng.integers(1, {1: 12, 2: 6, 3: 4}[kernel_ndim] + 1, kernel_ndim))
    if rng.random() < 0.15:
        sides = tuple(3 * side for side in sides)
    kernel, groups = _filter(rng, sides, channels, rng.random() < 0.25)
    if channels:
        options |= {"channel_axis": axes[-1], "groups": groups}
        lengths[axes[-1]] = groups * kernel.in_channels
    _steps(rng, options, kernel_ndim, lengths, kernel.shape)
    x = random_array(rng, tuple(lengths), drawn(rng, *DTYPES))
    if rng.random() < 0.3 and not (x.dtype.kind == "c" or kernel.dtype.kind == "c"):
        options["dtype"] = drawn(rng, "u1", "i2", "f8", "f2", "c16")
    valid = _missing(rng, x, options, kernel)
    return Case(x, kernel, valid, options, bool(rng.integers(2)))


def _filter(rng: np.random.Generator, sides: tuple[int, ...], channels: bool, bank: bool) -> tuple[Any, int]:
    origin = tuple(int(rng.integers(-2, side + 2)) if rng.random() < 0.3 else side // 2 for side in sides)
    if not (channels or bank):
        return _kernel(rng, sides, origin), 1
    groups = int(drawn(rng, 1, 1, 2)) if channels else 1
    ins = int(drawn(rng, 1, 2, 3)) if channels else 1
    outs = groups * int(drawn(rng, 1, 2, 3))
    taps = rng.integers(-3, 4, (outs, ins, *sides)) / 4.0
    taps[..., 0] += 1.0 * ~taps.any(axis=tuple(range(2, taps.ndim)), keepdims=True)[..., 0]
    return fa.Bank(taps, origin), groups


def _kernel(rng: np.random.Generator, sides: tuple[int, ...], origin: tuple[int, ...]) -> fa.Kernel:
    kind = drawn(rng, "whole", "real", "box", "complex" if rng.random() < 0.3 else "real", "positive")
    if kind == "box":
        return fa.box(sides)
    taps = rng.integers(-3, 4, sides).astype(float) + 1.0 * (np.arange(np.prod(sides)).reshape(sides) == 0) / 8
    taps += {"whole": 0, "positive": 4}.get(kind, rng.random(sides))
    return fa.Kernel(taps * (1 + 0.5j) if kind == "complex" else taps, origin)


def _steps(
    rng: np.random.Generator, options: dict[str, Any], count: int, lengths: list[int], sides: tuple[int, ...]
) -> None:
    """Draw modes, strides, dilations and which outputs there are."""
    options["shape"] = drawn(rng, "same", "same", "full", "valid")
    options["mode"] = tuple(drawn(rng, *MODES) for _ in range(count)) if rng.random() < 0.5 else drawn(rng, *MODES)
    options["cval"] = drawn(rng, 0.0, 1.5, np.nan)
    if rng.random() < 0.3:
        options["stride"] = tuple(int(rng.integers(1, 5)) for _ in range(count))
    if rng.random() < 0.3:
        options["dilation"] = tuple(int(rng.integers(1, 4)) for _ in range(count))
    if options["shape"] == "valid":
        steps = options.get("dilation", (1,) * count)
        covered = [step * (side - 1) + 1 for step, side in zip(steps, sides, strict=True)]
        places = [lengths[axis] for axis in options["axes"]]
        if any(c > n for c, n in zip(covered, places, strict=True)) and any(
            c < n for c, n in zip(covered, places, strict=True)
        ):
            options["shape"] = "same"


def _missing(rng: np.random.Generator, x: NDArray[Any], options: dict[str, Any], kernel: Any) -> dict[str, Any]:
    if rng.random() < 0.6 or (isinstance(kernel, fa.Bank) and kernel.in_channels > 1):
        return {}
    options["min_weight"] = drawn(rng, 0.0, 0.3137)
    options["nan"] = drawn(rng, "ignore", "propagate")
    if options["shape"] == "same" and "stride" not in options and "channel_axis" not in options:
        options["keep_nan"] = bool(rng.integers(2))
    shape = tuple(drawn(rng, 1, n) for n in x.shape)[int(rng.integers(2)) * (x.ndim > 1) :]
    kind = drawn(rng, "mask", "weights", "none")
    if kind == "mask":
        return {"mask": rng.random(shape) < 0.7}
    return {"weights": rng.integers(0, 5, shape) / 4.0} if kind == "weights" else {}


def assert_same(part: NDArray[Any], whole: NDArray[Any], case: Case) -> None:
    """Raise unless a result in parts is that in memory, up to rounding."""
    assert part.dtype == whole.dtype, case
    assert part.shape == whole.shape, case
    if whole.dtype.kind in "iu":
        # Sums that are no whole numbers may be rounded the other way.
        assert np.abs(part.astype(int) - whole.astype(int)).max(initial=0) <= 1, (case, part, whole)
        return
    finite = np.abs(case.x.astype(complex))
    scale = np.abs(case.kernel.taps).sum() * max(finite[np.isfinite(finite)].max(initial=0.0), 1.5)
    single = np.result_type(case.x.dtype, whole.dtype).itemsize < 8 or whole.dtype.str[1:] in ("f2", "c8")
    unit = 1e-3 if whole.dtype.str[1:] == "f2" else 1e-5 if single else 1e-10
    unit *= 100 if "min_weight" in case.options else 1  # errors are over the share that is present
    parts = [(part, whole)]
    if whole.dtype.kind == "c":  # NumPy compares an infinite number bit by bit
        parts = [(part.real, whole.real), (part.imag, whole.imag)]
    for got, wanted in parts:
        np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=repr(case))

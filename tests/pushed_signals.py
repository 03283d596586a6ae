"""What the tests of streams share: the definition, and a signal pushed in blocks."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np

from faltung.streams import running_filter


def defined(x, taps, up=1, down=1):
    """The definition, tap by tap, over the last axis of `x`, in double precision: as `scipy.signal.upfirdn`.

    A tap of zero has no effect, whatever its sample. `taps` has one axis.
    """
    taps, count = np.asarray(taps), x.shape[-1]
    kind = np.complex128 if "c" in (x.dtype.kind, taps.dtype.kind) else np.float64
    if not count:
        return np.zeros((*x.shape[:-1], 0), kind)
    spread = np.zeros((*x.shape[:-1], (count - 1) * up + 1), kind)
    spread[..., ::up] = x
    touched = np.zeros(spread.shape[-1], bool)
    touched[::up] = True
    out = np.zeros((*x.shape[:-1], spread.shape[-1] + len(taps) - 1), kind)
    with np.errstate(all="ignore"):
        for m, tap in enumerate(taps):
            if tap != 0:
                out[..., m : m + spread.shape[-1]] += _product(spread, tap)
    return out[..., ::down]


def _product(x, tap):
    """The product part by part, in which a zero of the tap has no effect."""
    if x.dtype.kind != "c":
        return x * tap

    def part(samples, factor):
        return samples * factor if factor else np.zeros_like(samples)

    tap = complex(tap)
    out = np.empty_like(x)
    out.real = part(x.real, tap.real) - part(x.imag, tap.imag)
    out.imag = part(x.real, tap.imag) + part(x.imag, tap.real)
    return out


def mixed(x, taps, groups=1):
    """The definition for a bank: `x` of shape (channels, n), `taps` of shape (out, in, taps)."""
    outs, ins, _ = taps.shape
    rows = []
    for o in range(outs):
        first = o * groups // outs * ins
        rows.append(sum(defined(x[first + i], taps[o, i]) for i in range(ins)))
    return np.stack(rows)


def pushed(stream, x, lengths, axis=-1, flush=True):
    """All outputs of a stream for a signal that is pushed in blocks of these lengths, again and again."""
    outputs, at = [], 0
    for length in itertools.cycle(lengths):
        if at >= x.shape[axis]:
            break
        part = np.take(x, np.arange(at, min(at + length, x.shape[axis])), axis)
        outputs.append(stream.push(part))
        at += length
    if flush:
        outputs.append(stream.flush())
    return np.concatenate(outputs, axis)


@contextlib.contextmanager
def stages(monkeypatch, *lengths):
    """Give every kernel stages of these block lengths, as far as it reaches them."""
    with monkeypatch.context() as patch:
        patch.setattr(running_filter, "stage_lengths", lambda taps, block: tuple(n for n in lengths if 2 * n < taps))
        yield

"""Which expressions are equal? A table of rules, each of which keeps the taps and their lags.

A rule is a name and a function that returns an equal kernel, or None if the rule does not apply. Known structure is
kept: an expression is multiplied out only if its taps cost no more than the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from faltung.errors import ArgumentError
from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, Taps, sum_of
from faltung.kernels.lowrank import outer_factors
from faltung.kernels.outer import Box, Outer
from faltung.kernels.tap_cost import cost
from faltung.kernels.taps import TapArray

__all__ = ["FOLDING", "RULES", "Rules", "axes_of", "product_of", "scaled", "split_scalar", "times"]

Rules = tuple[tuple[str, Callable[[Kernel], Kernel | None]], ...]

#: Most multiply-adds for multiplying out an expression: to see whether its taps cost less, and if they surely do.
_MOST_TRIED, _MOST_EFFORT = 1 << 12, 1 << 24
#: Scalars are gathered and folded as long as the results are in this range, far from overflow and underflow.
_LEAST, _LARGEST = 1e-150, 1e150
_ROUNDING = float(np.finfo(float).eps)


def _zero_dropped(kernel: Kernel) -> Kernel | None:
    match kernel:
        case Scaled(scalar, inner) if scalar == 0 or _is_zero(inner):
            return _zero(kernel)
        case Product(parts) | Outer(parts) if any(map(_is_zero, parts)):
            return _zero(kernel)
        case Sum(terms) if any(map(_is_zero, terms)):
            return _sum_of([term for term in terms if not _is_zero(term)], kernel)
    return None


def _single_part_taken_out(kernel: Kernel) -> Kernel | None:
    match kernel:
        case Sum((part,)) | Product((part,)) | Outer((part,)):
            return part
    return None


def _scalars_gathered(kernel: Kernel) -> Kernel | None:
    match kernel:
        case Scaled(scalar, inner) if _is_one(scalar) or isinstance(inner, Scaled):
            return scaled(scalar, inner)
        case Product(parts):
            scalars, units = zip(*map(split_scalar, parts), strict=True)
        case Outer(parts):
            scalars, units = zip(*map(_split_tap, parts), strict=True)
        case _:
            return None
    return None if all(map(_is_one, scalars)) else _scaled_by(scalars, type(kernel)(units))


def _sums_flattened(kernel: Kernel) -> Kernel | None:
    if isinstance(kernel, Scaled) and isinstance(kernel.kernel, Sum):
        kernel = Sum((kernel,))
    if not isinstance(kernel, Sum) or not any(isinstance(split_scalar(term)[1], Sum) for term in kernel.terms):
        return None
    flat: list[Kernel | None] = []
    for term in kernel.terms:
        scalar, unit = split_scalar(term)
        flat += [scaled(scalar, inner) for inner in unit.terms] if isinstance(unit, Sum) else [term]
    return _sum_of_all(flat)


def _equal_terms_merged(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Sum):
        return None
    totals: dict[bytes, tuple[complex, Kernel]] = {}
    for term in kernel.terms:
        scalar, unit = split_scalar(term)
        key = _key(unit)
        totals[key] = (totals[key][0] + scalar if key in totals else scalar, unit)
    if len(totals) == len(kernel.terms):
        return None
    return _sum_of([times(scalar, unit) for scalar, unit in totals.values() if scalar != 0], kernel)


def _small_terms_merged(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Sum):
        return None
    plain, others = _partition(kernel.terms, lambda term: isinstance(split_scalar(term)[1], Taps | Outer | Box))
    # Taps first, then boxes and outer products; each from small to large, and those of one size by their origin.
    plain.sort(key=lambda term: (not isinstance(split_scalar(term)[1], Taps), term.size, term.origin))
    merged = _neighbours_merged(plain, Sum)
    return sum_of((*merged, *others)) if len(merged) < len(plain) else None


def _products_flattened(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Product) or not any(isinstance(part, Product) for part in kernel.factors):
        return None
    nested = [part.factors if isinstance(part, Product) else (part,) for part in kernel.factors]
    return Product(factor for inner in nested for factor in inner)


def _delta_removed(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Product):
        return None
    deltas, others = _partition(kernel.factors, lambda part: isinstance(part, Taps) and part.size == 1)
    if not deltas or len(kernel.factors) == 1:
        return None
    first, *rest = others or [Taps(np.ones((1,) * kernel.ndim))]
    shift = tuple(map(sum, zip(*(delta.origin for delta in deltas), strict=True)))
    return _scaled_by([delta.taps.item() for delta in deltas], product_of([_shifted(first, shift), *rest]))


def _outer_products_joined(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Product) or kernel.ndim == 1:
        return None
    axes = [axes_of(part) for part in kernel.factors]
    separable = [own for own in axes if own is not None]
    if len(separable) < 2:
        return None
    others = [part for part, own in zip(kernel.factors, axes, strict=True) if own is None]
    return product_of([Outer(map(Product, zip(*separable, strict=True))), *others])


def _small_factors_merged(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Product):
        return None
    plain, others = _partition(kernel.factors, lambda part: isinstance(part, Taps))
    merged = _neighbours_merged(sorted(plain, key=cost), Product)
    return product_of([*others, *merged]) if len(merged) < len(plain) else None


def _single_tap_written_out(kernel: Kernel) -> Kernel | None:
    return Taps(kernel) if isinstance(kernel, Outer | Box) and kernel.size == 1 else None


def _boxes_joined(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Outer) or not all(isinstance(part, Box) or _is_delta(part) for part in kernel.factors):
        return None
    return Box(kernel.shape, kernel.origin)


def _zero_border_trimmed(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Taps) or kernel.taps.all() or _is_zero(kernel):
        return None
    axes = range(kernel.ndim)
    used = [np.flatnonzero(kernel.taps.any(axis=tuple(k for k in axes if k != axis))) for axis in axes]
    if not used[0].size:
        return _zero(kernel)
    if all(lags[0] == 0 and lags[-1] == size - 1 for lags, size in zip(used, kernel.shape, strict=True)):
        return None
    inside = tuple(slice(int(lags[0]), int(lags[-1]) + 1) for lags in used)
    return Taps(kernel.taps[inside], [at - own.start for at, own in zip(kernel.origin, inside, strict=True)])


def _constant_taps_made_a_box(kernel: Kernel) -> Kernel | None:
    if not isinstance(kernel, Taps) or (kernel.taps != kernel.taps.flat[0]).any():
        return None
    box, total = Box(kernel.shape, kernel.origin), kernel.taps.flat[0].item() * kernel.size
    return Scaled(total, box) if cost(box) < kernel.size and _in_range(total) else None


def _taps_made_an_outer_product(kernel: Kernel) -> Kernel | None:
    axes = axes_of(kernel) if isinstance(kernel, Taps) and kernel.ndim > 1 else None
    outer = Outer(axes) if axes else kernel
    return outer if cost(outer) < cost(kernel) else None


def _scalar_folded(kernel: Kernel) -> Kernel | None:
    return _absorbed(kernel.scalar, kernel.kernel) if isinstance(kernel, Scaled) else None


RULES: Rules = (
    ("zero dropped", _zero_dropped),
    ("single part taken out", _single_part_taken_out),
    ("scalars gathered", _scalars_gathered),
    ("sums flattened", _sums_flattened),
    ("equal terms merged", _equal_terms_merged),
    ("products flattened", _products_flattened),
    ("delta removed", _delta_removed),
    ("outer products joined", _outer_products_joined),
    ("boxes joined", _boxes_joined),
    ("single tap written out", _single_tap_written_out),
    ("zero border trimmed", _zero_border_trimmed),
    ("constant taps made a box", _constant_taps_made_a_box),
    ("taps made an outer product", _taps_made_an_outer_product),
    ("small terms merged", _small_terms_merged),
    ("small factors merged", _small_factors_merged),
)
#: Scalars are folded into taps when no other rule applies: before that, equal terms could not be recognised.
FOLDING: Rules = (("scalar folded into taps", _scalar_folded),)


# ---- scalars ---------------------------------------------------------------------------------------------


def split_scalar(kernel: Kernel) -> tuple[complex, Kernel]:
    """Return a scalar and a kernel, of which this kernel is the product."""
    return (kernel.scalar, kernel.kernel) if isinstance(kernel, Scaled) else (1.0, kernel)


def _split_tap(axis: Kernel) -> tuple[complex, Kernel]:
    if isinstance(axis, Taps) and axis.size == 1 and not _is_delta(axis):
        return axis.taps.item(), Taps([1.0], axis.origin)
    return split_scalar(axis)


def times(scalar: complex, kernel: Kernel) -> Kernel:
    """Return the multiple of a kernel, which is the kernel itself if the scalar is one."""
    return kernel if _is_one(scalar) else Scaled(scalar, kernel)


def scaled(scalar: complex, kernel: Kernel) -> Kernel | None:
    """Return the multiple of a kernel as one `Scaled`, or None if the scalar would be out of range."""
    inner, unit = split_scalar(kernel)
    product = scalar * inner
    return times(product, unit) if _in_range(product) or scalar == 0 or inner == 0 else None


def _scaled_by(scalars: Sequence[complex], kernel: Kernel) -> Kernel | None:
    product: Kernel | None = kernel
    for scalar in scalars:
        product = None if product is None else scaled(scalar, product)
    return product


def _absorbed(scalar: complex, kernel: Kernel) -> Kernel | None:
    """Return the kernel with the scalar multiplied into taps, or None if there are no taps for it."""
    match kernel:
        case Taps(taps, origin):
            return Taps(scalar * taps, origin) if _in_range(scalar * _largest(taps)) else None
        case Sum(terms):
            return _sum_of_all([_absorbed(scalar, term) or scaled(scalar, term) for term in terms])
        case Outer(parts) | Product(parts):
            for place, part in enumerate(parts):
                changed = _absorbed(scalar, part) if part.size > 1 else None
                if changed is not None:
                    return type(kernel)((*parts[:place], changed, *parts[place + 1 :]))
    return None


def _is_one(scalar: complex) -> bool:
    # A complex one makes the kernel complex.
    return scalar == 1 and not isinstance(scalar, complex)


def _in_range(value: complex) -> bool:
    return _LEAST < max(abs(value.real), abs(value.imag)) < _LARGEST


def _largest(taps: TapArray) -> float:
    return float(max(np.abs(taps.real).max(), np.abs(taps.imag).max()))


# ---- parts of an expression ------------------------------------------------------------------------------


def _zero(kernel: Kernel) -> Kernel:
    return Taps(np.zeros((1,) * kernel.ndim, kernel.dtype))


def _is_zero(kernel: Kernel) -> bool:
    return isinstance(kernel, Taps) and kernel.size == 1 and not kernel.taps.any()


def _is_delta(kernel: Kernel) -> bool:
    return isinstance(kernel, Taps) and kernel.size == 1 and _is_one(kernel.taps.item())


def _sum_of(terms: Sequence[Kernel], kernel: Kernel) -> Kernel:
    return sum_of(terms) if terms else _zero(kernel)


def product_of(parts: Sequence[Kernel]) -> Kernel:
    """Return the product of the factors, or the only factor itself."""
    return parts[0] if len(parts) == 1 else Product(parts)


def _sum_of_all(terms: Sequence[Kernel | None]) -> Kernel | None:
    present = [term for term in terms if term is not None]
    return Sum(present) if len(present) == len(terms) else None


def _partition(parts: Sequence[Kernel], holds: Callable[[Kernel], bool]) -> tuple[list[Kernel], list[Kernel]]:
    return [part for part in parts if holds(part)], [part for part in parts if not holds(part)]


def axes_of(kernel: Kernel) -> tuple[Kernel, ...] | None:
    """Return one-dimensional kernels whose outer product is the kernel, by its structure or its taps, or None."""
    if kernel.ndim == 1:
        return (kernel,)
    if not isinstance(kernel, Taps):
        return kernel._separated() if isinstance(kernel, Outer | Box) else None
    lines = _line(kernel.taps) if kernel.taps.dtype.kind == "c" else outer_factors(kernel.taps, _ROUNDING)
    return tuple(map(Taps, lines, kernel.origin)) if lines else None


def _line(taps: TapArray) -> tuple[TapArray, ...] | None:
    long = [axis for axis, size in enumerate(taps.shape) if size > 1] or [0]
    ends: list[TapArray] = [np.ones(1)] * taps.ndim
    ends[long[0]] = taps.ravel()
    return tuple(ends) if len(long) == 1 else None


def _shifted(kernel: Kernel, shift: tuple[int, ...]) -> Kernel:
    """Move the origin."""
    if not any(shift):
        return kernel
    match kernel:
        case Box(widths, origin):
            return Box(widths, tuple(map(sum, zip(origin, shift, strict=True))))
        case Outer(axes):
            return Outer(_shifted(axis, (by,)) for axis, by in zip(axes, shift, strict=True))
        case Sum(terms):
            return Sum(_shifted(term, shift) for term in terms)
        case Product((first, *rest)):
            return Product((_shifted(first, shift), *rest))
        case Scaled(scalar, inner):
            return Scaled(scalar, _shifted(inner, shift))
    return Taps(kernel.taps, tuple(map(sum, zip(kernel.origin, shift, strict=True))))


def _key(kernel: Kernel) -> bytes:
    """Return a digest of an expression that does not depend on the order of factors."""
    match kernel:
        case Product(parts):
            return b"(" + b"*".join(sorted(map(_key, parts))) + b")"
        case Outer(parts):
            return b"[" + b",".join(map(_key, parts)) + b"]"
    return kernel.fingerprint


def _neighbours_merged(parts: list[Kernel], node: type[Sum | Product]) -> list[Kernel]:
    merged = parts[:1]
    for part in parts[1:]:
        taps = _written_out(node((merged[-1], part)))
        merged[-1:] = [merged[-1], part] if taps is None else [taps]
    return merged


def _written_out(kernel: Sum | Product) -> Kernel | None:
    """Return the kernel as taps, or None if they cost more than the expression or take too long to compute."""
    effort = kernel.size * (min(map(cost, kernel.factors)) if isinstance(kernel, Product) else 1)
    if effort > (_MOST_EFFORT if kernel.size <= cost(kernel) else _MOST_TRIED):
        return None
    try:
        taps = Taps(kernel)
    except ArgumentError:  # an overflow, which the expression may avoid
        return None
    return taps if cost(taps) <= cost(kernel) else None

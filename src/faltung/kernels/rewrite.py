"""What is the cheapest equal expression? The rules of the table are applied until no rule applies any more.

The parts of an expression are simplified before the whole. The result has this form:

* it is one term, or a sum of terms that are no sums;
* a term is taps, a box, an outer product, or a product that costs less than its taps;
* with more than one axis, at most one factor of a product is a box or an outer product;
* scalars are multiplied into taps; only a term without taps is a multiple.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, Taps
from faltung.kernels.outer import Box, Outer
from faltung.kernels.rules import FOLDING, RULES, Rules, axes_of, product_of, scaled, split_scalar, times
from faltung.kernels.tap_cost import cost
from faltung.kernels.taps import TapArray

__all__ = ["Simplified", "cost", "factors", "outer_terms", "simplify", "windows_of"]

#: The largest product of widths by which the rest of a kernel is divided: it keeps all digits.
_LARGEST_SUM = 2**500


@dataclass(frozen=True, eq=False)
class Simplified:
    """An equal kernel, and the rules that led to it.

    Parameters
    ----------
    kernel : Kernel
        Equal to the given kernel, and not more expensive. It can be real where imaginary parts cancel.
    rules : tuple of str
        Names of the rules that were applied, each once, in their order.
    """

    kernel: Kernel
    rules: tuple[str, ...]


def simplify(kernel: Kernel) -> Simplified:
    """Return the cheapest equal kernel that the rules lead to.

    Its taps are equal lag by lag, up to the rounding of float64; zeros at the border of the taps may be left out. If
    no rule applies, it is the given kernel itself, with its label.

    Parameters
    ----------
    kernel : Kernel
        Any expression.

    Returns
    -------
    Simplified
        The kernel, and the rules that were applied.

    Examples
    --------
    >>> import faltung as fa
    >>> smooth = fa.gaussian(2)
    >>> simple = simplify(fa.delta() * (3 * smooth - 2 * smooth))
    >>> simple.kernel, simple.rules
    (gaussian(2), ('equal terms merged', 'delta removed'))
    >>> simplify(fa.Kernel([[1, 2, 1], [2, 4, 2], [1, 2, 1]])).kernel
    Outer((Kernel([1, 2, 1], origin=1), Kernel([1, 2, 1], origin=1)))
    """
    applied: list[str] = []
    for rules in (RULES, FOLDING):
        kernel = _rewritten(kernel, rules, applied, {})
    return Simplified(kernel, tuple(dict.fromkeys(applied)))


def factors(kernel: Kernel) -> tuple[Kernel, ...]:
    """Return the factors of a simplified kernel, which can be applied one after the other.

    All boxes are one factor. A kernel that is not a product is its only factor.

    Parameters
    ----------
    kernel : Kernel
        The result of `simplify`.

    Returns
    -------
    tuple of Kernel
        The factors.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.kernels.rewrite.factors(simplify(fa.disk(2) * fa.box(9)).kernel)[1]
    box(9)
    """
    scalar, unit = split_scalar(kernel)
    if not isinstance(unit, Product):
        return (kernel,)
    boxes = [factor for factor in unit.factors if isinstance(factor, Box)]
    others = [factor for factor in unit.factors if not isinstance(factor, Box)]
    passes = others if not boxes else [*others, product_of(boxes)]
    return (times(scalar, passes[0]), *passes[1:])


def outer_terms(kernel: Kernel) -> tuple[tuple[Kernel, ...], ...] | None:
    """Return the terms of a simplified kernel as one-dimensional kernels, or None if a term is not separable.

    Parameters
    ----------
    kernel : Kernel
        The result of `simplify`.

    Returns
    -------
    tuple of tuple of Kernel or None
        For each term, one kernel for each axis.

    Examples
    --------
    >>> import faltung as fa
    >>> [[axis.shape for axis in term] for term in outer_terms(fa.unsharp(1))]
    [[(1,), (1,)], [(9,), (9,)]]
    >>> outer_terms(fa.disk(3)) is None
    True
    """
    terms = []
    for term in kernel.terms if isinstance(kernel, Sum) else (kernel,):
        scalar, unit = split_scalar(term)
        axes = axes_of(unit)
        if axes is None:
            return None
        terms.append((times(scalar, axes[0]), *axes[1:]))
    return tuple(terms)


def windows_of(kernel: Kernel) -> tuple[tuple[int, ...], TapArray]:
    """Return the windows of ones that are factors of a one-dimensional expression, and the taps of the rest.

        ones(widths[0]) * ones(widths[1]) * ... * rest = kernel.taps

    They are read from the expression; `lowrank.windows` finds them in an array of taps.

    Parameters
    ----------
    kernel : Kernel
        A one-dimensional kernel.

    Returns
    -------
    widths : tuple of int
        Widths of the windows, from wide to narrow; none where they are so many that the rest would be out of range.
    rest : ndarray
        Taps of the product of all other factors.

    Examples
    --------
    >>> import faltung as fa
    >>> windows_of(fa.box(4, ndim=1) * fa.box(2, ndim=1) * fa.Kernel([8, -8]))
    ((4, 2), array([ 1., -1.]))
    """
    scalar, unit = split_scalar(kernel)
    parts = unit.factors if isinstance(unit, Product) else (unit,)
    widths = [part.widths[0] for part in parts if isinstance(part, Box)]
    whole = math.prod(widths)
    if whole > _LARGEST_SUM:
        return (), kernel.taps
    rest = product_of([part for part in parts if not isinstance(part, Box)] or [Taps([1.0])])
    return tuple(sorted(widths, reverse=True)), scalar / whole * rest.taps


def _rewritten(kernel: Kernel, rules: Rules, applied: list[str], known: dict[int, tuple[Kernel, Kernel]]) -> Kernel:
    # `known` keeps each kernel with its result: as long as the kernel exists, no other object has its id.
    if id(kernel) not in known:
        result = kernel
        while True:
            result = _with_parts(result, lambda part: _rewritten(part, rules, applied, known))
            step = _first_step(result, rules)
            if step is None:
                break
            applied.append(step[0])
            result = step[1]
        known[id(kernel)], known[id(result)] = (kernel, result), (result, result)
    return known[id(kernel)][1]


def _first_step(kernel: Kernel, rules: Rules) -> tuple[str, Kernel] | None:
    for name, rule in rules:
        changed = rule(kernel)
        if changed is not None:
            return name, changed
    return None


def _with_parts(kernel: Kernel, change: Callable[[Kernel], Kernel]) -> Kernel:
    match kernel:
        case Scaled(scalar, inner):
            changed = change(inner)
            return kernel if changed is inner else scaled(scalar, changed) or kernel
        case Sum(parts) | Product(parts) | Outer(parts):
            changes = [change(part) for part in parts]
            same = all(new is old for new, old in zip(changes, parts, strict=True))
            return kernel if same else type(kernel)(changes)
    return kernel

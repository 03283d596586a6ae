"""What is the cheapest equal expression? The rules of the table, applied until none is left that applies.

They go from the parts of an expression to the whole. What they leave is

* a sum, none of whose terms is a sum, or one term;
* a term is taps, a box, an outer product, or a product that costs less than its taps;
* in a product at most one factor is a box or an outer product, as long as it has more than one axis;
* a scalar is part of the taps; only a term that has none to take it is a multiple.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, Taps
from faltung.kernels.outer import Box, Outer
from faltung.kernels.rules import FOLDING, RULES, Rules, axes_of, parted, product_of, scaled, times
from faltung.kernels.tap_cost import cost
from faltung.kernels.taps import TapArray

__all__ = ["Simplified", "cost", "factors", "outer_terms", "simplify", "windows_of"]


@dataclass(frozen=True, eq=False)
class Simplified:
    """An equal kernel, and how it was found.

    Parameters
    ----------
    kernel : Kernel
        Equal to the given one, and no dearer. It may be real where the complex parts of the given one cancel.
    rules : tuple of str
        Names of the rules that applied, in the order in which they first did.
    """

    kernel: Kernel
    rules: tuple[str, ...]


def simplify(kernel: Kernel) -> Simplified:
    """Return an equal kernel that costs as little as the rules can make it.

    Taps are the same to the rounding of float64, lag by lag; the support may be smaller where it held only zeros.
    Where no rule applies it is the very same kernel, which keeps its label.

    Parameters
    ----------
    kernel : Kernel
        Any expression.

    Examples
    --------
    >>> import faltung as fa
    >>> smooth = fa.gaussian(2)
    >>> found = simplify(fa.delta() * (3 * smooth - 2 * smooth))
    >>> found.kernel, found.rules
    (gaussian(2), ('equal terms merged', 'delta removed'))
    >>> simplify(fa.Kernel([[1, 2, 1], [2, 4, 2], [1, 2, 1]])).kernel
    Outer((Kernel([1, 2, 1], origin=1), Kernel([1, 2, 1], origin=1)))
    """
    applied: list[str] = []
    for rules in (RULES, FOLDING):
        kernel = _rewritten(kernel, rules, applied, {})
    return Simplified(kernel, tuple(dict.fromkeys(applied)))


def factors(kernel: Kernel) -> tuple[Kernel, ...]:
    """Split a simplified product into what can run as passes one after the other.

    At most one of them is made of boxes or an outer product; what is no product is its only factor.

    Parameters
    ----------
    kernel : Kernel
        The result of `simplify`.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.kernels.rewrite.factors(simplify(fa.disk(2) * fa.box(9)).kernel)[1]
    box(9)
    """
    scalar, unit = parted(kernel)
    if not isinstance(unit, Product):
        return (kernel,)
    boxes = [factor for factor in unit.factors if isinstance(factor, Box)]
    others = [factor for factor in unit.factors if not isinstance(factor, Box)]
    passes = others if not boxes else [*others, product_of(boxes)]
    return (times(scalar, passes[0]), *passes[1:])


def outer_terms(kernel: Kernel) -> tuple[tuple[Kernel, ...], ...] | None:
    """Return the terms of a simplified kernel as one-dimensional kernels, one for each axis, where all are separable.

    Parameters
    ----------
    kernel : Kernel
        The result of `simplify`.

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
        scalar, unit = parted(term)
        axes = axes_of(unit)
        if axes is None:
            return None
        terms.append((times(scalar, axes[0]), *axes[1:]))
    return tuple(terms)


def windows_of(kernel: Kernel) -> tuple[tuple[int, ...], TapArray]:
    """Widths of the windows of ones that a one-dimensional expression is a product of, and taps of the rest.

        ones(widths[0]) * ones(widths[1]) * ... * rest = kernel.taps

    They are read from the expression; `lowrank.windows` finds them in numbers.

    Parameters
    ----------
    kernel : Kernel
        A one-dimensional kernel.

    Examples
    --------
    >>> import faltung as fa
    >>> windows_of(fa.box(4, ndim=1) * fa.box(2, ndim=1) * fa.Kernel([8, -8]))
    ((4, 2), array([ 1., -1.]))
    """
    scalar, unit = parted(kernel)
    parts = unit.factors if isinstance(unit, Product) else (unit,)
    widths = [part.widths[0] for part in parts if isinstance(part, Box)]
    rest = product_of([part for part in parts if not isinstance(part, Box)] or [Taps([1.0])])
    return tuple(sorted(widths, reverse=True)), scalar / math.prod(widths) * rest.taps


def _rewritten(kernel: Kernel, rules: Rules, applied: list[str], known: dict[int, tuple[Kernel, Kernel]]) -> Kernel:
    # A kernel is remembered beside its result: as long as it lives, no other object has its id.
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

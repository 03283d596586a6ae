"""What was done to a network, and how sure is it? The certificate of a simplification."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from faltung.ground.notebook import html_table
from faltung.inspect.simplification.comparing import Difference
from faltung.inspect.simplification.refusals import Refusal
from faltung.planning.report import time_text

__all__ = ["Certificate", "Rewrite", "Size"]


class Rewrite(NamedTuple):
    """A rewrite that was applied: the rule, the modules, and how far the outputs were from those before it."""

    rule: str
    where: str
    difference: Difference


class Size(NamedTuple):
    """What a network takes: parameters, multiply-adds of its layers, operations, and seconds for the example."""

    parameters: int
    multiply_adds: int
    operations: int
    seconds: float


@dataclass(frozen=True)
class Certificate:
    """What `faltung.inspect.simplify` did, what it refused and why, and what was measured.

    Parameters
    ----------
    rewrites : tuple of Rewrite
        What was applied, in this order.
    refusals : tuple of Refusal
        What was not, with the reason.
    difference : Difference
        The largest difference between the outputs of the two networks, in the precision of the network.
    before, after : Size
        What the networks take.
    checked_in : str
        The precision in which each rewrite was checked.
    inputs : str
        Shapes of the inputs on which it was checked.
    """

    rewrites: tuple[Rewrite, ...]
    refusals: tuple[Refusal, ...]
    difference: Difference
    before: Size
    after: Size
    checked_in: str
    inputs: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, texts, lists and dictionaries.

        Returns
        -------
        dict
            It can be written as JSON.
        """
        plain = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return json.loads(json.dumps(plain))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        """Return the certificate as text."""
        lines = [
            f"{len(self.rewrites)} rewrites, {len(self.refusals)} refused, for inputs of {self.inputs}",
            f"{'difference':<20}{self.difference.largest:.3g} at most, {self.difference.relative:.3g} of the largest "
            f"output, at {self.difference.where}",
        ]
        lines += [f"{name:<20}{before} -> {after}" for name, before, after in self._sizes()]
        for kind, where, gap in self.rewrites:
            lines.append(f"  {kind}: {where} ({gap.relative:.1e} in {self.checked_in})")
        lines += [f"  refused {kind}: {where}: {why}" for kind, where, why in self.refusals]
        return "\n".join(lines)

    def _sizes(self) -> list[tuple[str, str, str]]:
        before, after = self.before, self.after
        return [
            ("parameters", f"{before.parameters:,}", f"{after.parameters:,}"),
            ("multiply-adds", f"{before.multiply_adds:,}", f"{after.multiply_adds:,}"),
            ("operations", f"{before.operations:,}", f"{after.operations:,}"),
            ("time", time_text(before.seconds), time_text(after.seconds)),
        ]

    def _repr_html_(self) -> str:
        sizes = html_table(self._sizes(), ("", "before", "after"), f"Inputs of {self.inputs}")
        done = html_table(
            [(kind, where, f"{gap.relative:.1e}") for kind, where, gap in self.rewrites],
            ("rewrite", "where", f"difference in {self.checked_in}"),
        )
        refused = html_table(self.refusals, ("refused", "where", "why"))
        return sizes + done + refused


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _plain(each) for name, each in zip(value._fields, value, strict=True)}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value

"""What was not rewritten, and why? Refusals."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Refusal"]


class Refusal(NamedTuple):
    """A place where a rule seems to apply, and does not.

    Parameters
    ----------
    rule : str
        Name of the rule.
    where : str
        Names of the modules.
    why : str
        The reason.
    """

    rule: str
    where: str
    why: str

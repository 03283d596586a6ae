"""How good is a fitted filter? Its risks, and how well the data determine it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faltung.ground.notebook import html_table

__all__ = ["DescentReport", "FitReport", "RiskReport", "explained"]

_NAME_WIDTH = 20


@dataclass(frozen=True)
class RiskReport:
    """The risks of a fitted filter.

    Parameters
    ----------
    training_risk : float
        Mean loss, over outputs and channels, of the data that the filter was fitted to.
    held_out_risk : float or None
        The same for held-out tiles; None if no tile was held out.
    held_out_interval : (float, float) or None
        95 % confidence interval of the held-out risk, from the spread between tiles; None for fewer than two tiles.
    positions, held_out_positions, held_out_tiles : int
        The number of outputs that each risk is a mean over, and the number of held-out tiles.
    missing : int
        The number of outputs that were left out because their target, or a sample under their taps, is not finite.

    Examples
    --------
    >>> print(RiskReport(0.25, 0.26, (0.24, 0.28), 1000, 200, 12, 5))
    training risk        0.25, mean of 1,000 outputs
    held-out risk        0.26, mean of 200 outputs in 12 tiles
    95 % interval        0.24 to 0.28
    left out             5 outputs with samples missing
    """

    training_risk: float
    held_out_risk: float | None
    held_out_interval: tuple[float, float] | None
    positions: int
    held_out_positions: int
    held_out_tiles: int
    missing: int

    def rows(self) -> dict[str, str]:
        """Return the rows of the printed report: a text for each name."""
        rows = {"training risk": f"{self.training_risk:.6g}, mean of {self.positions:,} outputs"}
        if self.held_out_risk is None:
            rows["held-out risk"] = "no tile was held out"
        else:
            outputs = f"{self.held_out_positions:,} outputs in {self.held_out_tiles} tiles"
            rows["held-out risk"] = f"{self.held_out_risk:.6g}, mean of {outputs}"
        if self.held_out_interval is not None:
            rows["95 % interval"] = "{:.6g} to {:.6g}".format(*self.held_out_interval)
        if self.missing:
            rows["left out"] = f"{self.missing:,} outputs with samples missing"
        return rows

    def _repr_html_(self) -> str:
        return html_table(self.rows().items(), caption=type(self).__name__)

    def __str__(self) -> str:
        return "\n".join(f"{name:<{_NAME_WIDTH}} {text}" for name, text in self.rows().items())


@dataclass(frozen=True)
class FitReport(RiskReport):
    """The risks of a filter that was fitted by least squares, and how well the data determine it.

    Parameters
    ----------
    training_risk ... missing
        See `RiskReport`. The loss is the squared error. The training risk is computed as a difference of sums, exact
        to about 1e-14 of the mean square of `y`; the held-out risk is the mean of the squared errors themselves.
    explained, held_out_explained : float or None
        Share of the variance of `y` that is explained: 1 - risk / variance, on the data of each risk. None if `y` is
        constant there.
    offset : tuple of float or None
        What is added to each channel out; None if none was fitted.
    shift : tuple of float or None
        By how many samples the filter moves an image along each axis: the centre of its taps. None for a bank, and
        if the taps nearly cancel.
    displacement : tuple of int or None
        By how many samples `y` is moved against `x`, if that is further than the taps reach.
    condition : float
        Condition number of the system that was solved: the largest eigenvalue of the mean Gram matrix of the windows
        plus `ridge`, divided by the smallest. Infinite if the system is singular to working precision.
    unknowns, rank : int
        The number of unknown taps for each channel out, and how many of them the data determine. If these are fewer,
        the filter is the one of smallest norm among those that fit equally well.
    degrees_of_freedom : float
        Effective number of unknown taps, for all channels together: trace(G (G + ridge)^-1), where G is the Gram
        matrix. With `non_negative` it is that of the positive taps.

    Examples
    --------
    >>> print(FitReport(0.25, None, None, 1000, 0, 0, 0, 0.9, None, (2.0,), (0.0, 1.5), None, 31.5, 9, 9, 8.5))
    training risk        0.25, mean of 1,000 outputs
    held-out risk        no tile was held out
    explained            90 % of the variance of the training targets
    offset               2
    shift                0, 1.5 samples
    condition number     31.5
    degrees of freedom   8.5
    """

    explained: float | None
    held_out_explained: float | None
    offset: tuple[float, ...] | None
    shift: tuple[float, ...] | None
    displacement: tuple[int, ...] | None
    condition: float
    unknowns: int
    rank: int
    degrees_of_freedom: float

    def rows(self) -> dict[str, str]:
        """Return the rows of the printed report: a text for each name."""
        condition = f"{self.condition:.3g}"
        if self.rank < self.unknowns:
            determined = f"{self.rank} of {self.unknowns} unknowns"
            condition += f": the data determine {determined}, the smallest taps were chosen"
        freedom = f"{self.degrees_of_freedom:.6g}"
        return {
            **super().rows(),
            **self._agreement(),
            "condition number": condition,
            "degrees of freedom": freedom,
        }

    def _agreement(self) -> dict[str, str]:
        """Return the rows that say how far the filter goes from x to y, and what is beside it."""
        rows = {}
        held_out = self.held_out_explained is not None
        share = self.held_out_explained if held_out else self.explained
        if share is not None:
            where = "held-out" if held_out else "training"
            rows["explained"] = f"{_percent(share)} of the variance of the {where} targets"
        rows |= _offset_row(self.offset)
        if self.shift is not None:
            rows["shift"] = f"{', '.join(_rounded(number) for number in self.shift)} samples"
        if self.displacement is not None:
            moved = ", ".join(map(str, self.displacement))
            rows["beyond the taps"] = f"y is moved by {moved} samples against x: align them, or use a larger size"
        return rows


def explained(risk: float | None, variance: float | None) -> float | None:
    """Return the share of a variance that is explained, or None if there is none, or a vanishing one.

    Examples
    --------
    >>> explained(0.25, 1.0), explained(0.0, 0.0)
    (0.75, None)
    """
    if risk is None or not variance:
        return None
    share = 1 - float(risk) / float(variance)
    return share if math.isfinite(share) else None


def _offset_row(offset: tuple[float, ...] | None) -> dict[str, str]:
    return {} if offset is None else {"offset": ", ".join(f"{number:.6g}" for number in offset)}


def _percent(share: float) -> str:
    """Return a share in per cent; what is not all of it is not rounded up to all of it."""
    for digits in range(4):
        text = f"{round(100 * share, digits) + 0.0:.{digits}f}"  # no share is -0 %
        if share == 1 or float(text) < 100:
            return f"{text} %"
    return "more than 99.999 %"


def _rounded(number: float) -> str:
    return f"{round(number, 2) + 0.0:g}"


@dataclass(frozen=True)
class DescentReport(RiskReport):
    """The risks of a filter that was fitted by gradient descent, and how far the descent went.

    Parameters
    ----------
    training_risk ... missing
        See `RiskReport`.
    offset : tuple of float or None
        What is added to each channel out; None if none was fitted.
    loss : str
        Name of the loss.
    evaluations : int
        How many times risk and gradient were computed.
    gradient : float
        Norm of the gradient at the end, divided by that at the start.

    Examples
    --------
    >>> print(DescentReport(0.25, None, None, 1000, 0, 0, 0, (2.0,), "huber", 9, 1.5e-8))
    training risk        0.25, mean of 1,000 outputs
    held-out risk        no tile was held out
    offset               2
    loss                 huber
    descent              9 evaluations; the gradient is 1.5e-08 times the first one
    """

    offset: tuple[float, ...] | None
    loss: str
    evaluations: int
    gradient: float

    def rows(self) -> dict[str, str]:
        """Return the rows of the printed report: a text for each name."""
        descent = f"{self.evaluations} evaluations; the gradient is {self.gradient:.3g} times the first one"
        return {**super().rows(), **_offset_row(self.offset), "loss": self.loss, "descent": descent}

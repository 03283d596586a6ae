"""How good is a fitted filter? Its risks, and how well the data determine it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DescentReport", "FitReport", "RiskReport"]

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
    condition : float
        Condition number of the system that was solved: the largest eigenvalue of the mean Gram matrix of the windows
        plus `ridge`, divided by the smallest. Infinite if the system is singular to working precision.
    unknowns, rank : int
        The number of unknowns for each channel out, and how many of them the data determine. If these are fewer, the
        filter is the one of smallest norm among those that fit equally well.
    degrees_of_freedom : float
        Effective number of unknowns, for all channels together: trace(G (G + ridge)^-1), where G is the Gram matrix.
        With `non_negative` it is that of the positive taps.

    Examples
    --------
    >>> print(FitReport(0.25, None, None, 1000, 0, 0, 0, 31.5, 9, 9, 8.5))
    training risk        0.25, mean of 1,000 outputs
    held-out risk        no tile was held out
    condition number     31.5
    degrees of freedom   8.5
    """

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
        return {**super().rows(), "condition number": condition, "degrees of freedom": freedom}


@dataclass(frozen=True)
class DescentReport(RiskReport):
    """The risks of a filter that was fitted by gradient descent, and how far the descent went.

    Parameters
    ----------
    training_risk ... missing
        See `RiskReport`.
    loss : str
        Name of the loss.
    evaluations : int
        How many times risk and gradient were computed.
    gradient : float
        Norm of the gradient at the end, divided by that at the start.

    Examples
    --------
    >>> print(DescentReport(0.25, None, None, 1000, 0, 0, 0, "huber", 9, 1.5e-8))
    training risk        0.25, mean of 1,000 outputs
    held-out risk        no tile was held out
    loss                 huber
    descent              9 evaluations; the gradient is 1.5e-08 times the first one
    """

    loss: str
    evaluations: int
    gradient: float

    def rows(self) -> dict[str, str]:
        """Return the rows of the printed report: a text for each name."""
        descent = f"{self.evaluations} evaluations; the gradient is {self.gradient:.3g} times the first one"
        return {**super().rows(), "loss": self.loss, "descent": descent}

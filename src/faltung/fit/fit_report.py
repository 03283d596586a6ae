"""What is said of a fitted filter? Its risks, and how well it was found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DescentReport", "FitReport", "RiskReport"]


@dataclass(frozen=True)
class RiskReport:
    """How well a filter does.

    Parameters
    ----------
    training_risk : float
        Mean loss, over outputs and channels, on what the filter was fitted to.
    held_out_risk : float or None
        The same on held-out tiles; None if nothing was held out.
    held_out_interval : (float, float) or None
        95 % confidence interval of that, from the spread between tiles; None for fewer than two.
    positions, held_out_positions, held_out_tiles : int
        How many outputs the risks are means over, and how many tiles were held out.
    missing : int
        How many outputs take no part because something that they see or should be is not finite.

    Examples
    --------
    >>> print(RiskReport(0.25, 0.26, (0.24, 0.28), 1000, 200, 12, 5))
    training risk  0.25, mean of 1,000 outputs
    held-out risk  0.26, mean of 200 outputs in 12 tiles
    95 % interval  0.24 to 0.28
    left out       5 outputs with samples missing
    """

    training_risk: float
    held_out_risk: float | None
    held_out_interval: tuple[float, float] | None
    positions: int
    held_out_positions: int
    held_out_tiles: int
    missing: int

    def rows(self) -> dict[str, str]:
        """Return what is printed, by name."""
        rows = {"training risk": f"{self.training_risk:.6g}, mean of {self.positions:,} outputs"}
        if self.held_out_risk is None:
            rows["held-out risk"] = "nothing was held out"
        else:
            where = f"{self.held_out_positions:,} outputs in {self.held_out_tiles} tiles"
            rows["held-out risk"] = f"{self.held_out_risk:.6g}, mean of {where}"
        if self.held_out_interval is not None:
            rows["95 % interval"] = "{:.6g} to {:.6g}".format(*self.held_out_interval)
        if self.missing:
            rows["left out"] = f"{self.missing:,} outputs with samples missing"
        return rows

    def __str__(self) -> str:
        return "\n".join(f"{name:<14} {text}" for name, text in self.rows().items())


@dataclass(frozen=True)
class FitReport(RiskReport):
    """How well a filter does that was found by least squares, and how well it is determined.

    Parameters
    ----------
    training_risk ... missing
        See `RiskReport`. The loss is the squared error. The training risk comes out as a difference, exact to about
        1e-14 of the mean square of `y`; the held-out risk is summed up error by error.
    condition : float
        Ratio of the largest eigenvalue to the smallest of what was solved, the mean product of the samples under the
        taps plus `ridge`; infinite if it is singular to working precision.
    unknowns, rank : int
        How many numbers the data have to determine for each channel out, and how many they do. If those are fewer,
        the filter is the one of smallest norm among those that fit equally well.
    degrees_of_freedom : float
        Effective number of unknowns, all channels together: trace(G (G + ridge)^-1), where G belongs to the taps that
        are positive if none may be negative.

    Examples
    --------
    >>> print(FitReport(0.25, None, None, 1000, 0, 0, 0, 31.5, 9, 9, 8.5))
    training risk  0.25, mean of 1,000 outputs
    held-out risk  nothing was held out
    condition      31.5
    freedom        8.5 effective unknowns
    """

    condition: float
    unknowns: int
    rank: int
    degrees_of_freedom: float

    def rows(self) -> dict[str, str]:
        """Return what is printed, by name."""
        rows = {**super().rows(), "condition": f"{self.condition:.3g}"}
        if self.rank < self.unknowns:
            rows["condition"] += f": {self.rank} of {self.unknowns} unknowns are determined, the smallest taps chosen"
        return {**rows, "freedom": f"{self.degrees_of_freedom:.6g} effective unknowns"}


@dataclass(frozen=True)
class DescentReport(RiskReport):
    """How well a filter does that was found by descent, and how far that went.

    Parameters
    ----------
    training_risk ... missing
        See `RiskReport`.
    loss : str
        What was made small.
    evaluations : int
        How often risk and gradient were computed.
    gradient : float
        Norm of the gradient at the end, in units of that at the beginning.

    Examples
    --------
    >>> print(DescentReport(0.25, None, None, 1000, 0, 0, 0, "huber", 9, 1.5e-8))
    training risk  0.25, mean of 1,000 outputs
    held-out risk  nothing was held out
    loss           huber
    descent        9 evaluations, after which the gradient is 1.5e-08 of what it was
    """

    loss: str
    evaluations: int
    gradient: float

    def rows(self) -> dict[str, str]:
        """Return what is printed, by name."""
        descent = f"{self.evaluations} evaluations, after which the gradient is {self.gradient:.3g} of what it was"
        return {**super().rows(), "loss": self.loss, "descent": descent}

"""What is said of a fitted filter? Its risks, and how well the data determine it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FitReport"]


@dataclass(frozen=True)
class FitReport:
    """How well a fitted filter does, and how well it is determined.

    Parameters
    ----------
    training_risk : float
        Mean squared error, over outputs and channels, on what the filter was fitted to. It comes out as a difference,
        exact to about 1e-14 of the mean square of `y`.
    held_out_risk : float or None
        The same on held-out tiles, summed up error by error; None if nothing was held out.
    held_out_interval : (float, float) or None
        95 % confidence interval of that, from the spread between tiles; None for fewer than two.
    positions, held_out_positions, held_out_tiles : int
        How many outputs the risks are means over, and how many tiles were held out.
    missing : int
        How many outputs take no part because something that they see or should be is not finite.
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
    >>> print(FitReport(0.25, 0.26, (0.24, 0.28), 1000, 200, 12, 5, 31.5, 9, 9, 9.0))
    training risk  0.25, mean of 1,000 outputs
    held-out risk  0.26, mean of 200 outputs in 12 tiles
    95 % interval  0.24 to 0.28
    left out       5 outputs that are not finite, or see what is not
    condition      31.5
    freedom        9 effective unknowns
    """

    training_risk: float
    held_out_risk: float | None
    held_out_interval: tuple[float, float] | None
    positions: int
    held_out_positions: int
    held_out_tiles: int
    missing: int
    condition: float
    unknowns: int
    rank: int
    degrees_of_freedom: float

    def __str__(self) -> str:
        rows = {"training risk": f"{self.training_risk:.6g}, mean of {self.positions:,} outputs"}
        if self.held_out_risk is None:
            rows["held-out risk"] = "nothing was held out"
        else:
            where = f"{self.held_out_positions:,} outputs in {self.held_out_tiles} tiles"
            rows["held-out risk"] = f"{self.held_out_risk:.6g}, mean of {where}"
        if self.held_out_interval is not None:
            rows["95 % interval"] = "{:.6g} to {:.6g}".format(*self.held_out_interval)
        if self.missing:
            rows["left out"] = f"{self.missing:,} outputs that are not finite, or see what is not"
        rows["condition"] = f"{self.condition:.3g}"
        if self.rank < self.unknowns:
            rows["condition"] += f": {self.rank} of {self.unknowns} unknowns are determined, the smallest taps chosen"
        rows["freedom"] = f"{self.degrees_of_freedom:.6g} effective unknowns"
        return "\n".join(f"{name:<14} {text}" for name, text in rows.items())

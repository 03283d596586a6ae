"""Which filter makes any loss small? Descent along the gradient of the empirical risk, by torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.fit.fit_data import fit_data
from faltung.fit.fit_report import DescentReport
from faltung.fit.held_out import held_out_risk
from faltung.fit.least_squares import as_filter, sums_of
from faltung.fit.normal_equations import NormalEquations
from faltung.fit.quadratic import minimise, precision
from faltung.fit.sections import Block
from faltung.ground.checks import integer, real
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel
from faltung.learn.determinism import reproducible

if TYPE_CHECKING:
    from faltung.fit.pairs import Reader

__all__ = ["MeanLoss", "correlate_valid", "fit_filter_by_gradient"]

MeanLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss of a prediction against a target, both of shape (1, channels, *lengths)."""

_MOST_ITERATIONS = 1 << 20
#: Where Huber's loss goes over into a straight line, in standard deviations: it costs 5 % of efficiency.
_HUBER = 1.345
#: Median of |z| for a standard normal z.
_MEDIAN = 0.674490
#: Errors that are none, in units of the root mean square of the target.
_EXACT = 1e-6
#: What a prediction has at least to be a mean of counts, in units of the mean of the target.
_DARK = 1e-6


@dataclass(frozen=True)
class _Tile:
    """A block as tensors; the input is extended already."""

    source: torch.Tensor
    target: torch.Tensor
    kept: torch.Tensor | None
    positions: int

    def loss_sum(self, taps: torch.Tensor, loss: MeanLoss) -> torch.Tensor:
        """Return the sum of losses over the outputs that take part."""
        prediction = correlate_valid(self.source, taps)
        if self.kept is not None:
            prediction = torch.where(self.kept, prediction, self.target)  # where a loss is zero, and has no gradient
        return loss(prediction, self.target) * math.prod(self.target.shape[2:])


def fit_filter_by_gradient(
    x: Any,
    y: Any,
    size: int | Sequence[int],
    loss: str | MeanLoss = "squared",
    *,
    mode: str | None = None,
    cval: float = 0.0,
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    mask: Any = None,
    held_out: float = 0.2,
    seed: int = 0,
    read: Reader | None = None,
    iterations: int = 200,
    tolerance: float = 1e-8,
    workers: int | None = None,
) -> tuple[Kernel | Bank, DescentReport]:
    """Return the filter k of a given size for which the mean loss of ``convolve(x, k)`` against `y` is smallest.

        k = argmin  mean over n of  L(sum_m k[m] x[n - m], y[n])

    It is found by L-BFGS on the whole training data, in double precision. The unknowns are not the taps but what
    makes the normal equations of `fit_filter` an identity, so that likeness of neighbouring samples does no harm.

    Parameters
    ----------
    x, y, size, mode, cval, axes, channel_axis, mask, held_out, seed, read
        As for `fit_filter`. All data are held in memory.
    loss : {'squared', 'huber', 'poisson'} or callable, optional
        The squared error; Huber's loss, which large errors enter by their magnitude only, those beyond 1.345 standard
        deviations of the errors that `fit_filter` leaves (estimated by their median); or the deviance of counts
        `y` with Poisson's distribution around the prediction. A callable takes prediction and target, tensors of
        shape (1, channels, *lengths) with a tile of outputs, and returns the mean loss over it as a tensor that can
        be differentiated; it has its minimum, zero, where both are the same.
    iterations : int, optional
        Most steps.
    tolerance : float, optional
        Norm of the gradient to stop at, in units of that at the beginning.
    workers : int, optional
        Number of threads; the default is that of `faltung.workers`. Rounding errors depend on it.

    Returns
    -------
    k : Kernel, or Bank if there is an axis of channels
        The filter, in double precision.
    report : DescentReport
        Its risks, and how far the descent went.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used, or no output is left to fit to.
    MissingExtraError
        torch is not installed.

    See Also
    --------
    faltung.learn.fit_filter : least squares, solved exactly.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964. J. Nocedal, "Updating
    quasi-Newton matrices with limited storage", Math. Comp. 35, 1980.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> from faltung.learn import fit_filter_by_gradient
    >>> x = np.random.default_rng(0).normal(size=3000)
    >>> y = fa.convolve(x, np.array([1.0, 2.0, 1.0]))
    >>> y[::20] = 100.0  # nonsense
    >>> fit_filter_by_gradient(x, y, 3, loss="huber", workers=1)[0].taps.round(2)
    array([1., 2., 1.])
    """
    data = fit_data(
        x,
        y,
        size,
        mode=mode,
        cval=cval,
        axes=axes,
        channel_axis=channel_axis,
        mask=mask,
        weights=None,
        held_out=held_out,
        seed=seed,
        read=read,
    )
    most = integer("iterations", iterations, 1, _MOST_ITERATIONS)
    enough, count = real("tolerance", tolerance, 0.0, 1.0), worker_count(workers)
    _check_loss(loss)
    equations = sums_of(data, count)
    if len(equations.size) not in _CORRELATIONS:
        raise ArgumentError("size", "a filter of one to three axes", f"{equations.size}", "Use fit_filter.")
    tiles = [_tile(section.block(tile)) for section, chosen in data.training() for tile in chosen]

    def judge(block: Block) -> tuple[float, float]:
        tile = _tile(block)
        with torch.no_grad():
            return tile.loss_sum(taps, mean_loss).item(), float(tile.positions)

    with reproducible(data.seed, count):
        mean_loss = _LOSSES[loss](tiles, equations) if isinstance(loss, str) else loss
        taps, risk, evaluations, gradient = _descend(tiles, mean_loss, equations, most, enough)
        judged = held_out_risk(data.held_out(), judge, 1)  # torch has threads of its own
    report = DescentReport(
        training_risk=risk,
        held_out_risk=judged.risk,
        held_out_interval=judged.interval,
        positions=equations.positions,
        held_out_positions=judged.positions,
        held_out_tiles=judged.tiles,
        missing=equations.missing + judged.missing,
        loss=loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__),
        evaluations=evaluations,
        gradient=gradient,
    )
    return as_filter(taps.numpy(), banked=channel_axis is not None), report


def correlate_valid(source: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Correlate channels with taps (channels out, channels in, *size), where they lie inside: torch calls it conv.

    Examples
    --------
    >>> correlate_valid(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[[10.0, 1.0]]]))
    tensor([[[12., 24.]]])
    """
    return _CORRELATIONS[taps.ndim - 2](source, taps)


_CORRELATIONS: dict[int, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    1: torch.nn.functional.conv1d,
    2: torch.nn.functional.conv2d,
    3: torch.nn.functional.conv3d,
}


def _tile(block: Block) -> _Tile:
    kept = (
        None if block.kept is None else torch.from_numpy(block.kept.copy())
    )  # a mask may be a view that is not to be written
    return _Tile(torch.from_numpy(block.source)[None], torch.from_numpy(block.target)[None], kept, block.positions)


def _descend(
    tiles: Sequence[_Tile], loss: MeanLoss, equations: NormalEquations, iterations: int, tolerance: float
) -> tuple[torch.Tensor, float, int, float]:
    """Return taps over a window, their mean loss, and how often it took what to get there."""
    shape = (len(equations.moment), equations.channels, *equations.size)
    scaling = torch.from_numpy(_whitening(equations.gram / equations.weight))
    start = torch.from_numpy(_flat_filter(equations))
    unknowns = torch.zeros(len(start), len(scaling), dtype=torch.float64, requires_grad=True)
    norms: list[float] = []

    def taps() -> torch.Tensor:
        return (start + unknowns @ scaling).reshape(shape)

    def closure() -> float:
        unknowns.grad = None
        total = 0.0
        for tile in tiles:
            part = tile.loss_sum(taps(), loss) / equations.positions
            part.backward()  # type: ignore[no-untyped-call]
            total += part.item()
        assert unknowns.grad is not None
        norms.append(unknowns.grad.abs().max().item())
        return total

    closure()
    optimiser = torch.optim.LBFGS(
        [unknowns],
        lr=1.0,
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=tolerance * norms[0],
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    if norms[0] > 0:
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    risk = closure()
    return taps().detach(), risk, len(norms), norms[-1] / norms[0] if norms[0] > 0 else 0.0


def _whitening(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix whose rows are the taps that one unknown each stands for: their outputs are uncorrelated.

    Directions that the data do not determine are left out, so that nothing moves along them.
    """
    values, vectors = np.linalg.eigh(gram)
    known = values > precision(len(gram)) * values[-1]
    return np.ascontiguousarray((vectors[:, known] / np.sqrt(values[known])).T)


def _flat_filter(equations: NormalEquations) -> NDArray[np.float64]:
    """Return the best filter with equal taps: where inputs and targets are positive, so is what it predicts."""
    energy = float(equations.gram.sum())
    level = equations.moment.sum(axis=1) / energy if energy > 0 else np.zeros(len(equations.moment))
    return np.repeat(level[:, np.newaxis], len(equations.gram), axis=1)


def _squared(tiles: Sequence[_Tile], equations: NormalEquations) -> MeanLoss:
    return torch.nn.functional.mse_loss


def _huber(tiles: Sequence[_Tile], equations: NormalEquations) -> MeanLoss:
    exact = minimise(equations.gram, equations.moment, 0.0).points
    taps = torch.from_numpy(exact).reshape(len(exact), equations.channels, *equations.size)
    errors = [(tile.target - correlate_valid(tile.source, taps)).abs() for tile in tiles]
    medians = [
        error if tile.kept is None else error[..., tile.kept] for tile, error in zip(tiles, errors, strict=True)
    ]
    median = float(torch.cat([error.flatten() for error in medians]).median())
    # Without noise nothing is an outlier, and yet the line must begin somewhere.
    least = _EXACT * math.sqrt(equations.energy / equations.weight)
    threshold = max(_HUBER * median / _MEDIAN, least) or 1.0

    def huber(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(prediction, target, delta=threshold)

    return huber


def _poisson(tiles: Sequence[_Tile], equations: NormalEquations) -> MeanLoss:
    if any(bool((tile.target < 0).any()) for tile in tiles):
        raise ArgumentError("y", "counts, which are not negative, for loss='poisson'", "negative samples")
    dark = _DARK * float(np.mean([float(tile.target.mean()) for tile in tiles]))

    def poisson(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mean = prediction.clamp(min=dark)
        return 2 * (torch.xlogy(target, target) - torch.xlogy(target, mean) - target + mean).mean()

    return poisson


_LOSSES: dict[str, Callable[[Sequence[_Tile], NormalEquations], MeanLoss]] = {
    "squared": _squared,
    "huber": _huber,
    "poisson": _poisson,
}


def _check_loss(loss: Any) -> None:
    expected = f"{', '.join(map(repr, _LOSSES))}, or a function of prediction and target"
    if isinstance(loss, str) and loss not in _LOSSES:
        raise ArgumentError("loss", expected, repr(loss))
    if not isinstance(loss, str) and not callable(loss):
        raise ArgumentTypeError("loss", expected, repr(loss))

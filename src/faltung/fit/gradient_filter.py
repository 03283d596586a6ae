"""Which filter minimises any loss? Descent along the gradient of the empirical risk, with torch."""

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
from faltung.fit.least_squares import as_filter, flag, training_equations
from faltung.fit.normal_equations import NormalEquations
from faltung.fit.quadratic import minimise, precision
from faltung.fit.sections import TileData
from faltung.ground.checks import integer, real
from faltung.ground.threads import worker_count
from faltung.kernels import Bank, Kernel
from faltung.tensors.determinism import reproducible

if TYPE_CHECKING:
    from faltung.fit.pairs import Reader

__all__ = ["MeanLoss", "correlate_valid", "fit_filter_by_gradient"]

MeanLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Mean loss of a prediction against a target, both of shape (1, channels, *lengths)."""

_MOST_ITERATIONS = 1 << 20
#: Standard deviations at which Huber's loss becomes linear: it is then 95 % efficient for normal errors.
_HUBER = 1.345
#: Median of |z| for a standard normal z.
_MEDIAN = 0.674490
#: Smallest error that can be an outlier, relative to the root mean square of the targets.
_LEAST_OUTLIER = 1e-6
#: Smallest prediction that is used as a mean of counts, relative to the mean of the targets.
_LEAST_MEAN = 1e-6


@dataclass(frozen=True)
class _Affine:
    """A correlation with taps ``(channels out, channels in, *size)``, and what is added to each channel out."""

    taps: torch.Tensor
    offset: torch.Tensor

    def __call__(self, source: torch.Tensor) -> torch.Tensor:
        """Return the prediction for the input of a tile."""
        prediction = correlate_valid(source, self.taps)
        return prediction + self.offset.reshape(-1, *[1] * (prediction.ndim - 2))


@dataclass(frozen=True)
class _TileTensors:
    """The data of a tile as tensors; the source already includes what lies beyond the border."""

    source: torch.Tensor
    target: torch.Tensor
    used: torch.Tensor | None
    positions: int

    def loss_sum(self, affine: _Affine, loss: MeanLoss) -> torch.Tensor:
        """Return the sum of losses over the outputs that are used."""
        prediction = affine(self.source)
        if self.used is not None:
            prediction = torch.where(self.used, prediction, self.target)  # loss and gradient are zero elsewhere
        return loss(prediction, self.target) * math.prod(self.target.shape[2:])


def fit_filter_by_gradient(
    x: Any,
    y: Any,
    size: int | Sequence[int],
    loss: str | MeanLoss = "squared",
    *,
    mode: str | Sequence[str] | None = None,
    cval: float = 0.0,
    axes: int | Sequence[int] | None = None,
    channel_axis: int | None = None,
    mask: Any = None,
    offset: bool = True,
    held_out: float = 0.2,
    seed: int = 0,
    read: Reader | None = None,
    iterations: int = 200,
    tolerance: float = 1e-8,
    workers: int | None = None,
) -> tuple[Kernel | Bank, DescentReport]:
    """Return the filter k of a given size for which the loss of ``convolve(x, k) + offset`` against `y` is smallest.

        k, c = argmin  mean over n of  L(c + sum_m k[m] x[n - m], y[n])

    The filter is found by L-BFGS on all training data, in double precision. The unknowns are not the taps, but
    combinations of taps for which the normal equations of `fit_filter` are the identity. So the descent is fast even
    if neighbouring samples are correlated.

    Parameters
    ----------
    x, y, size, mode, cval, axes, channel_axis, mask, offset, held_out, seed, read
        As for `fit_filter`. All data are held in memory.
    loss : {'squared', 'huber', 'poisson'} or callable, optional
        ``squared``: the squared error.
        ``huber``: Huber's loss. It grows only linearly beyond 1.345 standard deviations of the errors that
        `fit_filter` leaves (estimated by their median).
        ``poisson``: the deviance of counts `y` that have Poisson's distribution with the prediction as mean.
        A callable takes prediction and target, tensors of shape ``(1, channels, *lengths)`` with the outputs of a
        tile, and returns the mean loss over them as a tensor that can be differentiated. It must be zero, its
        minimum, where both are equal.
    iterations : int, optional
        Largest number of steps.
    tolerance : float, optional
        The descent stops when the norm of the gradient is this fraction of that at the start.
    workers : int, optional
        Number of threads; the default is that of `faltung.workers`. Rounding errors depend on it.

    Returns
    -------
    k : Kernel, or Bank if `channel_axis` is given
        The filter, in double precision.
    report : DescentReport
        The offset, the risks, and how far the descent went.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used, or there is no output to fit to.
    MissingExtraError
        torch is not installed.

    See Also
    --------
    faltung.fit_filter : least squares, solved exactly.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35, 1964. J. Nocedal, "Updating
    quasi-Newton matrices with limited storage", Math. Comp. 35, 1980.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.random.default_rng(0).normal(size=3000)
    >>> y = fa.convolve(x, np.array([1.0, 2.0, 1.0]))
    >>> y[::20] += 100.0 * (-1) ** np.arange(150)  # outliers
    >>> k, report = fa.fit.fit_filter_by_gradient(x, y, 3, loss="huber", workers=1)
    >>> k.taps.round(1)
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
        centred=False,  # losses such as that of counts need the samples themselves
    )
    with_offset = flag("offset", offset)
    most = integer("iterations", iterations, 1, _MOST_ITERATIONS)
    enough, count = real("tolerance", tolerance, 0.0, 1.0), worker_count(workers)
    _check_loss(loss)
    equations = training_equations(data, count)
    if len(equations.size) not in _CORRELATIONS:
        raise ArgumentError("size", "a filter of one to three axes", f"{equations.size}", "Use fit_filter.")
    tiles = [_as_tensors(section.tile_data(tile)) for section, chosen in data.training() for tile in chosen]

    def held_out_loss(data: TileData) -> tuple[float, float]:
        tile = _as_tensors(data)
        with torch.no_grad():
            return tile.loss_sum(affine, mean_loss).item(), float(tile.positions)

    with reproducible(data.seed, count):
        mean_loss = _LOSSES[loss](tiles, equations, with_offset) if isinstance(loss, str) else loss
        affine, risk, evaluations, gradient = _descend(tiles, mean_loss, equations, with_offset, most, enough)
        judged = held_out_risk(data.held_out(), held_out_loss, equations.means, 1)  # torch has its own threads
    report = DescentReport(
        training_risk=risk,
        held_out_risk=judged.risk,
        held_out_interval=judged.interval,
        positions=equations.positions,
        held_out_positions=judged.positions,
        held_out_tiles=judged.tiles,
        missing=equations.missing + judged.missing,
        offset=tuple(affine.offset.tolist()) if with_offset else None,
        loss=loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__),
        evaluations=evaluations,
        gradient=gradient,
    )
    return as_filter(affine.taps.numpy(), as_bank=channel_axis is not None), report


def correlate_valid(source: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Return the valid correlation of channels with taps ``(channels out, channels in, *size)``: torch calls it conv.

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


def _as_tensors(data: TileData) -> _TileTensors:
    # The mask is copied because torch warns about views that are read-only.
    used = None if data.used is None else torch.from_numpy(data.used.copy())
    source, target = (torch.from_numpy(array)[None] for array in (data.source, data.target))
    return _TileTensors(source, target, used, data.positions)


def _descend(
    tiles: Sequence[_TileTensors],
    loss: MeanLoss,
    equations: NormalEquations,
    with_offset: bool,
    iterations: int,
    tolerance: float,
) -> tuple[_Affine, float, int, float]:
    """Return taps and offset, their mean loss, the number of evaluations, and the relative gradient."""
    shape = (len(equations.moment), equations.channels, *equations.size)
    scaling = torch.from_numpy(_whitening(_gram(equations, with_offset)))
    start = torch.from_numpy(_constant_filter(equations, scaling.shape[1]))
    unknowns = torch.zeros(len(start), len(scaling), dtype=torch.float64, requires_grad=True)
    norms: list[float] = []
    taps_count = len(equations.gram)

    def affine() -> _Affine:
        rows = start + unknowns @ scaling
        offset = rows[:, taps_count] if with_offset else torch.zeros(len(rows), dtype=rows.dtype)
        return _Affine(rows[:, :taps_count].reshape(shape), offset)

    def closure() -> float:
        unknowns.grad = None
        total = 0.0
        for tile in tiles:
            part = tile.loss_sum(affine(), loss) / equations.positions
            part.backward()  # type: ignore[no-untyped-call]
            total += part.item()
        assert unknowns.grad is not None
        norms.append(unknowns.grad.abs().max().item() if len(scaling) else 0.0)
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
    with torch.no_grad():
        return affine(), risk, len(norms), norms[-1] / norms[0] if norms[0] > 0 else 0.0


def _gram(equations: NormalEquations, with_offset: bool) -> NDArray[np.float64]:
    """Return the mean Gram matrix of the windows, with a one behind each window if there is an offset."""
    gram = equations.gram / equations.weight
    if not with_offset:
        return gram
    mean = equations.windows / equations.weight
    return np.block([[gram, mean[:, np.newaxis]], [mean, np.ones((1, 1))]])


def _whitening(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix whose rows are filters with uncorrelated outputs of variance one: a row for each unknown.

    Directions that the data do not determine have no row, so the descent does not move along them.
    """
    values, vectors = np.linalg.eigh(gram)
    determined = values > precision(len(gram)) * values[-1]
    return np.ascontiguousarray((vectors[:, determined] / np.sqrt(values[determined])).T)


def _constant_filter(equations: NormalEquations, unknowns: int) -> NDArray[np.float64]:
    """Return the best filter with equal taps and no offset. Its predictions are positive for positive data."""
    energy = float(equations.gram.sum())
    level = equations.moment.sum(axis=1) / energy if energy > 0 else np.zeros(len(equations.moment))
    start = np.zeros((len(level), unknowns))
    start[:, : len(equations.gram)] = level[:, np.newaxis]
    return start


def _squared(tiles: Sequence[_TileTensors], equations: NormalEquations, with_offset: bool) -> MeanLoss:
    return torch.nn.functional.mse_loss


def _huber(tiles: Sequence[_TileTensors], equations: NormalEquations, with_offset: bool) -> MeanLoss:
    centred = equations.about_means() if with_offset else equations
    points = minimise(centred.gram, centred.moment, 0.0).points
    taps = torch.from_numpy(points).reshape(len(points), equations.channels, *equations.size)
    offset = torch.from_numpy(equations.offset(points) if with_offset else np.zeros(len(points)))
    least_squares = _Affine(taps, offset)
    errors = [(tile.target - least_squares(tile.source)).abs() for tile in tiles]
    used_errors = [
        error if tile.used is None else error[..., tile.used] for tile, error in zip(tiles, errors, strict=True)
    ]
    median = float(torch.cat([error.flatten() for error in used_errors]).median())
    # Without noise the median is zero, or no more than rounding errors.
    least = _LEAST_OUTLIER * math.sqrt(equations.energy / equations.weight)
    threshold = max(_HUBER * median / _MEDIAN, least) or 1.0

    def huber(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(prediction, target, delta=threshold)

    return huber


def _poisson(tiles: Sequence[_TileTensors], equations: NormalEquations, with_offset: bool) -> MeanLoss:
    if any(bool((tile.target < 0).any()) for tile in tiles):
        remedy = "Use another loss, or clip y at zero."
        raise ArgumentError("y", "counts of at least zero for loss='poisson'", "negative samples", remedy)
    least_mean = _LEAST_MEAN * float(np.mean([float(tile.target.mean()) for tile in tiles]))

    def poisson(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mean = prediction.clamp(min=least_mean)
        return 2 * (torch.xlogy(target, target) - torch.xlogy(target, mean) - target + mean).mean()

    return poisson


_LOSSES: dict[str, Callable[[Sequence[_TileTensors], NormalEquations, bool], MeanLoss]] = {
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

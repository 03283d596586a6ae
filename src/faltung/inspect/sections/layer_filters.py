"""What are the filters like? Pictures on one scale, rank, norm, near-duplicates, dead units, named filters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faltung.ground.drawings.pictures import data_uri, middle, png, signed_sheet
from faltung.inspect.convolution_norm import convolution_norm
from faltung.inspect.dead_units import DeadUnits, dead_units
from faltung.inspect.named_likeness import Likeness, likeness_of
from faltung.inspect.section_result import CardTable, Drawing, NotMeasured, SectionResult, Subject

__all__ = ["FilterBank", "FilterResult", "measure"]

#: Filters are near-duplicates if the cosine of the angle between them is above this, with either sign.
_NEAR = 0.98
_DRAWN = 64
#: A filter is called like a named one if its similarity is above this.
_ALIKE = 0.75
#: A matrix of all frequencies with more elements than this is computed for a smaller input.
_MOST_ELEMENTS = 2**24


@dataclass(frozen=True)
class FilterBank:
    r"""The filters of one layer.

    Parameters
    ----------
    name : str
        The layer.
    shape : tuple of int
        Shape of the weights.
    rank : int
        Rank of the matrix (channels out, channels in times taps), to the rounding of the weights.
    effective_rank : float
        Exponential of the entropy of its squared singular values, as shares.
    separable : float
        Mean share of the energy of a kernel that its best separable approximation has; nan without two axes.
    norm : float
        Spectral norm of the convolution with circular borders.
    norm_size : tuple of int
        The size of the input for which it was computed.
    duplicates : int
        Filters that have a near-duplicate before them.
    kernels : array, shape (kernels, \*spatial)
        Kernels for the picture.
    """

    name: str
    shape: tuple[int, ...]
    rank: int
    effective_rank: float
    separable: float
    norm: float
    norm_size: tuple[int, ...]
    duplicates: int
    kernels: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class FilterResult(SectionResult):
    """The filters of a network.

    Parameters
    ----------
    banks : tuple of FilterBank
        The convolutional layers.
    units : tuple of DeadUnits
        Channels behind rectifiers that are always zero.
    first : tuple of Likeness
        For each filter of the first layer, the named filter that is most like it.

    References
    ----------
    H. Sedghi, V. Gupta, P. M. Long, "The singular values of convolutional layers", ICLR 2019: the norm. O. Roy,
    M. Vetterli, "The effective rank", EUSIPCO 2007.
    """

    heading: ClassVar[str] = "Its filters"

    banks: tuple[FilterBank, ...]
    units: tuple[DeadUnits, ...]
    first: tuple[Likeness, ...]

    def facts(self) -> Mapping[str, str]:
        """Return what stands out."""
        told = {}
        if self.first:
            counts = Counter(each.name if each.similarity > _ALIKE else "none" for each in self.first)
            told["Filters of the first layer"] = ", ".join(f"{count} {name}" for name, count in counts.most_common())
            told["Filters of the first layer"] += f" (named if the similarity is above {_ALIKE})"
        if self.units:
            channels, silent, proved = (sum(getattr(each, key) for each in self.units) for key in _COUNTS)
            told["Channels that are always zero"] = (
                f"{silent} of {channels} on the examples, {proved} of them for every input"
            )
        if self.banks:
            told["Near-duplicates"] = f"{sum(bank.duplicates for bank in self.banks)} filters"
        return told

    def table(self) -> CardTable | None:
        """Return a row for each layer."""
        silent = {each.layer: f"{each.silent}/{each.channels}" for each in self.units}
        rows = tuple(
            (
                bank.name,
                "×".join(map(str, bank.shape)),
                f"{bank.rank}",
                f"{bank.effective_rank:.1f}",
                "-" if math.isnan(bank.separable) else f"{bank.separable:.0%}",
                f"{bank.norm:.3g}",
                str(bank.duplicates),
                silent.get(bank.name, "-"),
            )
            for bank in self.banks
        )
        header = ("layer", "weights", "rank", "effective", "separable", "norm", "duplicates", "dead")
        caption = (
            "Rank of the matrix of all weights, and its effective rank (exponential of the entropy of the squared "
            "singular values). Separable: energy in the best product of filters along each axis. Norm: the largest "
            "factor by which the layer can change the norm of its input, with circular borders. Dead: channels behind"
            " its rectifier that are zero on all examples."
        )
        return CardTable(header, rows, caption, page_only=("effective",)) if rows else None

    def drawings(self) -> Sequence[Drawing]:
        """Return the kernels of each layer, on one scale for the layer."""
        return [drawing for bank in self.banks if (drawing := _drawn(bank)) is not None]

    def warnings(self) -> Sequence[str]:
        """Name channels that are zero for every input."""
        proved = [f"{each.layer} ({each.proved})" for each in self.units if each.proved]
        return (
            [f"Channels are zero for every input, as their batch norm says: {', '.join(proved)}."] if proved else []
        )

    def figures(self) -> Mapping[str, float]:
        """Return counts and the largest norm."""
        told: dict[str, float] = {"near_duplicates": sum(bank.duplicates for bank in self.banks)}
        if self.units:
            told["dead_channels"] = sum(each.silent for each in self.units)
        if self.banks:
            told["largest_norm"] = max(bank.norm for bank in self.banks)
        return told


_COUNTS = ("channels", "silent", "proved")


def measure(subject: Subject) -> SectionResult:
    """Look at the weights of every convolution, and at the channels behind every rectifier.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    layers = [*_convolutions(subject)]
    if not layers:
        return NotMeasured("no module is a convolution")
    banks = tuple(_bank(name, module, size) for name, module, size in layers)
    return FilterResult(banks, dead_units(subject), _first(layers[0][1]))


def _convolutions(subject: Subject) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Yield each convolution that ran, once, with the size of its larger side."""
    modules, told = subject.modules, set()
    calls = {call.name or "(itself)": call for call in reversed(subject.captured[0].calls)}
    for row in subject.layers:
        module = modules.get(row.name)
        if not isinstance(module, nn.modules.conv._ConvNd) or row.name in told or not calls[row.name].inputs:
            continue
        told.add(row.name)
        place = row.result if module.transposed else calls[row.name].inputs[0]
        yield row.name, module, tuple(place.shape[-len(module.kernel_size) :])


def _bank(name: str, module: Any, size: tuple[int, ...]) -> FilterBank:
    weight = module.weight.detach().double().cpu()
    filters = weight.transpose(0, 1) if module.transposed else weight
    matrix = filters.reshape(len(filters), -1)
    values = torch.linalg.svdvals(matrix)
    rounding = float(torch.finfo(module.weight.dtype).eps) * max(matrix.shape)
    rank = int((values > rounding * values.max()).sum()) if len(values) else 0
    shares = values.square() / values.square().sum().clamp_min(1e-300)
    entropy = float(-(shares * shares.clamp_min(1e-300).log()).sum())
    smaller = _affordable(size, weight.numel())
    norm = convolution_norm(weight, smaller, module.stride, module.dilation, module.groups, module.transposed)
    kernels = weight.reshape(-1, *weight.shape[2:])
    strongest = kernels.flatten(1).norm(dim=1).topk(min(_DRAWN, len(kernels))).indices.sort().values
    return FilterBank(
        name,
        tuple(weight.shape),
        rank,
        math.exp(entropy),
        _separable(kernels),
        norm,
        smaller,
        _duplicates(matrix),
        kernels[strongest].float().numpy(),
    )


def _affordable(size: tuple[int, ...], elements: int) -> tuple[int, ...]:
    """Return the size, or a smaller one, if the matrices at all its frequencies would be too large."""
    lengths = [*size]
    while math.prod(lengths) * elements > _MOST_ELEMENTS and max(lengths) > 8:
        lengths[lengths.index(max(lengths))] = -(-max(lengths) // 2)
    return tuple(lengths)


def _separable(kernels: torch.Tensor) -> float:
    if kernels.ndim != 3 or min(kernels.shape[1:]) < 2:
        return math.nan
    energy = torch.linalg.svdvals(kernels).square()
    total = energy.sum(1)
    return float((energy[:, 0] / total.clamp_min(1e-300))[total > 0].mean()) if (total > 0).any() else math.nan


def _duplicates(matrix: torch.Tensor) -> int:
    """Return how many rows are, up to scale and sign, nearly equal to a row before them."""
    norms = matrix.norm(dim=1, keepdim=True)
    units = (matrix / norms.clamp_min(1e-300))[norms[:, 0] > 0]
    return int(((units @ units.T).abs().tril(-1) > _NEAR).any(1).sum()) if matrix.shape[1] > 1 else 0


def _first(module: Any) -> tuple[Likeness, ...]:
    """Return what the filters of the first layer look like; of several channels, their common shape is compared."""
    weight = module.weight.detach().double().cpu()
    if module.transposed or weight.ndim not in (3, 4) or min(weight.shape[2:]) < 3:
        return ()
    found = []
    for one in weight.numpy():
        _, _, shapes = np.linalg.svd(one.reshape(len(one), -1), full_matrices=False)
        found.append(likeness_of(shapes[0].reshape(one.shape[1:])))
    return tuple(found)


def _drawn(bank: FilterBank) -> Drawing | None:
    kernels = bank.kernels
    if kernels.ndim < 2 or max(kernels.shape[1:]) < 2 or not np.isfinite(kernels).all():
        return None
    tiles = kernels[:, None] if kernels.ndim == 2 else kernels
    sheet = signed_sheet(middle(tiles), together=True)
    text = f"{len(kernels)} kernels of {bank.name}, {'x'.join(map(str, kernels.shape[1:]))}"
    picture = f'<img class="filters" alt="{escape(text)}" src="{data_uri(png(sheet))}"/>'
    count = bank.shape[0] * bank.shape[1]
    which = "" if count <= _DRAWN else f", those with the largest norm of {count}"
    return Drawing(picture, f"{text}{which}. One scale: orange is positive, blue negative, white zero.")

"""What does a report say of the inside of a network? Sections of its report card that the page does not have yet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from faltung.inspect.examples import Example
from faltung.inspect.report_card import card
from faltung.inspect.section_result import NotMeasured, SectionResult
from faltung.inspect.sections.layer_filters import FilterResult
from faltung.inspect.sections.patterns import PatternsResult

__all__ = ["figures_of", "inspected"]

_SECTIONS = ("receptive_fields", "effective_field", "shifts", "filters", "patterns", "attribution")


def inspected(network: nn.Module, examples: Iterable[Example], samples: torch.Tensor) -> Mapping[str, SectionResult]:
    """Return the sections of a report card that are shown for a trained network, if they apply to it.

    The page of a comparison has probes and superposition by depth for all networks, and the kernels of the first
    layer in colour; so they are left out here.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    examples : iterable of Example
        Its inputs; shifts are tried on all of them, and the first one is explained.
    samples : tensor, shape (samples, channels, *spatial)
        Samples in which patterns are looked for.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    >>> samples = torch.randn(20, 1, 8, generator=torch.Generator().manual_seed(0))
    >>> sections = inspected(network, [Example((samples[:1],))], samples)
    >>> list(sections)
    ['receptive_fields', 'effective_field', 'shifts', 'filters', 'patterns', 'attribution']
    >>> sections["patterns"].table() is None
    True
    """
    sections = card(network, *examples, data=samples, sections=_SECTIONS).sections
    return {name: _further(result) for name, result in sections.items() if not isinstance(result, NotMeasured)}


def figures_of(sections: Mapping[str, SectionResult]) -> dict[str, float]:
    """Return the numbers of sections by their names, as JSON-serialisable values.

    Examples
    --------
    >>> figures_of({})
    {}
    """
    figures = {name: value for result in sections.values() for name, value in result.figures().items()}
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _further(result: SectionResult) -> SectionResult:
    """Return a section without what the page has already."""
    if isinstance(result, PatternsResult):
        return replace(result, depth=())
    if isinstance(result, FilterResult) and result.banks:
        first = replace(result.banks[0], kernels=np.zeros(0, np.float32))
        return replace(result, banks=(first, *result.banks[1:]))
    return result

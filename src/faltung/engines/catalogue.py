"""Which engines are there, and which of them has an optional ability? Elsewhere no engine is special by its name."""

from __future__ import annotations

from faltung.engines.base import BankEngine, Engine, WeighingEngine
from faltung.engines.direct.direct_engine import Direct
from faltung.engines.fourier.fourier_engine import Fourier
from faltung.engines.passes.running import Running
from faltung.engines.passes.separable import Separable

__all__ = ["BY_PASSES", "BY_SPECTRA", "ENGINES", "EXACT", "weighing_engine"]

#: Accepts every job and computes over the non-zero taps alone: blocks are repaired with it.
EXACT: Engine = Direct()
#: Applies outer products as passes along the axes.
BY_PASSES: Engine = Separable(EXACT)
#: Shares the transforms of its source among the kernels of a bank.
BY_SPECTRA: BankEngine = Fourier()

#: All engines by name.
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (EXACT, BY_PASSES, Running(EXACT), BY_SPECTRA)}


def weighing_engine(names: tuple[str, ...]) -> WeighingEngine | None:
    """Return the engine of these steps if it is a single one that can sum weights along with the samples."""
    engine = ENGINES[names[0]] if len(names) == 1 else None
    return engine if isinstance(engine, WeighingEngine) else None

"""What tests of measured choices share: a process that remembers nothing, and problems to remember."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faltung.ground.bounded import Bounded
from faltung.planning import wisdom
from faltung.planning.problem import Problem


def forget_choices(monkeypatch):
    """Forget what this process remembers."""
    monkeypatch.setattr(wisdom, "_choices", Bounded(wisdom.MOST))
    monkeypatch.setattr(wisdom, "_loaded", False)


def in_a_new_process(monkeypatch, problem):
    """Return what a process that starts now remembers."""
    forget_choices(monkeypatch)
    return wisdom.remembered(problem)


def problem_of(kernel, shape=(40, 50), dtype="float32", **changes):
    """Describe a convolution with a kernel over the last axes."""
    ndim = kernel.ndim
    plain = Problem(
        shape=shape,
        dtype=np.dtype(dtype),
        kernel=kernel,
        reflected=True,
        axes=tuple(range(len(shape) - ndim, len(shape))),
        modes=("reflect", "reflect"),
        cval=0.0,
        regions=tuple((0, length) for length in shape[-ndim:]),
        result=np.dtype(dtype),
    )
    return replace(plain, **changes)

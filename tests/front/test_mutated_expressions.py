"""Mutated expressions are read, planned and applied, or refused in a sentence; the long run is a script."""

import math

import numpy as np

from mutated_expressions import Watch, mutated


def test_mutated_expressions(tmp_path):
    watch = Watch(tmp_path, math.inf)
    for number in range(40):
        text = mutated(np.random.default_rng([5, number]))
        assert not watch(text), text

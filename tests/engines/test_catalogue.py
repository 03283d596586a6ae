"""The engines by name, and the contract that each of them keeps."""

from __future__ import annotations

import numpy as np
import pytest

from faltung.engines.base import BankEngine, Block, Job, WeighingEngine, call_of
from faltung.engines.catalogue import BY_SPECTRA, ENGINES, EXACT, weighing_engine

ONES = Job(np.ones((3, 3), "f4"), (), True, 1, np.dtype("f4"), np.dtype("f4"), (8, 20), False)


def test_engines_are_listed_under_their_names():
    assert {name: engine.name for name, engine in ENGINES.items()} == {name: name for name in ENGINES}


def test_one_engine_is_exact_and_does_everything():
    assert [engine for engine in ENGINES.values() if engine.exact] == [EXACT]
    for taps in (np.ones((1, 1)), np.zeros((3, 2)), np.eye(40), np.ones((2, 2, 2, 2, 2))):
        job = Job(taps, (), True, 1, np.dtype("f8"), np.dtype("f8"), (9,) * taps.ndim, False)
        assert EXACT.accepts(job) == ""


def test_optional_abilities_are_asked_of_the_engine_and_not_of_its_name():
    for name, engine in ENGINES.items():
        assert (weighing_engine((name,)) is not None) == hasattr(engine, "weighs")
        assert weighing_engine((name, name)) is None
    assert isinstance(EXACT, WeighingEngine)
    assert hasattr(BY_SPECTRA, "prepare_bank")
    assert BankEngine  # part of the contract


@pytest.mark.parametrize("name", ["direct", "fourier"])
def test_a_block_function_repairs_itself(name):
    x = np.full((10, 22), np.inf, "f4")
    y = np.zeros((8, 20), "f4")
    block = Block(x.strides[:1], y.strides[:1], y.shape)
    taps = np.zeros((3, 3), "f4")
    taps[0] = taps[2] = 1
    job = Job(taps, (), True, 1, x.dtype, y.dtype, y.shape, False)
    assert not ENGINES[name].prepare(job)(x.ctypes.data, y.ctypes.data, block)
    assert (y == np.inf).all()


def test_a_call_is_optional():
    block = Block((88,), (80,), (8, 20))
    assert call_of(lambda source, target, block: None, block) is None
    for engine in (EXACT, ENGINES["fourier"]):
        call = call_of(engine.prepare(ONES), block)
        assert call is not None
        assert {*call.values, *call.scratch} == {*call.parameters} - {"source", "target"}


def test_blocks_are_values():
    block = Block((88,), (80,), (8, 20))
    assert block == Block((88,), (80,), (8, 20)) != Block((80,), (80,), (8, 20))
    assert {block: 1}[Block((88,), (80,), (8, 20))] == 1
    with pytest.raises(AttributeError):
        block.shape = (1, 1)

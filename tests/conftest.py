"""What all tests share."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep compiled objects of a test run to itself: a test must not depend on what ran before."""
    os.environ["FALTUNG_CACHE"] = str(tmp_path_factory.mktemp("objects"))


def _forget():
    from faltung import execute
    from faltung.convolve import _plans

    execute._program.cache_clear()
    _plans.clear()


@pytest.fixture(params=[128, 256, 512], ids=["4 lanes", "8 lanes", "16 lanes"])
def vector_bits(request, monkeypatch):
    """Run a test at every vector width; plans and programs made for another are forgotten."""
    monkeypatch.setenv("FALTUNG_VECTOR_BITS", str(request.param))
    _forget()
    yield request.param
    _forget()


@pytest.fixture(params=[(1, 1, 1), (8, 40, 1), (40, 1, 5)], ids=["one sample", "8 x 5", "rows"])
def tiny_tiles(request, monkeypatch):
    """Cut even the smallest problem into many tiles: widest tile, samples of a tile, strip along the border."""
    from faltung import execute

    # The function `faltung.plan` hides the package of that name from a plain import statement.
    planner = sys.modules["faltung.plan.planner"]
    widest, samples, strip = request.param
    monkeypatch.setattr(execute, "_SMALL", 0)
    monkeypatch.setattr(execute, "_STRIP", strip)
    monkeypatch.setattr(planner, "_WIDEST_TILE", widest)
    monkeypatch.setattr(planner, "_SMALLEST_TILE", samples)
    monkeypatch.setattr(planner, "_TILE_WORK", 1)
    _forget()
    yield request.param
    _forget()


@pytest.fixture
def past_the_cache(monkeypatch):
    """Treat results of any size as those that no cache keeps."""
    monkeypatch.setattr(sys.modules["faltung.plan.problem"], "STREAMED_BYTES", 0)
    _forget()
    yield
    _forget()

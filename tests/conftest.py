"""What all tests share."""

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep compiled objects of a test run to itself: a test must not depend on what ran before."""
    os.environ["FALTUNG_CACHE"] = str(tmp_path_factory.mktemp("objects"))
    yield


@pytest.fixture(params=[128, 256, 512], ids=["4 lanes", "8 lanes", "16 lanes"])
def vector_bits(request, monkeypatch):
    """Run a test at every vector width; plans and programs made for another are forgotten."""
    from faltung import execute
    from faltung.convolve import _plans

    monkeypatch.setenv("FALTUNG_VECTOR_BITS", str(request.param))
    execute._program.cache_clear()
    _plans.clear()
    yield request.param
    execute._program.cache_clear()
    _plans.clear()

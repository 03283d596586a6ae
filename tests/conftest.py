"""What all tests share."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

# Torch's threads spin while they wait; beside another busy process each of its calls then takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# The extensions of the site are imported as Sphinx imports them.
sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "extensions"))

import pytest
from hypothesis import HealthCheck, settings

from explorer_pages import browser, one_page, quiet_page, saved, served, whole_page  # noqa: F401  # fixtures of the explorer's tests
from faltung.cli.main import main

# A check gives one verdict on one state of the code: the examples of laws are the same every time, and neither their
# number nor a failure depends on how busy the machine is. `pytest --hypothesis-profile default` looks for new ones.
settings.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture
def no_waiting(monkeypatch):
    """A process that ends leaves what the system has: waiting for the disk is for machines that end."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep compiled objects of a test run to itself: a test must not depend on what ran before."""
    os.environ["FALTUNG_CACHE"] = str(tmp_path_factory.mktemp("objects"))


def _module(name):
    return importlib.import_module(f"faltung.{name}")


def forget():
    for module in ("layer_run", "depthwise_run", "tap_gradient", "winograd_run"):
        _module(f"run.{module}")._codes.clear()
    _module("planning.kept").forget()


@pytest.fixture(params=[128, 256, 512], ids=["4 lanes", "8 lanes", "16 lanes"])
def vector_bits(request, monkeypatch):
    """Run a test at every vector width; plans and programs made for another are forgotten."""
    monkeypatch.setenv("FALTUNG_VECTOR_BITS", str(request.param))
    forget()
    yield request.param
    forget()


#: Rows and columns of a tile, and the strip along the border.
TILES = [(1, 1, 1), (5, 8, 1), (1, 40, 5)]


@pytest.fixture(params=TILES, ids=["one sample", "5 x 8", "rows"])
def tiny_tiles(request, monkeypatch):
    """Cut even the smallest problem into many tiles: rows and columns of a tile, strip along the border."""
    rows, columns, strip = request.param
    monkeypatch.setattr(_module("run.tiling"), "SMALL", 0)
    monkeypatch.setattr(_module("run.tiling"), "STRIP", strip)
    monkeypatch.setattr(
        _module("planning.planner"), "_tile", lambda pairs: (*[1] * (len(pairs[0][1].extents) - 2), rows, columns)
    )
    forget()
    yield request.param
    forget()


@pytest.fixture
def past_the_cache(monkeypatch):
    """Treat results of any size as those that no cache keeps."""
    monkeypatch.setattr(_module("planning.problem"), "STREAMED_BYTES", 0)
    forget()
    yield
    forget()


@pytest.fixture
def alone():
    """Compute on one of torch's threads, which is fastest for what is tiny, and draw the same numbers every time."""
    import torch

    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def even_few_taps(monkeypatch):
    """Let layers transform kernels of any size, also those that are always summed over."""
    from faltung.tensors import layer_plan

    monkeypatch.setattr(layer_plan, "MANY_TAPS", 0)
    layer_plan.plan_layer.cache_clear()
    yield
    layer_plan.plan_layer.cache_clear()


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Call ``faltung`` with arguments in an empty folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["faltung", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, " ".join(said.err.split())

    return run

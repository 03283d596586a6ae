"""The result does not depend on who computes which chunk: threads, one process or several."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """Two worker processes on this machine."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def filtered(samples, scheduler):
    x = da.from_array(samples, chunks=(70, 64))
    mask = samples > 0.1
    blurred = fa.convolve(x, fa.gaussian(3.0) * fa.sobel(axis=1), mode=("wrap", "reflect"))
    holes = fa.convolve(x, fa.Kernel(np.ones((9, 31))), mask=mask, nan="ignore")
    layers = fa.convolve(x, fa.Bank.stack([fa.gabor(0.2, angle).real for angle in (0.0, 1.0)]), stride=2)
    import dask

    return dask.compute(blurred, holes, layers, scheduler=scheduler)


def test_two_processes_give_the_bits_of_one_thread(client):
    samples = np.random.default_rng(0).random((300, 250), np.float32)
    samples[30, 40] = np.nan
    results = [filtered(samples, scheduler) for scheduler in ("synchronous", "threads", client)]
    for alone, threads, processes in zip(*results, strict=True):
        assert_array_equal(threads, alone)
        assert_array_equal(processes, alone)
    workers = client.run(lambda: __import__("sys").modules.get("faltung") is not None)
    assert [*workers.values()] == [True, True], "both processes have filtered"

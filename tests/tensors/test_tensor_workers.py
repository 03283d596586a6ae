"""How many threads compute a tensor: as many as a call, a block or the environment asks for, or else as torch has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

import faltung as fa
from faltung.layers import Conv
from faltung.tensors.ways import machine_code
from faltung.tensors.ways.way import WAYS

rng = np.random.default_rng(3)
TAPS = torch.from_numpy(rng.standard_normal((4, 3, 3, 3))).float()
CALLS = {
    "bank": (3, lambda x, w, **named: fa.Bank.stack([fa.gabor(0.2, a).real for a in (0, 1)])(x[0], **named)),
    "bank over channels": (3, lambda x, w, **named: fa.convolve(x, fa.Bank(TAPS.numpy()), channel_axis=0, **named)),
    "taps": (3, lambda x, w, **named: fa.correlate(x[0], w[0, 0], **named)),
    "taps over channels": (3, lambda x, w, **named: fa.correlate(x, w, channel_axis=0, **named)),
}


@pytest.fixture
def counts(monkeypatch):
    """Numbers of threads that machine code ran on, in the order of the calls."""
    seen, run = [], machine_code.beside_torch
    monkeypatch.setattr(machine_code, "beside_torch", lambda code, board, n: seen.append(n) or run(code, board, n))
    monkeypatch.delenv("FALTUNG_WORKERS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield seen
    torch.set_num_threads(before)


def used(counts):
    """The number of threads; what is too small to be shared out is computed by one."""
    return max(counts), {*counts} - {1, max(counts)}


def operands():
    x = torch.from_numpy(rng.standard_normal((3, 200, 200))).float()
    return x.requires_grad_(), TAPS.clone().requires_grad_()


def gradients(y, *tensors):
    return torch.autograd.grad(y.square().sum(), tensors, allow_unused=True)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_says_how_many_threads_compute_it_and_its_gradients(name, counts):
    _, call = CALLS[name]
    x, w = operands()
    results = []
    for workers in (None, 1, 3):
        counts.clear()
        y = call(x, w, method="direct", workers=workers)
        forward = len(counts)
        results.append([y, *gradients(y, x, w)])
        assert forward
        assert len(counts) > forward
        assert used(counts) == (workers or 2, set())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.parametrize("name", CALLS)
def test_blocks_and_the_environment_hold_where_the_code_runs(name, counts, monkeypatch):
    _, call = CALLS[name]
    x, w = operands()
    with fa.workers(1):
        y = call(x, w, method="direct")
        assert {*counts} == {1}
        counts.clear()
        call(x, w, method="direct", workers=3)  # what a call says is stronger than the block around it
        assert {*counts} == {3}
    counts.clear()
    with fa.workers(3):
        gradients(y, x, w)
    assert used(counts) == (3, set())
    counts.clear()
    monkeypatch.setenv("FALTUNG_WORKERS", "4")
    call(x, w, method="direct")
    assert {*counts} == {4}


def test_layers_use_the_threads_of_the_block_or_of_torch(counts):
    layer = Conv(3, 4, 3, method="direct")
    x = torch.randn(1, 3, 96, 96, requires_grad=True)
    layer(x).sum().backward()
    assert {*counts} == {2}
    counts.clear()
    with fa.workers(1):
        layer(x).sum().backward()
    assert {*counts} == {1}
    torch.set_num_threads(1)
    counts.clear()
    with fa.workers(3):
        layer(x)
    assert {*counts} == {3}


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # of torch's own tangents
def test_gradients_of_gradients_vmap_and_tangents_keep_the_number(counts):
    x, w = operands()

    def call(x, w):
        return fa.correlate(x, w, channel_axis=0, method="direct", workers=3)

    (gradient,) = torch.autograd.grad(call(x, w).square().sum(), w, create_graph=True)
    gradient.square().sum().backward()
    torch.vmap(call, in_dims=(0, None))(torch.stack([x, x]).detach(), w.detach())
    with forward_ad.dual_level():
        call(forward_ad.make_dual(x.detach(), x.detach()), w.detach())
    assert len(counts) > 6
    assert {*counts} == {3}


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:Dynamo does not know")  # where it leaves a graph
def test_graphs_keep_the_number(counts):
    def call(x, w):
        return fa.correlate(x, w, channel_axis=0, method="direct", workers=3)

    x, w = operands()
    gradients(torch.compile(call, backend="aot_eager")(x, w), x, w)
    assert {*counts} == {3}


def test_old_graphs_without_a_number_still_run(counts):
    x, w = torch.randn(1, 3, 40, 40, requires_grad=True), TAPS.clone().requires_grad_()
    y = torch.ops.faltung.correlate(x, w, None, [1, 1], [0, 0], [38, 38], [1, 1], 1, "constant", "direct")
    gradients(y, x, w)
    assert {*counts} == {2}


@pytest.mark.parametrize("workers", [0, -1, True, 1.0, "2"])
@pytest.mark.parametrize("kernel", [fa.gaussian(1.0), fa.Bank.stack([fa.gaussian(1.0)]), torch.ones(3, 3)])
def test_a_wrong_number_is_refused_for_every_kernel(kernel, workers):
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError), match="workers: expected a positive integer"):
        fa.convolve(torch.randn(9, 9), kernel, workers=workers)


@pytest.mark.parametrize("method", ["torch", "fourier"])
def test_kernels_of_torch_work_on_as_many_threads_as_a_call_asks_for(method, monkeypatch):
    seen, correlate = [], WAYS[method].correlate

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        return correlate(*arguments)

    monkeypatch.setattr(WAYS[method], "correlate", watched)
    x, w = torch.rand(2, 20, 20), torch.rand(3, 2, 9, 9)
    before = torch.get_num_threads()
    fa.correlate(x, w, channel_axis=0, method=method, workers=before + 1)
    with fa.workers(before + 2):
        fa.correlate(x, w, channel_axis=0, method=method)
    fa.correlate(x, w, channel_axis=0, method=method)
    assert seen == [before + 1, before + 2, before]
    assert torch.get_num_threads() == before

"""What is kept from call to call of tensors: shared by threads, made anew for another machine, of use everywhere."""

from __future__ import annotations

import pickle
import threading
from dataclasses import asdict
from itertools import count

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.ground.bounded import Bounded
from faltung.planning import kept, machine
from faltung.planning.planned import Planned
from faltung.tensors import device_plan, extension, fixed_filter
from faltung.tensors.device_plan import filter_plan
from faltung.tensors.extension import extend

pytestmark = pytest.mark.usefixtures("alone")

KERNELS = [fa.gaussian(sigma) * fa.sobel(axis=k) for sigma in (0.8, 1.0, 1.2, 1.4) for k in (0, 1)]


def filtered(x, kernel):
    """Outputs and gradient of a tensor that is filtered by a kernel."""
    x = x.clone().requires_grad_()
    y = fa.convolve(x, kernel, "wrap")
    (gradient,) = torch.autograd.grad(y.square().sum(), x)
    return y.detach(), gradient


def planned(x, kernel):
    """The same by a plan for a device, which a plan for the CPU is close to."""
    plan = filter_plan(kernel, tuple(x.shape), (0, 1), ((0, 24), (0, 20)), ("reflect",) * 2, method="separable")
    return (plan(x),)


@pytest.mark.parametrize("compute", [filtered, planned])
def test_threads_may_drop_what_others_look_up(compute, monkeypatch):
    for module, name in ((fixed_filter, "_kernels"), (kept, "_solved"), (device_plan, "_plans")):
        monkeypatch.setattr(module, name, Bounded(2))
    monkeypatch.setattr(extension, "_indices", Bounded(2))
    x = torch.randn(24, 20)
    expected = [compute(x, kernel) for kernel in KERNELS]
    wrong = []

    def work(seed):
        draw = np.random.default_rng(seed)
        try:
            for step in range(20):
                k = int(draw.integers(len(KERNELS)))
                for got, want in zip(compute(x, KERNELS[k]), expected[k], strict=True):
                    torch.testing.assert_close(got, want)
                if step % 10 == seed:
                    fixed_filter._kernels.clear()
                    kept.forget()
                    device_plan._plans.clear()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture
def other_machine(monkeypatch):
    """A function that makes every unit of work take twice as long, until the test ends."""
    before = machine.current()
    monkeypatch.setattr(machine, "note", lambda *_: None)
    yield lambda: machine.keep(type(before)(**{name: 2 * seconds for name, seconds in asdict(before).items()}))
    machine.keep(before)


def test_a_machine_that_is_measured_anew_has_new_plans(monkeypatch, other_machine):
    seen = []
    execute = Planned.execute
    monkeypatch.setattr(
        Planned, "execute", staticmethod(lambda plan, *rest: seen.append(plan) or execute(plan, *rest))
    )
    x, kernel = torch.randn(40, 40), fa.gaussian(1.0)
    place = (kernel, (40, 40), (0, 1), ((0, 40), (0, 40)), ("reflect", "reflect"))
    on_device = []
    for turn in range(4):
        if turn == 2:
            other_machine()
        filtered(x, kernel)
        on_device.append(filter_plan(*place))
    forward, backward = seen[::2], seen[1::2]
    for plans in (forward, backward):
        assert plans[0] is plans[1] is not plans[2] is plans[3]
        seconds = [plan.candidates[0].seconds for plan in plans]
        assert seconds[2] == pytest.approx(2 * seconds[0], rel=0.5)
        assert seconds[2] > seconds[0]
    assert on_device[0] is on_device[1] is not on_device[2] is on_device[3]


def test_caches_are_bounded_by_bytes():
    kernels = (fa.Kernel(np.full((1000, 2000), 1.0 + k)) for k in count())
    for kernel in (next(kernels) for _ in range(12)):
        fixed_filter.note_kernel(kernel)
    assert len(fixed_filter._kernels) < 12
    assert fixed_filter._kernels.bytes <= 1 << 28
    key, taps = fixed_filter.note_kernel(next(kernels))
    assert fixed_filter._kernel(key, taps, (0, 0)).shape == (1000, 2000)
    for length in range(2_000_000, 2_000_010):
        extend(torch.zeros(1, 1, length), [-1], [length + 1], ["reflect"])
    assert extension._indices.bytes <= 1 << 26


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, mode: fa.convolve(x, fa.gaussian(1.7), mode),
        lambda x, mode: fa.convolve(x, fa.Bank.stack([fa.gaussian(1.7)]), mode),
        lambda x, mode: extend(x[None, None], [-2, -3], [12, 14], [mode] * 2),
        lambda x, mode: filter_plan(fa.gaussian(1.7), (11, 13), (0, 1), ((0, 11), (0, 13)), (mode,) * 2)(x),
    ],
    ids=["kernel", "bank", "extension", "plan for a device"],
)
def test_what_is_kept_in_inference_mode_serves_gradients(call, mode, monkeypatch):
    monkeypatch.setattr(fixed_filter, "_kernels", Bounded(9))
    monkeypatch.setattr(extension, "_indices", Bounded(9))
    device_plan._plans.clear()
    x = torch.randn(11, 13)
    with torch.inference_mode():
        expected = call(x, mode).clone()
    x.requires_grad_()
    y = call(x, mode)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(y.detach(), expected)


def test_plans_for_a_device_are_pickled_without_their_tensors():
    plan = filter_plan(fa.gaussian(1.0), (40, 40), (0, 1), ((0, 40), (0, 40)), ("reflect", "reflect"))
    x = torch.randn(40, 40)
    size = len(pickle.dumps(plan))
    y = plan(x)
    assert len(pickle.dumps(plan)) < size + 1000
    assert torch.equal(pickle.loads(pickle.dumps(plan))(x), y)

"""Layers that are converted with an example: what is timed, what is kept, and that the model is left as it was."""

from __future__ import annotations

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from faltung.errors import ArgumentError
from faltung.jit import object_cache
from faltung.layers import Conv, conversion_of, convert, measuring, model_race
from faltung.planning import machine
from faltung.planning.machine import LAYER_TIMES, known
from faltung.tensors import layer_race, layer_wisdom
from faltung.tensors.layer_wisdom import LayerTimes
from layer_cases import assert_same, outcome

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path, alone):
    """Give each test a cache folder, and plans without measured times."""
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "cache"))
    in_a_new_process()
    yield tmp_path / "cache"
    in_a_new_process()


def in_a_new_process():
    layer_wisdom._known.clear()
    layer_wisdom._changed()


class Race:
    """Replaces the clock: every call is run once, and takes the time that a test gives to its name."""

    def __init__(self, monkeypatch, **seconds):
        self.seconds = {"torch": 1.0, "direct": 0.5, "fourier": 3.0, "planned": 0.6, **seconds}
        self.run = []
        monkeypatch.setattr(layer_race, "seconds_in_turn", self)
        monkeypatch.setattr(measuring, "seconds_in_turn", self)
        monkeypatch.setattr(model_race, "seconds_in_turn", lambda *_: {"torch": 1.0, "planned": 0.9})

    def __call__(self, calls, first, device):
        for call in calls.values():
            call()
        self.run.append(tuple(calls))
        return {name: self.seconds.get(name, 2.0) for name in calls}


@pytest.fixture
def race(monkeypatch):
    return Race(monkeypatch)


def small(**named):
    """A layer for which both machine code and torch's kernels are considered."""
    return nn.Conv2d(8, 8, 5, padding=2, groups=8, **named)


X = torch.randn(2, 8, 12, 12)


def parts_measured(layer, shape=X.shape, **named):
    return {*layer.plan(shape, **named).times.ways}


# ---- what decides


def test_what_won_is_what_runs(race):
    layer = convert(small(), example=X)
    plan = layer.plan(X.shape)
    assert [plan.method_of(part) for part in ("correlate", "taps")] == ["direct", "direct"]
    assert "adjoint" not in plan.times.ways  # nothing asks for a gradient with respect to the input
    assert not plan.left_to_torch("correlate")
    assert not plan.left_to_torch("correlate", "taps")
    text = str(plan)
    assert "direct: 500.00 ms measured" in text or "direct: 500 ms measured" in text
    assert "2.00 times the measured time" in text
    assert "as planned" in text


def test_torch_wins_ties(monkeypatch):
    Race(monkeypatch, direct=0.98, planned=0.5)
    plan = convert(small(), example=X).plan(X.shape)
    assert plan.method == "torch"
    assert plan.left_to_torch("correlate")


def test_calls_decide_after_all_parts_won(monkeypatch):
    Race(monkeypatch, direct=0.5, planned=0.98)
    layer = convert(small(), example=X)
    plan = layer.plan(X.shape)
    assert plan.method == "direct"
    assert plan.left_to_torch("correlate")
    assert plan.left_to_torch("correlate", "taps")
    assert "left to torch" in str(plan)


def test_sets_of_parts_that_were_not_called_are_added_up(race):
    plan = convert(small(), example=X).plan(X.shape)
    assert "correlate adjoint taps" not in plan.times.calls
    assert not plan.left_to_torch("correlate", "adjoint", "taps")


@pytest.mark.parametrize(("lost", "left"), [(0, 0), (1, 2), (2, 3), (9, 4)])
def test_layers_that_gain_least_are_left_to_torch_until_the_model_is_not_slower(lost, left, monkeypatch):
    model = nn.Sequential(*(small() for _ in range(4)), nn.BatchNorm2d(8))
    planned = []

    def time_model(calls, first, device):
        ways = []
        for name, call in calls.items():
            with monkeypatch.context() as patch:
                patch.setattr(Conv, "forward", lambda layer, x, name=name: ways.append((name, layer.method)) or x)
                call()
        planned.append(sum(way == ("planned", "auto") for way in ways))
        assert all(method == "torch" for name, method in ways if name == "torch")
        return {"torch": 1.0, "planned": 1.1 if len(planned) <= lost else 1.0}

    Race(monkeypatch)
    monkeypatch.setattr(model_race, "seconds_in_turn", time_model)
    mean = model[-1].running_mean.clone()
    convert(model, example=X)
    assert planned == [4, 2, 1][: lost + 1]
    assert [layer.method for layer in model[:4]].count("torch") == left
    assert torch.equal(model[-1].running_mean, mean)


def test_the_model_is_timed_with_the_ways_that_won_also_after_it_was_left_to_torch(monkeypatch):
    model, planned = nn.Sequential(small(), small()), []

    def time_model(calls, first, device):
        for name in ("torch", "planned", "torch", "planned"):
            with monkeypatch.context() as patch:
                patch.setattr(Conv, "_by_plan", lambda *arguments, name=name: planned.append(name) or X.clone())
                calls[name]()
        return {"torch": 1.0, "planned": 1.0}

    Race(monkeypatch)
    monkeypatch.setattr(model_race, "seconds_in_turn", time_model)
    with torch.no_grad():
        convert(model, example=X)
    assert planned == 4 * ["planned"]


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("learns", [True, False])
def test_models_that_learn_are_timed_with_weights_that_change(learns, steps, monkeypatch):
    model, seen = nn.Sequential(small(), small().requires_grad_(False)), []
    before = [layer.weight.detach().clone() for layer in model]
    model[0].register_forward_pre_hook(lambda *_: seen.append([layer.weight.detach().clone() for layer in model]))

    def time_model(calls, first, device):
        for _ in range(steps):
            seen.clear()
            for call in calls.values():
                call()
            changed = [not torch.equal(*pair) for pair in zip(*seen, strict=True)]
            assert changed == [learns, False]
            assert all(torch.allclose(*pair) for pair in zip(*seen, strict=True))
        if steps == 1:
            next(iter(calls.values()))()  # an odd number of steps
        return {"torch": 1.0, "planned": 1.0}

    Race(monkeypatch)
    monkeypatch.setattr(model_race, "seconds_in_turn", time_model)
    with torch.set_grad_enabled(learns):
        convert(model, example=X)
    assert all(torch.equal(layer.weight, old) for layer, old in zip(model, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_bit_is_learnt_and_forgotten(dtype):
    w = torch.randn(4, 3, 3, 3, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
    before, version = w.detach().clone(), w._version
    layer_race.learn_a_bit([w])
    assert (w != before).all()
    assert torch.allclose(w, before, rtol=0.01)
    assert w._version > version
    layer_race.learn_a_bit([w])
    assert torch.equal(w, before)


def test_a_method_that_was_asked_for_is_not_measured(race):
    layer = Conv(8, 8, 5, padding=2, groups=8, method="torch")
    convert(layer, example=X)
    assert race.run == []
    assert layer.plan(X.shape).method == "torch"


def test_results_stay_those_of_torch():
    model = nn.Sequential(
        small(), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(4, 3, 3, padding_mode="circular")
    )
    ours = convert(copy.deepcopy(model), example=X)
    assert len(conversion_of(ours).planned) == 3
    assert_same(outcome(ours, X), outcome(model, X))


# ---- what is measured


def test_gradients_are_measured_where_they_are_asked_for(race):
    first, second = small(), small()
    convert(nn.Sequential(first, second), example=X)
    both = {"correlate", "adjoint", "taps"}  # the second layer has the same shape, and an input with a gradient
    assert parts_measured(first) == parts_measured(second) == both
    assert {*first.plan(X.shape).times.calls} == {"correlate", "correlate taps", "correlate adjoint taps"}


def test_without_gradients_only_outputs_are_measured(race):
    with torch.no_grad():
        layer = convert(small(), example=X)
    assert parts_measured(layer) == {"correlate"}
    convert(layer, example=X)  # what is missing is measured then
    assert parts_measured(layer) == {"correlate", "taps"}


def test_frozen_weights_need_no_gradient(race):
    layer = convert(small().requires_grad_(False), example=X.clone().requires_grad_())
    assert parts_measured(layer) == {"correlate", "adjoint"}


def test_transposed_layers_are_measured_by_their_own_parts(race):
    layer = nn.ConvTranspose2d(8, 8, 4, 2, groups=8)
    convert(layer, example=X.clone().requires_grad_())
    assert {*layer.plan(X.shape).times.calls} == {"adjoint", "adjoint correlate taps"}


def test_both_memory_formats_are_measured_where_they_are_free(race):
    layer = convert(small(), example=X)
    assert parts_measured(layer) == parts_measured(layer, channels_last=True) == {"correlate", "taps"}
    layer = convert(nn.Conv2d(8, 4, 3).to(memory_format=torch.channels_last), example=X)
    assert parts_measured(layer, channels_last=True) == {"correlate", "taps"}
    assert parts_measured(layer) == set()
    series = convert(nn.Conv1d(8, 8, 9, groups=8), example=torch.randn(2, 8, 40))
    assert parts_measured(series, (2, 8, 40)) == {"correlate", "taps"}


def test_a_single_image_is_a_batch_of_one(race):
    layer = convert(small(), example=X[0])
    assert parts_measured(layer, (1, 8, 12, 12)) == {"correlate", "taps"}


def test_autocast_decides_on_the_dtype(race):
    layer = small()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        convert(layer, example=X)
    assert parts_measured(layer) == set()
    assert parts_measured(layer.bfloat16()) == {"correlate"}


def test_a_layer_that_is_shared_is_measured_once_for_each_shape(race):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = small()
            self.again = nn.Sequential(self.layer)

        def forward(self, x):
            return self.again(self.layer(x)).sum() + self.again(x[..., :10]).sum()

    with torch.no_grad():
        model = convert(Twice(), example=X)
    assert len([run for run in race.run if "planned" in run]) == 4  # two shapes, two memory formats
    assert parts_measured(model.layer) == parts_measured(model.layer, (2, 8, 12, 10)) == {"correlate"}


class Sum(nn.Module):
    """A model of several arguments."""

    def __init__(self):
        super().__init__()
        self.first, self.second = small(), small()

    def forward(self, x, y=None, *, scale=1.0):
        more = 0 if y is None else self.second(y[..., :9]).mean()
        return self.first(x if torch.is_tensor(x) else x["x"]) + more * scale


@pytest.mark.parametrize(
    ("example", "both"),
    [
        (X, False),
        ((X,), False),
        ((X, X), True),
        ({"x": X, "y": X, "scale": 2.0}, True),
        (({"x": X}, X), True),
    ],
)
def test_examples_are_the_arguments_of_the_model(example, both, race):
    model = convert(Sum(), example=example)
    assert parts_measured(model.first) == {"correlate", "taps"}
    assert bool(parts_measured(model.second, (2, 8, 12, 9))) is both


@pytest.mark.parametrize("make", [parametrizations.weight_norm, lambda layer: torch.nn.utils.weight_norm(layer)])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def test_weights_that_are_computed(make, race):
    layer = convert(make(small()), example=X)
    assert parts_measured(layer) == {"correlate", "taps"}
    assert "weight" not in dict(layer.named_parameters())


def test_lazy_layers_get_their_sizes(race):
    model = nn.Sequential(nn.LazyConv2d(8, 5), nn.LazyBatchNorm2d())
    convert(model, example=X)
    assert parts_measured(model[0]) == {"correlate", "taps"}
    assert model[1].num_batches_tracked == 0
    assert torch.equal(model[1].running_mean, torch.zeros(8))


# ---- the model is left as it was


class Restless(nn.Module):
    """A model that changes whatever it can when it is called."""

    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.drop = small(), nn.BatchNorm2d(8), nn.Dropout(0.5)
        self.still = nn.BatchNorm2d(8).eval()
        self.calls, self.seen = 0, None
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("unknown", torch.full((2,), torch.nan))

    def forward(self, x):
        self.calls, self.seen = self.calls + 1, x
        self.count = self.count + 1
        self.unknown[0] = 3.0
        self.extra = random.random() + np.random.rand()  # noqa: NPY002
        self.added = nn.Identity()
        x.relu_()
        return self.still(self.drop(self.norm(self.layer(x))))


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_the_model_is_left_exactly_as_it_was(race):
    model, x = Restless(), X.clone()
    model.layer.weight.grad = torch.ones_like(model.layer.weight)
    grad, buffers = model.layer.weight.grad, dict(model.named_buffers())
    parameters, before = dict(model.named_parameters()), state_of(model)
    modes = {name: module.training for name, module in model.named_modules()}
    torch.manual_seed(5), random.seed(5), np.random.seed(5)  # noqa: NPY002
    drawn = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    convert(model, example=x)
    assert race.run
    assert torch.equal(torch.get_rng_state(), drawn[0])
    assert random.getstate() == drawn[1]
    assert (np.random.get_state()[1] == drawn[2]).all()  # noqa: NPY002
    assert torch.equal(x, X)
    assert model.layer.weight.grad is grad
    assert torch.equal(grad, torch.ones_like(grad))
    assert all(p.grad is None for name, p in model.named_parameters() if name != "layer.weight")
    assert dict(model.named_parameters()).keys() == parameters.keys()
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert all(value is buffers[name] for name, value in model.named_buffers())
    assert before.keys() == model.state_dict().keys()
    assert all(
        torch.equal(value.nan_to_num(7), before[name].nan_to_num(7)) for name, value in model.state_dict().items()
    )
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert (model.calls, model.seen, hasattr(model, "extra"), hasattr(model, "added")) == (0, None, False, False)
    assert all(not module._forward_pre_hooks and not module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks_with_kwargs for module in model.modules())


def test_hooks_of_others_stay(race):
    seen = []
    model = nn.Sequential(small())
    model[0].register_forward_pre_hook(lambda module, inputs: seen.append(1))
    convert(model, example=X)
    model(X)
    assert len(seen) == 2
    assert len(model[0]._forward_pre_hooks) == 1


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = small()

    def forward(self, x):
        self.calls = 1
        self.layer(x)
        raise KeyError("no such key")


@pytest.mark.parametrize(
    ("model", "example", "text"),
    [
        (Failing(), X, "KeyError: 'no such key'"),
        (nn.Sequential(small()), torch.randn(2, 3, 12, 12), "RuntimeError: "),
        (nn.Sequential(small()), X.to("meta"), "device"),
        (nn.Sequential(small()), {"wrong": X}, "TypeError: "),
        (nn.Sequential(small()), X.double(), "RuntimeError: "),
    ],
)
def test_errors_name_the_example(model, example, text, race):
    with pytest.raises(ArgumentError, match=r"^example: expected an input that the model takes .*got ") as caught:
        convert(model, example=example)
    assert text in str(caught.value)
    assert conversion_of(model).planned == ()
    assert not hasattr(model, "calls")
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert race.run == []


def test_there_is_nothing_to_measure_without_numbers(race):
    model = convert(nn.Sequential(small()).to("meta"), example=X.to("meta"))
    assert conversion_of(model).planned == ("0",)
    assert race.run == []


def test_an_example_is_not_for_the_way_back():
    with pytest.raises(ArgumentError, match=r"^example: expected None for to='torch', got a Tensor. Omit it.$"):
        convert(small(), "torch", example=X)


# ---- what is kept


def never(*arguments):
    raise AssertionError("nothing is to be measured")


def test_later_processes_measure_nothing(race, monkeypatch, folder):
    plan = convert(small(), example=X).plan(X.shape)
    assert (folder / LAYER_TIMES).stat().st_mode & 0o77 == 0
    in_a_new_process()
    assert small().weight.shape == (8, 1, 5, 5)
    assert parts_measured(convert(small())) == set()  # without an example nothing is looked up
    monkeypatch.setattr(layer_race, "seconds_in_turn", never)
    monkeypatch.setattr(measuring, "seconds_in_turn", never)
    again = convert(small(), example=X).plan(X.shape)
    assert again.times == plan.times
    assert str(again) == str(plan)
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_without_a_disk_this_process_remembers(race, monkeypatch):
    monkeypatch.setattr(object_cache, "write", lambda name, content: None)
    convert(small(), example=X)
    count = len(race.run)
    convert(small(), example=X)
    assert len(race.run) == count


@pytest.mark.parametrize("what", ["threads", "version", "dtype", "stride"])
def test_other_conditions_are_measured_again(what, race, monkeypatch):
    convert(small(), example=X)
    count = len(race.run)
    layer, x = small(), X
    if what == "threads":
        torch.set_num_threads(2)
    elif what == "version":
        in_a_new_process()
        monkeypatch.setattr(torch, "__version__", "9.9")
    elif what == "dtype":
        layer, x = layer.double(), x.double()
    else:
        layer.stride = (2, 2)
    convert(layer, example=x)
    assert len(race.run) > count


def stored_key():
    return next(iter(known(LAYER_TIMES)))


GOOD = {"ways": {"correlate": {"torch": 1.0, "direct": 0.5}}, "calls": {"correlate": [0.5, 1.0]}}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "direct",
        {"ways": {}, "calls": []},
        {"ways": [], "calls": {}},
        {**GOOD, "more": 1},
        {**GOOD, "ways": {"correlate": {"direct": 0.5}}},
        {**GOOD, "ways": {"correlate": {"torch": 1.0, "magic": 0.5}}},
        {**GOOD, "ways": {"outputs": {"torch": 1.0}}},
        {**GOOD, "ways": {"correlate": {"torch": 1.0, "direct": float("nan")}}},
        {**GOOD, "ways": {"correlate": {"torch": 1.0, "direct": -1.0}}},
        {**GOOD, "ways": {"correlate": {"torch": 1.0, "direct": 0.0}}},
        {**GOOD, "ways": {"correlate": {"torch": "1.0"}}},
        {**GOOD, "ways": {"correlate": [1.0]}},
        {**GOOD, "calls": {"correlate": [0.5]}},
        {**GOOD, "calls": {"correlate": 0.5}},
        {**GOOD, "calls": {"magic": [0.5, 1.0]}},
        {**GOOD, "calls": {"correlate": [0.5, float("inf")]}},
    ],
)
def test_entries_that_are_no_times_are_measured_again(entry, race):
    with torch.no_grad():
        convert(nn.Conv1d(8, 8, 9, groups=8), example=torch.randn(1, 8, 30))
        key, count = stored_key(), len(race.run)
        machine.note(LAYER_TIMES, key, entry, 10)
        in_a_new_process()
        convert(nn.Conv1d(8, 8, 9, groups=8), example=torch.randn(1, 8, 30))
    assert len(race.run) == 2 * count
    assert {*known(LAYER_TIMES)[key]["ways"]} == {"correlate"}


def test_entries_of_the_right_form_are_used(race):
    with torch.no_grad():
        convert(nn.Conv1d(8, 8, 9, groups=8), example=torch.randn(1, 8, 30))
        machine.note(LAYER_TIMES, stored_key(), GOOD, 10)
        count = len(race.run)
        in_a_new_process()
        layer = convert(nn.Conv1d(8, 8, 9, groups=8), example=torch.randn(1, 8, 30))
    assert len(race.run) == count
    assert layer.plan((1, 8, 30)).seconds == 0.5


@pytest.mark.parametrize("content", [b"", b"garbage", b"faltung object 1\n" + bytes(32) + b"{}"])
def test_damaged_files_are_ignored_and_replaced(content, race, folder):
    convert(small(), example=X)
    count = len(race.run)
    (folder / LAYER_TIMES).write_bytes(content)
    in_a_new_process()
    convert(small(), example=X)
    assert len(race.run) == 2 * count
    assert known(LAYER_TIMES)


def test_times_can_be_forgotten(race):
    assert not layer_wisdom.forget()
    layer = convert(small(), example=X)
    assert layer_wisdom.forget()
    assert parts_measured(layer) == set()
    assert known(LAYER_TIMES) == {}


# ---- how it is measured


def simulated(monkeypatch, rounds):
    """Let the clock show given seconds: a list for each name."""
    left = {name: list(seconds) for name, seconds in rounds.items()}
    counts = dict.fromkeys(rounds, 0)

    def sample(call, repeats, device):
        counts[call] += 1
        return left[call].pop(0) if len(left[call]) > 1 else left[call][0]

    monkeypatch.setattr(layer_race, "_sample", sample)
    monkeypatch.setattr(layer_race, "_repeats", lambda call, device: 1)
    return layer_race.seconds_in_turn({name: name for name in rounds}, "torch", CPU), counts


def test_a_busy_moment_decides_nothing(monkeypatch):
    seconds, counts = simulated(monkeypatch, {"torch": [9.0, 9.0, 1.0, 1.0], "direct": [1.0]})
    assert seconds["direct"] == seconds["torch"] == 1.0
    assert counts["torch"] == 15
    seconds, _ = simulated(monkeypatch, {"torch": [1.0], "direct": [1.0, 0.2, 1.0, 1.0, 1.0]})
    assert seconds["direct"] == 1.0


def test_what_is_far_behind_is_not_called_again(monkeypatch):
    seconds, counts = simulated(monkeypatch, {"torch": [2.0], "direct": [1.0]})
    assert seconds == {"torch": 2.0, "direct": 1.0}
    assert counts == {"torch": 3, "direct": 3}


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 2), (700, 800), (0, 3)])
def test_noise_lies_in_memory_as_it_is_asked_for(shape):
    before = torch.get_rng_state()
    strides = (
        torch.empty(shape)
        .permute(*reversed(range(len(shape))))
        .contiguous()
        .permute(*reversed(range(len(shape))))
        .stride()
    )
    x = layer_race.noise(shape, strides, torch.bfloat16, CPU)
    assert (x.shape, x.stride(), x.dtype) == (shape, strides, torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)
    assert not x.numel() or 0.1 < x.float().abs().mean() < 3


def test_single_channels_lie_as_torch_puts_them(monkeypatch):
    seen, made = [], layer_race.noise
    monkeypatch.setattr(
        measuring, "noise", lambda shape, strides, *how: seen.append(strides) or made(shape, strides, *how)
    )
    model, x = nn.Conv2d(1, 8, 5).to(memory_format=torch.channels_last), torch.randn(2, 1, 9, 9)
    with torch.no_grad():
        convert(model, example=x)
        strides = x.stride(), model.weight.stride(), model(x).stride()
    assert {*strides[:2]} <= {*seen}
    assert strides[1] == (25, 1, 5, 1)


def test_times_join():
    one = LayerTimes({"correlate": {"torch": 1.0}}, {"correlate": (1.0, 1.0)})
    two = LayerTimes({"taps": {"torch": 2.0}})
    assert one.joined(two) == LayerTimes({**one.ways, **two.ways}, one.calls)
    assert one.left_to_torch(("correlate",)) is True
    assert one.left_to_torch(("correlate", "taps")) is None


def test_the_real_clock_finds_times_for_every_part(monkeypatch):
    monkeypatch.setattr(model_race, "seconds_in_turn", lambda *_: {"torch": 1.0, "planned": 0.9})
    layer = convert(small(), example=X.clone().requires_grad_())
    times = layer.plan(X.shape).times
    assert {*times.ways} == {"correlate", "adjoint", "taps"}
    assert all("torch" in found and min(found.values()) > 0 for found in times.ways.values())

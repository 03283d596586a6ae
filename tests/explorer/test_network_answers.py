"""What Python says of networks: the numbers are torch's, the fields those of gradients, the network is left alone."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from network_zoo import zoo
from torch import nn

import faltung as fa
from faltung.explorer import network_run
from faltung.explorer.contributions import contributions
from faltung.explorer.explored import Explorer
from faltung.explorer.field_numbers import field_numbers
from faltung.explorer.makings import making
from faltung.explorer.moved_maps import moved
from faltung.explorer.network_run import NetworkRun
from faltung.explorer.network_subject import NetworkSubject
from faltung.explorer.seen_positions import seen_box
from faltung.inspect.examples import as_example
from faltung.learn.prediction import predict

ZOO = zoo()


def first_input(axes=2, **changes):
    return {"sample": 0, "own": "", "shift": [0] * axes, "fill": "zero", **changes}


@pytest.mark.parametrize("name", ZOO)
def test_each_module_has_the_numbers_of_a_hook(name):
    network, example = ZOO[name]
    network = network.eval()
    seen = {}
    given = as_example(example)
    first = given.replaced({key: value[:1] for key, value in given.tensors.items() if value.ndim})

    def keep(path):
        def hook(module, inputs, output):
            seen.setdefault(path, output.clone())

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in network.named_modules() if path]
    first.output(network)
    for handle in handles:
        handle.remove()
    run = NetworkRun(network, first)
    compared = 0
    for step in run.steps:
        if step.name in seen and not getattr(network.get_submodule(step.name), "inplace", False):
            expected = seen[step.name].squeeze(0).detach().numpy()
            found = run.channels(step.result)
            if found.shape != expected.shape and found.shape == expected.T.shape:  # channels last
                expected = np.moveaxis(expected, -1, 0)
            np.testing.assert_array_equal(found.reshape(expected.shape), expected)
            compared += 1
    assert compared >= 3


def test_a_number_before_it_is_overwritten_is_kept():
    run = NetworkRun(ZOO["residual"][0], as_example(ZOO["residual"][1][:1]))
    norm, relu = run.steps[1], run.steps[2]
    assert run.channels(norm.result).min() < 0 <= run.channels(relu.result).min()


def test_fields_are_those_of_gradients():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, (3, 5), stride=(2, 1), dilation=(1, 2)), nn.AvgPool2d(2),
        nn.Conv2d(2, 3, 3, padding=2, padding_mode="zeros"), nn.BatchNorm2d(3), nn.AvgPool2d(3, stride=2, padding=1),
    ).eval()  # fmt: skip
    example = torch.rand(1, 1, 40, 36)
    run = NetworkRun(network, as_example(example))
    rng = np.random.default_rng(0)
    checked = 0
    for number, (step, fields) in enumerate(zip(run.steps, field_numbers(run), strict=True)):
        assert isinstance(fields, tuple)
        for _ in range(12):
            index = tuple(int(rng.integers(length)) for length in run.shape(step.result))
            x = example.clone().requires_grad_()
            values = x
            for module in [*network][: number + 1]:
                values = module(values)
            (gradient,) = torch.autograd.grad(values[0][index], x)
            places = np.argwhere(gradient[0, 0].numpy() != 0)
            starts = [max(0, axis.start + axis.step * at) for axis, at in zip(fields, index[1:], strict=True)]
            stops = [
                min(length, axis.start + axis.step * at + axis.size)
                for axis, at, length in zip(fields, index[1:], (40, 36), strict=True)
            ]
            if len(places):  # a window that lies in the padding sees nothing
                assert (places >= starts).all()
                assert (places < stops).all()
                assert seen_box(run, number, index[0], index[1:]) == [
                    (int(low), int(high) + 1) for low, high in zip(places.min(0), places.max(0), strict=True)
                ]
            checked += 1
    assert checked == 72


def test_fields_have_size_step_and_start():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(1, 1, 5, padding=2))
    (across, down) = field_numbers(NetworkRun(network, as_example(torch.zeros(1, 1, 32, 32))))[-1]
    assert across == down
    assert (across.size, across.step, across.start) == (4 + 4 * 2, 2, -1 - 2 * 2)


def test_what_the_page_does_not_compute_is_a_weighted_sum():
    run = NetworkRun(ZOO["branches"][0], as_example(ZOO["branches"][1]))
    number = next(place for place, step in enumerate(run.steps) if step.operation.name == "upsample_bilinear2d")
    assert making(run, run.steps[number])["kind"] == "other"
    values = run.channels(run.steps[number].result)
    for index in np.ndindex(3, 3, 3):
        found = contributions(run, run.steps[number], index[0], (index[1] + 1, index[2] * 2))
        assert found["sum"] == pytest.approx(values[index[0], index[1] + 1, index[2] * 2], abs=1e-6)
        assert found["sum"] == pytest.approx(sum(each["sample"] * each["weight"] for each in found["parts"]))


def test_a_circular_network_follows_and_a_stride_does_not():
    torch.manual_seed(1)
    follows = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.MaxPool2d(2))
    assert [making(run, step)["kind"] for run in [NetworkRun(follows, as_example(torch.rand(1, 1, 8, 8)))]
            for step in run.steps] == ["convolution", "pointwise", "pooling"]  # fmt: skip
    subject = NetworkSubject(follows.append(nn.Flatten()).append(nn.Linear(32, 3)), torch.rand(1, 1, 8, 8))
    asked = first_input(shift=[2, 4], fill="wrap")
    found = subject.questions()["network.compared"](input=asked)
    spatial = [layer for layer in found["layers"] if layer["moved"]]
    assert [layer["moved"] for layer in spatial] == [[2, 4], [2, 4], [1, 2]]
    assert max(layer["difference"] for layer in spatial) < 1e-6
    assert found["layers"][-1]["moved"] is None
    assert found["layers"][-1]["difference"] > 1e-3
    odd = subject.questions()["network.compared"](input=first_input(shift=[1, 0], fill="wrap"))
    assert odd["layers"][2]["moved"] == [0.5, 0]
    assert odd["layers"][2]["difference"] > 1e-3


def test_away_from_the_border_a_zero_padded_network_follows():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv1d(1, 3, 5, padding=2), nn.ReLU(), nn.Conv1d(3, 2, 3, padding=1))
    subject = NetworkSubject(network, torch.rand(1, 1, 40))
    layers = subject.questions()["network.compared"](input=first_input(1, shift=[-3]))["layers"]
    assert max(layer["inside"] for layer in layers) < 1e-6 < min(layer["difference"] for layer in layers)


def test_moved_is_roll_or_zeros():
    x = np.random.default_rng(0).normal(size=(2, 5, 7))
    np.testing.assert_array_equal(moved(torch.from_numpy(x), [2, -3], "wrap"), np.roll(x, (2, -3), (1, 2)))
    expected = np.zeros_like(x)
    expected[:, 2:, :-3] = x[:, :-2, 3:]
    np.testing.assert_array_equal(moved(torch.from_numpy(x), [2, -3], "zero"), expected)


def test_a_network_is_left_as_it_was():
    network, example = copy.deepcopy(ZOO["residual"])
    network.train()
    network.first.weight.grad = torch.ones_like(network.first.weight)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    subject = NetworkSubject(network, example)
    questions = subject.questions()
    questions["network.run"](input=first_input(sample=1, shift=[1, 1]))
    questions["network.patches"](layer=0, channel=1)
    questions["network.depth"]()
    assert all(module.training for module in network.modules())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(network.first.weight.grad, torch.ones_like(network.first.weight))


def test_probabilities_are_those_of_learn():
    folder = Path(fa.__file__).parent / "data"
    from faltung.datasets.embedded import load_embedded

    expected = predict(folder, load_embedded().test.samples[:3], network="fashion_mnist_judge")
    ask = NetworkSubject().questions()
    assert tuple(ask["network.overview"]()["classes"]) == expected.class_names
    for sample in range(3):
        found = ask["network.run"](input=first_input(sample=sample))["probabilities"]
        np.testing.assert_allclose(found, expected.probabilities[sample], atol=1e-6)


def test_patches_are_parts_of_samples_where_the_channel_is_largest():
    torch.manual_seed(2)
    network, samples = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()), torch.randn(12, 1, 10, 10)
    found = NetworkSubject(network, samples).questions()["network.patches"](layer=0, channel=2)
    maps = network[0](samples)[:, 2].detach().numpy()
    best = np.argsort(-maps.max((1, 2)))[:6]
    assert [patch["sample"] for patch in found["patches"]] == best.tolist()
    for patch in found["patches"]:
        row, column = np.unravel_index(maps[patch["sample"]].argmax(), (8, 8))
        assert patch["position"] == [row, column]
        np.testing.assert_array_equal(
            patch["values"], samples[patch["sample"], :, row : row + 3, column : column + 3].numpy()
        )


def test_an_own_image_is_scaled_to_the_samples():
    samples = torch.rand(1, 3, 8, 9) * 4 - 1
    ask = NetworkSubject(nn.Conv2d(3, 1, 3), samples).questions()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 9), np.uint8)
    name = ask["network.own"](pixels=pixels)
    found = ask["network.run"](input=first_input(own=name))["input"]
    low, high = float(samples.min()), float(samples.max())
    np.testing.assert_allclose(found, low + (high - low) * pixels / 255, atol=1e-6)


WRONG = [
    ("network.run", {}),
    ("network.run", {"input": 3}),
    ("network.run", {"input": {"sample": 0}}),
    ("network.run", {"input": first_input(sample=99)}),
    ("network.run", {"input": first_input(sample=True)}),
    ("network.run", {"input": first_input(sample=1.5)}),
    ("network.run", {"input": first_input(own="../secret")}),
    ("network.run", {"input": first_input(shift=[1])}),
    ("network.run", {"input": first_input(shift=[10**9, 0])}),
    ("network.run", {"input": first_input(fill="magic")}),
    ("network.maps", {"input": first_input(), "layer": -1, "first": 0, "count": 16}),
    ("network.maps", {"input": first_input(), "layer": 0, "first": 0, "count": 10**9}),
    ("network.tensor", {"input": first_input(), "tensor": 10**6}),
    ("network.weights", {"input": first_input(), "layer": 0, "channel": 64}),
    ("network.field", {"input": first_input(), "layer": 0, "channel": 0, "position": [99, 0]}),
    ("network.field", {"input": first_input(), "layer": 0, "channel": 0, "position": [1]}),
    ("network.reach", {"input": first_input(), "position": [1, 2, 3]}),
    ("network.reach", {"input": first_input(), "position": [-1, 2]}),
    ("network.patches", {"layer": 0, "channel": -1}),
    ("network.patches", {"layer": "0", "channel": 1}),
    ("network.own", {"pixels": "image.png"}),
    ("network.own", {"pixels": np.zeros((1, 2, 3), np.uint8)}),
]


@pytest.mark.parametrize(("question", "arguments"), WRONG)
def test_wrong_questions_are_answered_with_a_sentence(question, arguments):
    from faltung.explorer.packing import pack

    explorer = Explorer([NetworkSubject(*ZOO["residual"])])
    reply, _ = explorer.reply(question, *pack(arguments))
    assert "expected" in reply["error"], reply
    assert "Python could not" not in reply["error"]
    reply, _ = explorer.reply("network.run", *pack({"input": first_input()}))
    assert "value" in reply


def test_an_example_that_does_not_fit_is_refused_at_once():
    with pytest.raises(fa.ArgumentError, match="input that the network accepts"):
        NetworkSubject(nn.Conv2d(3, 1, 3), torch.zeros(1, 1, 8, 8))
    with pytest.raises(fa.ArgumentError, match="batch axis"):
        NetworkSubject(nn.Linear(3, 1), torch.zeros(3))


def test_what_is_too_large_is_named(monkeypatch):
    monkeypatch.setattr(network_run, "_KEPT_NUMBERS", 3000)
    ask = NetworkSubject(*ZOO["residual"]).questions()
    run = ask["network.run"](input=first_input())
    assert "too many numbers" in run["notes"][0]
    assert ask["network.tensor"](input=first_input(), tensor=0).shape == (2, 13, 11)
    with pytest.raises(fa.ArgumentError, match="a tensor that is kept"):
        ask["network.tensor"](input=first_input(), tensor=run["layers"][-1]["tensor"])


def test_nothing_is_loaded_before_the_page_asks():
    import subprocess
    import sys

    code = "import sys; from faltung.explorer.network_subject import NetworkSubject as S; S().content(); S(run='x'); "
    code += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_network_that_learns_is_run_again():
    network, example = nn.Conv2d(1, 1, 1, bias=False), torch.ones(1, 1, 4, 4)
    ask = NetworkSubject(network, example).questions()
    for value, write in enumerate((network.weight.data.fill_, network.weight.detach().fill_), start=7):
        ask["network.patches"](layer=0, channel=0)
        write(value)
        assert ask["network.weights"](input=first_input(), layer=0, channel=0)["taps"].ravel() == [value]
        assert (ask["network.tensor"](input=first_input(), tensor=1) == value).all()
        assert ask["network.patches"](layer=0, channel=0)["patches"][0]["response"] == value


def test_without_safetensors_a_page_is_saved_without_a_network(monkeypatch, tmp_path):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "safetensors" else found(name))
    subject = NetworkSubject()
    assert subject.content() == {"missing": True, "kind": "built in"}
    assert [*subject.stored()] == []
    with pytest.raises(fa.MissingExtraError, match=r"\[learn\]"):
        subject.questions()["network.overview"]()


class Leaves(nn.Module):
    leaves = True

    def forward(self, x):
        if self.leaves:
            raise SystemExit(3)
        return 2 * x


def test_a_network_that_ends_the_program_is_named():
    with pytest.raises(fa.ArgumentError, match=r"model: .*SystemExit: 3"):
        NetworkSubject(Leaves(), torch.ones(1, 1, 4, 4))
    network = Leaves()
    network.leaves = False
    ask = NetworkSubject(network, torch.rand(2, 1, 4, 4)).questions()
    network.leaves = True
    with pytest.raises(fa.ArgumentError, match="SystemExit"):
        ask["network.run"](input=first_input(sample=1))
    with pytest.raises(fa.ArgumentError, match="SystemExit"):
        ask["network.patches"](layer=0, channel=0)


def test_complex_numbers_are_refused_by_name():
    network = nn.Sequential(nn.Conv2d(1, 1, 3)).to(torch.float64)
    with pytest.raises(fa.ArgumentError, match="beside: expected real numbers, got complex ones in 'input'"):
        NetworkSubject(network, torch.zeros(1, 1, 8, 8, dtype=torch.complex64))
    network[0].weight = nn.Parameter(network[0].weight.to(torch.complex64))
    with pytest.raises(fa.ArgumentError, match=r"model: .* complex ones in '0\.weight'"):
        NetworkSubject(network, torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("ab", "sequence of names"), (3, "sequence of names"), ([1, 2, 3], "sequence of names"),
        (["a", "b"], "3 names, one for each output, got 2"), (list("abcd"), "3 names, one for each output, got 4"),
    ],
)  # fmt: skip
def test_names_of_classes_fit_to_the_outputs(classes, expected):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(fa.FaltungError, match=f"classes: expected .*{expected}"):
        fa.explore(network, torch.zeros(1, 1, 4, 4), classes=classes)
    assert fa.explore(network, torch.zeros(1, 1, 4, 4), classes=("a", "b", "c"))
    with pytest.raises(fa.ArgumentError, match="no names where the output is not one number"):
        fa.explore(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 4, 4), classes=["a", "b"])


def test_a_run_that_goes_on_is_waited_for(tmp_path):
    from faltung.learn.claim import claimed

    (tmp_path / "run.json").write_text("{}")
    subject = NetworkSubject(run=tmp_path)
    with claimed(tmp_path):
        assert "still being trained" in subject.questions()["network.overview"]()["waiting"]
        assert [*subject.stored()] == [("network.overview", {})]
    with pytest.raises(fa.ArgumentError, match="is not finished"):
        subject.questions()["network.overview"]()


def test_a_run_without_its_model_says_how_to_look_at_the_others(tmp_path):
    for name in ("run.json", "metrics.json", "dense.json", "dense.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(fa.ArgumentError, match=r"dense alone\. Look at one with: .*load\(.*'dense'\)"):
        NetworkSubject(run=tmp_path).questions()["network.overview"]()


@pytest.mark.parametrize("wrong", [np.zeros(0), np.zeros((2, 2)), [np.zeros(2)]])
def test_arrays_are_no_arguments(wrong):
    from faltung.explorer.network_subject import _QUESTIONS
    from faltung.explorer.packing import pack

    explorer = Explorer([NetworkSubject(nn.Conv2d(1, 2, 3), torch.rand(2, 1, 8, 8))])
    good = {"input": first_input(), "layer": 0, "first": 0, "count": 2, "tensor": 0, "channel": 0, "position": [1, 1]}
    good["pixels"] = "none"
    for question, names in _QUESTIONS.items():
        cases = [{**{name: good[name] for name in names}, name: wrong} for name in names]
        if "input" in names:
            cases += [
                {**{key: good[key] for key in names}, "input": first_input(**{key: wrong})} for key in good["input"]
            ]
        for case in cases:
            error = explorer.reply(f"network.{question}", *pack(case))[0]["error"]
            assert "expected" in error
            assert "Python could not" not in error

"""The view of networks in a browser: its numbers are torch's, and no place is lost between its levels."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from network_zoo import zoo
from page_modules import modules_in_browser
from torch import nn

from faltung.explorer.explored import Explorer
from faltung.explorer.field_numbers import field_numbers
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.learning_subject import LearningSubject
from faltung.explorer.makings import making
from faltung.explorer.network_subject import NetworkSubject

ZOO = zoo()
START = {"sample": 0, "own": "", "shift": [0, 0], "fill": "zero"}


def explorer(network):
    return Explorer([FilterSubject(), network, LearningSubject()])


def small():
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 20, 3, padding=1), nn.BatchNorm2d(20),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


@pytest.fixture
def example():
    return torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def opened(quiet_page, served, example):
    """The view with a small network, and that network."""
    network = small().eval().requires_grad_(False)
    quiet_page.goto(
        served(explorer(NetworkSubject(network, example, classes=["cup", "hat", "shoe"]))) + "#view=network"
    )
    quiet_page.locator(".layer canvas").first.wait_for()
    return quiet_page, network


def until(page, holds, seconds=10):
    """Wait until a function of Python is true; the page's policy lets nobody evaluate texts in it."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        page.wait_for_timeout(20)


def address(page):
    return unquote(page.url)


def value(locator):
    return float(locator.get_attribute("data-value"))


# ---- numbers


@pytest.fixture(scope="module")
def modules(browser):
    with modules_in_browser(browser, "array", "making_value", "partial_maps", "field_words") as loaded:
        yield loaded


@pytest.mark.parametrize("name", ZOO)
def test_the_page_takes_each_number_apart_as_torch_does(modules, name):
    subject = NetworkSubject(*ZOO[name])
    answers = subject._answers()
    asked = {**START, "shift": [0] * answers.axes}
    layers = answers.run(asked)["layers"]
    rng, cases, expected, kinds = np.random.default_rng(7), [], [], set()
    for number, layer in enumerate(layers):
        if layer["making"]["kind"] == "other":
            continue
        kinds.add(layer["making"]["kind"])
        tensors = [answers.tensor(asked, each) for each in layer["making"]["inputs"]]
        output = answers.tensor(asked, layer["tensor"])
        indices = [[int(rng.integers(length)) for length in output.shape] for _ in range(30)]
        numbers = [(index, answers.weights(asked, number, index[0])) for index in indices]
        cases.append({"layer": layer, "tensors": tensors, "numbers": numbers})
        expected.append([float(output[tuple(index)]) for index in indices])
    body = (
        "one.numbers.map(([[channel, ...position], weights]) => explain(one.layer, channel, position, "
        "one.tensors.map(array), Object.fromEntries(Object.entries(weights).map(([key, item]) => "
        "[key, item && item.shape ? array(item) : item]))).value)"
    )
    found = np.array(modules.each(body, cases), float)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert found.size >= 100
    assert len(kinds) >= 4


@pytest.mark.parametrize("name", ["residual", "branches", "signal"])
def test_partial_maps_add_up_to_the_map(modules, name):
    answers = NetworkSubject(*ZOO[name])._answers()
    asked = {**START, "shift": [0] * answers.axes}
    cases, expected = [], []
    for number, layer in enumerate(answers.run(asked)["layers"]):
        if layer["making"]["kind"] in ("convolution", "transposed convolution"):
            weights = answers.weights(asked, number, 1)
            tensor = answers.tensor(asked, layer["making"]["inputs"][0])
            cases.append({"layer": layer, "x": tensor, "weights": weights, "count": len(weights["taps"])})
            expected.append(answers.tensor(asked, layer["tensor"])[1] - (weights["bias"] or 0))
    body = (
        "Array.from({ length: one.count }, (_, number) => partialMap(one.layer, array(one.x),"
        " { first: one.weights.first, taps: array(one.weights.taps) }, number))"
    )
    for found, whole in zip(modules.each(body, cases), expected, strict=True):
        np.testing.assert_allclose(np.sum(found, axis=0), whole, rtol=1e-4, atol=1e-5)


def test_reached_values_are_those_whose_field_holds_the_sample(modules):
    subject = NetworkSubject(small(), torch.rand(1, 1, 12, 12))
    layers = subject._answers().run(START)["layers"]
    cases = [{"layer": layer, "position": [row, 3]} for layer in layers[:6] for row in (0, 5, 11)]
    boxes = modules.each("reachBox(one.layer, one.position)", cases)
    for case, box in zip(cases, boxes, strict=True):
        for axis, place in enumerate(case["position"]):
            field = case["layer"]["field"][axis]
            units = range(case["layer"]["shape"][1 + axis])
            seeing = [u for u in units if 0 <= place - field["start"] - field["step"] * u < field["size"]]
            assert (box["start"][axis], box["stop"][axis]) == (seeing[0], seeing[-1] + 1)
    exact = subject._answers().reach(START, [5, 3])
    for found, layer in zip(exact[:6], layers, strict=False):
        box = modules.each("reachBox(one.layer, one.position)", [{"layer": layer, "position": [5, 3]}])[0]
        assert (box["start"], box["stop"]) == (found["start"], found["stop"])


# ---- the view


def test_rows_are_the_layers_with_their_maps_and_what_they_see(opened):
    page, _ = opened
    rows = page.locator(".layer")
    kinds = [text.split()[1] for text in rows.locator("h3").all_inner_texts()]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "BatchNorm2d", "ReLU", "AdaptiveAvgPool2d", "Linear"]
    assert "one value sees 8 × 8 samples" in rows.nth(3).inner_text()
    assert f"{3 * 3 * 4 * 20 + 20:,} parameters" in rows.nth(3).inner_text()
    until(page, lambda: page.locator(".layer canvas").count() > 20)
    painted = page.evaluate(
        "[...document.querySelector('#explorer').shadowRoot.querySelectorAll('.layer canvas')].slice(0, 4).map("
        "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size)"
    )
    assert min(painted) > 8  # pictures, and not one colour
    more = rows.nth(3).get_by_role("button", name="more of")
    assert rows.nth(3).locator(".tile").count() == 16
    more.click()
    assert rows.nth(3).locator(".tile").count() == 20


def test_classes_have_the_probabilities_of_softmax(opened, example):
    page, network = opened
    expected = network(example[:1]).softmax(1)[0].tolist()
    for number, name in enumerate(["cup", "hat", "shoe"]):
        row = page.locator(f".classes tr[data-class='{number}']")
        assert name in row.inner_text()
        assert value(row.locator(".number")) == pytest.approx(expected[number], abs=1e-6)
    page.get_by_label("Next sample").click()
    until(page, lambda: "network.sample=1" in address(page))
    second = network(example[1:2]).softmax(1)[0].tolist()
    cell = page.locator(".classes tr[data-class='0'] .number")
    until(page, lambda: value(cell) == pytest.approx(second[0], abs=1e-6))


def test_from_network_to_number_and_back_without_losing_place(opened, example):
    page, network = opened
    tile = page.get_by_role("button", name="3, channel 7", exact=True)
    tile.scroll_into_view_if_needed()
    scrolled = page.evaluate("document.scrollingElement.scrollTop")
    tile.click()
    page.locator(".partial").first.wait_for()

    def chosen():  # the map may be drawn anew between the focus and the keys
        page.locator(".channel .map-overlay").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        return "network.position" in address(page)

    def asked():
        position = json.loads(re.search(r"position=([^&]*)", address(page))[1])
        return position, network[:4](example[:1])[0, 7, *position].item()

    until(page, chosen)
    until(page, lambda: value(page.locator(".torch")) == asked()[1])  # the answer comes after the address
    position, expected = asked()
    assert value(page.locator(".result .value").first) == pytest.approx(expected, abs=1e-6)
    patches = page.locator(".parts")
    channel = int(patches.first.get_attribute("data-channel"))
    pooled = network[:3](example[:1])[0, channel].detach().numpy()
    padded = np.pad(pooled, 1)[position[0] : position[0] + 3, position[1] : position[1] + 3]
    cells = [value(cell) for cell in patches.first.locator(".patch tbody td").all()]
    np.testing.assert_array_equal(np.float32(cells), padded.ravel())
    taps = [value(cell) for cell in patches.first.locator(".taps tbody td").all()]
    np.testing.assert_array_equal(np.float32(taps), network[3].weight[7, channel].detach().numpy().ravel())
    assert value(patches.first.locator(".subtotal")) == pytest.approx(float(np.dot(cells, taps)))
    assert "One value of this layer sees 8 × 8 samples of the input." in page.locator(".field-sentence").inner_text()
    page.keyboard.press("Escape")
    until(page, lambda: "network.position" not in address(page))
    assert page.locator(".channel").is_visible()
    page.keyboard.press("Escape")
    page.locator(".layers").wait_for()
    until(page, lambda: page.evaluate("document.scrollingElement.scrollTop") == pytest.approx(scrolled, abs=60))
    assert tile.evaluate("(tile) => tile === tile.getRootNode().activeElement")
    page.get_by_role("button", name="Forward").click()
    page.locator(".partial").first.wait_for()
    assert "channel 7" in page.locator(".channel h2").inner_text()


def test_hovering_shows_the_field_and_what_a_sample_reaches(opened):
    page, _ = opened
    tile = page.get_by_role("button", name="0, channel 1", exact=True)
    tile.hover()
    assert "sees 3 × 3 samples" in page.locator(".live").inner_text()
    box = page.locator(".network-input .map-overlay").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".layer .tiles.framed").first.wait_for()
    assert "The sample at (6, 6)" in page.locator(".live").inner_text()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_text("reaches 9 of 144 positions").first.wait_for()


def test_arrow_keys_go_from_map_to_map_and_layer_to_layer(opened):
    page, _ = opened
    active = "document.querySelector('#explorer').shadowRoot.activeElement.getAttribute('aria-label')"
    page.get_by_role("button", name="0, channel 0", exact=True).focus()
    steps = [
        ("ArrowRight", "0, channel 1"),
        ("ArrowDown", "1, channel 1"),
        ("End", "1, channel 3"),
        ("ArrowDown", "2, channel 3"),
        ("Home", "2, channel 0"),
        ("ArrowUp", "1, channel 0"),
    ]
    for key, label in steps:
        page.keyboard.press(key)
        assert page.evaluate(active) == label
    page.keyboard.press("Enter")
    page.locator(".channel h2").get_by_text("ReLU · channel 0").wait_for()


def test_moving_the_input_runs_the_network_again(opened, example):
    page, network = opened
    page.get_by_label("Move right").click()
    page.get_by_label("Move right").click()
    page.keyboard.press("ArrowDown")
    until(page, lambda: "network.shift=[1,2]" in address(page))
    page.get_by_text("Moved by (1, 2)").wait_for()
    shifted = torch.zeros_like(example[:1])
    shifted[..., 1:, 2:] = example[:1, :, :-1, :-2]
    expected = network(shifted).softmax(1)[0]
    for number in range(3):
        cells = page.locator(f".classes tr[data-class='{number}'] .number")
        assert value(cells.first) == pytest.approx(float(expected[number]), abs=1e-6)
        assert value(cells.nth(1)) == pytest.approx(float(network(example[:1]).softmax(1)[0, number]), abs=1e-6)
    assert "follows, by (1, 2): 0 % differ" in page.locator(".layer").first.inner_text()
    assert "cannot follow: its step would be (0.5, 1)" in page.locator(".layer").nth(2).inner_text()
    page.get_by_label("Move back to the start").click()
    page.get_by_text("Point at a sample").wait_for()


def test_dragging_the_picture_moves_it(opened):
    page, _ = opened
    box = page.locator(".network-input .map-overlay").bounding_box()
    cell = min(box["width"], box["height"]) / 12
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3 * cell, y - 2 * cell, steps=5)
    page.mouse.up()
    until(page, lambda: "network.shift=[-2,3]" in address(page))
    page.get_by_text("Moved by (−2, 3)").wait_for()


def test_an_own_image_is_an_input(opened, example, tmp_path):
    from PIL import Image

    page, network = opened
    pixels = np.random.default_rng(2).integers(0, 256, (12, 12), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "own.png")
    page.get_by_label("Own image").set_input_files(tmp_path / "own.png")
    low, high = float(example.min()), float(example.max())
    x = torch.from_numpy(low + (high - low) * pixels / 255).float()[None, None]
    expected = float(network(x).softmax(1)[0, 0])
    cell = page.locator(".classes tr[data-class='0'] .number")
    until(page, lambda: value(cell) == pytest.approx(expected, abs=2e-3))


def test_patterns_by_depth_are_shown(opened):
    page, _ = opened
    page.get_by_text("Patterns by depth").click()
    page.locator(".by-depth canvas").first.wait_for()
    assert page.locator(".by-depth tr").count() == 3
    page.locator(".by-depth button", has_text="channel").first.click()
    page.locator(".channel .patches canvas").first.wait_for()


def test_weights_stand_beside_those_of_a_dense_layer(opened):
    page, _ = opened
    page.get_by_role("button", name="0, channel 0", exact=True).click()
    figures = page.locator(".dense figure")
    figures.nth(1).wait_for()
    assert "36 weights here" in figures.first.inner_text()
    assert "82,944 weights if fully connected: 2,304 times" in figures.nth(1).inner_text()
    assert figures.first.locator("line").count() == 12 * 3 - 2
    assert figures.nth(1).locator("line").count() == 144


@pytest.mark.parametrize("name", ZOO)
def test_every_map_of_every_network_opens(quiet_page, served, name):
    subject = NetworkSubject(*ZOO[name])
    layers = subject._answers().run({**START, "shift": [0] * subject._answers().axes})["layers"]
    url = served(explorer(subject))
    quiet_page.goto(url + "#view=network&network.layer=0")
    for number, layer in enumerate(layers):
        quiet_page.evaluate(f"location.hash = 'view=network&network.layer={number}'")
        quiet_page.locator(".channel h2").get_by_text(f"{layer['kind']} · channel 0").wait_for()
        quiet_page.locator(".crumbs").get_by_text(f"{number + 1} ").first.wait_for()
        place = quiet_page.locator(".map-place canvas, .map-place p").first
        place.wait_for()
        assert quiet_page.locator(".channel > .wrong").is_hidden()


def test_a_saved_page_needs_no_python(quiet_page, saved, example):
    network = small().eval().requires_grad_(False)
    quiet_page.goto(
        saved(explorer(NetworkSubject(network, example)))
        + "#view=network&network.layer=3&network.channel=5&network.position=[2,4]"
    )
    quiet_page.locator(".torch").wait_for()
    assert value(quiet_page.locator(".torch")) == network[:4](example[:1])[0, 5, 2, 4].item()
    quiet_page.get_by_role("button", name="Network", exact=True).click()
    quiet_page.locator(".layer canvas").first.wait_for()
    assert "need Python" in quiet_page.locator(".network-input").inner_text()


def test_without_a_network_the_built_in_one_is_shown(quiet_page, served):
    quiet_page.goto(served(explorer(NetworkSubject())) + "#view=network")
    quiet_page.get_by_text("A small classifier of clothes").wait_for()
    quiet_page.locator(".layer canvas").first.wait_for()
    assert quiet_page.locator(".classes tr").nth(1).inner_text().startswith("Ankle boot")


def test_without_torch_the_view_says_how_to_get_it(quiet_page, served, monkeypatch):
    monkeypatch.setattr(NetworkSubject, "content", lambda self: {"missing": True, "kind": "built in"})
    quiet_page.goto(served(explorer(NetworkSubject())) + "#view=network")
    quiet_page.get_by_text("Networks need torch").wait_for()


def test_every_kind_of_making_is_in_the_zoo():
    kinds = set()
    for network, example in ZOO.values():
        answers = NetworkSubject(network, example)._answers()
        run = answers._run({**START, "shift": [0] * answers.axes})
        kinds |= {making(run, step)["kind"] for step in run.steps}
        assert len(field_numbers(run)) == len(run.steps)
    assert kinds == {
        "convolution", "transposed convolution", "pooling", "adaptive pooling", "padding", "mean", "linear",
        "batch norm", "group norm", "layer norm", "softmax", "concatenation", "pointwise", "other",
    }  # fmt: skip


def test_a_value_of_a_volume_is_followed_in_its_slice(quiet_page, served):
    torch.manual_seed(0)
    network, volume = nn.Conv3d(1, 2, 3, padding=1).requires_grad_(False), torch.rand(1, 1, 10, 9, 8)
    quiet_page.goto(
        served(explorer(NetworkSubject(network, volume))) + "#view=network&network.layer=0&network.channel=1"
    )
    quiet_page.locator(".channel .map-overlay").focus()
    quiet_page.keyboard.press("ArrowLeft")
    quiet_page.keyboard.press("Enter")
    until(quiet_page, lambda: "position=[5,4,3]" in address(quiet_page))
    quiet_page.locator(".result .value").wait_for()
    assert value(quiet_page.locator(".torch")) == network(volume)[0, 1, 5, 4, 3].item()
    assert "27 numbers" in quiet_page.locator(".result").inner_text()
    assert "3 × 3 × 3 samples" in quiet_page.locator(".field-sentence").inner_text()
    quiet_page.get_by_text("from (4, 3, 2) to (6, 5, 4)").wait_for()


def test_a_dragged_input_is_drawn_before_python_answers(opened, example):
    page, _ = opened
    page.get_by_text("Drag the input").wait_for()
    held = []
    page.route("**/ask", lambda route: held.append(route))  # Python is busy
    page.get_by_label("Move right").click()
    page.get_by_label("Move down").click()
    expected = np.zeros((12, 12))
    expected[1:, 1:] = example[0, 0, :-1, :-1]
    pixels = (
        "() => { const root = document.querySelector('#explorer').shadowRoot;"
        " const canvas = root.querySelector('.network-input canvas');"
        " const copy = new OffscreenCanvas(canvas.width, canvas.height)"
        "   .getContext('2d', { willReadFrequently: true });"
        " copy.drawImage(canvas, 0, 0);"
        " const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);"
        " return [canvas.width, [...data].filter((_, index) => index % 4 === 0)]; }"
    )

    def drawn():
        width, grays = page.evaluate(pixels)
        whole = np.reshape(grays, (-1, width))
        step = width / 12
        places = ((np.arange(12) + 0.5) * step).astype(int)
        return np.abs(whole[np.ix_(places, places)] - 255 * expected).max() < 2

    until(page, drawn)
    for route in held:
        route.continue_()
    page.unroute("**/ask")
    page.get_by_text("Moved by (1, 1)").wait_for()


def test_a_network_that_learned_is_shown_anew(opened, example):
    page, network = opened
    network[0].weight.data.fill_(7)
    page.get_by_role("button", name="3, channel 7", exact=True).click()
    page.locator(".partial").first.wait_for()
    page.locator(".channel .map-overlay").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    until(page, lambda: "network.position" in address(page))
    position = json.loads(re.search(r"position=([^&]*)", address(page))[1])
    expected = network[:4](example[:1])[0, 7, *position].item()
    until(page, lambda: value(page.locator(".torch")) == expected)


def test_a_run_is_shown_as_soon_as_it_is_trained(quiet_page, served, monkeypatch, tmp_path):
    subject = NetworkSubject(run=tmp_path)
    trains = [True]
    monkeypatch.setattr(subject, "_is_trained_now", lambda: trains[0])
    quiet_page.goto(served(explorer(subject)) + "#view=network")
    quiet_page.get_by_text("still being trained").wait_for()
    assert quiet_page.locator(".network-view .wrong").count() == 0
    made = NetworkSubject(small(), torch.rand(1, 1, 12, 12))
    subject._made, trains[0] = made._made, False
    quiet_page.locator(".layer canvas").first.wait_for()


def test_patches_of_a_saved_page_have_the_colours_of_a_served_one(quiet_page, saved, example):
    quiet_page.goto(saved(explorer(NetworkSubject(small(), example))) + "#view=network")
    quiet_page.get_by_text("Patterns by depth").click()
    button = quiet_page.locator(".patches button").first
    button.wait_for()
    assert button.is_disabled()
    assert button.evaluate("(element) => getComputedStyle(element).opacity") == "1"

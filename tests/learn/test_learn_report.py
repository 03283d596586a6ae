"""Charts, pictures and sentences: the numbers drawn and said are the numbers measured."""

from __future__ import annotations

import base64
import dataclasses
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faltung.datasets.dataset import Dataset, Split
from faltung.ground.drawings.charts import Bar, Curve, bar_chart, line_chart, ticks
from faltung.ground.drawings.pictures import colour_sheet, data_uri, middle, png, signed_sheet, visible
from faltung.ground.drawings.sketches import sketch
from faltung.inspect.layerwise import NetworkLayer
from faltung.learn.epoch_record import EpochRecord
from faltung.learn.measures.counting import LayerCost, NetworkCost
from faltung.learn.measures.outcome import MeasuredLayer, Outcome
from faltung.learn.report import html_report, warnings
from faltung.learn.report.columns import text_table
from faltung.learn.report.findings import findings
from faltung.learn.report.table import table
from faltung.learn.report.wording import times


@given(low=st.floats(-1e4, 1e4), span=st.floats(1e-3, 1e4), count=st.integers(2, 8))
def test_ticks_are_round_even_and_inside(low, span, count):
    values = ticks(low, low + span, count)
    steps = np.diff(values)
    slack = 1e-6 * span
    assert 2 <= len(values) <= count + 2 or len(values) == 1
    assert all(low - slack <= value <= low + span + slack for value in values)
    if len(values) > 1:
        mantissa = steps[0] / 10.0 ** np.floor(np.log10(steps[0]) + 1e-9)
        assert np.allclose(steps, steps[0], rtol=1e-6)
        assert min(abs(mantissa - factor) for factor in (1, 2, 5)) < 1e-5


def _parse(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{chart}</div>")


def test_chart_places_points_where_their_numbers_are():
    chart = _parse(
        line_chart([Curve("a & b", ((0, 10), (2, 30), (4, 20)), 1)], title="t<1", x_label="x", y_label="y")
    )
    places = [tuple(map(float, pair.split(","))) for pair in chart.find(".//polyline").get("points").split()]
    xs, ys = zip(*places, strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.15)
    assert ys[0] - ys[1] == pytest.approx(2 * (ys[2] - ys[1]), abs=0.15)  # larger values are higher up
    labels = {text.text: float(text.get("y")) - 4 for text in chart.iter("text") if text.get("text-anchor") == "end"}
    assert labels["10"] == pytest.approx(ys[0], abs=0.15)
    assert labels["30"] == pytest.approx(ys[1], abs=0.15)
    assert chart.find(".//title").text == "t<1"
    assert "".join(chart.find("ul").itertext()) == "a & b"


def test_chart_of_a_single_point():
    chart = _parse(line_chart([Curve("a", ((1, 0.5),), 1)], title="t", x_label="x", y_label="y"))
    assert len(chart.findall(".//circle")) == 1


def test_lines_of_many_networks_share_six_colours_and_zero_is_quiet():
    styles = [Curve("a", ((0, 0),), colour).style for colour in (0, 1, 6, 7, 13)]
    assert styles == ["line series-0", "line series-1", "line series-6", "line series-1", "line series-1"]


def test_logarithmic_chart_makes_equal_ratios_equal_distances():
    lines = [Curve("a", ((10, 1), (100, 2), (1000, 3)), 1)]
    chart = _parse(line_chart(lines, title="t", x_label="x", y_label="y", x_ticks=(10, 100, 1000), logarithmic=True))
    xs = [float(pair.split(",")[0]) for pair in chart.find(".//polyline").get("points").split()]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.15)
    ticked = {text.text: float(text.get("x")) for text in chart.iter("text") if text.get("class") == "tick"}
    assert [ticked["10"], ticked["100"], ticked["1,000"]] == pytest.approx(xs, abs=0.15)


def test_intervals_reach_from_low_to_high_within_the_frame():
    line = Curve("a", ((0, 50), (1, 60)), 1, intervals=((40, 55), (50, 90)))
    chart = _parse(line_chart([line], title="t", x_label="x", y_label="y"))
    bars = [each for each in chart.iter("line") if each.get("class") == "interval series-1"]
    [first, second] = [float(each.get("y1")) - float(each.get("y2")) for each in bars]
    assert first / second == pytest.approx(15 / 40, abs=0.01)
    assert all(float(each.get("y2")) >= 16 and float(each.get("y1")) <= 272 for each in bars)


def test_bars_are_as_high_as_their_parts():
    chart = _parse(
        bar_chart([Bar(0, 1, (3, 1)), Bar(1, 3, (0, 8))], {"a": "x", "b": "y"}, title="t", x_label="x", y_label="y")
    )
    bars = [*chart.iter("rect")]
    heights = [float(each.get("height")) for each in bars]
    assert heights == pytest.approx([3 * heights[3] / 8, heights[3] / 8, 0, heights[3]], abs=0.15)
    bottoms = [float(each.get("y")) + float(each.get("height")) for each in bars]
    assert bottoms[0] == pytest.approx(bottoms[2], abs=0.15)
    assert bottoms[1] == pytest.approx(float(bars[0].get("y")), abs=0.15)  # the second part stands on the first
    assert float(bars[3].get("width")) == pytest.approx(2 * float(bars[0].get("width")) + 2, abs=0.2)
    assert [each.get("class") for each in bars] == ["bar x", "bar y"] * 2


def _heights(drawing: str) -> list[list[float]]:
    lines = _parse(drawing).iter("polyline")
    return [[float(pair.split(",")[1]) for pair in line.get("points").split()] for line in lines]


def test_sketch_draws_channels_in_one_frame():
    drawing = sketch(np.array([[0.0, 10.0, 5.0], [2.5, 2.5, 2.5]]), title="a < b")
    assert _heights(drawing) == [[80, 4, 42], [61, 61, 61]]
    assert _parse(drawing).find(".//title").text == "a < b"
    assert not list(_parse(drawing).iter("line"))


def test_sketch_with_zero_marks_it():
    drawing = sketch(np.array([[5.0, 10.0]]), title="t", zero=True)
    assert _heights(drawing) == [[42, 4]]
    assert _parse(drawing).find(".//line").get("y1") == "80.0"
    assert _heights(sketch(np.full((1, 3), 7.0), title="t")) == [[42, 42, 42]]  # no division by zero


def test_sketch_of_a_long_series_keeps_its_peaks():
    series = np.zeros((1, 5000))
    series[0, [137, 4321]] = 9.0, -1.0
    [heights] = _heights(sketch(series, title="t"))
    assert len(heights) == 168
    assert (min(heights), max(heights)) == (4, 80)
    assert len(_heights(sketch(np.zeros((20, 30)), title="t"))) == 6


def test_sheet_colours_signs_and_scales_each_tile():
    tiles = np.array([[[-2.0, 1.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]], np.float32)
    sheet = signed_sheet(tiles)
    cell, gap = 42, 12
    assert sheet.shape == (84, 2 * 84 + gap, 4)

    def colour(row, column):
        return sheet[row * cell + 20, column].tolist()

    assert colour(0, 0) == [33, 102, 172, 255]
    assert colour(0, cell) == [226, 168, 125, 255]  # halfway from white to orange, rounded to even
    assert colour(1, 0) == [247, 247, 247, 255]
    assert colour(1, cell) == [204, 88, 3, 255]
    assert colour(0, 84 + gap // 2)[3] == 0
    assert colour(1, 84 + gap) == [247, 247, 247, 255]  # a tile of zeros is no division by zero


def test_sheet_breaks_into_rows_of_eight():
    assert signed_sheet(np.ones((9, 3, 3), np.float32)).shape == (2 * 84 + 12, 8 * 84 + 7 * 12, 4)


def test_large_tiles_become_small():
    sheet = signed_sheet(np.ones((2, 1000, 400), np.float32))
    assert sheet.shape == (167, 2 * 134 + 12, 4)


def test_colour_sheet_shows_kernels_in_their_colours_with_grey_for_zero():
    kernel = np.zeros((1, 3, 1, 2), np.float32)
    kernel[0, 0, 0, 0], kernel[0, 2, 0, 1] = -4.0, 2.0
    sheet = colour_sheet(kernel)
    assert sheet[0, 0].tolist() == [1, 128, 128, 255]
    assert sheet[0, -1].tolist() == [128, 128, 192, 255]  # half of the largest: 128 + 63.5, rounded to even


def test_middle_slice():
    volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert np.array_equal(middle(volume), volume[:, 1])
    assert middle(np.zeros((2, 4, 5))).shape == (2, 4, 5)


def test_visible_samples():
    grey = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    assert np.array_equal(visible(grey), grey[0])
    colour = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    assert np.array_equal(visible(colour), np.moveaxis(colour, 0, -1))
    assert np.array_equal(visible(np.stack([grey[0], grey[0] + 2])), grey[0] + 1)  # two channels: their mean
    volume = np.zeros((1, 3, 4, 5), np.float32)
    volume[0, 1, 2, 2] = -3.0
    assert visible(volume).shape == (4, 5)
    assert visible(volume)[2, 2] == 0
    assert visible(volume)[0, 0] == 255
    assert visible(np.full((1, 2, 2), 7.0, np.float32)).tolist() == [[0, 0], [0, 0]]  # no division by zero
    assert visible(np.zeros((1, 900, 600), np.uint8)).shape == (168, 112)


def test_png_and_its_address_keep_every_pixel():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    address = data_uri(png(pixels))
    assert address.startswith("data:image/png;base64,")
    content = base64.b64decode(address.partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


LAYERS = (
    MeasuredLayer(NetworkLayer("0", "3×3 convolution, 1 → 2", True, 18, (1, 4, 4), (2, 4, 4)), 288, 0.5, 1.0),
    MeasuredLayer(NetworkLayer("1", "linear, 32 → 2", False, 64, (32,), (2,)), 64, 0.75, 0.25),
)
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], np.float32)
RIGHT = np.array([1.0, 0.0, 1.0, 1.0])


def _recognised(*accuracies: float, samples: int = 4) -> dict[int, np.ndarray]:
    """Return for each distance which of the samples are recognised, the first of them."""
    return {
        places: (np.arange(samples) < round(samples * share)).astype(float) for places, share in enumerate(accuracies)
    }


def _outcome(name: str, **changes: object) -> Outcome:
    outcome = Outcome(
        name,
        {"class": "Linear"},
        (1, 4, 4),
        NetworkCost(1000, tuple(LayerCost(each.layer.name, "", each.multiply_adds) for each in LAYERS)),
        tuple(
            EpochRecord(
                epoch, 2, 1.25, {"training_risk": 1 / epoch, "validation_risk": 0.5, "training_accuracy": 0.5}
            )
            for epoch in (1, 2)
        ),
        training_risk=0.111,
        training_accuracy=0.99,
        training_samples=4,
        test_risk=0.222,
        test_labels=np.array([0, 1, 1, 1]),
        test_probabilities=PROBABILITIES,
        recognised={0: RIGHT} | {places: RIGHT * (places < 4) for places in range(1, 7)},
        input_probe_accuracy=0.25,
        layers=LAYERS,
        first_kernels=np.ones((2, 1, 3, 3), np.float32),
        first_responses=np.ones((2, 4, 4), np.float32),
    )
    return dataclasses.replace(outcome, **changes)


def _split(**changes: object) -> Split:
    images = np.arange(64, dtype=np.uint8).reshape(4, 1, 4, 4)
    data = Dataset(images, np.array([0, 1, 1, 1]), ("<b>bag</b>", "coat & tie"))
    other = Dataset(images + 100, data.labels, data.class_names)
    return dataclasses.replace(Split(other, other, data, "tiny <data>"), **changes)


def _page(outcomes: list[Outcome], split: Split, made: dict[str, object], curve: dict[str, dict[int, float]]):
    page = html_report(outcomes, split, made, curve)
    assert page.startswith("<!DOCTYPE html>")
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


def _text(tree: ElementTree.Element) -> str:
    return " ".join(" ".join(tree.find("body").itertext()).split())


def _said(outcomes: list[Outcome], curve: dict[str, dict[int, float]] | None = None) -> dict[str, str]:
    return {each.topic: each.text for each in findings(outcomes, curve or {})}


def test_table_says_what_was_measured():
    header, [row] = table([_outcome("conv")])
    assert dict(zip(header, row, strict=True)) == {
        "Network": "conv",
        "Parameters": "1,000",
        "Multiply-adds": "352",
        "Training time": "2.5 s",
        "Test accuracy": "75.0 %",
        "95\u00a0% interval": "30.1–95.4",
        "Moved 1 px": "75.0",
        "Moved 2 px": "75.0",
        "Moved 4 px": "0.0",
    }
    header, _ = table([_outcome("conv", sample_shape=(2, 100), recognised={4 * steps: RIGHT for steps in range(7)})])
    assert header[6:] == ["Moved 4", "Moved 8", "Moved 16"]


def test_the_printed_table_fits_into_80_columns():
    best = _outcome(
        "convolutional",
        recognised=_recognised(*[1.0] * 7),
        cost=NetworkCost(14_289_412, (LayerCost("0", "Linear", 999_999_999),)),
    )
    lines = text_table(*table([best])).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == [
        "convolutional",
        "14,289,412",
        "1000",
        "M",
        "2.5",
        "s",
        "100.0",
        "%",
        "51.0–100",
        "100",
        "100",
        "100",
    ]


def test_findings_on_accuracy_go_with_the_numbers_both_ways():
    many = {"test_labels": np.zeros(400, int), "test_probabilities": np.tile(PROBABILITIES, (100, 1))}
    better = _outcome("better", recognised=_recognised(*[0.9] * 7, samples=400), **many)
    worse = _outcome(
        "worse, larger",
        recognised=_recognised(0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, samples=400),
        cost=NetworkCost(2500, (LayerCost("0", "Linear", 40),)),
        **many,
    )
    said = _said([better, worse])
    assert said["Accuracy"] == (
        "“better” recognises 90.0 % of the 400 test images with 1,000 parameters (95 % interval 86.7 to 92.6). "
        "“worse, larger”: 50.0 % with 2,500, 40.0 points less (95 % interval 35.0 to 44.6)."
    )
    assert (
        "“better” loses no points of accuracy. “worse, larger” loses 40.0 points, 40.0 points more (95 %"
        in said["Moves"]
    )
    assert "When the test images move by 4 pixels" in said["Moves"]
    assert "needs 352 multiply-adds. “worse, larger” needs 40: 8.8 times fewer." in said["Arithmetic"]
    said = _said([worse, better])
    assert "“better”: 90.0 % with 1,000, 40.0 points more (95 % interval 35.0 to 44.6)." in said["Accuracy"]
    assert "“better” loses no points, 40.0 points less (95 %" in said["Moves"]
    assert "“better” needs 352: 8.8 times as many." in said["Arithmetic"]


def test_findings_do_not_decide_what_few_samples_leave_open():
    said = _said([_outcome("a"), _outcome("b", recognised=_recognised(*[0.5] * 7))])
    assert (
        "“b”: 50.0 % with 1,000, a difference within chance (95 % interval −88.5 to 55.1 points)." in said["Accuracy"]
    )
    assert "a difference within chance" in said["Moves"]


def test_findings_on_weights():
    assert _said([_outcome("conv")])["Weights"].endswith(
        "The convolutional layers of “conv” have 18 weights; dense layers instead would have 512, 28.4 times as many."
    )
    assert "Weights" not in _said([_outcome("dense", layers=LAYERS[1:])])


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (
            {10: 0.5, 100: 0.9},
            "is ahead of “b” at 1 of 2 sizes, and it needs all of them to reach the 80.0 % that “b”",
        ),
        ({10: 0.8, 100: 0.9}, "is ahead of “b” at 2 of 2 sizes, and with 10 it reaches the 80.0 % that “b” reaches"),
        (
            {10: 0.1, 100: 0.2},
            "is ahead of “b” at 0 of 2 sizes, and it does not reach the 80.0 % that “b” reaches with 100",
        ),
    ],
)
def test_findings_on_few_samples(ours, expected):
    said = _said([_outcome("a"), _outcome("b")], {"a": ours, "b": {10: 0.6, 100: 0.8}})["Few samples"]
    assert said.startswith("Trained on 10 to 100 images: “a” " + expected)


@pytest.mark.parametrize("curve", [{}, {"a": {10: 0.5}, "b": {10: 0.5}}, {"a": {10: 0.5, 20: 0.6}}])
def test_no_finding_on_few_samples_without_two_sizes_to_compare(curve):
    assert "Few samples" not in _said([_outcome("a"), _outcome("b")], curve)


def test_findings_on_depth():
    assert _said([_outcome("a")])["Depth"] == (
        "A linear classifier recognises 25.0 % of the test images from their values, 50.0 % from activations of the "
        "first layer of “a”, and at most 75.0 %, from those of layer 2 of 2. Superposition, which holds exactly for "
        "a linear map, explains 100 % of the activations of the first layer and 25 % of those of the last layer. "
        "The last layer is further from a linear map than the first."
    )
    assert "further" not in _said([_outcome("a", layers=LAYERS[::-1])])["Depth"]
    assert "Depth" not in _said([_outcome("a", layers=LAYERS[:1])])


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        (200, "its probabilities are too low"),
        (0, "its probabilities are too high"),
        (150, "the difference is within chance"),
    ],
)
def test_findings_on_certainty(right, verdict):
    recognised = {0: np.repeat([1.0, 0.0], [right, 200 - right])}
    probabilities = np.tile(PROBABILITIES, (50, 1))
    labels = np.where(recognised[0] > 0, probabilities.argmax(1), probabilities.argmin(1))
    said = _said([_outcome("a", recognised=recognised, test_probabilities=probabilities, test_labels=labels)])
    assert (
        f"a probability of 75.0 % on average, and {right / 2:.1f} % of them are right: {verdict}."
        in said["Certainty"]
    )


def test_no_outcome_no_finding():
    assert findings([]) == []


def test_warnings_of_test_samples_that_were_learned_from():
    few = "There are only 4 test images: an accuracy of 80 % could as well be 34 % or 97 %."
    assert warnings(_split()) == [few]
    assert warnings(_split(), splits=5) == []
    cut = {"time": {"left_out": ["no learning curve (2 min more)"], "limit_seconds": 90.0}}
    assert warnings(_split(), cut, splits=5) == [
        "To keep to 90 s, something was cut: no learning curve (2 min more)."
    ]
    split = _split()
    copied = Split(split.test, split.validation, split.test, "twice")
    assert warnings(copied) == [
        "4 of the 4 test images are also training images: the test accuracy says less about new images.",
        few,
    ]
    assert "4 of the 4 test images are also" in _text(_page([_outcome("conv")], copied, {}, {}))


def test_ratios_in_words():
    assert times(1001, 1000) == "about as many"
    assert times(7, 0) == "7.0 times as many"


def test_page_is_well_formed_escaped_and_stands_alone():
    curve = {"conv <1>": {10: 0.5, 100: 0.75}, "dense": {10: 0.5, 100: 0.75}}
    outcomes = [_outcome("conv <1>"), _outcome("dense", first_kernels=None, first_responses=None)]
    made = {"seed": 7, "data": {"a<b": 1, "given": True, "patience": None}}
    assert "://" not in html_report(outcomes, _split(), made, curve)
    tree = _page(outcomes, _split(), made, curve)
    places = {element.get("id") for element in tree.iter()}
    for element in tree.iter():
        assert element.tag not in ("script", "link", "iframe", "object")
        assert element.get("src", "data:").startswith("data:")
        assert element.get("href", "#moves")[1:] in places
        if element.tag == "img":
            assert element.get("alt")
        if element.get("role") == "img":
            assert element.find("title").text
    text = _text(tree)
    assert "tiny <data>" in text
    assert "“conv <1>” against “dense”. 2 classes; 4 training images, 4 for validation, 4 for the test." in text
    assert "75.0 % 30.1–95.4" in text
    # Image 1 is a coat that the network takes for a bag, with a probability of 60 %.
    assert text.count("<b>bag</b> 60 % is coat & tie") == 2
    assert "1 of 4 predictions are wrong." in text
    assert "conv <1> 2 0.111 0.222 99.0 % 75.0 %" in text
    assert "1 · 3×3 convolution, 1 → 2 2×4×4 18 512 288 50.0 % 100 %" in text
    assert "2 · linear, 32 → 2 2 64 the same 64 75.0 % 25 %" in text
    assert "All 82 576 352" in text
    assert "Seed 7" in text
    assert "a<b 1, given yes, patience none" in text


def test_page_shows_what_was_confused():
    tree = _page([_outcome("conv")], _split(), {}, {})
    matrix, pairs = (
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in tree.iter("table")
        if table.get("class") in ("matrix", "pairs")
    )
    assert matrix == [["True class", "<b>bag</b>", "coat & tie"], ["<b>bag</b>", "1", "·"], ["coat & tie", "1", "2"]]
    assert pairs[1][1:] == ["coat & tie", "<b>bag</b>", "1", "33.3\N{NO-BREAK SPACE}%"]


def test_page_of_many_classes_with_long_names_draws_their_confusions():
    names = tuple(f"{place} of the classes with a long name" for place in range(100))
    labels = np.arange(200) % 100
    data = Dataset(np.arange(200, dtype=np.uint8).repeat(16).reshape(200, 1, 4, 4), labels, names)
    probabilities = np.eye(100, dtype=np.float32)[np.where(np.arange(200) < 3, 99, labels)]
    right = (probabilities.argmax(1) == labels).astype(float)
    recognised = dict.fromkeys(range(7), right)
    model = _outcome("conv", test_labels=labels, test_probabilities=probabilities, recognised=recognised)
    tree = _page([model], Split(data, data, data, "many"), {}, {})
    [drawing] = [svg for svg in tree.iter("svg") if svg.get("class") == "confusions"]
    cells = {
        (cell.get("x"), cell.get("y")): (cell.get("class"), cell.find("title").text) for cell in drawing.iter("rect")
    }
    assert len(cells) == 103
    assert cells["99", "2"] == ("mistake", f"{names[2]} predicted as {names[99]}: 1 of 2")
    assert cells["2", "2"] == ("right", f"{names[2]} recognised: 1 of 2")


def test_page_of_series_and_volumes():
    data = Dataset(np.arange(96, dtype=np.float32).reshape(4, 2, 12), np.array([0, 1, 1, 1]), ("a", "b"))
    recognised = {15 * steps: RIGHT for steps in range(7)}
    series = _outcome(
        "conv", sample_shape=(2, 12), recognised=recognised, first_kernels=np.ones((3, 2, 5), np.float32),
        first_responses=np.ones((3, 12), np.float32),
    )  # fmt: skip
    tree = _page([series], Split(data, data, data, "series"), {}, {})
    titles = [svg.find("title").text for svg in tree.iter("svg") if svg.get("class") == "sketch"]
    assert titles[:6] == ["Kernel 1", "Kernel 2", "Kernel 3", "Feature map 1", "Feature map 2", "Feature map 3"]
    assert "Test series 0: a" in titles
    assert "The gap is filled with the mean of the training values" in _text(tree)
    assert not list(tree.iter("img"))

    data = Dataset(np.zeros((4, 1, 3, 4, 4), np.float32), np.array([0, 1, 1, 1]), ("a", "b"))
    volumes = _outcome(
        "conv", sample_shape=(1, 3, 4, 4), first_kernels=np.ones((3, 2, 3, 3, 3), np.float32),
        first_responses=np.ones((3, 3, 4, 4), np.float32),
    )  # fmt: skip
    text = _text(_page([volumes], Split(data, data, data, "volumes"), {}, {}))
    assert "The 3 kernels of 3×3×3 taps" in text
    assert "The middle slice of each is shown." in text


def test_page_draws_at_most_64_kernels_and_says_so():
    model = _outcome("conv", first_kernels=np.ones((24, 4, 3, 3), np.float32))
    tree = _page([model], _split(), {}, {})
    assert "The first 64 of 96 are shown." in _text(tree)
    [kernels, _] = [image for image in tree.iter("img") if image.get("class") == "filters"]
    content = base64.b64decode(kernels.get("src").partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (8 * 84 + 7 * 12, 8 * 84 + 7 * 12)


def test_page_without_mistakes_filters_history_or_curve_leaves_them_out():
    right = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    model = _outcome("dense", test_probabilities=right, first_kernels=None, first_responses=None, history=())
    tree = _page([model], _split(), {"seed": 0}, {})
    text = _text(tree)
    assert "There are no mistakes." in text
    assert "predictions are wrong" not in text
    assert "The kernels of the first layer" not in text
    assert "Fewer training images" not in text
    assert "against epoch" not in text
    assert "“dense”. 2 classes" in text

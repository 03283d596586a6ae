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

from faltung.learn.charts import Line, line_chart, ticks
from faltung.learn.cost import LayerCost, NetworkCost
from faltung.learn.datasets import Dataset, Split
from faltung.learn.outcome import Outcome
from faltung.learn.pictures import data_uri, png, signed_sheet
from faltung.learn.report import findings, html_report, table
from faltung.learn.training import EpochRecord


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
    chart = _parse(line_chart([Line("a & b", ((0, 10), (2, 30), (4, 20)), 1)], title="t<1", x_label="x", y_label="y"))
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
    chart = _parse(line_chart([Line("a", ((1, 0.5),), 1)], title="t", x_label="x", y_label="y"))
    assert len(chart.findall(".//circle")) == 1


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


def test_png_and_its_address_keep_every_pixel():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
    address = data_uri(png(pixels))
    assert address.startswith("data:image/png;base64,")
    content = base64.b64decode(address.partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


def _outcome(name: str, **changes: object) -> Outcome:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], np.float32)
    outcome = Outcome(
        name,
        {"class": "Linear"},
        NetworkCost(1000, (LayerCost("0", "Conv2d", 3000), LayerCost("1", "Linear", 30))),
        tuple(EpochRecord(epoch, 1 / epoch, 0.5, 1 / epoch, 0.5, 1.25) for epoch in (1, 2)),
        training_risk=0.111,
        training_accuracy=0.99,
        test_risk=0.222,
        test_accuracy=0.75,
        shifted_accuracy={1: 0.74, 2: 0.7, 4: 0.65},
        test_probabilities=probabilities,
        first_kernels=np.ones((2, 1, 3, 3), np.float32),
        first_responses=np.ones((2, 4, 4), np.float32),
    )
    return dataclasses.replace(outcome, **changes)


def _split() -> Split:
    images = np.arange(64, dtype=np.uint8).reshape(4, 1, 4, 4)
    data = Dataset(images, np.array([0, 1, 1, 1]), ("<b>bag</b>", "coat & tie"))
    return Split(data, data, data, "tiny <data>")


CHEAP = NetworkCost(2500, (LayerCost("0", "Linear", 2020),))


def test_table_says_what_was_measured():
    header, [row] = table([_outcome("conv")])
    assert dict(zip(header, row, strict=True)) == {
        "Network": "conv",
        "Parameters": "1,000",
        "Multiply-adds": "3,030",
        "Training time": "2.5 s",
        "Test accuracy": "75.0 %",
        "Moved 1 px": "74.0 %",
        "Moved 2 px": "70.0 %",
        "Moved 4 px": "65.0 %",
    }


def test_findings_go_with_the_numbers_both_ways():
    small, large = (
        _outcome("small"),
        _outcome("large", cost=CHEAP, shifted_accuracy={1: 0.7, 2: 0.5, 4: 0.25}),
    )
    text = " ".join(findings([small, large]))
    assert "2.5 times fewer parameters (1,000 against 2,500) the small network recognises 75.0 %" in text
    assert "costs the small network 10.0 points of accuracy and the large network 50.0" in text
    assert "1.5 times as many multiply-adds an image. Each of its weights is stored once" in text
    text = " ".join(findings([large, small]))
    assert "2.5 times as many parameters (2,500 against 1,000) the large network" in text
    assert text.endswith("1.5 times fewer multiply-adds an image.")  # and no claim about sharing
    assert findings([small]) == []


def test_page_is_well_formed_escaped_and_stands_alone():
    page = html_report(
        [_outcome("conv"), _outcome("dense", first_kernels=None)], _split(), {"seed": 7, "data": {"a<b": 1}}
    )
    assert page.startswith("<!DOCTYPE html>")
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert "://" not in page
    for element in tree.iter():
        assert element.tag not in ("script", "link", "iframe", "object")
        for attribute in ("src", "href"):
            assert element.get(attribute, "data:").startswith("data:")
        if element.tag == "img":
            assert element.get("alt")
    text = " ".join("".join(tree.find("body").itertext()).split())
    assert "tiny <data>: 4 images to learn from" in text
    assert "conv30.1 to 95.4 %" not in text
    assert "conv 30.1 to 95.4 %" in text
    # Image 1 is a coat that the network takes for a bag, with a probability of 60 %.
    assert text.count("<b>bag</b> 60 %is coat & tie") == 2
    assert "It is wrong about 1 of 4." in text
    assert "a risk of 0.111 on the images it learned from and of 0.222 on the test images" in text
    assert "Seed7" in text


def test_page_without_mistakes_or_filters_leaves_them_out():
    right = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    page = html_report([_outcome("dense", test_probabilities=right, first_kernels=None)], _split(), {"seed": 0})
    assert "It is wrong about" not in page
    assert "The filters it learned" not in page

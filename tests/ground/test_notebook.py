"""What notebooks show: every value that prints as a table also draws itself as one, and text is never markup."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.datasets.dataset import Dataset, Split
from faltung.ground.colours import NEGATIVE, POSITIVE, ZERO, signed_colour
from faltung.ground.notebook import html_table
from faltung.learn.measures.counting import network_cost
from faltung.learn.prediction import Predictions

X = np.random.default_rng(0).random((40, 50), dtype=np.float32)
DATA = Dataset(np.zeros((3, 1, 8, 8), np.uint8), np.array([0, 1, 1]), ("bag & <box>", "coat"))


class Cells(HTMLParser):
    """The rows of the tables of a page, as lists of the texts of their cells."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.inside, self.open = [], False, []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += text


def rows(value):
    return Cells(value._repr_html_()).rows


def test_cells_are_text():
    assert Cells(html_table([("<b>", "a & b"), ("n", 3)], ("x", "<y>"), "<i>")).rows == [
        ["x", "<y>"],
        ["<b>", "a & b"],
        ["n", "3"],
    ]


@pytest.mark.parametrize(
    "plan",
    [
        lambda: fa.plan(X, fa.gaussian(2)),
        lambda: fa.plan(X, fa.Bank.stack([fa.sobel(0), fa.sobel(1)])),
        lambda: fa.plan(np.ones((3, 9, 9)), fa.Bank(np.ones((2, 3, 3, 3))), channel_axis=0),
        lambda: fa.plan(torch.ones(40, 50), fa.gaussian(2)),
        lambda: fa.layers.Conv(3, 8, 3).plan((1, 3, 32, 32)),
    ],
)
def test_plans_show_what_they_print(plan):
    plan = plan()
    printed = " ".join(str(plan).split())
    shown = rows(plan)
    assert [list(row) for row in plan.rows()] == shown[: len(plan.rows())]
    assert [row[0] for row in shown[len(plan.rows()) + 1 :]] == [one.method for one in plan.rejected]
    assert all(" ".join(text.split()) in printed for row in plan.rows() for text in row)


def test_reports_of_fits_show_what_they_print():
    _, report = fa.fit_filter(X, fa.gaussian(1)(X), 3)
    assert rows(report) == [list(row) for row in report.rows().items()]


def test_costs_predictions_and_splits_are_tables():
    cost = network_cost(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()), (1, 8, 8))
    assert rows(cost) == [["layer", "kind", "multiply-adds"], ["0", "Conv2d", "648"]]
    found = Predictions(("a<b>.png",), np.array([[0.25, 0.75]]), DATA.class_names, (None,))
    assert rows(found) == [["sample", "class", "probability"], ["a<b>.png", "coat", "75.0%"]]
    assert DATA.counts == (1, 2)
    assert rows(DATA) == [["class", "samples"], ["bag & <box>", "1"], ["coat", "2"]]
    assert rows(Split(DATA, DATA, DATA, "<three>")) == [
        ["class", "training", "validation", "test"],
        ["bag & <box>", "1", "1", "1"],
        ["coat", "2", "2", "2"],
        ["all", "3", "3", "3"],
    ]


def test_the_scale_has_its_ends_and_middle():
    def written(colour):
        return "#" + "".join(f"{part:02x}" for part in colour)

    assert [signed_colour(value) for value in (-2.0, -1.0, 0.0, 1.0, 9.0)] == [
        written(colour) for colour in (NEGATIVE, NEGATIVE, ZERO, POSITIVE, POSITIVE)
    ]


def test_data_sets_print_their_size_and_not_their_samples():
    assert repr(DATA) == "Dataset(3 samples, uint8 of shape (1, 8, 8), 2 classes)"
    split = Split(DATA, DATA, DATA, "three")
    assert repr(split) == "Split('three', training=3, validation=3, test=3, uint8 of shape (1, 8, 8), 2 classes)"

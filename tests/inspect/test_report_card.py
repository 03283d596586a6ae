"""The card itself: what it prints, writes, compares and requires."""

from __future__ import annotations

import json
import pickle
from html.parser import HTMLParser

import pytest
import torch
from torch import nn

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.inspect.section_table import SECTIONS
from inspected import made


class Branching(nn.Module):
    """Runs one layer more for bright inputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        y = self.layer(x)
        return self.layer(y) if x.sum() > 0 else y


class Named(nn.Module):
    """Takes several arguments, and returns a dictionary."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, image, weight=None, flip=False):
        y = self.layer(image)
        if flip:
            y = y.flip(-1)
        return {"y": y if weight is None else y * weight, "none": None}


@pytest.fixture(scope="module")
def card():
    return fa.inspect.card(*made("residual"))


def test_all_sections_are_there(card):
    assert [*card.sections] == [row.name for row in SECTIONS]
    text = str(card)
    for result in card.sections.values():
        assert result.heading in text
        for name, fact in result.facts().items():
            assert name in text
            assert " ".join(fact.split()[:3]) in text


def test_the_page_is_one_file(card, tmp_path):
    card.save(tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text(encoding="utf-8")

    class Reader(HTMLParser):
        sources, stack = [], []

        def handle_starttag(self, tag, attributes):
            self.sources += [value for name, value in attributes if name in ("src", "href")]
            if tag not in ("meta", "img"):
                self.stack.append(tag)

        def handle_endtag(self, tag):
            assert self.stack.pop() == tag

        def handle_startendtag(self, tag, attributes):
            self.sources += [value for name, value in attributes if name in ("src", "href")]

    reader = Reader()
    reader.feed(page)
    assert reader.stack == []
    assert reader.sources
    assert all(source.startswith(("#", "data:image/png;base64,")) for source in reader.sources)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert "http" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["card.html"]


def test_json_holds_all_numbers(card, tmp_path):
    card.save(tmp_path / "card.json")
    held = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    assert held == json.loads(card.json())
    assert held["figures"] == card.figures
    assert held["sections"]["counts"]["layers"][0]["name"] == "0.body.0"
    assert held["sections"]["receptive_fields"]["output"]["status"] == "exact"


def test_names_of_files_are_checked(card, tmp_path):
    with pytest.raises(ArgumentError, match=r"path: expected a name that ends with .html or .json"):
        card.save(tmp_path / "card.pdf")
    (tmp_path / "card.json").write_text("mine")
    with pytest.raises(ArgumentError, match="path: expected a file that does not exist yet"):
        card.save(tmp_path / "card.json", overwrite=False)
    assert (tmp_path / "card.json").read_text() == "mine"


def test_a_notebook_shows_it(card):
    html = card._repr_html_()
    assert "What it costs" in html
    assert "<img" in html
    assert "<img" in card.sees()._repr_html_()


def test_names_of_a_network_are_text_and_never_markup():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("<b>", nn.Conv1d(1, 1, 3))

        def forward(self, x):
            return getattr(self, "<b>")(x)

    card = fa.inspect.card(Odd(), torch.zeros(1, 1, 8), title="<i>")
    for page in (card.html(), card._repr_html_()):
        assert "<b>" not in page.replace("<b>&lt;i&gt;</b>", "")
        assert "<i>" not in page
        assert "&lt;b&gt;" in page


def test_control_flow_that_depends_on_data_is_found():
    network, x = Branching(), torch.ones(1, 2)
    assert fa.inspect.card(network, x).sections["execution"].control_flow == ""
    assert fa.inspect.card(network, x, 2 * x).sections["execution"].control_flow == ""
    card = fa.inspect.card(network, x, -x)
    # Both runs compare a sum; then one multiplies again, and the other one is at its end.
    assert "example 2 ran" in card.sections["execution"].control_flow
    assert any("control flow depends on data" in text for text in card.warnings)
    assert "not possible" in card.sections["execution"].export
    assert card.sections["counts"].multiply_adds == 8


def test_arguments_by_position_and_by_name():
    network, x, weight = Named(), torch.randn(1, 1, 9), torch.randn(1, 1, 9)
    by_name = fa.inspect.card(network, {"image": x, "weight": weight, "flip": True})
    by_position = fa.inspect.card(network, (x, weight, True))
    assert by_name.sees(position=(1,)).bounds == by_position.sees(position=(1,)).bounds == ((6, 9),)
    assert by_name.sections["execution"].inputs == ("image 1 x 1 x 9 float32, weight 1 x 1 x 9 float32",)
    assert by_position.sections["execution"].inputs[0].startswith("input 1 1 x 1 x 9 float32, input 2")
    assert by_name.sections["effective_field"].radius > 0


def test_requirements(card):
    met, unmet = card.require("parameters<1e6", "receptive_field >= 100")
    assert (bool(met), met.value) == (True, card.figures["parameters"])
    assert (bool(unmet), str(unmet)) == (False, "not met: receptive_field >= 100 (11)")
    for text in ("parameters", "parameters<many", "1<2<3", "parameters<nan", ""):
        with pytest.raises(ArgumentError, match="require: expected a comparison such as parameters<1e6"):
            card.require(text)
    with pytest.raises(ArgumentError, match="require: expected a figure of the card: activation_bytes"):
        card.require("price<3")


@pytest.mark.parametrize(
    ("sign", "results"),
    [("<", "100"), ("<=", "110"), ("==", "010"), ("!=", "101"), (">=", "011"), (">", "001")],
)
def test_signs_of_requirements(card, sign, results):
    value = card.figures["parameters"]
    bounds = (value + 1, value, value - 1)
    assert [row.met for row in card.require(*(f"parameters{sign}{bound}" for bound in bounds))] == [
        result == "1" for result in results
    ]


def test_two_cards_are_compared(card):
    other = fa.inspect.card(*made("plain"))
    compared = card.compare(other)
    assert {name: (one, two) for name, one, two in compared.rows}["parameters"] == (
        card.figures["parameters"],
        other.figures["parameters"],
    )
    assert compared.ratio("parameters") == other.figures["parameters"] / card.figures["parameters"]
    assert str(compared).splitlines()[0].split() == ["figure", "Sequential", "Sequential", "ratio"]
    assert "<table>" in compared._repr_html_()
    with pytest.raises(ArgumentTypeError, match="other: expected a card, got int"):
        card.compare(3)


def test_a_section_that_cannot_be_measured_says_why():
    card = fa.inspect.card(nn.Embedding(10, 3), torch.tensor([[1, 2]]))
    assert "int64, which has no gradient" in str(card)
    assert "effective_radius" not in card.figures


def test_exported_and_compiled_networks():
    network, x = made("residual")
    program = torch.export.export(network, (x,), strict=False)
    card = fa.inspect.card(program.module(), x)
    own = fa.inspect.card(network, x)
    assert card.figures["multiply_adds"] == own.figures["multiply_adds"]
    assert card.figures["receptive_field"] == own.figures["receptive_field"]
    assert [*card.layers][:2] == ["0.body.0", "0.body.1"]
    compiled = torch.compile(network, backend="eager")
    assert fa.inspect.card(compiled, x).figures == own.figures


def test_effective_fields_by_hand():
    layer = nn.Conv2d(1, 1, 5, bias=False)
    nn.init.constant_(layer.weight, 0.0)
    with torch.no_grad():
        layer.weight[0, 0, 2, 2] = 1.0
        layer.weight[0, 0, 0, 2] = 0.01
    found = fa.inspect.card(layer, torch.zeros(1, 1, 9, 9)).sections["effective_field"]
    assert found.side == 1.0
    assert found.radius < 0.1
    assert found.centre == pytest.approx((4 - 2 * 0.01 / 1.01, 4))
    nn.init.constant_(layer.weight, -1.0)
    found = fa.inspect.card(layer, torch.zeros(1, 1, 9, 9)).sections["effective_field"]
    assert (found.side, found.radius) == (5.0, 2.0)
    assert found.magnitudes.sum() == 25


def test_a_card_survives_pickling(card):
    copy = pickle.loads(pickle.dumps(card))
    assert copy.json() == card.json()
    assert (copy.sees(position=(2, 2)).mask == card.sees(position=(2, 2)).mask).all()

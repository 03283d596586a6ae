"""The algebra view: taps, both routes, laws and borders are what Python computes."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import numpy as np
import pytest
from filter_states import NAMED, TEXTS, kernel_of
from playwright.sync_api import expect
from scipy import ndimage
from test_filter_view import in_hash

import faltung as fa
from faltung.explorer.explored import Explorer
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.sample_inputs import sample_inputs

STATES, AT_ONCE = 40, 20
TOLERANCE = 1e-12
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
INPUTS = {sample.name: sample.samples.astype(np.float64).mean(axis=0) for sample in sample_inputs()}

READ = """
async (hashes) => {
  const view = document.getElementById("explorer").shadowRoot.querySelector(".algebra-view");
  const every = (selector, from = view) => [...from.querySelectorAll(selector)];
  const value = (element) => Number(element.dataset.value);
  const shown = (element) => !element.closest("[hidden], .kernel-editor");
  const numbers = (name) => Object.fromEntries(every(`[data-${name}]`).filter(shown)
    .map((element) => [element.dataset[name], value(element)]));
  const all = [];
  for (const hash of hashes) {
    delete view.dataset.ready;
    location.hash = hash;
    while (!view.dataset.ready) await new Promise((resolve) => setTimeout(resolve, 5));
    const table = view.querySelector(".result .kernel-picture .numbers");
    const taps = every("tbody tr", table).map((row) => every("td", row).map(value));
    const seen = { text: view.querySelector(".result .call code").textContent, taps: table.hidden ? null : taps };
    for (const name of ["kernel", "route", "law"]) seen[name] = numbers(name);
    seen.border = Object.fromEntries(every("tr[data-mode]")
      .map((row) => [row.dataset.mode, every(".number", row).map(value)]));
    all.push(seen);
  }
  return all;
}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page in a file, with pictures and signals only."""
    return Explorer([FilterSubject()]).save(tmp_path_factory.mktemp("page") / "page.html").as_uri()


def opened(page, address, **state):
    page.goto(
        f"{address}#{in_hash({'view': 'algebra', **{f'algebra.{key}': value for key, value in state.items()}})}"
    )
    page.locator(".algebra-view[data-ready]").wait_for()
    return page.locator("#explorer")


# ---- every number -----------------------------------------------------------------------------------------


def random_state(random):
    def pick(*choices):
        return choices[random.integers(len(choices))]

    name = pick("bag", "bag", "shapes", "chirp", "heartbeat", "microphones")
    ndim = INPUTS[name].ndim

    def kernel():
        source = pick("name", "name", "text", "table")
        if source == "text":
            return {"source": "text", "text": pick(*TEXTS[ndim])}
        if source == "table":
            shape = [pick(1, 2, 3, 4) for _ in range(ndim)]
            table = {
                "taps": np.round(random.standard_normal(shape), 2).tolist(),
                "origin": [int(random.integers(n)) for n in shape],
            }
            return {"source": "table", "table" if ndim == 2 else "line": table}
        kind = pick(*NAMED)
        arguments = {key: pick(*values) for key, values in NAMED[kind].items()}
        if ndim == 1:
            arguments.pop("axis", None)
        return {"source": "name", "name": kind, "arguments": arguments}

    return {
        "view": "algebra",
        "filter.input": name,
        **{f"algebra.{key}": kernel() for key in "fgh"},
        "algebra.operation": pick("product", "product", "reversed", "sum", "difference", "power", "multiple"),
        "algebra.n": pick(1, 2, 3, 4),
        "algebra.a": pick(2, -0.5, 0.1),
        "algebra.mode": pick(*MODES),
        "algebra.position": [int(pick(0, length - 1, random.integers(length))) for length in INPUTS[name].shape],
    }


def filtered(x, kernel, mode):
    """Return the convolution by SciPy: taps of any origin are padded, so that the origin is in the middle."""
    reach = [max(at, size - 1 - at) for at, size in zip(kernel.origin, kernel.shape, strict=True)]
    width = [(r - at, r - (size - 1 - at)) for r, at, size in zip(reach, kernel.origin, kernel.shape, strict=True)]
    return ndimage.convolve(x, np.pad(kernel.taps, width), mode=mode)


def made_of(state, f, g):
    n, a = state["algebra.n"], state["algebra.a"]
    operations = {
        "product": f * g,
        "reversed": g * f,
        "sum": f + g,
        "difference": f - g,
        "power": f**n,
        "multiple": a * f,
    }
    return operations[state["algebra.operation"]]


def laws(f, g, h, a):
    return {
        "commutative": (f * g, g * f),
        "associative": ((f * g) * h, f * (g * h)),
        "distributive": (f * (g + h), f * g + f * h),
        "scalars": ((a * f) * g, a * (f * g)),
        "identity": (f * f**0, f),
        "correlation": (f.flip() * g, g.flip() * f),
    }


def check(state, seen):
    x = INPUTS[state["filter.input"]]
    f, g, h = (kernel_of(state[f"algebra.{key}"], x.ndim) for key in "fgh")
    mode, made = state["algebra.mode"], made_of(state, f, g)
    weight = abs(made.taps).sum()
    assert fa.parse(seen["text"]).isclose(made, TOLERANCE, TOLERANCE * weight)
    if seen["taps"] is not None:
        np.testing.assert_allclose(np.reshape(seen["taps"], made.shape), made.taps, rtol=0, atol=TOLERANCE * weight)
    assert seen["kernel"]["sum"] == pytest.approx(made.taps.sum(), abs=TOLERANCE * weight)
    if x.ndim == 2:
        assert seen["kernel"]["rank"] == fa.Kernel(made.taps).rank(1e-10)
    exact = filtered(x, made, mode)
    scale = TOLERANCE * weight * abs(x).max()
    at = tuple(state["algebra.position"])
    assert seen["route"]["one"] == pytest.approx(exact[at], abs=scale)
    assert seen["route"]["steps"] == pytest.approx(exact[at], abs=scale)
    assert seen["route"]["difference"] == pytest.approx(0, abs=scale)
    assert 0 <= seen["route"]["largest"] <= scale
    check_laws(seen["law"], x, mode, laws(f, g, h, state["algebra.a"]))
    for name, numbers in seen["border"].items():
        check_border(numbers, x, f, g, name)


def check_laws(seen, x, mode, sides):
    for name, (left, right) in sides.items():
        weight = abs(left.taps).sum() + abs(right.taps).sum()
        apart = abs((left - right).taps).max()
        assert seen[f"{name}-taps"] == pytest.approx(apart, abs=TOLERANCE * weight)
        expected = abs(filtered(x, left, mode) - filtered(x, right, mode)).max()
        assert seen[f"{name}-picture"] == pytest.approx(expected, abs=TOLERANCE * weight * abs(x).max())
        if name != "correlation":
            assert apart <= TOLERANCE * weight


def check_border(numbers, x, f, g, mode):
    exact, cropped = filtered(x, f * g, mode), filtered(filtered(x, g, mode), f, mode)
    apart = abs(cropped - exact)
    differ = np.argwhere(apart > 1e-9 * abs(exact).max())
    assert numbers[0] == pytest.approx(
        apart.max(), abs=TOLERANCE * abs(f.taps).sum() * abs(g.taps).sum() * abs(x).max()
    )
    assert numbers[1] == len(differ)
    if len(differ):
        from_border = np.minimum(differ, np.array(x.shape) - 1 - differ).min(axis=1) + 1
        assert numbers[2] == from_border.max()


def test_numbers_of_random_states_are_those_of_python(quiet_page, address):
    random = np.random.default_rng(7)
    states = [random_state(random) for _ in range(STATES)]
    opened(quiet_page, address)
    for start in range(0, STATES, AT_ONCE):
        batch = states[start : start + AT_ONCE]
        for state, seen in zip(batch, quiet_page.evaluate(READ, [in_hash(state) for state in batch]), strict=True):
            try:
                check(state, seen)
            except AssertionError as error:
                error.add_note(json.dumps(state))
                raise


# ---- hands and keys ---------------------------------------------------------------------------------------


def test_the_sum_behind_a_tap_follows_the_arrow_keys(quiet_page, address):
    page = opened(quiet_page, address)
    table = page.locator(".result .kernel-picture table")
    table.focus()
    quiet_page.keyboard.press("ArrowUp")
    said = page.locator(".tap-sum").text_content()
    assert said == "(f ∗ g)[−1, −1] = sum of f[i] · g[m − i] = 0.125 · 2 + 0.25 · 1 = 0.5"
    assert page.locator("[aria-live]").text_content() == said
    made = fa.binomial(2) * fa.sobel()
    assert float(page.locator("[data-kernel=tap]").get_attribute("data-value")) == made.taps[1, 1] == 0.5


def test_a_result_becomes_a_factor_and_a_link_keeps_it(quiet_page, address):
    page = opened(quiet_page, address)
    page.get_by_role("button", name="Take it as f").click()
    page.get_by_text("binomial(2) * sobel(axis=1) * sobel(axis=1)").wait_for()
    text = page.locator(".result .call code").text_content()
    assert fa.parse(text) == fa.binomial(2) * fa.sobel() * fa.sobel()
    expect(quiet_page).to_have_url(re.compile("algebra.f="))  # written when nothing has changed for a moment
    quiet_page.reload()
    page.locator(".algebra-view[data-ready]").wait_for()
    assert page.locator(".result .call code").text_content() == text


def test_positions_are_compared_by_pointer_and_keyboard(quiet_page, address):
    page = opened(quiet_page, address, position=[10, 250])
    x = INPUTS["portrait"]
    expected = filtered(x, fa.binomial(2) * fa.sobel(), "reflect")
    assert float(page.locator("[data-route=one]").get_attribute("data-value")) == pytest.approx(expected[10, 250])
    page.locator(".routes .one .map-overlay").focus()
    quiet_page.keyboard.press("Shift+ArrowDown")
    assert float(page.locator("[data-route=steps]").get_attribute("data-value")) == pytest.approx(expected[20, 250])
    assert page.locator("[aria-live]").text_content().startswith("At 20, 250: (f ∗ g) ∗ x is ")
    page.locator(".routes .source .map-overlay").hover()
    at = tuple(map(int, re.findall(r"\d+", page.locator(".compared caption").text_content())))
    assert at[0] in range(120, 136)
    assert float(page.locator("[data-route=one]").get_attribute("data-value")) == pytest.approx(expected[at])
    expect(quiet_page).to_have_url(re.compile(re.escape(quote(str(list(at)).replace(" ", ""), safe=""))))


def test_what_is_wrong_is_said_and_the_rest_stays(quiet_page, address):
    page = opened(quiet_page, address, g={"source": "text", "text": "sobel(axis=1)"})
    line = page.locator(".slot:not(.result) input.expression")
    line.fill("gausian(2)")
    line.press("Enter")
    wrong = page.get_by_text("unknown name 'gausian': did you mean gaussian? (at column 1)")
    wrong.wait_for()
    assert page.locator(".algebra-view.stale").count() == 1
    line.fill("gaussian(2)")
    line.press("Enter")
    page.locator(".algebra-view[data-ready]:not(.stale)").wait_for()
    assert not wrong.is_visible()


def test_correlation_is_equal_only_for_symmetric_kernels(quiet_page, address):
    page = opened(quiet_page, address)
    card = page.get_by_role("article", name="Not a law: correlation")
    assert "different" in card.locator(".verdict").text_content()
    quiet_page.evaluate(
        "location.hash += '&algebra.g=' + encodeURIComponent(JSON.stringify({ source: 'name', name: 'laplacian' }))"
    )
    card.get_by_text("Equal here: these kernels look the same after half a turn.").wait_for()


def test_a_symmetric_filter_needs_no_second_look_at_a_mirrored_border(quiet_page, address):
    page = opened(quiet_page, address, g={"source": "name", "name": "box", "arguments": {"size": 3}})
    said = page.locator(".border-panel .verdict")
    assert "both ways agree" in said.text_content()
    page.locator(".border-panel").get_by_role("button", name="constant").click()
    page.get_by_text("With constant, ").wait_for()
    assert "within 1 sample of the border" in said.text_content()


@pytest.mark.parametrize("width", [900, 1400])
def test_nothing_is_wider_than_the_page(quiet_page, address, width):
    quiet_page.set_viewport_size({"width": width, "height": 900})
    for state in ({}, {"operation": "power", "n": 4}, {"operation": "sum"}):
        page = opened(quiet_page, address, **state)
        assert page.evaluate("() => document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(
    "state",
    [
        {"f": {}, "g": {"source": "name", "name": "constructor", "arguments": {"sigma": "2"}}},
        {"f": {"source": "table", "table": {"taps": [[1, 2], [3]], "origin": [0, 0]}}},
        {"f": {"source": "table", "table": {"taps": [[1, "x"]], "origin": [0, 9]}}},
        {"g": {"source": "text", "text": "(" * 99}},
        {"h": {"source": "text", "text": "2j * delta()"}},
        {"f": {"source": "name", "name": "gaussian", "arguments": {"sigma": 1e9}}},
        {"n": 1e300, "a": -1e300, "operation": "power"},
        {"operation": "constructor", "mode": "zeros", "position": [1e9, None]},
        {
            "f": {"source": "name", "name": "disk", "arguments": {"radius": 60}},
            "g": {"source": "name", "name": "disk", "arguments": {"radius": 60}},
        },
        {"h": {"source": "name", "name": "disk", "arguments": {"radius": 60}}, "n": 0},
    ],
)
def test_no_address_breaks_the_view(quiet_page, address, state):
    keys = {f"algebra.{key}": value for key, value in state.items()}
    quiet_page.goto(f"{address}#{in_hash({'view': 'algebra', 'filter.input': 'bag', **keys})}")
    page = quiet_page.locator("#explorer")
    page.locator(".algebra-view[data-ready], .algebra-view.stale").first.wait_for()
    if page.locator(".stale").count():
        assert page.locator(".wrong:visible").first.text_content()
    quiet_page.evaluate("location.hash = 'view=algebra&filter.input=bag'")
    page.get_by_text("binomial(2) * sobel(axis=1)", exact=True).wait_for()
    page.locator(".algebra-view[data-ready]:not(.stale)").wait_for()
    assert page.locator(".stale").count() == 0


def test_kernels_go_from_view_to_view(quiet_page, address):
    page = opened(quiet_page, address)
    page.get_by_role("button", name="See it in the Filter view").click()
    page.locator(".filter-view").get_by_text("5 × 5 taps, origin 2, 2").wait_for()
    page.get_by_role("tab", name="Algebra").click()
    page.get_by_role("button", name="Take the kernel of the Filter view").click()
    page.get_by_text("binomial(2) * sobel(axis=1) * sobel(axis=1)", exact=True).wait_for()

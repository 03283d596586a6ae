"""The filter view: whatever it shows is what Python computes, for hands, keyboards, files and links."""

from __future__ import annotations

import io
import json
import re
from urllib.parse import quote

import numpy as np
import pytest
from filter_states import expected_numbers, random_state
from PIL import Image, ImageSequence

import faltung as fa
from faltung.errors import FaltungError
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.sample_inputs import sample_inputs

STATES, AT_ONCE = 320, 40
INPUTS = {sample.name: sample.samples.astype(np.float64) for sample in sample_inputs()}

# What the page shows: all numbers with their full value, by the table and line in which they are.
READ = """
async (hashes) => {
  const root = document.getElementById("explorer").shadowRoot;
  const view = root.querySelector(".filter-view");
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const value = (element) => Number(element.dataset.value);
  const label = (element) => Number(element.textContent.replace("−", "-"));
  const table = (element) => ({
    rows: [...element.querySelectorAll("tbody th")].map(label), columns: [...element.querySelectorAll("thead th")].map(label),
    values: [...element.querySelectorAll("tbody td")].map(value),
  });
  const all = [];
  for (const hash of hashes) {
    location.hash = hash;
    await new Promise((resolve) => setTimeout(resolve, 0));
    await frame();
    do await frame(); while (view.getAttribute("aria-busy") === "true");
    const seen = { wrong: [...view.querySelectorAll(".wrong")].map((element) => (element.hidden ? "" : element.textContent)).join("") };
    for (const element of view.querySelectorAll("[data-output]")) (seen[element.dataset.output] ??= []).push(value(element));
    seen.windows = [...view.querySelectorAll(".window-panel:not([hidden]) .operation-row")].map((row) => ({
      sum: value(row.querySelector("[data-sum]")), operation: row.querySelector("[data-sum]").dataset.sum,
      channels: [...row.querySelectorAll(".sum-row")].map((line) => [...line.querySelectorAll("table")].map(table)),
      terms: [...row.querySelectorAll(".equation .number:not(.result)")].map(value),
    }));
    seen.reached = [...view.querySelectorAll(".reach-panel:not([hidden]) .operation-row")].map((row) => ({
      sample: value(row.querySelector("p .number")), tables: row.querySelector(".sum-row").hidden ? [] : [...row.querySelectorAll("table")].map(table),
    }));
    seen.kernel = [...view.querySelectorAll(".kernel-picture:not([hidden]) [data-kernel]")].map(value);
    all.push(seen);
  }
  return all;
}
"""


def opened(page, address, state=""):
    page.goto(f"{address}#{state}" if state else address)
    page.wait_for_function("document.getElementById('explorer').shadowRoot?.querySelector('.filter-view[aria-busy=false]')")
    return page.locator("#explorer")


def in_hash(state):
    return "&".join(
        f"{key}={quote(value if isinstance(value, str) else json.dumps(value), safe='')}" for key, value in state.items()
    )


def test_numbers_of_random_states_are_those_of_python(quiet_page, saved):
    """Every number of each state: windows, sums, products, extremes, differences, and where samples go."""
    opened(quiet_page, saved(fa.explore()))
    random = np.random.default_rng(16)
    states = [random_state(random, INPUTS) for _ in range(STATES)]
    kinds = set()
    for start in range(0, STATES, AT_ONCE):
        batch = states[start : start + AT_ONCE]
        for state, seen in zip(batch, quiet_page.evaluate(READ, [in_hash(state) for state in batch]), strict=True):
            assert seen["wrong"] == "", state
            compare(seen, expected_numbers(state, INPUTS), state)
            kinds.add((state["filter.kind"], state["filter.operation"], state["filter.direction"]))
    assert len(kinds) == 18


def compare(seen, expected, state):
    """The page shows the expected numbers, to 1e-12 of their scale."""

    def close(left, right, scale):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * scale, err_msg=str(state))

    scale = expected["scale"]
    close(seen["smallest"], [output.min() for output in expected["outputs"]], scale)
    close(seen["largest"], [output.max() for output in expected["outputs"]], scale)
    if len(expected["outputs"]) == 2:
        close(seen["difference"], [np.abs(expected["outputs"][0] - expected["outputs"][1]).max()], 2 * scale)
    if state["filter.direction"] == "sees":
        assert len(seen["windows"]) == len(expected["outputs"])
        for window, output, window_of in zip(seen["windows"], expected["outputs"], expected["windows"], strict=True):
            close(window["sum"], output[tuple(state["filter.position"])], scale)
            compare_window(window, window_of, close, scale)
    else:
        assert len(seen["reached"]) == len(expected["outputs"])
        for reached, weights in zip(seen["reached"], expected["reached"], strict=True):
            compare_reached(reached, weights, expected["sample"], close, scale)
    for total in seen["kernel"]:
        close(total, expected["kernel_sum"], expected["weight"])


def compare_window(window, window_of, close, scale):
    for (samples, taps, products), (sample_at, tap_at) in zip(window["channels"], window_of, strict=True):
        assert len(samples["values"]) == len(samples["rows"]) * len(samples["columns"])
        for table, lookup, size in ((samples, sample_at, scale), (taps, tap_at, 1.0)):
            close(table["values"], [lookup(place) for place in places_of(table)], size)
        close(products["values"], np.multiply(samples["values"], taps["values"]), scale)
    if len(window["channels"]) > 1:
        close(sum(window["terms"]), window["sum"], scale)
    elif len(window["terms"]) == 2 * np.count_nonzero(window["channels"][0][1]["values"]):  # otherwise the first of many
        close(sum(np.multiply(window["terms"][::2], window["terms"][1::2])), window["sum"], scale)


def places_of(table):
    """The positions or lags that a table names: of signals, its line is called x, k or y."""
    names = [(r, c) for r in table["rows"] for c in table["columns"]]
    return [(int(c),) if np.isnan(r) else (int(r), int(c)) for r, c in names]


def compare_reached(reached, weights, sample, close, scale):
    close(reached["sample"], sample, scale)
    found = np.argwhere(weights)
    if not reached["tables"]:
        assert not len(found)
        return
    taps, added = reached["tables"]
    shown = {}
    for place, tap in zip(places_of(taps), taps["values"], strict=True):
        shown[place] = tap
        close(tap, weights[place], 1.0)
    close(added["values"], np.multiply(taps["values"], sample), scale)
    if max(len(taps["rows"]), len(taps["columns"])) < 13:
        assert {tuple(place) for place in found} <= set(shown)

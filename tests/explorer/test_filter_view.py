"""The filter view: whatever it shows is what Python computes, for hands, keyboards, files and links."""

from __future__ import annotations

import io
import json
import re
import struct
from itertools import pairwise
from urllib.parse import quote

import numpy as np
import pytest
from filter_states import expected_numbers, random_state
from PIL import Image, ImageSequence
from playwright.sync_api import expect

import faltung as fa
from faltung.errors import FaltungError
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.sample_inputs import sample_inputs

STATES, AT_ONCE = 120, 40
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
    rows: [...element.querySelectorAll("tbody th")].map(label),
    columns: [...element.querySelectorAll("thead th")].map(label),
    values: [...element.querySelectorAll("tbody td")].map(value),
  });
  const all = [];
  for (const hash of hashes) {
    location.hash = hash;
    await new Promise((resolve) => setTimeout(resolve, 0));
    await frame();
    do await frame(); while (view.getAttribute("aria-busy") === "true");
    const wrong = [...view.querySelectorAll(".wrong")].filter((element) => !element.hidden);
    const seen = { wrong: wrong.map((element) => element.textContent).join("") };
    for (const element of view.querySelectorAll("[data-output]")) {
      (seen[element.dataset.output] ??= []).push(value(element));
    }
    seen.windows = [...view.querySelectorAll(".window-panel:not([hidden]) .operation-row")].map((row) => ({
      sum: value(row.querySelector("[data-sum]")), operation: row.querySelector("[data-sum]").dataset.sum,
      channels: [...row.querySelectorAll(".sum-row")].map((line) => [...line.querySelectorAll("table")].map(table)),
      terms: [...row.querySelectorAll(".equation .number:not(.result)")].map(value),
    }));
    seen.reached = [...view.querySelectorAll(".reach-panel:not([hidden]) .operation-row")].map((row) => ({
      sample: value(row.querySelector("p .number")),
      tables: [...row.querySelectorAll(".sum-row:not([hidden]) table")].map(table),
    }));
    seen.kernel = [...view.querySelectorAll(".kernel-picture:not([hidden]) [data-kernel]")].map(value);
    all.push(seen);
  }
  return all;
}
"""


IDLE = "document.getElementById('explorer').shadowRoot?.querySelector('.filter-view[aria-busy=false]') != null"


def opened(page, address, state=""):
    page.goto(f"{address}#{state}" if state else address)
    wait_until(page, IDLE)
    return page.locator("#explorer")


def wait_until(page, expression, seconds=30):
    """Wait for an expression to be true. The page forbids what `wait_for_function` does: to evaluate text there."""
    for _ in range(20 * seconds):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not become true: {expression}")


def in_hash(state):
    return "&".join(
        f"{key}={quote(value if isinstance(value, str) else json.dumps(value), safe='')}"
        for key, value in state.items()
    )


def test_numbers_of_random_states_are_those_of_python(quiet_page, whole_page):
    """Every number of each state: windows, sums, products, extremes, differences, and where samples go."""
    opened(quiet_page, whole_page)
    random = np.random.default_rng(26)  # all kinds are among the first hundred
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
    # Of many numbers, only those of the chosen channel are shown, which is the first one.
    assert len(window["channels"]) in (1, len(window_of))
    for (samples, taps, products), (sample_at, tap_at) in zip(window["channels"], window_of, strict=False):
        assert len(samples["values"]) == len(samples["rows"]) * len(samples["columns"])
        for table, lookup, size in ((samples, sample_at, scale), (taps, tap_at, 1.0)):
            close(table["values"], [lookup(place) for place in places_of(table)], size)
        close(products["values"], np.multiply(samples["values"], taps["values"]), scale)
    if len(window_of) > 1:
        close(sum(window["terms"]), window["sum"], scale)
    elif len(window["terms"]) == 2 * np.count_nonzero(window["channels"][0][1]["values"]):  # otherwise some of many
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


def result(page):
    return float(page.locator("[data-sum]").first.get_attribute("data-value"))


def assert_result(page, *value, **tolerance):
    """Compare what the page shows; it draws a moment after its state has changed."""
    for _ in range(100):
        if result(page) == pytest.approx(*value, **tolerance):
            return
        page.wait_for_timeout(50)
    assert result(page) == pytest.approx(*value, **tolerance)


def largest(page):
    return float(page.locator("[data-output=largest]").get_attribute("data-value"))


def state_of(page):
    return page.evaluate("document.getElementById('explorer').explorer.store.state")


def picture_bytes(samples, kind="PNG"):
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, kind)
    return stream.getvalue()


DROP = """
([name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
  const target = document.getElementById("explorer").shadowRoot.querySelector(".filter-view");
  target.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  target.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def drop(page, name, type_, data):
    page.evaluate(DROP, [name, type_, list(data)])


PASTE = """
([name, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
}
"""


def wait_for_state(page, expression):
    wait_until(page, f"({expression})(document.getElementById('explorer').explorer.store.state)")
    wait_until(page, IDLE)


def test_first_look_is_an_edge_filter_on_a_photograph(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    x = INPUTS["portrait"][0]
    y = fa.convolve(x, fa.sobel(axis=1))
    assert page.locator("code").first.inner_text() == "sobel(axis=1)"
    assert_result(quiet_page, y.flat[np.abs(y).argmax()])  # where the output is strongest
    assert page.get_by_text("Try:").is_visible()
    page.get_by_role("button", name="Convolution or correlation?").click()
    page.locator(".difference").wait_for()
    assert page.locator("[data-sum]").count() == 2


def test_a_picture_of_the_user_is_dropped_and_filtered(quiet_page, whole_page):
    opened(quiet_page, whole_page)
    random = np.random.default_rng(3)
    for samples in (random.integers(0, 256, (30, 40, 3), np.uint8), random.integers(0, 256, (7, 9), np.uint8)):
        drop(quiet_page, "mine.png", "image/png", picture_bytes(samples))
        rows, columns = samples.shape[:2]
        quiet_page.get_by_text(f"{rows} × {columns}, ").first.wait_for()
        quiet_page.wait_for_timeout(200)
        channels = np.atleast_3d(samples).astype(float)
        y = fa.convolve(channels, fa.sobel(axis=1), axes=(0, 1))
        assert largest(quiet_page) == pytest.approx(y.max(), abs=1e-9)


def test_a_picture_is_pasted_or_chosen_in_the_dialog(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    samples = np.arange(20, dtype=np.uint8).reshape(4, 5) * 9
    quiet_page.evaluate(PASTE, ["", "image/png", list(picture_bytes(samples))])
    quiet_page.get_by_text("4 × 5, gray scale").first.wait_for()
    with quiet_page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open your own").click()
    chooser.value.set_files({"name": "b.png", "mimeType": "image/png", "buffer": picture_bytes(samples.T[:, ::-1])})
    quiet_page.get_by_text("5 × 4, gray scale").first.wait_for()
    quiet_page.wait_for_timeout(200)
    assert largest(quiet_page) == fa.convolve(samples.T[:, ::-1].astype(float), fa.sobel(axis=1)).max()


def test_a_large_picture_is_scaled_down_and_the_page_says_so(quiet_page, whole_page):
    opened(quiet_page, whole_page)
    drop(quiet_page, "large.jpg", "image/jpeg", picture_bytes(np.zeros((400, 2000), np.uint8), "JPEG"))
    quiet_page.get_by_text("Scaled down from 400 × 2000 pixels").first.wait_for()
    quiet_page.get_by_text("102 × 512, gray scale").first.wait_for()


def test_sounds_and_tables_of_numbers_are_signals(quiet_page, whole_page):
    opened(quiet_page, whole_page)
    samples = np.array([[0, 1000, -2000, 32767], [5, 6, 7, -32768]], np.int16).T
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16)
    sound = b"RIFF" + bytes(4) + b"WAVE" + form + struct.pack("<4sI", b"data", 16) + samples.tobytes()
    drop(quiet_page, "two.wav", "audio/wav", sound)
    quiet_page.get_by_text("8000 samples a second.").first.wait_for()
    wait_for_state(quiet_page, "(state) => state['filter.input'] === 'own'")
    y = fa.convolve(samples.T / 2**15, fa.sobel(ndim=1)).sum(0)
    assert largest(quiet_page) == pytest.approx(y.max(), abs=1e-12)
    drop(quiet_page, "numbers.csv", "text/csv", b"time, value\n0, 1\n1, 4\n2, 9\n3, 16\n")
    quiet_page.get_by_text("4 samples from 0 to 16").wait_for()
    drop(quiet_page, "bad.csv", "text/csv", b"1, 2\n3\n")
    quiet_page.get_by_text("Line 2 of the text is not 2 numbers").wait_for()
    drop(quiet_page, "no.xyz", "", b"\x00\x01")
    quiet_page.get_by_text("This page cannot read no.xyz").wait_for()


def test_python_reads_what_the_page_cannot(quiet_page, served):
    opened(quiet_page, served(fa.explore()))
    stream = io.BytesIO()
    np.save(stream, np.arange(12.0).reshape(3, 4) ** 2)
    drop(quiet_page, "squares.npy", "", stream.getvalue())
    quiet_page.get_by_text("3 × 4, gray scale from 0 to 121").wait_for()


def test_pictures_that_a_browser_changes_are_read_by_python(quiet_page, served, whole_page):
    x = (np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 300) + 7
    opened(quiet_page, whole_page)
    drop(quiet_page, "deep.png", "image/png", picture_bytes(x))
    quiet_page.get_by_text("The browser made 8 bits of the 16").first.wait_for()
    opened(quiet_page, served(fa.explore()))
    drop(quiet_page, "deep.png", "image/png", picture_bytes(x))
    quiet_page.get_by_text("12 × 16, gray scale from 7 to 57307").wait_for()


def test_the_keyboard_moves_the_window(quiet_page, whole_page):
    opened(quiet_page, whole_page, "filter.input=bag&filter.position=[10,10]")
    y = fa.convolve(INPUTS["bag"][0], fa.sobel(axis=1))
    overlay = quiet_page.locator(".maps .map-overlay")
    overlay.nth(1).focus()
    steps = {"ArrowRight": (10, 11), "ArrowDown": (11, 11), "Shift+ArrowLeft": (11, 1), "ArrowLeft": (11, 0)}
    for key, position in (*steps.items(), ("ArrowLeft", (11, 0))):
        quiet_page.keyboard.press(key)
        assert_result(quiet_page, y[position])
    assert "Output 11, 0: the convolution is" in quiet_page.locator(".live").inner_text()
    overlay.nth(0).focus()
    quiet_page.keyboard.press("ArrowUp")
    assert_result(quiet_page, y[10, 0])
    wait_for_state(quiet_page, "(state) => String(state['filter.position']) === '10,0'")


def test_everything_is_reached_by_tab_and_nothing_is_a_trap(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    seen = set()
    for _ in range(120):
        quiet_page.keyboard.press("Tab")
        name = quiet_page.evaluate(
            "(() => { const at = document.getElementById('explorer').shadowRoot.activeElement;"
            " return at && (at.getAttribute('aria-label') || at.innerText || at.tagName); })()"
        )
        seen.add(name)
    names = "Vertical edges", "By name", "Expression", "Table", "Play", "Position of the window", "Both", "(GIF)"
    assert [name for name in names if not any(name in (text or "") for text in seen)] == []
    unnamed = page.locator(".filter-view button:not([aria-label])")
    assert "" not in [text.strip() for text in unnamed.all_text_contents()]


def test_playing_steps_and_pauses(quiet_page, whole_page):
    page = opened(quiet_page, whole_page, "filter.input=bag&filter.position=[0,0]&filter.speed=30")
    y = fa.convolve(INPUTS["bag"][0], fa.sobel(axis=1))
    page.get_by_role("button", name="One position on").click()
    assert_result(quiet_page, y[0, 1])
    page.get_by_role("button", name="Play").click()
    wait_until(quiet_page, "document.getElementById('explorer').shadowRoot.querySelector('.player input').value > 5")
    page.get_by_role("button", name="Pause").click()
    index = int(page.locator(".player input").input_value())
    position = (index // 28, index % 28)
    wait_for_state(quiet_page, f"(state) => String(state['filter.position']) === '{position[0]},{position[1]}'")
    assert_result(quiet_page, y[position])
    page.get_by_role("button", name="Last position").click()
    assert_result(quiet_page, y[27, 27])


def test_each_source_of_the_kernel_keeps_its_own(quiet_page, whole_page):
    page = opened(quiet_page, whole_page, "filter.input=bag&filter.position=[9,9]")
    x = INPUTS["bag"][0]
    sources = page.locator(".kernel-editor")
    sources.get_by_role("button", name="Table").click()
    cell = page.locator(".editable input").first
    cell.fill("1/4")
    cell.press("Enter")
    page.locator(".editable input").nth(8).press("o")
    page.get_by_role("button", name="One column more").click()
    wait_for_state(quiet_page, "(state) => state['filter.kernels'][0][0].table.taps[0].length === 4")
    typed = fa.Kernel([[0.25, 0, -1, 0], [2, 0, -2, 0], [1, 0, -1, 0]], (2, 2))
    assert_result(quiet_page, fa.convolve(x, typed)[9, 9])
    sources.get_by_role("button", name="Expression").click()
    text = page.locator("input.expression")
    text.fill("gaussian(1) * sobel(axis=0)")
    text.press("Enter")
    wait_for_state(quiet_page, "(state) => state['filter.kernels'][0][0].text.startsWith('gaussian')")
    assert_result(quiet_page, fa.convolve(x, fa.gaussian(1) * fa.sobel(axis=0))[9, 9])
    written = fa.gaussian(1) * fa.sobel(axis=0)
    for name, kernel in (("By name", fa.sobel(axis=1)), ("Table", typed), ("Expression", written)):
        sources.get_by_role("button", name=name).click()
        quiet_page.wait_for_timeout(120)
        assert_result(quiet_page, fa.convolve(x, kernel)[9, 9])


def test_a_wrong_expression_is_shown_with_its_column_and_the_picture_stays(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    page.locator(".kernel-editor").get_by_role("button", name="Expression").click()
    text = page.locator("input.expression")
    text.fill("gaussian(2) * sobl(axis=1)")
    text.press("Enter")
    quiet_page.get_by_text(re.compile(r"did you mean sobel\? \(at column 15\)")).wait_for()
    assert text.get_attribute("aria-invalid") == "true"
    assert page.locator(".maps .map-box").count() == 2


def test_a_link_leads_back_to_what_was_seen(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    page.get_by_role("button", name="Convolution or correlation?").click()
    page.get_by_label("Beyond the border (mode)").select_option("mirror")
    page.get_by_role("button", name="Where a sample goes").click()
    page.get_by_role("button", name="One position on").click()
    wait_until(quiet_page, "location.hash.includes('sample')")
    state, html, link = state_of(quiet_page), page.locator(".filter-stage").inner_text(), quiet_page.url
    quiet_page.goto("about:blank")
    opened(quiet_page, link)
    quiet_page.wait_for_timeout(400)
    assert state_of(quiet_page) == state
    assert page.locator(".filter-stage").inner_text() == html


NONSENSE = (
    "filter.kernels=[]",
    "filter.kernels=[[]]",
    "filter.kernels=[[null]]",
    'filter.kernels=[[{"source":"table","table":{"taps":[[1,2],[3]]}}]]',
    'filter.kernels=[[{"source":"name","name":"constructor"}]]',
    'filter.kernels=[[{"source":"text","text":"gaussian(1e9)"}]]',
    "filter.chosen=[9,-1]",
    "filter.stride=1e300&filter.dilation=-4",
    "filter.input=nobody&filter.mode=sideways&filter.shape=7",
    "filter.position=[1e9,null]",
    "filter.operation=add",
    "filter.cval=1e300",
    "filter.plan_size=99999999999999999999 x 2",
    "filter.padding=64&filter.kind=transposed&filter.input=bag",
)


def test_links_that_make_no_sense_are_answered_by_a_sentence_or_a_picture(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    for nonsense in NONSENSE:
        quiet_page.evaluate("(hash) => { location.hash = hash; }", quote(nonsense, safe="=&.,"))
        quiet_page.wait_for_timeout(150)
        wrong = page.locator(".filter-view .wrong:visible").all_inner_texts()
        assert wrong or page.locator(".maps .map-box").count() >= 2, nonsense
    quiet_page.evaluate("location.hash = ''")
    wait_for_state(quiet_page, "(state) => state['filter.padding'] === 0")
    assert page.locator(".filter-view .wrong:visible").all_inner_texts() == []


def saved_file(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value.path().read_bytes()


def test_pictures_and_the_animation_are_what_was_shown(quiet_page, whole_page):
    opened(quiet_page, whole_page, "filter.input=bag&filter.position=[14,3]")
    both = Image.open(io.BytesIO(saved_file(quiet_page, "Both (PNG)")))
    assert both.width > 500
    gif = Image.open(io.BytesIO(saved_file(quiet_page, "Moving window (GIF)")))
    frames = [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(gif)]
    assert (gif.n_frames, gif.info["loop"]) == (28, 0)
    assert all((frame != other).any() for frame, other in pairwise(frames))
    # The frame of the window at position 3 is the picture that was saved, up to the colours of the palette.
    shown = np.asarray(both.convert("RGB").resize(gif.size, Image.Resampling.BILINEAR), int)
    apart = [np.abs(frame - shown).mean() for frame in frames]
    assert int(np.argmin(apart)) == 3
    assert apart[3] < 4


def test_a_picture_that_is_kept_has_one_pixel_for_each_sample(quiet_page, whole_page):
    opened(quiet_page, whole_page, "filter.input=bag&filter.position=[14,3]&filter.scale=gray")
    x = INPUTS["bag"][0]
    given = np.asarray(Image.open(io.BytesIO(saved_file(quiet_page, "Input (PNG)"))).convert("L"), int)
    assert np.array_equal(given, x)
    y = fa.convolve(x, fa.sobel(axis=1))
    seen = np.asarray(Image.open(io.BytesIO(saved_file(quiet_page, "Output (PNG)"))).convert("L"), int)
    assert seen.shape == y.shape
    assert np.abs(seen - 255 * (y - y.min()) / np.ptp(y)).max() <= 1


def test_colours_are_filtered_each_by_itself(quiet_page, whole_page):
    kernels = [[{"source": "name", "name": "gaussian", "arguments": {"sigma": 2}}]]
    state = {
        "filter.input": "colour",
        "filter.kernels": kernels,
        "filter.position": [40, 50],
        "filter.chosen": [0, 1],
    }
    page = opened(quiet_page, whole_page, in_hash(state))
    x = INPUTS["colour"]
    y = fa.convolve(x, fa.gaussian(2), axes=(1, 2))
    assert_result(quiet_page, y[1, 40, 50])
    assert largest(quiet_page) == pytest.approx(y.max())
    seen = np.asarray(Image.open(io.BytesIO(saved_file(quiet_page, "Output (PNG)"))).convert("RGB"), int)
    assert np.abs(np.moveaxis(seen, 2, 0) - y).max() <= 1
    names = {"GIVEN": x}
    program = "document.getElementById('explorer').shadowRoot.querySelector('.program').textContent"
    exec(quiet_page.evaluate(program).replace("x = ...", "x = GIVEN", 1), names)  # what the page would have us run
    np.testing.assert_allclose(names["y"], y)
    page.get_by_role("button", name="Summed").click()
    wait_for_state(quiet_page, "(state) => state['filter.channels'] === 'sum'")
    quiet_page.wait_for_timeout(200)
    assert largest(quiet_page) == pytest.approx(y.sum(0).max())


def test_a_saved_state_is_opened_again(quiet_page, whole_page):
    page = opened(quiet_page, whole_page, "filter.mode=mirror&filter.input=bag")
    state = json.loads(saved_file(quiet_page, "Save state"))
    quiet_page.evaluate("location.hash = ''")
    wait_for_state(quiet_page, "(state) => state['filter.mode'] === 'reflect'")
    kept = json.dumps({**state, "filter.stride": "2", "nonsense": 1}).encode()
    drop(quiet_page, "faltung-state.json", "application/json", kept)
    wait_for_state(quiet_page, "(state) => state['filter.mode'] === 'mirror'")
    assert state_of(quiet_page) == state
    page.get_by_text("left out: filter.stride, nonsense").wait_for()
    page.locator("#panel-filter input[type=file]").first.set_input_files(
        {"name": "other.json", "mimeType": "application/json", "buffer": b"[1, 2]"}
    )
    page.get_by_text("other.json is no saved state").wait_for()


def test_a_chip_is_lit_for_its_own_kernel_only(quiet_page, whole_page):
    page = opened(quiet_page, whole_page)
    lit = page.locator(".tries [aria-pressed=true]")
    assert lit.all_inner_texts() == ["Vertical edges"]
    written = {"source": "text", "text": "box(3)", "name": "sobel", "arguments": {"axis": 1}}
    quiet_page.evaluate("(hash) => { location.hash = hash; }", in_hash({"filter.kernels": [[written]]}))
    wait_for_state(quiet_page, "(state) => state['filter.kernels'][0][0].text === 'box(3)'")
    assert lit.count() == 0


def test_fields_show_what_is_applied_and_say_why(quiet_page, whole_page):
    page = opened(quiet_page, whole_page, "filter.input=bag")
    stride = page.get_by_label("Stride")
    for typed, applied in (("1.5", "2"), ("-2", "1"), ("100000", "8")):
        stride.fill(typed)
        stride.press("Enter")
        expect(stride).to_have_value(applied)  # when the page has applied it
        page.get_by_text("A whole number from 1 to 8.").first.wait_for()
    stride.fill("3")
    stride.press("Enter")
    expect(page.get_by_text("A whole number from 1 to 8.").first).to_be_hidden()
    page.locator(".kernel-editor").get_by_role("button", name="Table").click()
    cell = page.locator(".editable input").first
    cell.fill("1/0")
    cell.press("Tab")
    page.get_by_text("“1/0” is no number").wait_for()
    expect(cell).to_have_value("1")


def test_no_number_of_a_table_is_cut(quiet_page, whole_page):
    kernel = [[{"source": "name", "name": "unsharp", "arguments": {"sigma": 2}}]]
    opened(quiet_page, whole_page, in_hash({"filter.kernels": kernel}))
    cut = quiet_page.evaluate(
        "[...document.getElementById('explorer').shadowRoot.querySelectorAll('.window-panel td')]"
        ".filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"
    )
    assert cut == []


def test_the_program_computes_what_is_shown(quiet_page, whole_page):
    opened(quiet_page, whole_page)
    random = np.random.default_rng(5)
    program = "document.getElementById('explorer').shadowRoot.querySelector('.program').textContent"
    for _ in range(20):
        state = random_state(random, INPUTS)
        state["filter.direction"] = "sees"
        [seen] = quiet_page.evaluate(READ, [in_hash(state)])
        text = quiet_page.evaluate(program)
        x = INPUTS[state["filter.input"]]
        several = len(x) > 1 or len(state["filter.kernels"]) > 1
        names = {"GIVEN": x if several else x[0]}
        exec(text.replace("x = ...", "x = GIVEN", 1), names)  # what the page would have us run
        y = names["y"][state["filter.chosen"][0]] if several else names["y"]
        assert y.max() == pytest.approx(seen["largest"][0], rel=1e-12, abs=1e-9), text
        assert y.min() == pytest.approx(seen["smallest"][0], rel=1e-12, abs=1e-9), text


def plan_times(page):
    return [float(one.get_attribute("data-milliseconds")) for one in page.locator("[data-milliseconds]").all()]


def test_the_plan_is_that_of_python_also_in_a_file(quiet_page, whole_page, served):
    for address in (whole_page, served(fa.explore())):
        page = opened(quiet_page, address)
        for size in ((256, 256), (4096, 4096)):
            if size[0] > 256:
                page.get_by_role("button", name="4096 × 4096").click()
            plan = fa.plan(size, fa.sobel(axis=1), dtype="float32")
            expected = [candidate.seconds * 1e3 for candidate in plan.candidates if np.isfinite(candidate.seconds)]
            quiet_page.wait_for_timeout(600)
            assert plan_times(quiet_page) == pytest.approx(expected)
            assert float(page.locator("[data-plan=error]").get_attribute("data-value")) == plan.error


def test_large_kernels_are_computed_by_python_or_in_slices(quiet_page, whole_page, served):
    kernel = [[{"source": "text", "text": "gabor(0.07, bandwidth=0.6).real"}]]
    y = fa.convolve(INPUTS["portrait"][0], fa.parse(kernel[0][0]["text"]))
    scale = np.abs(fa.parse(kernel[0][0]["text"]).taps).sum() * 255
    for address in (served(fa.explore()), whole_page):
        page = opened(quiet_page, address, in_hash({"filter.kernels": kernel, "filter.position": [9, 20]}))
        assert largest(quiet_page) == pytest.approx(y.max(), abs=1e-12 * scale)
        assert_result(quiet_page, y[9, 20], abs=1e-12 * scale)
        assert page.locator(".window-panel .hint", has_text="Shown are the").count() == 1
        page.locator(".plan-panel p").first.wait_for()  # the answer about the plan, before the page is left


QUESTIONS = FilterSubject().questions()


BOX, FAR = {"text": "box(3)"}, {"text": "kernel([[1]], origin=(-9000, 0))"}
PLAN = {"kernels": [[BOX]], "size": [4, 4], "operation": "convolve"}
LARGE = np.zeros((1, 2000, 2000))


@pytest.mark.parametrize(
    ("question", "arguments", "says"),
    [
        ("plan", {**PLAN, "size": [0, 4]}, "size: expected an integer from 1"),
        ("plan", {**PLAN, "size": [2**39, 4]}, "size: expected at most"),
        ("plan", {**PLAN, "kernels": []}, "kernels: expected a list"),
        ("plan", {**PLAN, "kernels": [[]]}, "kernels: expected a list"),
        ("plan", {**PLAN, "kernels": [[3]]}, "kernels: expected a text"),
        ("plan", {**PLAN, "kernels": [[BOX, {"text": "box(3, ndim=1)"}]]}, "kernels of the same number of axes"),
        ("plan", {**PLAN, "kernels": [[FAR, BOX]]}, "kernels far from each other"),
        ("plan", {**PLAN, "kernels": [[BOX] * 65]}, "at most 64 kernels"),
        ("plan", {**PLAN, "kernels": [[{"taps": [[1, "a"]], "origin": [0, 0]}]]}, "taps: expected lists"),
        ("plan", {**PLAN, "kernels": [[{"taps": [[1, 2]], "origin": [0.5, 0]}]]}, "origin: expected an integer from"),
        ("plan", {**PLAN, "operation": "add"}, "operation: expected convolve"),
        ("plan", {**PLAN, "out": 1}, "options: expected"),
        ("kernel", {"text": "gabor()", "ndim": 2}, "kernels with real taps"),
        ("kernel", {"text": "box(3)", "ndim": 1}, "a kernel with 1 axes"),
        ("kernel", {"text": 3, "ndim": 1}, "text: expected a string"),
        ("kernel", {"text": "box(1001)", "ndim": 2}, "kernels of at most"),
        ("filter", {"samples": 3, "kernels": [[BOX]], "operation": "convolve"}, "samples: expected"),
        ("filter", {"samples": LARGE, "kernels": [[BOX]] * 8, "operation": "convolve"}, "at most 16777216 outputs"),
    ],
)
def test_questions_of_strangers_are_refused(question, arguments, says):
    with pytest.raises(FaltungError, match=re.escape(says)):
        QUESTIONS[question](**arguments)


def test_what_was_given_is_shown_first(quiet_page, saved):
    x = np.arange(30.0).reshape(5, 6) % 7
    opened(quiet_page, saved(fa.explore(x, fa.Kernel([[1, 2], [3, 5]], (1, 0)))), "filter.position=[2,3]")
    assert result(quiet_page) == fa.convolve(x, fa.Kernel([[1, 2], [3, 5]], (1, 0)))[2, 3]

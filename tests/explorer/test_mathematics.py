"""The mathematics of the page: on random states it agrees with Python, and with the definition as slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from page_modules import modules_in_browser

import faltung as fa
import reference
from faltung.errors import ArgumentError
from faltung.ground.boundary import MODES
from faltung.ground.regions import regions

TOLERANCE = 1e-12  # relative to the sum of |tap| |sample|
# An example is a batch of states, since a call of the browser takes time; so it is neither shrunk nor printed.
many = settings(
    deadline=None,
    max_examples=8,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)
few = settings(many, max_examples=3)


class Batch(list):
    """Many states, too long to be printed."""

    def __repr__(self):
        return f"{len(self)} states"


def batches(states, size):
    return st.lists(states, min_size=size, max_size=size).map(Batch)


@pytest.fixture(scope="module")
def page(browser):
    names = "array", "outputs", "convolution", "windows", "kernels", "filter_problem"
    with modules_in_browser(browser, *names) as modules:
        yield modules


# ---- random states ----------------------------------------------------------------------------------------


@st.composite
def states(draw, ndim=None, most=9):
    """One convolution: an array, a kernel, and all options."""
    axes = draw(st.integers(1, 2)) if ndim is None else ndim
    lengths = draw(st.tuples(*[st.integers(1, most)] * axes))
    sizes = draw(st.tuples(*[st.integers(1, 5)] * axes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal(lengths) * 10.0 ** rng.integers(-3, 4)
    if draw(st.booleans()):
        x[tuple(rng.integers(0, lengths))] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    taps = rng.standard_normal(sizes) * (rng.random(sizes) < 0.7)
    return {
        "x": x,
        "kernel": {"taps": taps, "origin": [draw(st.integers(-2, size + 1)) for size in sizes]},
        "options": {
            "operation": draw(st.sampled_from(["convolve", "correlate"])),
            "mode": draw(st.sampled_from([*MODES, [draw(st.sampled_from([*MODES])) for _ in sizes]])),
            "cval": draw(st.sampled_from([0.0, -1.5])),
            "shape": draw(st.sampled_from(["same", "valid", "full"])),
            "stride": [draw(st.integers(1, 3)) for _ in sizes],
            "dilation": [draw(st.integers(1, 3)) for _ in sizes],
        },
    }


def by_definition(x, kernel, options):
    """Return the outputs by slow loops, and the scale of their rounding errors."""
    dilation, taps = options["dilation"], kernel["taps"]
    spread = np.zeros([d * (n - 1) + 1 for d, n in zip(dilation, taps.shape, strict=True)])
    spread[tuple(slice(None, None, d) for d in dilation)] = taps
    origin = [d * o for d, o in zip(dilation, kernel["origin"], strict=True)]
    if options["operation"] == "convolve":
        spread = np.flip(spread)
        origin = [n - 1 - o for n, o in zip(spread.shape, origin, strict=True)]
    region = regions(options["shape"], x.shape, spread.shape, origin)
    mode, cval = ("constant", 0.0) if region.beyond else (options["mode"], options["cval"])
    every = tuple(slice(None, None, step) for step in options["stride"])
    with np.errstate(invalid="ignore"):
        y = reference.correlate(x, spread, origin, mode, cval, region.bounds)[every]
    sizes = np.where(np.isfinite(x), abs(x), 0)
    return y, reference.correlate(sizes, abs(spread), origin, mode, abs(cval), region.bounds)[every]


def agree(received, expected, scale):
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(received[~finite], expected[~finite])
    assert np.all(abs(received[finite] - expected[finite]) <= TOLERANCE * scale[finite])


# ---- convolution ------------------------------------------------------------------------------------------


@many
@given(batches(states(), 50))
def test_convolution_is_the_definition(page, cases):
    answers = page.each("filtered(array(one.x), kernel(one.kernel), one.options)", cases)
    for case, answer in zip(cases, answers, strict=True):
        try:
            expected, scale = by_definition(**case)
        except ArgumentError:
            assert answer["error"].startswith("shape: expected 'same' or 'full'")
        else:
            assert answer.shape == expected.shape
            agree(answer, expected, scale)


@few
@given(batches(states(), 40))
def test_convolution_is_that_of_python(page, cases):
    answers = page.each("filtered(array(one.x), kernel(one.kernel), one.options)", cases)
    for case, answer in zip(cases, answers, strict=True):
        options = dict(case["options"])
        operation = getattr(fa, options.pop("operation"))
        kernel = fa.Kernel(case["kernel"]["taps"], case["kernel"]["origin"])
        try:
            expected = operation(case["x"], kernel, **options)
        except ArgumentError:
            assert "error" in answer
        else:
            agree(answer, expected, by_definition(**case)[1])


def test_defaults_are_those_of_python(page):
    x, taps = np.arange(5.0), np.array([1.0, 2.0, 4.0])
    cases = [
        {"x": x, "kernel": {"taps": taps, "origin": [1]}, "options": options} for options in ({}, {"shape": "full"})
    ]
    same, full = page.each("filtered(array(one.x), kernel(one.kernel), one.options)", cases)
    np.testing.assert_array_equal(same, fa.convolve(x, taps))
    np.testing.assert_array_equal(full, fa.convolve(x, taps, shape="full"))


@pytest.mark.parametrize("stride", [1, 2])
def test_separable_kernels_take_less_work_and_give_the_same(page, stride):
    x = np.random.default_rng(3).standard_normal((23, 17))
    kernel = fa.gaussian((1.5, 0.8)) * fa.sobel()
    made = "product(outer(one.f.map((f) => f.data)), outer(one.g.map((g) => g.data)))"
    f, g = ([factor.taps for factor in part._separated()] for part in (fa.gaussian((1.5, 0.8)), fa.sobel()))
    body = f"filtered(array(one.x), {made}, {{ stride: one.stride }})"
    hole = x.copy()
    hole[9, 8] = np.nan
    for samples in (x, hole):
        (answer,) = page.each(body, [{"x": samples, "f": f, "g": g, "stride": stride}])
        expected = fa.convolve(samples, kernel, stride=stride)
        np.testing.assert_allclose(answer, expected, rtol=0, atol=TOLERANCE * 100)


def test_work_in_slices_gives_the_same_and_can_be_ended(page):
    case = {
        "x": np.random.default_rng(0).standard_normal((150, 150)),
        "kernel": {"taps": np.ones((9, 9)), "origin": [4, 4]},
    }
    at_once, sliced = (
        page.each(f"{call}(array(one.x), kernel(one.kernel))", [case])[0] for call in ("filtered", "filteredInSlices")
    )
    np.testing.assert_array_equal(at_once, sliced)
    ended = "filteredInSlices(array(one.x), kernel(one.kernel), { dilation: 7 }, AbortSignal.abort())"
    case["kernel"] = {"taps": np.ones((61, 61)), "origin": [30, 30]}
    assert "abort" in page.each(ended, [case])[0]["error"]


# ---- one output, one sample -------------------------------------------------------------------------------


@few
@given(batches(states(most=6), 40))
def test_a_window_is_what_an_output_is_made_of(page, cases):
    body = """(() => {
      const [x, k] = [array(one.x), kernel(one.kernel)];
      const outputs = indices(reading(x.shape, k, one.options).axes.map(({ count }) => count));
      const windows = outputs.map((at) => windowAt(x, k, one.options, at));
      return { outputs, y: filtered(x, k, one.options), windows };
    })()"""
    for case, answer in zip(cases, page.each(body, cases), strict=True):
        if "error" in answer:
            continue  # this is tested above
        x, options = case["x"], case["options"]
        beyond = options["shape"] == "valid" and any(
            d * (n - 1) >= m
            for d, n, m in zip(options["dilation"], case["kernel"]["taps"].shape, x.shape, strict=True)
        )
        mode, cval = ("constant", 0.0) if beyond else (options["mode"], options["cval"])
        _, scale = by_definition(**case)
        for at, window in zip(answer["outputs"], answer["windows"], strict=True):
            np.testing.assert_array_equal(
                window["samples"].ravel(), [reference.extended(x, place, mode, cval) for place in window["positions"]]
            )
            assert window["inside"] == [
                all(0 <= p < n for p, n in zip(place, x.shape, strict=True)) for place in window["positions"]
            ]
            agree(np.array(float(window["sum"])), answer["y"][tuple(at)], scale[tuple(at)])
            assert window["start"] == window["positions"][0]
            assert [stop - 1 for stop in window["stop"]] == window["positions"][-1]


@few
@given(batches(states(most=5), 40))
def test_a_sample_reaches_the_outputs_that_change_with_it(page, cases):
    rng = np.random.default_rng(1)
    for case in cases:
        case["at"] = [int(rng.integers(n)) for n in case["x"].shape]
        case["options"]["cval"] = 0.0
    answers = page.each("reachedFrom(one.x.shape, kernel(one.kernel), one.options, one.at)", cases)
    for case, answer in zip(cases, answers, strict=True):
        impulse = np.zeros_like(case["x"])
        impulse[tuple(case["at"])] = 1.0
        try:
            expected, scale = by_definition(impulse, case["kernel"], case["options"])
        except ArgumentError:
            continue
        received = np.zeros_like(expected)
        for output in answer:
            received[tuple(output["position"])] = output["tap"]
        agree(received, expected, np.maximum(scale, 1e-3))
        assert len(answer) == np.count_nonzero(scale)


# ---- transposed, causal, channels -------------------------------------------------------------------------


@st.composite
def transposed_states(draw):
    axes = draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths, sizes = (draw(st.tuples(*[st.integers(1, most)] * axes)) for most in (6, 4))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return {
        "x": rng.standard_normal(lengths),
        "kernel": {"taps": rng.standard_normal(sizes), "origin": [0] * axes},
        "setting": {
            "kind": "transposed",
            "stride": stride,
            "dilation": dilation,
            "padding": draw(st.integers(0, 2)),
            "outputPadding": draw(st.integers(0, max(stride, dilation) - 1)),
        },
    }


@few
@given(batches(transposed_states(), 60))
def test_transposed_convolution_is_that_of_torch(page, cases):
    body = """(async () => {
      const problem = new Problem([array(one.x)], [[kernel(one.kernel)]], one.setting);
      const { sums: [y] } = await problem.outputs("convolve");
      const windows = indices(y.shape).map((at) => problem.windows("convolve", 0, at)[0].sum);
      return { y, windows: new NdArray(y.shape, Float64Array.from(windows)) };
    })()"""
    for case, answer in zip(cases, page.each(body, cases), strict=True):
        setting = {**case["setting"], "output_padding": case["setting"]["outputPadding"]}
        del setting["kind"], setting["outputPadding"]
        x, taps = (torch.from_numpy(array)[None, None] for array in (case["x"], case["kernel"]["taps"]))
        operation = torch.nn.functional.conv_transpose1d if x.ndim == 3 else torch.nn.functional.conv_transpose2d
        try:
            expected = operation(x, taps, **setting)[0, 0].numpy()
        except RuntimeError:
            assert answer["error"].startswith("Nothing is left of the output.")
            continue
        scale = operation(abs(x), abs(taps), **setting)[0, 0].numpy()
        agree(answer["y"], expected, scale)
        agree(answer["windows"], expected, scale)


@few
@given(batches(states(ndim=1), 40))
def test_causal_outputs_need_no_later_sample(page, cases):
    body = """(({ operation, dilation }) => filtered(array(one.x), causalKernel(kernel(one.kernel), operation),
      { operation, dilation, mode: "constant" }))(one.options)"""
    for case, answer in zip(cases, page.each(body, cases), strict=True):
        x, taps = case["x"], case["kernel"]["taps"]
        ordered = taps if case["options"]["operation"] == "convolve" else taps[::-1]
        options = {
            **case["options"],
            "operation": "convolve",
            "mode": "constant",
            "cval": 0.0,
            "shape": "same",
            "stride": [1],
        }
        agree(answer, *by_definition(x, {"taps": ordered, "origin": [0]}, options))


def test_channels_are_those_of_a_bank(page):
    rng = np.random.default_rng(5)
    x, bank = rng.standard_normal((3, 8, 9)), rng.standard_normal((2, 3, 4, 3))
    case = {"x": list(x), "bank": [[{"taps": taps, "origin": [2, 1]} for taps in row] for row in bank]}
    setting = "{ kind: 'plain', mode: 'wrap', cval: 0, shape: 'same', stride: 2, dilation: 1 }"
    body = f"new Problem(one.x.map(array), one.bank.map((row) => row.map(kernel)), {setting}).outputs('convolve')"
    (answer,) = page.each(body, [case])
    expected = fa.Bank(bank)(x, "wrap", channel_axis=0, stride=2)
    np.testing.assert_allclose(answer["sums"], expected, rtol=0, atol=TOLERANCE * 100)
    np.testing.assert_allclose(np.sum(answer["maps"], axis=1), expected, rtol=0, atol=TOLERANCE * 100)


# ---- algebra ----------------------------------------------------------------------------------------------


@few
@given(batches(st.tuples(states(ndim=2), states(ndim=2)), 30))
def test_algebra_is_that_of_python(page, pairs):
    body = """(() => {
      const [f, g] = [kernel(one[0].kernel), kernel(one[1].kernel)];
      return [product(f, g), sum(f, g), difference(f, g), scaled(f, -2.5), power(f, 3), power(f, 0), flipped(f)];
    })()"""
    for pair, answers in zip(pairs, page.each(body, pairs), strict=True):
        f, g = (fa.Kernel(state["kernel"]["taps"], state["kernel"]["origin"]) for state in pair)
        for answer, expected in zip(answers, [f * g, f + g, f - g, -2.5 * f, f**3, f**0, f.flip()], strict=True):
            assert fa.Kernel(answer["taps"], [int(at) for at in answer["origin"]]).isclose(
                expected, TOLERANCE, TOLERANCE
            )
            assert answer["taps"].shape == expected.shape

"""Named kernels and expressions in the page have the taps of Python; both refuse the same texts."""

from __future__ import annotations

import inspect
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_modules import modules_in_browser
from test_mathematics import TOLERANCE, batches, few

import faltung as fa
from faltung.errors import ExpressionError
from faltung.kernels.named import DESIGNED
from faltung.kernels.named import NAMED as ALL_NAMED

#: Those that the page computes itself; of the others it gets the taps.
NAMED = {name: make for name, make in ALL_NAMED.items() if name not in DESIGNED}


@pytest.fixture(scope="module")
def page(browser):
    with modules_in_browser(browser, "array", "named_kernels", "expression") as modules:
        yield modules


def same(answer, expected, scale=None):
    size = abs(expected.taps).sum() if scale is None else scale
    taps = answer["taps"] + 1j * answer.get("imag", 0.0) if np.iscomplexobj(expected.taps) else answer["taps"]
    assert taps.shape == expected.shape
    assert [int(at) for at in answer["origin"]] == list(expected.origin)
    assert abs(taps - expected.taps).max() <= TOLERANCE * max(size, 1e-300)
    return True


# ---- named kernels ----------------------------------------------------------------------------------------

sigmas = st.floats(0.2, 4)
angles = st.floats(-4, 4)
dimensions = st.integers(1, 2)


def per_axis(ndim, values):
    return st.one_of(values, st.lists(values, min_size=ndim, max_size=ndim))


@st.composite
def calls(draw):
    """A named kernel with its arguments, and the number of axes."""
    name = draw(st.sampled_from(sorted(NAMED)))
    ndim = 2 if name == "motion" else draw(dimensions)
    sigma, truncate, axis = per_axis(ndim, sigmas), st.floats(1, 5), st.integers(-ndim, ndim - 1)
    arguments = {
        "delta": {},
        "box": {"size": per_axis(ndim, st.integers(1, 12))},
        "gaussian": {"sigma": sigma, "truncate": truncate},
        "binomial": {"order": st.one_of(st.integers(0, 20), st.just(200))},
        "disk": {"radius": per_axis(ndim, st.one_of(st.integers(0, 9), st.floats(0, 9)))},
        "motion": {"length": st.floats(0.1, 20), "angle": angles},
        "gaussian_derivative": {
            "sigma": st.floats(0.7, 4),
            "order": per_axis(ndim, st.integers(0, 5)),
            "truncate": truncate,
        },
        "sobel": {"axis": axis},
        "prewitt": {"axis": axis},
        "scharr": {"axis": axis},
        "laplacian": {},
        "log": {"sigma": per_axis(ndim, st.floats(0.5, 4)), "truncate": truncate},
        "dog": {"low": st.floats(0.3, 2), "high": st.floats(2, 4), "truncate": truncate},
        "unsharp": {"sigma": sigma, "amount": st.floats(-2, 9), "truncate": truncate},
        "gabor": {
            "frequency": st.floats(0.06, 0.5),
            "bandwidth": st.floats(0.5, 2),
            "truncate": truncate,
            "phase": angles,
            "sigma_x": sigmas,
            **({"angle": angles, "sigma_y": sigmas} if ndim == 2 else {}),
        },
    }[name]
    required = {
        parameter.name
        for parameter in inspect.signature(NAMED[name]).parameters.values()
        if parameter.default is parameter.empty
    }
    chosen = {key: draw(value) for key, value in arguments.items() if key in required or draw(st.booleans())}
    return {"name": name, "args": chosen, "ndim": ndim}


@few
@given(batches(calls(), 150))
def test_named_kernels_have_the_taps_of_python(page, cases):
    made = page.each("NAMED[one.name].make(one.args, one.ndim)", cases)
    read = page.each("parseKernel(callOf(one.name, one.args, one.ndim), one.ndim)", cases)
    for case, kernel, again in zip(cases, made, read, strict=True):
        arguments = case["args"] if case["name"] == "motion" else {**case["args"], "ndim": case["ndim"]}
        expected = NAMED[case["name"]](**arguments)
        # The sum of the second derivative is compared with a limit, at which rounding errors decide.
        assert same(kernel, expected)
        assert same(again, expected.real)
        assert fa.parse(again["text"]) == expected.real


def test_the_page_knows_every_named_kernel_with_its_parameters(page):
    (known,) = page.each("Object.entries(NAMED).map(([name, { parameters }]) => [name, parameters])", [None])
    assert [name for name, _ in known] == list(NAMED)
    for name, parameters in known:
        signature = inspect.signature(NAMED[name]).parameters
        assert [parameter["name"] for parameter in parameters] == list(signature)
        for parameter in parameters:
            python = signature[parameter["name"]]
            assert parameter.get("later", False) == (python.kind is python.KEYWORD_ONLY), parameter
            optional = "default" in parameter or parameter.get("optional", False)
            assert optional == (python.default is not python.empty), parameter
            if "default" in parameter:
                assert parameter["default"] == python.default


# ---- expressions ------------------------------------------------------------------------------------------


def kernel_text(rng, depth, ndim):
    """Return a text and an upper bound for the sum of the magnitudes of its taps."""
    kind = rng.choice(["name", "name", "taps", "sum", "product", "multiple", "power", "flip"]) if depth else "name"
    if kind == "taps":
        taps = [[rng.randint(-9, 9) for _ in range(3)] for _ in range(2)]
        written = taps if ndim == 2 else taps[0]
        origin = rng.choice(["", ", (0, 3)", ", origin=[-1, 1]"] if ndim == 2 else ["", ", 0", ", origin=-2"])
        return rng.choice([f"{written}", f"kernel({written}{origin})", f"Kernel({written}{origin})"]), 60.0
    if kind == "name":
        return named_text(rng, ndim)
    first, size = kernel_text(rng, depth - 1, ndim)
    second, other = kernel_text(rng, depth - 1, ndim)
    number = rng.choice(["2", "-.5", "3e-1", "pi / 4", "(1 + 2) * 2 ** -1", "7."])
    return {
        "sum": (f"{first} {rng.choice('+-')} {second}", size + other),
        "product": (f"({first})*({second})", size * other),
        "multiple": (rng.choice([f"{number} * ({first})", f"({first}) / {number}", f"-({first})"]), 4 * size),
        "power": (f"({first}) ** {(power := rng.randint(0, 2))}", max(1, size) ** power),
        "flip": (f"({first}).{rng.choice(['flip()', 'conj()', 'real'])}", size),
    }[kind]


def named_text(rng, ndim):
    sigma = round(rng.uniform(0.8, 2), rng.randint(0, 3)) or 1
    axis = rng.randint(-ndim, ndim - 1)
    texts = [
        "delta({})",
        "laplacian({})",
        f"box({rng.randint(1, 5)}{{, }})",
        f"gaussian({sigma}{{, }})",
        f"binomial({rng.randint(0, 6)}{{, }})",
        f"disk({sigma}{{, }})",
        f"sobel({axis}{{, }})",
        f"prewitt(axis={axis}{{, }})",
        f"scharr({axis}{{, }})",
        f"log({sigma}, truncate=3{{, }})",
        f"dog({sigma}{{, }})",
        f"unsharp({sigma}, amount=-.5{{, }})",
        f"gaussian_derivative({sigma}, {rng.randint(0, 2)}{{, }})",
        "gabor(0.3, phase=pi/3{, }).imag",
        "gabor(0.3{, }).real",
    ]
    if ndim == 2:
        texts += [
            f"motion({sigma}, pi / 5)",
            f"box(({rng.randint(1, 5)}, 2))",
            f"gaussian([{sigma}, .5])",
            "gaussian((1, 0),)",
        ]
    text = rng.choice(texts)
    size = "ndim=1" if ndim == 1 else ""
    return text.replace("{, }", f", {size}" if size else "").replace("{}", size), 20.0


def python(text):
    """Return the kernel, or None if Python refuses the text."""
    try:
        return fa.parse(text)
    except ExpressionError as error:
        return error


def test_random_expressions_have_the_taps_of_python(page):
    rng = random.Random(4)
    pairs = [kernel_text(rng, 3, ndim) for ndim in (1, 2) for _ in range(150)]
    for (text, scale), answer in zip(pairs, page.each("parseKernel(one)", [text for text, _ in pairs]), strict=True):
        expected = python(text)
        assert "error" not in answer, (text, answer)
        assert same(answer, expected, scale), text


def test_changed_expressions_are_refused_by_both_or_by_none(page):
    rng = random.Random(9)
    texts = []
    for _ in range(500):
        text, _ = kernel_text(rng, rng.randint(0, 2), rng.randint(1, 2))
        at = rng.randrange(len(text))
        texts.append(text[:at] + rng.choice(["", "", *"()[],.*+-/=1e j"]) + text[at + rng.randint(0, 2) :])
    refused = 0
    for text, answer in zip(texts, page.each("parseKernel(one)", texts), strict=True):
        expected = python(text)
        if isinstance(expected, ExpressionError):
            refused += 1
            assert "error" in answer, (text, expected)
            assert answer.get("beyond") or answer["position"] == expected.position, (text, answer, expected)
        elif "error" in answer:  # complex kernels, and those with more axes or taps than a page shows
            assert answer.get("beyond") or "expected real taps" in answer["error"], (text, answer)
        else:
            assert same(answer, expected, 1e4), text
    assert 100 < refused < 460


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "expected a number, a kernel or '(', got the end", 0),
        ("gausian(2)", "unknown name 'gausian': did you mean gaussian?", 0),
        ("2 * frobnicate(2)", "unknown name 'frobnicate': the known names are delta, box,", 4),
        ("__import__('os')", "unknown name '__import__'", 0),
        ("constructor(1)", "unknown name 'constructor'", 0),
        ("gaussian(2) sobel(0)", "expected an operator or the end, got 'sobel'", 12),
        ("delta() + gaussian()", "gaussian(sigma, truncate, ndim): 'sigma' is missing", 10),
        ("gaussian(2, size=3)", "gaussian(sigma, truncate, ndim): no argument is called 'size'", 0),
        ("gaussian(2, sigma=3)", "got 'sigma' twice", 0),
        ("sobel(0, 2)", "sobel(axis, ndim): too many arguments without a name", 0),
        ("2 * gaussian(-1)", "gaussian: sigma: expected a number of at least 0, got -1.", 4),
        ("box(1.5)", "box: size: expected an integer, got 1.5.", 0),
        ("box(True)", "box: size: expected an integer, got True or False.", 0),
        ("dog(2, 1)", "dog: high: expected at least low along every axis, got low=2, high=1. Swap low and high.", 0),
        ("delta() + 1", "Write 1 * delta().", 8),
        ("1 / delta()", "divisor: expected a number, got a kernel.", 2),
        ("delta() * sobel(ndim=1)", "kernels: expected the same number of axes, got 2 and 1.", 8),
        ("[[1, 2], 3]", "Nested lists must have equal lengths.", 0),
        ("gabor()", "expected real taps, got complex ones: add .real or .imag", 0),
        ("2j * delta()", "the page reads real numbers only", 0),
        ("delta().__class__", "expected .flip(), .conj(), .real or .imag after a kernel, got '__class__'", 8),
        ("(" * 2000, "expected at most 40 levels of nesting", None),
        ("+".join(["delta()"] * 600), "expected at most 4096 characters, got 4799", 0),
        ("gaussian(1e9)", "the page holds kernels of at most", 0),
        ("(((9**64)**64)**64)**64 * delta()", "the result is not a finite number", None),
        ("((box(64)**64)**64)**64", "the page holds kernels of at most 2097152 taps, got 4033 × 4033", 9),
        ("(disk(90) + disk(80)) ** 9", "the page computes kernels of fewer taps", 22),
        ("+".join(["disk(300)"] * 9), "the page holds at most 2097152 taps in all", None),
        ("kernel([1], 99999999) + kernel([1])", "the page holds kernels of at most 2097152 taps", 22),
    ],
)
def test_messages_say_what_to_do(page, text, message, position):
    (answer,) = page.each("parseKernel(one)", [text])
    assert message in answer["error"]
    assert answer["error"].endswith(f"(at column {answer['position'] + 1})")
    if position is not None:
        assert answer["position"] == position


def test_a_kernel_must_have_as_many_axes_as_the_array(page):
    (answer,) = page.each("parseKernel(one, 1)", ["gaussian(2)"])
    assert "got one with 2. Named kernels take ndim=1, such as gaussian(2, ndim=1)" in answer["error"]

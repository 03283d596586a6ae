"""The question: arguments are checked where they are asked, and equal questions are the same key."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import faltung as fa
from conftest import forget
from faltung import ArgumentError, ArgumentTypeError
from faltung.planning.question import Options, question_of

F4 = np.dtype("f4")


def ask(kernel, **named):
    return question_of((40, 50), F4, kernel, Options(True, **named))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"mode": "reflect", "cval": 0, "axes": (0, 1)}),
        ({}, {"axes": (-2, -1), "stride": (1, 1), "dilation": [1, 1], "groups": 1}),
        ({"stride": 2}, {"stride": (2, np.int64(2))}),
        ({"dtype": "float32"}, {"dtype": np.float32}),
        ({"mode": "wrap"}, {"mode": ("wrap", "wrap")}),
        ({"mode": ("wrap", "nearest")}, {"mode": ["wrap", np.str_("nearest")]}),
    ],
)
def test_questions_with_the_same_answer_are_equal(one, other):
    first, second = ask(fa.box(3), **one), ask(fa.box(3), **other)
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "wrap"},
        {"mode": ("wrap", "reflect")},
        {"mode": ("reflect", "wrap")},
        {"cval": 1.0},
        {"cval": -0.0},
        {"shape": "full"},
        {"axes": (1, 0)},
        {"stride": (1, 2)},
        {"dilation": 2},
        {"dtype": "float64"},
        {"nan": "ignore"},
        {"masked": True},
        {"accuracy": "pointwise"},
        {"method": "direct"},
    ],
    ids=str,
)
def test_questions_with_another_answer_differ(changed):
    assert ask(fa.box(3)) != ask(fa.box(3), **changed)
    assert ask(fa.box(3)) != question_of((40, 50), F4, fa.box(3), Options(False))
    assert ask(fa.box(3)) != ask(fa.Bank.stack([fa.box(3)]))


NO_INTEGERS = [True, False, 1.0, np.float64(1), np.bool_(True), "1", None]
CALLS = {
    "stride": lambda value: {"stride": value},
    "stride of an axis": lambda value: {"stride": (1, value)},
    "dilation": lambda value: {"dilation": value},
    "dilation of an axis": lambda value: {"dilation": (value, 1)},
    "groups": lambda value: {"groups": value},
    "axes": lambda value: {"axes": (0, value)},
    "channel_axis": lambda value: {"channel_axis": value} if value is not None else {"channel_axis": "0"},
}


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_only_integers_are_integers_whatever_was_asked_before(name, value):
    x, kernel = np.ones((4, 5, 6), "f4"), fa.box(3)
    forget()
    for _ in range(2):
        for call in (fa.convolve, fa.correlate, fa.plan):
            with pytest.raises(ArgumentTypeError) as caught:
                call(x, kernel, **CALLS[name](value))
            assert caught.value.argument == name.split()[0]
        fa.convolve(x, kernel, **CALLS[name](1))  # equal to 1.0 and True, and kept from here on


@pytest.mark.parametrize("name", CALLS)
def test_integers_of_numpy_are_integers(name):
    x, kernel = np.arange(120, dtype="f4").reshape(4, 5, 6), fa.box(3)
    for kind in (np.int64, np.uint8, np.array):
        np.testing.assert_array_equal(
            fa.convolve(x, kernel, **CALLS[name](kind(1))), fa.convolve(x, kernel, **CALLS[name](1))
        )


def test_only_a_tuple_is_a_shape():
    with pytest.raises(ArgumentTypeError) as caught:
        fa.plan([480, 640], fa.box(3))
    assert str(caught.value) == (
        "x: expected an array, or a tuple for a shape, got a list of integers. "
        "For a shape, pass the tuple (480, 640); for a signal, numpy.array(x)."
    )
    assert fa.plan((480, 640), fa.box(3)).result_shape == (480, 640)
    assert fa.plan([1.0, 2.0], [1.0]).result_shape == (2,)
    for wrong in ((480.0, 640), (True, 3), (-1, 2)):
        with pytest.raises(ArgumentError):
            fa.plan(wrong, fa.box(3))


def test_the_doors_have_the_same_arguments():
    convolve, correlate, plan = (inspect.signature(f).parameters for f in (fa.convolve, fa.correlate, fa.plan))
    assert convolve == correlate
    for filter_ in (fa.Kernel, fa.Bank):
        call = inspect.signature(filter_.__call__).parameters
        assert [*call.values()][2:] == [*convolve.values()][2:]
        assert [*call][:2] == ["self", "x"]
    shared = [name for name in convolve if name not in ("x", "mask", "weights", "variance", "out", "workers")]
    assert [name for name in plan if name in shared] == shared
    assert all(convolve[name] == plan[name] for name in shared)
    assert {*plan} - {*convolve} == {"result_dtype", "effort"}
    # What is left of the arguments is an option, under the same name.
    assert {*Options._fields} - {"reflected", "masked", "graded", "dtype_name", "statistic"} == {*shared} - {"kernel"}
    for name, default in Options._field_defaults.items():
        assert name in ("masked", "graded", "dtype_name", "statistic") or convolve[name].default == default


@pytest.mark.parametrize("call", [fa.convolve, fa.correlate, fa.plan])
@pytest.mark.parametrize(
    "name", [name for name in Options._fields if name in inspect.signature(fa.convolve).parameters]
)
@pytest.mark.parametrize(
    "value", [{}, {1}, [[]], np.ones((2, 2)), slice(1, 2)], ids=["dict", "set", "list", "array", "slice"]
)
def test_values_that_cannot_be_hashed_are_refused_by_name(call, name, value):
    for _ in range(2):
        with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
            call(np.ones((4, 5), "f4"), fa.box(3), **{name: value})
        assert caught.value.argument == name


def test_equal_arrays_of_options_are_the_same_question():
    assert ask(fa.box(3), axes=np.array([0, 1]), stride=np.array([2, 1])) == ask(fa.box(3), stride=(2, 1))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("kind", ["same", "full"])
def test_questions_about_empty_arrays_are_checked_too(shape, kind):
    question = question_of(shape, F4, fa.box(3), Options(True, shape=kind))
    assert question.problem.result_shape == fa.plan(shape, fa.box(3), shape=kind).result_shape
    with pytest.raises(ArgumentTypeError):
        question_of(shape, F4, fa.box(3), Options(True, stride=1.5))


@pytest.mark.parametrize(
    ("name", "wrong"), [("mask", "no"), ("mask", np.ones((9, 9))), ("mask", 1), ("weights", "no")]
)
def test_a_plan_is_made_for_a_mask_that_is_one(name, wrong):
    with pytest.raises(ArgumentTypeError, match=rf"^{name}: expected True or False, or an array of "):
        fa.plan((9, 9), fa.box(3), **{name: wrong})
    for right in (True, np.ones((9, 9), bool), [[True] * 9] * 9):
        assert fa.plan((9, 9), fa.box(3), **{name: right}).problem.weighted
    assert not fa.plan((9, 9), fa.box(3), **{name: np.False_}).problem.weighted

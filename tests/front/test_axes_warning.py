"""When does a call without axes get a warning? Where the last axis is probably that of colours or channels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import faltung as fa

PLANE, LINE = fa.box(3), fa.box(3, ndim=1)


@pytest.mark.parametrize(
    ("shape", "kernel", "remedy"),
    [
        ((20, 30, 3), PLANE, "axes=(0, 1)"),
        ((20, 30, 4), PLANE, "axes=(0, 1)"),
        ((5, 4, 3), np.ones((3, 3)), "axes=(0, 1)"),
        ((20, 30, 3), fa.Bank.stack([PLANE, PLANE]), "axes=(0, 1)"),
        ((1000, 2), LINE, "axes=0"),
        ((1000, 2), [1.0, 2.0, 1.0], "axes=0"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda x, kernel: fa.convolve(x, kernel),
        lambda x, kernel: fa.correlate(x, kernel),
        lambda x, kernel: fa.plan(x, kernel),
        lambda x, kernel: fa.plan(x.shape, kernel),
        lambda x, kernel: (kernel if isinstance(kernel, fa.Kernel | fa.Bank) else fa.Kernel(kernel))(x),
    ],
    ids=["convolve", "correlate", "plan", "plan of a shape", "call"],
)
def test_colours_and_channels(call, shape, kernel, remedy):
    with pytest.warns(fa.AxesWarning) as caught:
        call(np.ones(shape), kernel)
    (warning,) = caught
    assert str(warning.message).endswith(f"pass {remedy}.")
    assert " x ".join(map(str, shape)) in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((20, 30), PLANE, {}),
        ((20, 3), PLANE, {}),
        ((20, 30, 5), PLANE, {}),
        ((20, 3, 3), PLANE, {}),  # a stack of 3 x 3 arrays
        ((3, 20, 3), PLANE, {}),
        ((6, 20, 30, 3), PLANE, {}),
        ((20, 30, 3), fa.box(3, ndim=3), {}),
        ((20, 30, 3), LINE, {}),
        ((20, 30, 3), PLANE, {"axes": (0, 1)}),
        ((20, 30, 3), PLANE, {"axes": (-2, -1)}),
        ((20, 30, 3), PLANE, {"channel_axis": 2}),
        ((1000, 3), LINE, {}),
        ((2, 2), LINE, {}),
        ((1000, 2), LINE, {"axes": -1}),
        ((2,), LINE, {}),
    ],
)
def test_no_false_alarms(shape, kernel, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fa.convolve(np.ones(shape), kernel, **options)
        fa.plan(shape, kernel, **options)


def test_one_place_is_told_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            PLANE(np.ones((20, 30, 3)))
    assert len(caught) == 1


def test_a_wrong_argument_is_an_error_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(fa.ArgumentError, match="mode"):
            fa.convolve(np.ones((20, 30, 3)), PLANE, "full")

"""Index maps, written out for axes shorter than the extension, and against `numpy.pad`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import reference
from faltung import ArgumentError, ArgumentTypeError
from faltung.ground.boundary import MODES, OUTSIDE, by_axis, check_mode, check_modes, index_map, spelled

# Six positions before an axis, the axis, and six after it; a dot is a position with the constant.
WRITTEN_OUT = {
    ("reflect", 1): "000000 0 000000",
    ("reflect", 2): "100110 01 100110",
    ("reflect", 3): "012210 012 210012",
    ("reflect", 4): "233210 0123 321001",
    ("constant", 1): "...... 0 ......",
    ("constant", 2): "...... 01 ......",
    ("constant", 3): "...... 012 ......",
    ("constant", 4): "...... 0123 ......",
    ("nearest", 1): "000000 0 000000",
    ("nearest", 2): "000000 01 111111",
    ("nearest", 3): "000000 012 222222",
    ("nearest", 4): "000000 0123 333333",
    ("mirror", 1): "000000 0 000000",
    ("mirror", 2): "010101 01 010101",
    ("mirror", 3): "210121 012 101210",
    ("mirror", 4): "012321 0123 210123",
    ("wrap", 1): "000000 0 000000",
    ("wrap", 2): "010101 01 010101",
    ("wrap", 3): "012012 012 012012",
    ("wrap", 4): "230123 0123 012301",
}

PAD = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}


def test_there_are_five_modes():
    assert [*MODES] == ["reflect", "constant", "nearest", "mirror", "wrap"]
    assert {mode for mode, _ in WRITTEN_OUT} == {*MODES}


@pytest.mark.parametrize(("mode", "length"), WRITTEN_OUT)
def test_maps_of_short_axes(mode, length):
    result = index_map(mode, length, -6, length + 6)
    text = "".join("." if index == OUTSIDE else str(index) for index in result)
    assert text == WRITTEN_OUT[mode, length].replace(" ", "")
    assert result.dtype == np.int64


@pytest.mark.parametrize("mode", PAD)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("before", [0, 1, 5, 19])
@pytest.mark.parametrize("after", [0, 2, 23])
def test_maps_agree_with_pad(mode, length, before, after):
    expected = np.pad(np.arange(length), (before, after), PAD[mode])
    assert_array_equal(index_map(mode, length, -before, length + after), expected)


@given(st.sampled_from([*MODES]), st.integers(1, 9), st.integers(-60, 60), st.integers(0, 20))
def test_maps_agree_with_the_definition(mode, length, start, count):
    samples = np.arange(length)
    expected = [reference.extended(samples, (place,), mode, OUTSIDE) for place in range(start, start + count)]
    assert index_map(mode, length, start, start + count).tolist() == expected


@pytest.mark.parametrize(("mode", "period"), [("reflect", 14), ("mirror", 12), ("wrap", 7)])
def test_maps_repeat_at_any_distance(mode, period):
    near = index_map(mode, 7, 0, 40)
    for turns in (-(10**15), -1, 1, 10**15):
        assert_array_equal(index_map(mode, 7, turns * period, turns * period + 40), near)


@pytest.mark.parametrize("mode", MODES)
def test_the_five_modes_are_valid(mode):
    assert check_mode(mode) == mode
    assert check_mode(np.str_(mode)) == mode


ODD = 'Extend the array first, numpy.pad(x, width, "{}", reflect_type="odd"), and filter with shape="valid".'
EXPECTED = "mode: expected one of 'reflect', 'constant', 'nearest', 'mirror', 'wrap', got "


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("symmetric", "'symmetric'. Use mode='reflect'."),
        ("symm", "'symm'. Use mode='reflect'."),
        ("BORDER_REFLECT_101", "'BORDER_REFLECT_101'. Use mode='mirror'."),
        ("reflect101", "'reflect101'. Use mode='mirror'."),
        ("Edge", "'Edge'. Use mode='nearest'."),
        ("replicate", "'replicate'. Use mode='nearest'."),
        ("clamp", "'clamp'. Use mode='nearest'."),
        ("zeros", "'zeros'. Use mode='constant'."),
        ("pad", "'pad'. Use mode='constant'."),
        ("circular", "'circular'. Use mode='wrap'."),
        ("extend", "'extend'. Use mode='nearest'."),
        ("add zeros", "'add zeros'. Use mode='constant'."),
        ("cv2.BORDER_WRAP", "'cv2.BORDER_WRAP'. Use mode='wrap'."),
        ("refelct", "'refelct'. Use mode='reflect'."),
        ("linear_ramp", "'linear_ramp'."),
        ("wrap,nearest", "'wrap,nearest'. Use mode=('wrap', 'nearest')."),
        ("same", "'same'. Use shape='same', which says which outputs are computed; mode= is the border."),
        ("full", "'full'. Use shape='full', which says which outputs are computed; mode= is the border."),
        *((name, f"{name!r}. {ODD.format('reflect')}") for name in ("antireflect", "odd", "Odd")),
        *((name, f"{name!r}. {ODD.format('symmetric')}") for name in ("antisymmetric", "asym")),
        ("", "''."),
    ],
)
def test_names_of_other_libraries_get_the_mode_to_use(mode, message):
    with pytest.raises(ArgumentError) as caught:
        check_mode(mode)
    assert str(caught.value) == EXPECTED + message


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (None, "None."),
        (4, "4."),
        ((), "()."),
    ],
)
def test_a_mode_is_a_text(mode, message):
    with pytest.raises(ArgumentTypeError) as caught:
        check_mode(mode)
    assert str(caught.value) == EXPECTED + message


@pytest.mark.parametrize(
    "modes", [("wrap", "nearest", "wrap"), ["wrap", "nearest", "wrap"], np.array(["wrap", "nearest", "wrap"])]
)
def test_a_mode_for_each_axis(modes):
    assert check_modes(modes, 3) == ("wrap", "nearest", "wrap")
    assert all(type(mode) is str for mode in check_modes(modes, 3))


@pytest.mark.parametrize("modes", [(), ("wrap",), ("wrap", "wrap", "wrap")])
def test_there_are_as_many_modes_as_axes(modes):
    with pytest.raises(ArgumentError) as caught:
        check_modes(modes, 2)
    assert str(caught.value) == f"mode: expected one name, or 2, one for each axis of the kernel, got {modes!r}."


@pytest.mark.parametrize(("modes", "error"), [(("wrap", "edge"), ArgumentError), (("wrap", None), ArgumentTypeError)])
def test_each_mode_is_checked(modes, error):
    with pytest.raises(error, match=r"^mode: expected one of .*'edge'\. Use mode='nearest'\.$|got None\.$"):
        check_modes(modes, 2)


@given(st.lists(st.sampled_from([*MODES]), min_size=1, max_size=4))
def test_modes_as_a_text(modes):
    assert by_axis(spelled(modes), len(modes)) == tuple(modes)
    assert (spelled(modes) in MODES) == (len({*modes}) == 1)

"""Arrays and numbers arrive as they were sent, in Python and in the page, in both directions."""

from __future__ import annotations

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import faltung as fa
from faltung.explorer.es_module import _add
from faltung.explorer.packing import DTYPES, pack, unpack

numbers = st.integers(-(2**53), 2**53) | st.floats()
leaves = st.none() | st.booleans() | numbers | st.text(max_size=5)
packed_arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays(dtype, array_shapes(max_dims=3, max_side=4)))
names = st.text(max_size=5).filter(lambda name: not name.startswith("$"))
values = st.recursive(
    leaves | packed_arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_what_is_packed_is_unpacked(value):
    packed, data = pack(value)
    assert same(value, unpack(json.loads(json.dumps(packed, allow_nan=False)), data))


@pytest.mark.parametrize("dtype", ["bool", "float16", "int64", "longdouble"])
def test_other_dtypes_are_sent_as_float64(dtype):
    packed, data = pack(np.ones(3, dtype))
    assert unpack(packed, data).tolist() == [1, 1, 1]
    assert packed["$array"][2] == "float64"


def test_arrays_of_any_layout_and_byte_order_keep_their_numbers():
    array = np.arange(24).reshape(2, 3, 4).astype(">f4").transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(unpack(*pack(array)), array)


json_values = st.recursive(
    leaves
    | st.fixed_dictionaries(
        {"$array": st.lists(st.integers(-9, 99) | st.lists(st.integers(-1, 9)) | st.sampled_from(DTYPES), max_size=4)}
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=7), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.binary(max_size=64))
def test_whatever_comes_is_a_value_or_a_sentence(value, data):
    with contextlib.suppress(fa.ArgumentError):
        unpack(value, data)


def test_the_page_reads_and_writes_the_same(browser):
    packed, data = pack(
        {"a": np.float64([[1, math.nan], [-0.0, 1e300]]), "b": [math.inf, -math.inf, 7], "c": np.uint8([3])}
    )
    page = browser.new_page()
    parts = {}
    _add("packed.js", parts, ())
    again = page.evaluate(
        """([source, value, data]) => {
            const { pack, unpack } = new Function(`${source}; return module_packed;`)();
            const bytes = new Uint8Array([0, ...data]);  // hosts place their buffers anywhere
            const [packed, raw] = pack(unpack(value, new DataView(bytes.buffer, 1)));
            return [packed, [...raw]];
        }""",
        ["\n".join(parts.values()), packed, [*data]],
    )
    page.close()
    assert again[0] == packed
    assert bytes(again[1]) == data

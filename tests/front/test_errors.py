"""What cannot be right is answered with the argument, what was expected, what came, and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung import ArgumentError, ArgumentTypeError, FaltungError
from faltung.ground.boundary import MODES
from faltung.planning.planner import METHODS


class FromTorch:
    """Looks like a tensor to `as_array`, which goes by the name of the module."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("a tensor must not be converted silently")


FromTorch.__module__ = "torch.nn"


class Measured(np.ndarray):
    """Looks like a quantity of astropy: an array with a unit."""

    unit = "m"
    value = property(lambda self: self.view(np.ndarray))


class Image:
    """Looks like an image of astropy: numbers with a mask, with a unit, or with neither."""

    def __init__(self, data, mask=None, unit=None):
        self.data, self.mask, self.unit = np.array(data), mask, unit

    def __array__(self, dtype=None, copy=None):
        return self.data


class Series(Image):
    """Looks like a series of pandas, which has an index."""


class Labelled(Series):
    """Looks like a series of a library that builds on pandas."""


Measured.__module__ = Image.__module__ = "astropy.any"
Series.__module__ = "pandas.core"

X, K = np.arange(6.0), [1.0, 2.0, 1.0]
MODE = f"mode: expected one of {', '.join(map(repr, MODES))}, got "
OUT = "out: expected a writable array of shape (6,) and dtype float64, got "
NUMBERS = "expected numbers of at most double precision, got dtype "
MASKED = "a masked array, whose mask would be lost."
ARRAY = "expected a NumPy array of numbers, got "


def read_only():
    out = np.zeros(6)
    out.flags.writeable = False
    return out


# What is not right, and the answer; x and kernel are X and K if nothing else is said.
VALUES = [
    ({"mode": "reflex"}, f"{MODE}'reflex'. Use mode='reflect'."),
    ({"cval": 1j}, "cval: expected a real number for a real array, got 1j. Convert x to a complex dtype."),
    ({"shape": "Same"}, "shape: expected one of 'same', 'valid', 'full', got 'Same'."),
    (
        {"method": "fft"},
        f"method: expected one of {', '.join(map(repr, METHODS))}, got 'fft'. Use method='fourier'.",
    ),
    ({"method": "best"}, f"method: expected one of {', '.join(map(repr, METHODS))}, got 'best'."),
    ({"nan": "omit"}, "nan: expected 'propagate' or 'ignore', got 'omit'. Use nan='ignore'."),
    ({"axes": (0, 1)}, "axes: expected 1 axis, as many as the kernel has, got (0, 1)."),
    ({"axes": 1}, "axes: expected axes of an array with 1 axis, got 1."),
    ({"axes": -2}, "axes: expected axes of an array with 1 axis, got -2."),
    ({"x": [[1.0]], "kernel": [[1.0]], "axes": (1, -1)}, "axes: expected axes that are all different, got (1, -1)."),
    (
        {"kernel": [[1.0]]},
        "x: expected an array with at least as many axes as the kernel, which has 2, got one with 1. "
        "Use a kernel with fewer axes (named filters take ndim=), or an array with more.",
    ),
    (
        {"x": 3.0},
        "x: expected an array with at least as many axes as the kernel, which has 1, got one with 0. "
        "Use a kernel with fewer axes (named filters take ndim=), or an array with more.",
    ),
    (
        {"dtype": "bool"},
        "dtype: expected an integer, float or complex dtype, got bool. Compare the result instead.",
    ),
    (
        {"kernel": [1j], "dtype": "f8"},
        "dtype: expected a complex dtype for a complex result, got float64. "
        "Take .real, .imag or abs() of the result.",
    ),
    ({"out": np.zeros(5)}, f"{OUT}shape (5,) and dtype float64. Omit out= to have one made."),
    (
        {"out": np.zeros(6, "f4"), "dtype": "f8"},
        f"{OUT}shape (6,) and dtype float32. Omit out= to have one made.",
    ),
    ({"out": read_only()}, f"{OUT}an array that is read-only. Pass a copy of it."),
    (
        {"out": np.lib.stride_tricks.as_strided(np.zeros(6), (6,), (4,))},
        f"{OUT}one whose entries overlap in memory, with strides (4,). Omit out= to have one made.",
    ),
]
TYPES = [
    ({"out": np.ma.zeros(6)}, f"{OUT}a MaskedArray. Omit out= to have one made."),
    ({"out": np.zeros(6).view(Measured)}, f"{OUT}a Measured. Omit out= to have one made."),
    (
        {"x": fa.box(3)},
        "x: expected an array, got a kernel. "
        "Pass the array first; the convolution of two kernels is their product, a * b.",
    ),
    ({"mode": b"wrap"}, f"{MODE}b'wrap'."),
    ({"mode": [b"wrap"]}, f"{MODE}b'wrap'."),
    ({"cval": "1"}, "cval: expected a number, got '1'."),
    ({"cval": None}, "cval: expected a number, got None."),
    ({"cval": True}, "cval: expected a number, got True."),
    ({"axes": 0.0}, "axes: expected an integer for each axis of the kernel, got 0.0."),
    ({"axes": True}, "axes: expected an integer for each axis of the kernel, got True."),
    ({"dtype": 5}, "dtype: expected a NumPy dtype of numbers, got 5."),
    ({"x": np.array([1, None])}, f"x: {NUMBERS}object. Convert to float64."),
    ({"x": ["a"]}, f"x: {NUMBERS}<U1."),
    ({"x": np.array(["2020"], "M8[D]")}, f"x: {NUMBERS}datetime64[D]."),
    (
        {"kernel": "gaussian(1)"},
        "kernel: expected a kernel or an array of taps, got 'gaussian(1)'. Read an expression with faltung.parse.",
    ),
    ({"x": [[1], [1, 2]]}, f"x: {ARRAY}a ragged list."),
    *(
        (
            {name: np.ma.zeros(3)},
            f"{name}: {ARRAY}a masked array, whose mask would be lost. Fill it first: {name}.filled(value).",
        )
        for name in ("kernel", "mask")
    ),
    *(
        ({name: kind}, f"{name}: {ARRAY}{received}. Pass {remedy.replace('x', name)}.")
        for name in ("x", "kernel", "mask")
        for kind, received, remedy in (
            (np.arange(3.0).view(Measured), "astropy Measured, whose unit would be lost", "x.value"),
            (
                Image([1.0, 2.0], mask=[True, False]),
                "astropy Image, whose mask would be lost",
                "x.data, and mask=~x.mask",
            ),
            (Image([1.0, 2.0], unit="adu"), "astropy Image, whose unit would be lost", "x.data"),
            (Series([1.0]), "pandas Series", "x.to_numpy()"),
            (Labelled([1.0]), "pandas Labelled", "x.to_numpy()"),
        )
    ),
    ({"x": FromTorch()}, f"x: {ARRAY}torch FromTorch. Pass x.detach().cpu().numpy()."),
    ({"kernel": FromTorch()}, f"kernel: {ARRAY}torch FromTorch. Pass kernel.detach().cpu().numpy()."),
]


def test_arrays_that_hold_nothing_but_numbers_are_arrays(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped, bare = np.load(tmp_path / "x.npy", mmap_mode="r"), Image(X)
    for x in (X.tolist(), tuple(X), mapped, bare, memoryview(X), X.view(type("Own", (np.ndarray,), {}))):
        got = fa.convolve(x, K)
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, fa.convolve(X, K))
    np.testing.assert_array_equal(fa.convolve(X, K, "constant", np.array(2)), fa.convolve(X, K, "constant", 2.0))


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [(ArgumentError, *row) for row in VALUES] + [(ArgumentTypeError, *row) for row in TYPES],
)
@pytest.mark.parametrize("call", [fa.convolve, fa.correlate])
def test_errors_say_what_is_wrong_and_what_to_do(call, kind, wrong, message):
    with pytest.raises(kind) as caught:
        call(**{"x": X, "kernel": K} | wrong)
    assert str(caught.value) == message
    assert caught.value.argument == message.partition(":")[0]


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("x", {"x": np.zeros(3, "g")}),
        ("x", {"x": np.zeros(3, "G")}),
        ("x", {"x": np.zeros(3, "f4,f4")}),
        ("x", {"x": None}),
        ("kernel", {"kernel": 3.0}),
        ("kernel", {"kernel": []}),
        ("kernel", {"kernel": [np.nan]}),
        ("kernel", {"kernel": None}),
        ("kernel", {"kernel": [[1], [1, 2]]}),
        ("kernel", {"kernel": fa.Kernel(K, 10**30)}),
        ("cval", {"cval": 10**400}),
        ("cval", {"cval": np.zeros(2)}),
        ("method", {"method": ["direct"]}),
        ("shape", {"shape": ["same"]}),
        ("shape", {"shape": np.array(["same", "full"])}),
        ("shape", {"shape": None}),
        ("axes", {"axes": np.array(1.0)}),
        ("axes", {"axes": np.array([[0]])}),
        ("axes", {"axes": "0"}),
        ("axes", {"axes": {0}}),
        ("dtype", {"dtype": "S3"}),
        ("dtype", {"dtype": [("a", "f4")]}),
        ("dtype", {"dtype": "f4,,"}),
        ("dtype", {"dtype": ("f4", -1)}),
        ("dtype", {"dtype": np.longdouble}),
        ("dtype", {"dtype": np.floating}),
        ("out", {"out": [0] * 6}),
        ("out", {"out": np.zeros(6, bool)}),
        ("out", {"out": np.zeros(6, object)}),
        ("out", {"out": np.zeros(6, "M8[s]")}),
        ("workers", {"x": np.ones((600, 600)), "kernel": [K], "workers": 0}),
        ("workers", {"x": np.ones((600, 600)), "kernel": [K], "workers": 2.0}),
        ("workers", {"workers": 0}),
        ("workers", {"workers": "two"}),
        ("workers", {"workers": np.array(2.0)}),
        ("workers", {"workers": np.array([2, 3])}),
        ("workers", {"x": X[:0], "workers": "two"}),
    ],
)
def test_whatever_is_wrong_is_answered_by_name(argument, wrong):
    with pytest.raises(FaltungError) as caught:
        fa.convolve(**{"x": X, "kernel": K} | wrong)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        (
            ((-1, 2), [K]),
            {},
            "x: expected an array, or a shape of integers that are not negative, got (-1, 2).",
        ),
        (
            (X, K),
            {"result_dtype": "f4"},
            "result_dtype: expected None where x is an array, got 'f4'. Use dtype=.",
        ),
        (((3, 4), [K]), {"dtype": "no"}, "dtype: expected a NumPy dtype of numbers, got 'no'."),
        (
            ((3, 4), [K]),
            {"result_dtype": "bool"},
            "result_dtype: expected an integer, float or complex dtype, got bool. Compare the result instead.",
        ),
    ],
)
def test_errors_of_plans(arguments, named, message):
    with pytest.raises(FaltungError) as caught:
        fa.plan(*arguments, **named)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("elsewhere", "here"),
    [
        ("symmetric", "reflect"),
        ("grid-mirror", "reflect"),
        ("BORDER_REFLECT", "reflect"),
        ("cv2.BORDER_REFLECT_101", "mirror"),
        ("BORDER_DEFAULT", "mirror"),
        ("edge", "nearest"),
        ("replicate", "nearest"),
        ("BORDER_REPLICATE", "nearest"),
        ("zeros", "constant"),
        ("fill", "constant"),
        ("grid-constant", "constant"),
        ("circular", "wrap"),
        ("periodic", "wrap"),
        ("grid-wrap", "wrap"),
        ("Reflect", "reflect"),
        ("NEAREST", "nearest"),
        ("miror", "mirror"),
    ],
)
def test_modes_in_other_spellings_are_answered_with_the_name_here(elsewhere, here):
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(X, K, elsewhere)
    assert str(caught.value) == f"{MODE}{elsewhere!r}. Use mode={here!r}."


def test_valid_of_a_kernel_neither_larger_nor_smaller():
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(np.zeros((5, 2)), np.ones((3, 4)), shape="valid")
    assert str(caught.value) == (
        "shape: expected 'same' or 'full' where the kernel is longer than the array on one axis and shorter on "
        "another, got 'valid' for a kernel of shape (3, 4) on axes of lengths (5, 2). "
        "Crop the kernel, or choose another shape."
    )


def test_taps_that_single_floats_cannot_hold():
    with pytest.raises(ArgumentError) as caught:
        fa.convolve(np.ones(3, "f4"), [1, 1e300])
    assert str(caught.value) == (
        "kernel: expected taps within the range of float32, the dtype of the computation, got a tap of "
        "magnitude 1e+300. Convert the array to float64, or scale the kernel."
    )
    assert fa.convolve(np.ones(2, "f4"), [1e300], dtype="f8").tolist() == [1e300, 1e300]


@pytest.mark.parametrize(
    ("there", "here"), [("fft", "fourier"), ("FFT", "fourier"), ("dense", "direct"), ("box", "running")]
)
def test_methods_of_other_libraries_are_named(there, here):
    bank = fa.Bank.stack([fa.box(3), fa.sobel()])
    for kernel, options in ((fa.box(3), {}), (bank, {}), (fa.Bank(np.ones((2, 3, 3, 3))), {"channel_axis": 2})):
        with pytest.raises(ArgumentError, match=rf"got '{there}'. Use method='{here}'.$"):
            fa.convolve(np.ones((9, 8, 3)), kernel, axes=(0, 1), method=there, **options)


def test_what_was_received_is_shown_in_part_if_it_is_long():
    said = str(fa.ArgumentError("size", "a positive odd integer", f"[{'0, ' * 5000}7]", "Use 3."))
    assert len(said) < 600
    assert said.startswith("size: expected a positive odd integer, got [0, 0, ")
    assert said.endswith("0, 7]. Use 3.")

"""Arrays by the standard of arrays: those of CuPy go through torch, and those of unknown libraries are refused."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.labelled import cupy_door
from samples import normal

KERNEL = fa.gaussian(1.0)


# ---- CuPy: a stand-in whose arrays are those of torch in the memory of the host


class FakeArray:
    """An array of CuPy, as far as its door looks at it."""

    def __init__(self, tensor):
        self.tensor = tensor
        self.dtype = np.dtype(str(tensor.dtype).removeprefix("torch."))
        self.shape = tuple(tensor.shape)

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()

    def get(self):
        return self.tensor.numpy()


FakeArray.__module__ = "cupy"


@pytest.fixture
def cupy(monkeypatch):
    module = types.ModuleType("cupy")
    module.ndarray = FakeArray
    module.from_dlpack = lambda array: FakeArray(torch.from_dlpack(array))
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return lambda numbers: FakeArray(torch.from_numpy(np.array(numbers)))


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i4"])
def test_arrays_of_cupy_go_through_torch(cupy, dtype):
    numbers = (9 * normal((12, 13))).astype(dtype)
    for options in ({}, {"mode": "wrap"}, {"shape": "valid"}):
        y = fa.convolve(cupy(numbers), KERNEL, **options)
        expected = fa.convolve(numbers, KERNEL, **options)
        assert isinstance(y, FakeArray)
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y.get(), expected, rtol=1e-5, atol=1e-4)


def test_taps_and_masks_of_cupy(cupy):
    numbers, mask = normal((12, 13)), normal((12, 13)) > 0
    expected = fa.convolve(numbers, KERNEL, mask=mask)
    for given in (cupy(mask), mask):
        np.testing.assert_allclose(
            fa.convolve(cupy(numbers), KERNEL, mask=given).get(), expected, rtol=1e-5, atol=1e-6
        )
    taps = normal((3, 3))
    for given in (cupy(taps), taps):
        got = fa.convolve(cupy(numbers), given).get()
        np.testing.assert_allclose(got, fa.convolve(numbers, taps), rtol=1e-5, atol=1e-5)
    assert fa.plan(cupy(numbers), KERNEL).result_shape == (12, 13)
    with pytest.raises(fa.ArgumentError, match=r"^out: expected None for an array of CuPy"):
        fa.convolve(cupy(numbers), KERNEL, out=cupy(numbers))
    with pytest.raises(fa.ArgumentTypeError, match=r"^kernel: .*cupy FakeArray. Pass kernel.get\(\)"):
        fa.convolve(numbers, cupy(taps))


@pytest.mark.parametrize("without", ["torch", "CUDA"])
def test_arrays_of_cupy_are_refused_without_torch_on_their_device(cupy, monkeypatch, without):
    if without == "CUDA":
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    else:
        monkeypatch.setattr(cupy_door.importlib, "import_module", _no_torch)
    with pytest.raises(fa.ArgumentTypeError) as caught:
        cupy_door.filter(cupy(normal((4, 5))), KERNEL, None, None, None, None)
    assert str(caught.value) == (
        "x: expected an array in the memory of the host, got one of CuPy. "
        "Pass x.get(), or install torch with CUDA, through which arrays of CuPy are filtered."
    )


def _no_torch(name):
    raise ModuleNotFoundError(name=name)


# ---- any other library


class Standard:
    """An array by the standard of arrays, of a library that this package does not know."""

    def __array_namespace__(self):
        raise AssertionError("the door goes by the name")

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("it must not be converted silently")


Standard.__module__ = "otherlib.arrays"


@pytest.mark.parametrize("name", ["x", "kernel", "mask", "weights"])
def test_arrays_of_unknown_libraries_are_refused_with_the_remedy(name):
    given = {"x": np.ones(5), "kernel": [1.0, 2.0], name: Standard()}
    if name in ("mask", "weights"):
        with pytest.raises(fa.ArgumentTypeError, match=r"otherlib Standard"):
            fa.convolve(**given)
        return
    with pytest.raises(fa.ArgumentTypeError) as caught:
        fa.convolve(**given)
    assert str(caught.value) == (
        f"{name}: expected a NumPy array of numbers, got otherlib Standard. "
        f"Pass numpy.asarray({name}), whose result is an array of NumPy."
    )


def test_what_can_be_converted_still_is():
    class Convertible:
        def __array__(self, dtype=None, copy=None):
            return np.arange(4.0)

    for x in (Convertible(), np.float64(2) * np.arange(4), [0.0, 1.0, 2.0, 3.0], memoryview(np.arange(4.0))):
        assert fa.convolve(x, [1.0, 1.0]).shape == (4,)
    with pytest.raises(fa.ArgumentError, match=r"^x: expected an array with at least as many axes"):
        fa.convolve(np.float64(3), [1.0])

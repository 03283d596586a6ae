"""The operator is the convolution, and its transpose is that of its matrix, for every border, stride and bank."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg, lsqr

import faltung as fa
from covering import covering
from faltung.errors import ArgumentError, ArgumentTypeError, AxesWarning
from faltung.ground.boundary import MODES
from faltung.signals.folding import fold, spread

RANDOM = np.random.default_rng(0)
TAPS = RANDOM.normal(size=(3, 2, 4, 3))  # of a bank: channels out, channels in, rows, columns


def matrix(operator):
    """Matrix of an operator, column by column."""
    columns = operator.shape[1]
    return np.stack([operator(unit.reshape(operator.input_shape)).ravel() for unit in np.eye(columns)], 1)


def product(a, b):
    return np.vdot(b, a)


STEPS = [{}, {"stride": (2, 3)}, {"dilation": (1, 3)}, {"stride": 2, "dilation": 2}]
EVERY = (["same", "valid", "full"], [*MODES, ("wrap", "mirror")], [(6, 5), (2, 1)], STEPS)


@pytest.mark.parametrize(("region", "mode", "shape", "steps"), covering(*EVERY), ids=str)
def test_the_transpose_is_that_of_the_matrix(shape, mode, region, steps):
    bank = fa.Bank(TAPS, origin=(0, 2))
    if region == "valid" and shape == (6, 5) and "dilation" in steps and "stride" not in steps:
        shape = (6, 8)  # a kernel that is longer along one axis only has no such outputs
    operator = fa.operator(bank, (2, *shape), mode, region=region, channel_axis=0, **steps)
    wanted = bank.matrix(shape, mode, shape=region, **steps).toarray()
    np.testing.assert_allclose(matrix(operator), wanted, atol=1e-14)
    np.testing.assert_allclose(matrix(operator.T), wanted.T, atol=1e-14)
    assert operator.T.T(np.ones((2, *shape))).shape == operator.output_shape


@pytest.mark.parametrize("kernel", [[1.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0], np.arange(12.0)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_the_transpose_of_long_kernels_and_of_even_ones(kernel, mode, length):
    operator = fa.operator(kernel, (length,), mode)
    np.testing.assert_allclose(matrix(operator.T), matrix(operator).T, atol=1e-14)


def test_a_bank_without_channels_and_its_groups():
    bank = fa.Bank.stack([fa.gaussian(1.0), fa.sobel(axis=1)])
    operator = fa.operator(bank, (5, 6), "reflect")
    assert operator.output_shape == (2, 5, 6)
    np.testing.assert_allclose(matrix(operator.T), matrix(operator).T, atol=1e-14)
    grouped = fa.operator(
        fa.Bank(np.ones((4, 2, 3)) * np.arange(1, 5)[:, None, None]), (4, 6), channel_axis=0, groups=2
    )
    np.testing.assert_allclose(matrix(grouped.T), matrix(grouped).T, atol=1e-14)


def test_the_adjoint_of_complex_taps_is_conjugated():
    operator = fa.operator([1.0, 2.0j, 3.0], (5,), "mirror")
    np.testing.assert_allclose(matrix(operator.H), matrix(operator).conj().T, atol=1e-14)
    np.testing.assert_allclose(matrix(operator.T), matrix(operator).T, atol=1e-14)
    assert operator.dtype == np.complex128
    real = fa.operator([1.0, 2.0, 3.0], (5,), "mirror")
    assert real.conj() is real


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_dot_products_agree(data):
    ndim = data.draw(st.integers(1, 3))
    shape = tuple(data.draw(st.integers(1, 6)) for _ in range(ndim + data.draw(st.integers(0, 1))))
    sizes = tuple(data.draw(st.integers(1, 5)) for _ in range(ndim))
    origin = tuple(data.draw(st.integers(-2, size + 1)) for size in sizes)
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    modes = tuple(data.draw(st.sampled_from([*MODES])) for _ in range(ndim))
    steps = {name: [data.draw(st.integers(1, 3)) for _ in range(ndim)] for name in ("stride", "dilation")}
    region = data.draw(st.sampled_from(["same", "full"]))
    kernel = fa.Kernel(random.normal(size=sizes) + 1j * random.normal(size=sizes), origin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AxesWarning)
        operator = fa.operator(kernel, shape, modes, region=region, **steps)
    x = random.normal(size=shape) + 1j * random.normal(size=shape)
    y = random.normal(size=operator.output_shape) + 1j * random.normal(size=operator.output_shape)
    scale = np.linalg.norm(operator(x)) * np.linalg.norm(y) + 1
    assert abs(product(operator(x), y) - product(x, operator.H(y))) <= 1e-13 * scale


def test_a_symmetric_border_is_not_its_own_adjoint():
    # A correlation with the same border is not the transpose: the samples at the border were read twice.
    operator, y = fa.operator([1.0, 2.0, 4.0], (4,), "reflect"), np.arange(4.0)
    np.testing.assert_allclose(operator.T(y), matrix(operator).T @ y)
    assert not np.allclose(fa.correlate(y, [1.0, 2.0, 4.0], "reflect"), matrix(operator).T @ y)


def test_scipy_solves_with_it():
    kernel, x = fa.gaussian(0.4), RANDOM.normal(size=(9, 8))
    operator = fa.operator(kernel, x.shape, "reflect")
    y = operator(x)
    np.testing.assert_allclose(lsqr(operator, y.ravel(), atol=1e-13, btol=1e-13)[0], x.ravel(), atol=1e-8)
    solution, failed = cg(operator, y.ravel(), rtol=1e-12)  # symmetric, as the kernel is even
    assert not failed
    np.testing.assert_allclose(solution, x.ravel(), atol=1e-8)
    wrapped = aslinearoperator(operator)
    assert isinstance(wrapped, LinearOperator)
    assert wrapped.shape == (72, 72)
    assert wrapped.dtype == np.float64
    np.testing.assert_allclose((wrapped.H @ wrapped) @ x.ravel(), operator.T(y).ravel())
    with pytest.raises(fa.ArgumentTypeError, match=r"x: .* got an operator.*aslinearoperator"):
        operator.T @ operator


def test_flat_vectors_columns_and_tensors():
    operator = fa.operator(fa.sobel(axis=0), (4, 5), "nearest", stride=2)
    x = RANDOM.normal(size=(4, 5))
    np.testing.assert_array_equal(operator @ x, operator(x))
    np.testing.assert_array_equal(operator @ x.ravel(), operator(x).ravel())
    columns = RANDOM.normal(size=(20, 3))
    np.testing.assert_allclose(operator @ columns, matrix(operator) @ columns, atol=1e-14)
    y = RANDOM.normal(size=operator.output_shape)
    np.testing.assert_allclose(operator.T @ torch.tensor(y.ravel()), operator.T(y).ravel(), atol=1e-14)
    np.testing.assert_allclose(operator @ torch.tensor(columns), matrix(operator) @ columns, atol=1e-14)
    tensor = torch.tensor(y, requires_grad=True)
    (operator.T(tensor) * torch.tensor(x)).sum().backward()
    np.testing.assert_allclose(tensor.grad, operator(x), atol=1e-14)


def test_dtypes():
    x = np.ones((4, 5), np.float32)
    operator = fa.operator(fa.gaussian(1.0), x.shape, "mirror")
    assert operator(x).dtype == operator.T(x).dtype == np.float32
    single = fa.operator(fa.gaussian(1.0), x.shape, dtype="float32")
    assert single.dtype == single(x.astype(float)).dtype == np.float32
    strided = np.ones((8, 10))[::2, ::-2]
    np.testing.assert_array_equal(operator.T(strided), operator.T(np.ascontiguousarray(strided)))


def test_arrays_without_samples():
    operator = fa.operator([1.0, 2.0], (3, 0))
    assert operator(np.ones((3, 0))).shape == operator.T(np.ones((3, 0))).shape == (3, 0)
    assert operator(torch.ones(3, 0)).shape == (3, 0)


def test_infinite_samples_stay_where_they_are_read():
    y = np.zeros(6)
    y[0] = np.inf
    operator = fa.operator([1.0, 1.0, 1.0], (6,), "reflect")
    assert np.isinf(operator.T(y)).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        (([1.0], 5), ArgumentTypeError, "shape"),
        (([1.0], (5,), "constant", 1.0), ArgumentError, "cval"),
        (([1.0], (5,), "sideways"), ArgumentError, "mode"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, name):
    with pytest.raises(error, match=f"^{name}: expected"):
        fa.operator(*arguments)


def test_wrong_keywords_and_arrays_are_named():
    with pytest.raises(ArgumentError, match=r"^region: expected one of 'same', 'valid', 'full'"):
        fa.operator([1.0], (5,), region="inside")
    with pytest.raises(ArgumentError, match=r"^dtype: expected a dtype of floats or complex numbers, got uint8"):
        fa.operator([1.0], (5,), dtype="uint8")
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(5,\), got shape \(4,\)"):
        fa.operator([1.0], (5,))(np.ones(4))
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(2, 2\), \(4,\) or \(4, n\), got shape \(5,\)"):
        fa.operator([[1.0]], (2, 2)) @ np.ones(5)
    with pytest.warns(AxesWarning):
        fa.operator([[1.0]], (8, 9, 3))
    dask = pytest.importorskip("dask.array")
    with pytest.raises(ArgumentTypeError, match=r"^x: expected an array of NumPy or a tensor, got a Array"):
        fa.operator([1.0], (5,))(dask.ones(5))


@pytest.mark.parametrize("mode", MODES)
def test_folding_is_the_transpose_of_an_extension(mode):
    for length in (1, 2, 3, 5):
        operator = fa.operator(fa.Kernel(np.ones(1), origin=0), (length,), mode)
        assert operator.T(np.ones(length)).tolist() == [1.0] * length
        for start, count in ((-7, 17), (2, 4), (-6, 3), (length, 3)):
            values = RANDOM.normal(size=(2, count))
            wanted = np.zeros((2, length))
            for k in range(count):
                unit = fa.operator(fa.delta(ndim=1), (length,), mode)
                index = MODES[mode](np.array([start + k]), unit.shape[1])[0]
                if index >= 0:
                    wanted[:, index] += values[:, k]
            np.testing.assert_allclose(fold(values.copy(), 1, start, length, mode), wanted, atol=1e-14)


def test_spreading_puts_zeros_between():
    assert spread(np.ones((2, 2)), [0, 1], [2, 1]).tolist() == [[1, 1], [0, 0], [1, 1]]

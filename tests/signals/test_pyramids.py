"""An array is rebuilt from its Laplacian pyramid, whatever its shape; levels equal those of loops and of OpenCV."""

from __future__ import annotations

import itertools

import cv2
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import faltung as fa

MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]
RANDOM = np.random.default_rng(0)


def reduced(x, mode):
    for axis in range(x.ndim):
        x = ndimage.correlate1d(x, [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], axis, mode=mode)
    return x[(slice(None, None, 2),) * x.ndim]


def expanded(coarse, shape, mode):
    """Extend the coarse level by one sample, put zeros between all, and convolve; along one axis after another."""
    padding = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}
    for axis, n in enumerate(shape):
        y = np.pad(coarse.swapaxes(axis, 0), [(1, 1)] + [(0, 0)] * (len(shape) - 1), padding[mode])
        dense = np.zeros((2 * len(y), *y.shape[1:]))
        dense[::2] = y
        rows = [
            sum(w * dense[t + 2 + m] for m, w in zip(range(-2, 3), [1, 4, 6, 4, 1], strict=True)) / 8
            for t in range(n)
        ]
        coarse = np.stack(rows).swapaxes(axis, 0)
    return coarse


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1,), (2,), (17,), (8, 13), (1, 5), (6, 1, 7)])
def test_levels_by_the_definition(shape, mode):
    x = RANDOM.standard_normal(shape)
    g = [x]
    for _ in range(3):
        g.append(reduced(g[-1], mode))
    for found, wanted in zip(fa.pyramid(x, 4, mode=mode), g, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-13)
    wanted = [fine - expanded(coarse, fine.shape, mode) for fine, coarse in itertools.pairwise(g)]
    for found, level in zip(fa.pyramid(x, 4, "laplacian", mode), [*wanted, g[-1]], strict=True):
        np.testing.assert_allclose(found, level, atol=1e-13)
    for found, level in zip(fa.pyramid(torch.from_numpy(x), 4, "laplacian", mode), [*wanted, g[-1]], strict=True):
        np.testing.assert_allclose(found.numpy(), level, atol=1e-13)


@pytest.mark.parametrize("seed", range(25))
def test_any_shape_is_rebuilt(seed):
    random = np.random.default_rng(seed)
    x = random.random(tuple(random.integers(1, 40, random.integers(1, 4)))).astype("float32")
    p = fa.pyramid(x, int(random.integers(1, 8)), "laplacian", str(random.choice(MODES)))
    rebuilt = fa.collapse(p)
    assert rebuilt.dtype == np.float32
    np.testing.assert_allclose(rebuilt, x, rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=3), st.integers(1, 5), st.sampled_from(MODES), st.integers(0, 6)
)
def test_any_kernel_rebuilds(shape, levels, mode, order):
    x = np.random.default_rng(order).standard_normal(shape)
    kernel = fa.Kernel(np.random.default_rng(order).standard_normal(order + 1), order // 3)
    rebuilt = fa.collapse(fa.pyramid(x, levels, "laplacian", mode, kernel=kernel))
    largest = max(np.abs(level).max() for level in fa.pyramid(x, levels, "laplacian", mode, kernel=kernel))
    np.testing.assert_allclose(
        rebuilt, x, rtol=0, atol=1e-13 * max(1, largest) * max(1, np.abs(kernel.taps).sum()) ** 3
    )


def test_what_scikit_image_cannot_rebuild():
    # scikit-image#7921, #8007: the levels of pyramid_laplacian smooth without the smaller image, so that their sum
    # with the resized coarser levels is another picture.
    transform = pytest.importorskip("skimage.transform")
    x = RANDOM.random((64, 96))
    theirs = list(transform.pyramid_laplacian(x, max_layer=3))
    image = theirs[-1]
    for level in theirs[-2::-1]:
        image = level + transform.resize(image, level.shape, order=1)
    assert np.abs(image - x).max() > 0.3
    np.testing.assert_allclose(fa.collapse(fa.pyramid(x, 4, "laplacian")), x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(32, 48), (33, 47), (5, 6)])
def test_opencv(shape):
    x = RANDOM.random(shape).astype("float32")
    np.testing.assert_allclose(fa.pyramid(x, 2, mode="mirror")[1], cv2.pyrDown(x), atol=1e-6)
    coarse = cv2.pyrDown(x)
    expand = x - fa.pyramid(x, 2, "laplacian", "mirror")[0]
    theirs = cv2.pyrUp(coarse, dstsize=shape[::-1])
    np.testing.assert_allclose(expand[:-2, :-2], theirs[:-2, :-2], atol=1e-6)  # they have another border at the end


def test_a_constant_has_no_details():
    for shape in ((7,), (12, 9)):
        *details, last = fa.pyramid(np.full(shape, 3.0), 4, "laplacian")
        assert all(np.abs(level).max() < 1e-14 for level in details)
        np.testing.assert_allclose(last, 3, atol=1e-14)


def test_gradients():
    x = torch.from_numpy(RANDOM.standard_normal((7, 10))).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: tuple(fa.pyramid(a, 3, "laplacian", "mirror")), x)
    rebuilt = fa.collapse(fa.pyramid(x, 3, "laplacian"))
    (gradient,) = torch.autograd.grad(rebuilt.sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(x))


def test_dask_and_xarray():
    x = RANDOM.standard_normal((33, 50))
    wanted = fa.pyramid(x, 3, "laplacian")
    lazy = fa.pyramid(da.from_array(x, chunks=(10, 17)), 3, "laplacian")
    assert all(isinstance(level, da.Array) for level in lazy)
    for level, other in zip(lazy, wanted, strict=True):
        np.testing.assert_allclose(level.compute(), other, atol=1e-13)
    np.testing.assert_allclose(fa.collapse(lazy).compute(), x, atol=1e-13)
    labelled = xr.DataArray(x, dims=("y", "x"), coords={"x": np.arange(50) / 2}, attrs={"units": "m"})
    levels = fa.pyramid(labelled, 3, "laplacian", dims=("x", "y"))
    assert levels[2].x.data.tolist() == np.arange(0, 25, 2).tolist()
    assert levels[2].attrs == {"units": "m"}
    xr.testing.assert_allclose(fa.collapse(levels), labelled)


def test_axes_and_complex_numbers_and_integers():
    colours = RANDOM.integers(0, 255, (21, 30, 3)).astype("uint8")
    p = fa.pyramid(colours, 3, "laplacian", axes=(0, 1))
    assert [level.shape for level in p] == [(21, 30, 3), (11, 15, 3), (6, 8, 3)]
    for channel in range(3):
        np.testing.assert_allclose(
            p[1][..., channel], fa.pyramid(colours[..., channel], 3, "laplacian")[1], atol=1e-4
        )
    np.testing.assert_array_equal(np.rint(fa.collapse(p)), colours)
    x = RANDOM.standard_normal((9, 8)) * (1 + 2j)
    np.testing.assert_allclose(fa.collapse(fa.pyramid(x, 3, "laplacian")), x, atol=1e-13)


def test_missing_samples():
    x = RANDOM.standard_normal((20, 31))
    x[5:9, 11:20] = np.nan
    x[0, 0] = np.nan
    p = fa.pyramid(x, 4, "laplacian", nan="ignore")
    np.testing.assert_allclose(fa.collapse(p), x, atol=1e-13)
    np.testing.assert_array_equal(np.isnan(p[0]), np.isnan(x))
    spread = fa.pyramid(x, 2)[1]
    assert np.isnan(spread).sum() > np.isnan(fa.pyramid(x, 2, nan="ignore")[1]).sum()


def test_a_sequence_of_levels():
    p = fa.pyramid(np.arange(12.0).reshape(3, 4), 2, "laplacian")
    assert repr(p) == "Pyramid(laplacian: 3 x 4, 2 x 2)"
    assert len(p) == len(list(p)) == 2
    double = fa.collapse(p.replaced([2 * level for level in p]))
    np.testing.assert_allclose(double, 2 * np.arange(12.0).reshape(3, 4), atol=1e-14)
    with pytest.raises(fa.FaltungError, match="levels: expected arrays of the shapes"):
        p.replaced([p[0]])


def test_wrong_input():
    x = np.ones((4, 5))
    for arguments, options, text in [
        ((0,), {}, "levels: expected an integer from 1"),
        ((2, "gauss"), {}, "kind: expected 'gaussian' or 'laplacian'"),
        ((2,), {"kernel": fa.binomial(4)}, "kernel: expected a Kernel with one axis, got one with 2"),
        ((2,), {"kernel": [1, 2, 1]}, "kernel: expected a Kernel with one axis, got a list"),
        ((2,), {"axes": 2}, "axes"),
        ((2,), {"mode": ("wrap", "wrap", "wrap")}, "mode"),
    ]:
        with pytest.raises(fa.FaltungError, match=text):
            fa.pyramid(x, *arguments, **options)
    with pytest.raises(fa.FaltungError, match=r"levels: expected a Pyramid.*replaced"):
        fa.collapse([x, x])
    with pytest.raises(fa.FaltungError, match="expected a Laplacian pyramid"):
        fa.collapse(fa.pyramid(x, 2))

"""Richardson and Lucy: each step is the formula, nothing happens at the edge, nothing becomes negative."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.restoration
import torch

import faltung as fa
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.boundary import MODES
from faltung.restore.total_variation import curvature

RANDOM = np.random.default_rng(0)
PSF = fa.Kernel([[0.0, 1.0, 2.0], [3.0, 5.0, 1.0]], origin=(0, 2)) / 12
X = RANDOM.random((7, 9)) + 0.1


def matrix(kernel, shape, mode):
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.stack([fa.convolve(unit, kernel, mode).ravel() for unit in units], 1)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mode", [*MODES, ("wrap", "nearest")])
def test_steps_are_those_of_the_formula(mode, masked):
    blur, x = matrix(PSF, X.shape, mode), X.ravel()
    present = np.random.default_rng(1).random(x.size) > 0.2 if masked else np.ones(x.size, bool)
    u = np.full(x.size, x[present].mean())
    for _ in range(4):
        seen = blur.T @ present
        step = blur.T @ (present * x / (blur @ u)) / np.where(seen, seen, 1)
        u = np.where(seen, u * step, u)  # what no sample has seen is left as it is
    mask = present.reshape(X.shape) if masked else None
    found = fa.restore.richardson_lucy(X, PSF, 4, mode, mask=mask)
    np.testing.assert_allclose(found.ravel(), u, rtol=1e-12)
    tensors = {"mask": torch.tensor(mask)} if masked else {}
    found = fa.restore.richardson_lucy(torch.tensor(X), PSF, 4, mode, **tensors)
    np.testing.assert_allclose(found.numpy().ravel(), u, rtol=1e-12)
    if masked:
        x = np.where(mask, X, np.nan)
        np.testing.assert_allclose(fa.restore.richardson_lucy(x, PSF, 4, mode, nan="ignore").ravel(), u, rtol=1e-12)


def test_a_constant_stays_constant_up_to_the_edge():
    # scikit-image takes zeros beyond the border: its edges are wrong by far (scikit-image#3859).
    x, psf = np.full((40, 40), 5.0), fa.gaussian(2.0)
    for mode in ("reflect", "mirror", "nearest", "wrap"):
        np.testing.assert_allclose(fa.restore.richardson_lucy(x, psf, 20, mode), 5.0, rtol=1e-12)
    theirs = skimage.restoration.richardson_lucy(x, psf.taps, 20, clip=False)
    assert abs(theirs - 5.0).max() > 0.5


def test_structure_at_the_edge_is_restored_there():
    truth = np.zeros((32, 32))
    truth[::4, ::4] = truth[-1, -1] = 100.0
    truth += 1
    psf = fa.gaussian(1.0)
    for mode in ("reflect", "wrap", "constant"):
        found = fa.restore.richardson_lucy(fa.convolve(truth, psf, mode), psf, 400, mode)
        assert abs(found - truth)[0].max() < 20
        assert abs(found - truth).max() < 0.2 * abs(fa.convolve(truth, psf, mode) - truth).max() + 5


def test_far_from_the_edge_it_equals_scikit_image():
    x = RANDOM.random((60, 60)) + 0.2
    taps = fa.gaussian(1.0, truncate=3.0).taps
    ours = fa.restore.richardson_lucy(x, taps, 3, start=np.full(x.shape, 0.5))
    theirs = skimage.restoration.richardson_lucy(x, taps, 3, clip=False)
    np.testing.assert_allclose(ours[20:-20, 20:-20], theirs[20:-20, 20:-20], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "float16"])
def test_dtype_and_sign(dtype):
    x = RANDOM.poisson(2.0 * (RANDOM.random((40, 40)) < 0.2)).astype(dtype)  # large areas of zeros
    for psf in (fa.gaussian(1.5), fa.Kernel(RANDOM.random((21, 21)))):
        found = fa.restore.richardson_lucy(x, psf, 20)
        assert found.dtype == (np.float64 if dtype == "float64" else np.float32)
        assert np.isfinite(found).all()
        assert (found >= 0).all()
    assert not fa.restore.richardson_lucy(x * 0, PSF, 3).any()


def test_flux_is_kept():
    x = RANDOM.random((30, 30))
    found = fa.restore.richardson_lucy(x, fa.gaussian(1.5), 10, "wrap")
    np.testing.assert_allclose(found.sum(), x.sum(), rtol=1e-12)
    np.testing.assert_allclose(fa.restore.richardson_lucy(x, 3 * fa.gaussian(1.5), 10, "wrap") * 3, found, rtol=1e-12)


def test_missing_samples_do_not_matter_and_are_filled():
    truth = fa.gaussian(3.0)(RANDOM.random((40, 40))) + 1
    x = fa.convolve(truth, fa.gaussian(1.0))
    mask = np.ones(x.shape, bool)
    mask[10:12, 10:12] = False
    spoiled = np.where(mask, x, 1e6)
    found = fa.restore.richardson_lucy(spoiled, fa.gaussian(1.0), 30, mask=mask)
    assert abs(found - truth).max() < 0.05
    np.testing.assert_array_equal(
        fa.restore.richardson_lucy(np.ma.array(spoiled, mask=~mask), fa.gaussian(1.0), 30), found
    )
    unseen = np.ones(x.shape, bool)
    unseen[:20] = False
    found = fa.restore.richardson_lucy(x, fa.gaussian(1.0), 5, mask=unseen)
    np.testing.assert_allclose(found[:10], x[20:].mean())  # nothing knows about it
    assert np.isfinite(found).all()


def test_a_batch_is_restored_image_by_image():
    x = RANDOM.random((12, 13, 3)).astype(np.float32)
    both = fa.restore.richardson_lucy(x, PSF, 5, axes=(0, 1), start=np.ones_like(x))
    each = [fa.restore.richardson_lucy(x[..., k], PSF, 5, start=np.ones((12, 13))) for k in range(3)]
    np.testing.assert_allclose(both, np.stack(each, -1), rtol=1e-5)


def test_three_axes():
    truth = np.ones((9, 10, 11))
    truth[4, 5, 6] = truth[0, 0, 0] = 50.0
    psf = fa.gaussian((1.0, 0.7, 0.7))
    x = fa.convolve(truth, psf)
    found = fa.restore.richardson_lucy(x, psf, 200)
    assert abs(found - truth).max() < 0.4 * abs(x - truth).max()


def test_total_variation_lowers_the_noise_of_flat_areas():
    truth = np.full((64, 64), 10.0)
    truth[20:40, 20:40] = 60.0
    psf = fa.gaussian(1.5)
    x = np.random.default_rng(1).poisson(fa.convolve(truth, psf)).astype(float)
    plain = fa.restore.richardson_lucy(x, psf, 60)
    smooth = fa.restore.richardson_lucy(x, psf, 60, total_variation=0.02)
    assert smooth[:16].std() < 0.5 * plain[:16].std()
    assert np.linalg.norm(smooth - truth) < 0.7 * np.linalg.norm(plain - truth)
    assert (smooth >= 0).all()
    tensor = fa.restore.richardson_lucy(torch.tensor(x), psf, 60, total_variation=0.02)
    np.testing.assert_allclose(tensor, smooth, rtol=1e-4)


def test_the_curvature_is_the_derivative_of_the_total_variation():
    u, d, e = RANDOM.random((5, 6)), RANDOM.random((5, 6)), 0.1

    def variation(u):
        a, b = np.diff(u, axis=0, append=u[-1:]), np.diff(u, axis=1, append=u[:, -1:])
        return np.sqrt(a * a + b * b + e * e).sum()

    slope = (variation(u + 1e-6 * d) - variation(u - 1e-6 * d)) / 2e-6
    np.testing.assert_allclose(-(curvature(u, (0, 1), e) * d).sum(), slope, rtol=1e-6)


def test_it_stops():
    truth = 50 * fa.gaussian(2.0)(RANDOM.random((40, 40))) + 5
    x, steps = RANDOM.poisson(fa.convolve(truth, fa.gaussian(1.0))).astype(float), []
    fa.restore.richardson_lucy(x, fa.gaussian(1.0), 500, progress=lambda step, u: steps.append(step))
    assert steps == [*range(1, 501)]
    seen = []
    fa.restore.richardson_lucy(x, fa.gaussian(1.0), 500, tolerance=1e-2, progress=lambda step, u: seen.append(step))
    assert 1 < len(seen) < 100
    found = fa.restore.richardson_lucy(x, fa.gaussian(1.0), 500, progress=lambda step, u: step == 3)
    np.testing.assert_array_equal(found, fa.restore.richardson_lucy(x, fa.gaussian(1.0), 3))
    noise = 0.95 * float(np.sqrt(x.mean()))
    seen.clear()
    found = fa.restore.richardson_lucy(x, fa.gaussian(1.0), 500, noise=noise, progress=lambda step, u: seen.append(u))
    assert 0 < len(seen) < 500
    assert np.sqrt(np.mean((x - fa.convolve(found, fa.gaussian(1.0))) ** 2)) <= noise


def test_the_input_is_left_as_it_is_and_bits_do_not_depend_on_workers():
    x = RANDOM.random((300, 200)).astype(np.float32)
    copy, start = x.copy(), np.ones_like(x)
    found = fa.restore.richardson_lucy(x, PSF, 3, start=start)
    np.testing.assert_array_equal(x, copy)
    assert (start == 1).all()
    with fa.workers(1):
        np.testing.assert_array_equal(fa.restore.richardson_lucy(x, PSF, 3), fa.restore.richardson_lucy(x, PSF, 3))
        one = fa.restore.richardson_lucy(x, PSF, 3, start=start)
    np.testing.assert_array_equal(one, found)
    np.testing.assert_array_equal(fa.restore.richardson_lucy(x.T[:, ::-1], PSF, 2).shape, x.T.shape)
    assert np.array_equal(fa.restore.richardson_lucy(x, PSF, 0, start=start), start)


def test_half_precision_is_computed_in_single():
    x = torch.tensor(X, dtype=torch.float16)
    found = fa.restore.richardson_lucy(x, PSF, 3)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, fa.restore.richardson_lucy(x.numpy(), PSF, 3), rtol=1e-5)
    assert fa.restore.tikhonov(torch.ones(5, dtype=torch.int64), [1.0, 2.0], 0.1).dtype == torch.float64


def test_gradients_pass_through():
    x = torch.tensor(X, requires_grad=True)
    fa.restore.richardson_lucy(x, PSF, 4)[3, 4].backward()  # a step overwrites nothing that an earlier one needs
    step = np.zeros_like(X)
    step[2, 3] = 1e-6
    up, down = (fa.restore.richardson_lucy(X + s * step, PSF, 4)[3, 4] for s in (1, -1))
    np.testing.assert_allclose(x.grad[2, 3], (up - down) / 2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "text"),
    [
        ((-X, PSF), {}, ArgumentError, "x: expected samples that are not negative"),
        ((X * np.nan, PSF), {}, ArgumentError, "x: expected finite samples"),
        ((X[:0], PSF), {}, ArgumentError, "x: expected at least one sample"),
        ((X * 1j, PSF), {}, ArgumentError, "x: expected real samples"),
        ((X, fa.laplacian()), {}, ArgumentError, "psf: expected real taps that are not negative"),
        ((X, fa.Bank.stack([PSF])), {}, ArgumentTypeError, "psf: expected one kernel"),
        ((X, PSF, 1.5), {}, ArgumentTypeError, "iterations: expected an integer"),
        ((X, PSF), {"total_variation": 0.3}, ArgumentError, "total_variation: expected a number from 0 to less"),
        ((X, PSF), {"nan": "omit"}, ArgumentError, "nan: expected 'propagate' or 'ignore'"),
        ((X, PSF), {"mask": X}, ArgumentTypeError, "mask: expected an array of booleans"),
        ((X, PSF), {"mask": X < 0}, ArgumentError, "mask: expected at least one sample"),
        ((X, PSF), {"start": X[1:]}, ArgumentError, "start: expected an array of the kind of x"),
        ((X, PSF), {"start": -X}, ArgumentError, "start: expected no negative samples"),
        ((X, PSF), {"progress": 3}, ArgumentTypeError, "progress: expected a function"),
        ((X, PSF), {"tolerance": -1}, ArgumentError, "tolerance: expected"),
    ],
)
def test_wrong_arguments_are_named(arguments, keywords, error, text):
    with pytest.raises(error, match=f"^{text}"):
        fa.restore.richardson_lucy(*arguments, **keywords)


def test_arrays_in_parts_are_refused():
    dask = pytest.importorskip("dask.array")
    with pytest.raises(ArgumentTypeError, match=r"^x: expected an array of NumPy or a tensor, got a Array"):
        fa.restore.richardson_lucy(dask.from_array(X), PSF)

"""Filters by gradient: the solution of least squares, robustness, counts, and any other loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import faltung as fa
from faltung.learn import DescentReport, fit_filter, fit_filter_by_gradient
from reference import convolve
from zoo import MODES


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize(
    ("shape", "size", "options"),
    [
        ((200,), 5, {"mode": "constant", "cval": 0.5}),
        ((30, 40), (4, 3), {"mode": "mirror"}),
        ((30, 40), (4, 3), {}),
        ((9, 10, 11), 3, {"mode": "wrap"}),
        ((30, 31, 2), 3, {"channel_axis": -1, "mode": "reflect"}),
        ((20, 21, 3), 3, {"axes": (0, 1), "mode": "nearest"}),
    ],
)
def test_the_squared_loss_gives_the_solution_of_least_squares(rng, shape, size, options):
    # Neighbours are alike, so that the taps are ill determined: plain descent would take thousands of steps.
    x = fa.convolve(rng.normal(size=shape), fa.gaussian(0.9, ndim=len(shape)), "wrap")
    y = rng.normal(size=shape)
    exact, solved = fit_filter(x, y, size, **options)
    fitted, report = fit_filter_by_gradient(x, y, size, workers=1, **options)
    assert type(fitted) is type(exact)
    assert np.abs(fitted.taps - exact.taps).max() < 1e-7 * np.abs(exact.taps).max()
    assert report.training_risk == pytest.approx(solved.training_risk)
    assert report.held_out_risk == pytest.approx(solved.held_out_risk)
    assert report.held_out_interval == pytest.approx(solved.held_out_interval)
    assert report.held_out_positions == solved.held_out_positions
    assert report.evaluations < 12


@pytest.mark.parametrize("mode", MODES)
def test_the_risk_is_that_of_the_filter(rng, mode):
    x, y = rng.normal(size=(2, 9, 8))
    kernel, report = fit_filter_by_gradient(x, y, (2, 3), mode=mode, cval=0.4, held_out=0, workers=1)
    expected = convolve(x, kernel.taps, kernel.origin, mode, 0.4, [(0, 9), (0, 8)])
    assert report.training_risk == pytest.approx(np.mean((expected + report.offset - y) ** 2))
    assert (report.held_out_risk, report.held_out_tiles) == (None, 0)


def test_outliers_mislead_least_squares_and_not_huber(rng):
    x = rng.normal(size=(80, 90))
    kernel = fa.Kernel(rng.normal(size=(3, 3)))
    y = fa.convolve(x, kernel, "wrap") + 0.01 * rng.normal(size=x.shape)
    y[rng.random(x.shape) < 0.05] = 50.0
    squared, _ = fit_filter(x, y, 3, mode="wrap")
    robust, report = fit_filter_by_gradient(x, y, 3, "huber", mode="wrap", workers=1)
    error = np.abs(squared.taps - kernel.taps).max()
    assert error > 0.1
    assert np.abs(robust.taps - kernel.taps).max() < 0.1 * error
    assert report.loss == "huber"
    assert report.gradient < 1e-7


def test_without_noise_huber_gives_the_filter(rng):
    x = rng.normal(size=(40, 40))
    kernel = fa.Kernel(rng.normal(size=(2, 2)))
    fitted, _ = fit_filter_by_gradient(x, fa.convolve(x, kernel), 2, "huber", workers=1)
    assert np.allclose(fitted.taps, kernel.taps, atol=1e-5)
    nothing, report = fit_filter_by_gradient(x, 0 * x, 2, "huber", workers=1)
    assert (nothing.taps == 0).all()
    assert (report.evaluations, report.gradient) == (2, 0.0)


def test_counts_are_fitted_better_by_their_own_deviance(rng):
    x = np.exp(2 * rng.normal(size=(90, 90)))
    kernel = fa.binomial(2)
    y = rng.poisson(fa.convolve(x, kernel)).astype(float)
    counted, report = fit_filter_by_gradient(x, y, 3, "poisson", workers=1)
    squared, _ = fit_filter(x, y, 3)
    error, other = (np.abs(fitted.taps - kernel.taps).max() for fitted in (counted, squared))
    assert error < 0.5 * other
    assert report.held_out_risk == pytest.approx(1.0, rel=0.2)  # the deviance of counts is about one each
    # At the minimum the derivative of the deviance, sum (1 - y / mean) x[n - m], is zero for every tap.
    full, report = fit_filter_by_gradient(x, y, 3, "poisson", mode="wrap", held_out=0, workers=1)
    mean = fa.convolve(x, full, "wrap") + report.offset
    slopes = [np.mean(1 - y / mean)]
    slopes += [np.mean((1 - y / mean) * np.roll(x, (i - 1, j - 1), (0, 1))) for i, j in np.ndindex(3, 3)]
    assert np.abs(slopes).max() < 1e-5


def test_any_loss_can_be_minimised(rng):
    x = rng.normal(size=(40, 41))
    y = fa.convolve(x, fa.sobel(axis=0), "wrap")

    def rough(prediction, target):
        error = prediction - target
        assert error.ndim == 4
        assert error.shape[:2] == (1, 1)
        return error.square().mean() + error.diff(dim=-1).square().mean()

    kernel, report = fit_filter_by_gradient(x, y, 3, rough, mode="wrap", workers=1)
    assert kernel.isclose(fa.sobel(axis=0), rtol=1e-6)
    assert report.loss == "rough"
    torch_loss, _ = fit_filter_by_gradient(x, y, 3, torch.nn.MSELoss(), mode="wrap", workers=1)
    assert torch_loss.isclose(fa.sobel(axis=0), rtol=1e-6)


def test_missing_samples_and_masks_leave_outputs_out(rng):
    x = rng.normal(size=(30, 40))
    y = fa.convolve(x, fa.prewitt(axis=1)) + rng.normal(size=x.shape)
    x[4, 5], y[20, 20] = np.nan, np.inf
    mask = rng.random(x.shape) < 0.8
    exact, solved = fit_filter(x, y, 3, mask=mask)
    fitted, report = fit_filter_by_gradient(x, y, 3, mask=mask, workers=1)
    assert np.allclose(fitted.taps, exact.taps)
    assert report.training_risk == pytest.approx(solved.training_risk)
    assert report.held_out_risk == pytest.approx(solved.held_out_risk)
    assert (report.positions, report.missing) == (solved.positions, solved.missing)
    robust, _ = fit_filter_by_gradient(x, y, 3, "huber", mask=mask, workers=1)
    assert np.abs(robust.taps - fa.prewitt(axis=1).taps).max() < 0.3


def test_taps_do_not_move_in_directions_without_data():
    x = np.ones((20, 20))
    kernel, report = fit_filter_by_gradient(x, 3 * x, 3, workers=1, offset=False)
    assert np.allclose(kernel.taps, 1 / 3)
    assert report.training_risk < 1e-20


def test_inputs_of_zeros_leave_the_offset_only():
    x, y = np.zeros((40, 40)), np.ones((40, 40))
    kernel, report = fit_filter_by_gradient(x, y, 3, workers=1)
    assert (kernel.taps == 0).all()
    assert report.offset == (pytest.approx(1.0),)
    kernel, report = fit_filter_by_gradient(x, y, 3, workers=1, offset=False)
    assert (kernel.taps == 0).all()
    assert (report.offset, report.training_risk) == (None, pytest.approx(1.0))


def test_the_number_of_steps_is_bounded(rng):
    x = np.exp(rng.normal(size=(30, 30)))
    y = rng.poisson(x).astype(float)
    _, short = fit_filter_by_gradient(x, y, 3, "poisson", iterations=1, workers=1)
    _, full = fit_filter_by_gradient(x, y, 3, "poisson", workers=1)
    assert short.gradient > 100 * full.gradient
    assert short.training_risk > full.training_risk
    assert isinstance(full, DescentReport)
    assert (
        str(full)
        .splitlines()[-1]
        .startswith(f"descent              {full.evaluations} evaluations; the gradient is ")
    )


@pytest.mark.parametrize(
    ("shape", "size", "loss", "options", "message"),
    [
        (
            (9, 9),
            3,
            "cubed",
            {},
            "loss: expected 'squared', 'huber', 'poisson', or a function of prediction and target",
        ),
        (
            (9, 9),
            3,
            1,
            {},
            "loss: expected 'squared', 'huber', 'poisson', or a function of prediction and target, got 1.",
        ),
        ((9, 9), 3, "poisson", {}, "y: expected counts of at least zero for loss='poisson', got negative samples."),
        ((9, 9), 3, "squared", {"iterations": 0}, "iterations: expected an integer from 1 to"),
        ((9, 9), 3, "squared", {"tolerance": 2}, "tolerance: expected a number of at least 0 and at most 1, got 2."),
        (
            (5, 5, 5, 5),
            1,
            "squared",
            {},
            "size: expected a filter of one to three axes, got (1, 1, 1, 1). Use fit_filter.",
        ),
    ],
)
def test_errors_name_the_argument_and_what_was_expected(shape, size, loss, options, message):
    x = -np.ones(shape)
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError)) as caught:
        fit_filter_by_gradient(x, x, size, loss, **options)
    assert message in str(caught.value)

"""Samples near the ends of double precision: the right filter, or a sentence; never a traceback or a NaN."""

import itertools

import numpy as np
import pytest

import faltung as fa
from faltung.fit.closest import closest_named

X = np.random.default_rng(0).standard_normal((20, 20))
Y = fa.convolve(X, fa.gaussian(0.4))


@pytest.mark.parametrize(
    ("x_scale", "y_scale"), [*itertools.product((1e-150, 1.0, 1e150), (1e-150, 1.0, 1e150)), (1.0, 1e-300)]
)
@pytest.mark.parametrize("options", [{}, {"non_negative": True}, {"ridge": 1e-320}])
def test_the_filter_is_scaled_as_the_samples_are(x_scale, y_scale, options):
    with np.errstate(all="raise"):
        k, report = fa.fit_filter(X * x_scale, Y * y_scale, 3, **options)
    factor = y_scale / x_scale
    np.testing.assert_allclose(k.taps / factor, fa.gaussian(0.4, truncate=2.5).taps, rtol=0, atol=2e-3)
    assert "nan" not in str(report)
    assert "inf" not in str(report)
    named = closest_named(k)
    assert "gaussian" in repr(named.kernel)


@pytest.mark.parametrize("non_negative", [False, True])
def test_taps_sum_to_one_or_are_refused(non_negative):
    k, _ = fa.fit_filter(X * 1e-3, Y * 1e3, 3, sum_to_one=True, non_negative=non_negative)
    assert abs(k.taps.sum() - 1) < 1e-6
    for scale in (1e-150, 1e-10):
        with pytest.raises(fa.ArgumentError, match="y: expected samples of about the scale of x"):
            fa.fit_filter(X * scale, Y / scale, 3, sum_to_one=True, non_negative=non_negative)


@pytest.mark.parametrize(
    ("x_scale", "y_scale", "argument", "remedy"),
    [
        (1e-300, 1.0, "x", "Multiply x and y"),
        (1e300, 1.0, "x", "Divide x and y"),
        (1.0, 1e200, "y", "Divide x and y"),
    ],
)
def test_what_is_out_of_range_is_refused(x_scale, y_scale, argument, remedy):
    with pytest.raises(fa.ArgumentError, match=remedy) as caught:
        fa.fit_filter(X * x_scale, Y * y_scale, 3)
    assert caught.value.argument == argument

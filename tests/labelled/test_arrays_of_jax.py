"""Arrays of JAX: they are filtered where they are, and traced ones are refused with the remedy."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fa
from faltung.labelled import jax_door
from samples import complex_normal, normal

KERNEL = fa.gaussian(1.0)
jax = pytest.importorskip("jax")
jnp = jax.numpy


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1", "f2", "?", "c8"])
@pytest.mark.parametrize("call", [fa.convolve, fa.correlate])
def test_arrays_of_jax_come_back(dtype, call):
    numbers = (9 * normal((20, 30))).astype(dtype)
    x = jnp.asarray(numbers)
    for options in (
        {},
        {"mode": ("wrap", "nearest")},
        {"shape": "valid"},
        {"mask": numbers > 0} if dtype != "c8" else {},
    ):
        y = call(x, KERNEL, **options)
        assert isinstance(y, jax.Array)
        assert y.devices() == x.devices()
        expected = call(numbers, KERNEL, **options)
        np.testing.assert_array_equal(np.asarray(y), expected.astype(jax.dtypes.canonicalize_dtype(expected.dtype)))
    assert isinstance(KERNEL(x), jax.Array)


def test_taps_and_masks_of_jax():
    x, taps, mask = jnp.asarray(normal((9, 10))), jnp.asarray(normal((3, 2))), jnp.asarray(normal((9, 10)) > 0)
    plain = np.asarray(x), np.asarray(taps)
    np.testing.assert_array_equal(fa.convolve(x, taps), fa.convolve(*plain))
    np.testing.assert_array_equal(
        fa.convolve(x, KERNEL, mask=mask), fa.convolve(plain[0], KERNEL, mask=np.asarray(mask))
    )
    weights = jnp.abs(x) / jnp.abs(x).max()
    got = fa.convolve(x, KERNEL, weights=weights)
    np.testing.assert_array_equal(got, fa.convolve(plain[0], KERNEL, weights=np.asarray(weights)))
    bank = fa.Bank.stack([fa.box(3), fa.sobel()])
    np.testing.assert_array_equal(bank(x), bank(plain[0]))
    with pytest.raises(fa.ArgumentTypeError, match=r"^kernel: expected a NumPy array of numbers, got jaxlib"):
        fa.convolve(plain[0], taps)


def test_double_precision_where_jax_has_it():
    x = jnp.asarray(normal((9, 10)))
    with pytest.raises(
        fa.ArgumentError, match=r"^dtype: expected float32, as JAX has no wider arrays here, got float64"
    ):
        fa.convolve(x, KERNEL, dtype="f8")
    with jax.enable_x64(True):
        y = fa.convolve(x, KERNEL, dtype="f8")
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y, fa.convolve(np.asarray(x), KERNEL, dtype="f8"))
        wide = jnp.asarray(complex_normal((9, 10), "c16"))
        np.testing.assert_array_equal(KERNEL(wide), KERNEL(np.asarray(wide)))


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, jax.vmap], ids=["jit", "grad", "vmap"])
def test_traced_arrays_are_refused_with_the_remedy(transform):
    x = jnp.ones((3, 4)) if transform is jax.vmap else jnp.ones(4)
    with pytest.raises(fa.ArgumentTypeError) as caught:
        transform(lambda x: fa.convolve(x, [1.0, 2.0]).sum())(x)
    message = str(caught.value)
    assert message.startswith("x: expected an array of JAX that has values, got one that is traced.")
    assert "jax.pure_callback" in message
    assert "Gradients are not offered for JAX" in message
    with pytest.raises(fa.ArgumentTypeError, match=r"^kernel: expected an array of JAX that has values"):
        jax.jit(lambda taps: fa.convolve(x, taps))(jnp.ones(3))


def test_a_callback_is_the_way_inside_of_jit():
    def smooth(x):
        return jax.pure_callback(
            lambda v: fa.convolve(np.asarray(v), KERNEL), jax.ShapeDtypeStruct(x.shape, x.dtype), x
        )

    x = jnp.asarray(normal((9, 10)))
    np.testing.assert_array_equal(jax.jit(smooth)(x), KERNEL(x))


def test_out_and_plans_of_jax():
    x = jnp.asarray(normal((9, 10)))
    with pytest.raises(fa.ArgumentError, match=r"^out: expected None for an array of JAX"):
        fa.convolve(x, KERNEL, out=np.zeros((9, 10), "f4"))
    np.testing.assert_array_equal(fa.plan(x, KERNEL)(np.asarray(x)), KERNEL(x))
    with pytest.raises(
        fa.ArgumentTypeError, match=r"^x: expected numbers of at most double precision, got dtype bfloat16"
    ):
        KERNEL(x.astype("bfloat16"))


def test_the_samples_of_jax_are_not_copied(monkeypatch):
    x, seen = jnp.asarray(normal((9, 10))), []
    real = jax_door.door_of

    def spy(samples, kernel):
        seen.append(samples)
        return real(samples, kernel)

    monkeypatch.setattr(jax_door, "door_of", spy)
    KERNEL(x)
    assert seen[0].ctypes.data == x.unsafe_buffer_pointer()

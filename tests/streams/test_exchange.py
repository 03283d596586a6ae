"""Kernels that take over while a stream runs, streams that are stored, and streams in threads."""

from __future__ import annotations

import io
import itertools
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from pushed_signals import defined, pushed, stages


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def ramped(old, new, start, length, curve):
    """The outputs of two kernels, mixed from an output on."""
    share = ((np.arange(old.shape[-1]) - start + 1) / (length + 1)).clip(0, 1)
    if curve == "linear":
        return (1 - share) * old + share * new
    return np.cos(np.pi / 2 * share) * old + np.sin(np.pi / 2 * share) * new


@pytest.mark.parametrize("curve", ["linear", "equal-power"])
@pytest.mark.parametrize("ramp", [0, 1, 100, 1000])
@pytest.mark.parametrize("taps", [(40, 40), (40, 900), (900, 40), (900, 700)], ids=str)
def test_a_kernel_takes_over_along_a_ramp(rng, curve, ramp, taps, monkeypatch):
    x, old, new = rng.standard_normal((2, 3000)), *(rng.standard_normal(n) for n in taps)
    with stages(monkeypatch, 128, 256):
        stream = fa.Stream(old, channels=2, longest=900, shape="same")
        first = pushed(stream, x[:, :1203], [64, 61], flush=False)
        stream.exchange(new, ramp=ramp, curve=curve)
        y = np.concatenate([first, pushed(stream, x[:, 1203:], [64, 61])], -1)
    expected = ramped(defined(x, old)[:, :3000], defined(x, new)[:, :3000], 1203, ramp, curve)
    assert_allclose(y, expected, atol=1e-10)
    assert stream.kernel == fa.Kernel(new)


def test_a_second_kernel_may_come_during_the_ramp(rng):
    x, kernels = rng.standard_normal(500), rng.standard_normal((3, 20))
    stream = fa.Stream(kernels[0], shape="same")
    y = [stream.push(x[:100])]
    stream.exchange(kernels[1], ramp=200)
    y.append(stream.push(x[100:150]))
    stream.exchange(kernels[2], ramp=50)
    y.append(stream.push(x[150:]))
    outputs = [defined(x, kernel)[:500] for kernel in kernels]
    expected = ramped(ramped(outputs[0], outputs[1], 100, 200, "linear"), outputs[2], 150, 50, "linear")
    assert_allclose(np.concatenate(y), expected, atol=1e-12)


def test_an_old_infinity_ends_with_the_ramp(rng):
    x = np.zeros(100)
    x[10] = np.inf
    stream = fa.Stream(np.ones(80), shape="same")
    y = [stream.push(x[:20])]
    stream.exchange([1.0], ramp=5)
    y.append(stream.push(x[20:]))
    finite = np.isfinite(np.concatenate(y))
    assert_array_equal(np.flatnonzero(~finite), np.arange(10, 25))


@pytest.mark.parametrize(
    ("kernel", "arguments", "message"),
    [
        (np.ones(4), {}, "Make the stream with longest=4"),
        (np.ones(2), {"ramp": -1}, "ramp: expected"),
        (np.ones(2), {"curve": "cubic"}, "curve: expected 'linear' or 'equal-power', got 'cubic'"),
        (np.ones(2) * 1j, {}, "dtype='complex64'"),
        (np.ones((2, 1, 2)), {}, "1 channels out, as before"),
    ],
)
def test_kernels_that_do_not_fit_are_refused(kernel, arguments, message):
    stream = fa.Stream(np.ones(3), channels=1)
    stream.push(np.ones((1, 5)))
    with pytest.raises((fa.ArgumentError, fa.ArgumentTypeError)) as caught:
        stream.exchange(kernel, **arguments)
    assert message in str(caught.value)
    assert stream.kernel == fa.Kernel(np.ones(3))


def test_a_centred_stream_keeps_its_origin():
    stream = fa.Stream(fa.Kernel(np.ones(5)), align="centred")
    stream.exchange(fa.Kernel(np.zeros(5)))
    with pytest.raises(fa.ArgumentError, match="the origin 2 of the stream, got 1"):
        stream.exchange(fa.Kernel(np.ones(3)))


# ---- state


def stored(state):
    """A state that was written to a file and read again, without pickles."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))


ARGUMENTS = {
    "plain": {},
    "centred": {"align": "centred"},
    "same": {"shape": "same", "dtype": "float32"},
    "rates": {"up": 3, "down": 2},
    "pointwise": {"accuracy": "pointwise"},
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
@pytest.mark.parametrize("taps", [1, 30, 900])
@pytest.mark.parametrize("cut", [0, 1, 500, 1024, 1999, 2000])
def test_a_stream_continues_after_it_was_stored(rng, arguments, taps, cut, monkeypatch):
    kernel, x = rng.standard_normal(taps), rng.standard_normal((2, 2000)).astype(arguments.get("dtype", "float64"))
    with stages(monkeypatch, 128, 256):
        whole = pushed(fa.Stream(kernel, channels=2, **arguments), x, [128, 61])
        stream = fa.Stream(kernel, channels=2, **arguments)
        first = pushed(stream, x[:, :cut], [128, 61], flush=False) if cut else stream.push(x[:, :0])
        other = fa.Stream.restore(stored(stream.state()))
        y = np.concatenate([first, pushed(other, x[:, cut:], [128, 61])], -1) if cut < 2000 else None
        y = np.concatenate([first, other.flush()], -1) if y is None else y
    assert y.dtype == whole.dtype
    assert_allclose(y, whole, atol=1e-3 if whole.dtype == np.float32 else 1e-11)
    assert (other.latency, other.delay, other.channels) == (stream.latency, stream.delay, 2)


def test_a_ramp_and_infinities_are_stored(rng, monkeypatch):
    x, kernels = rng.standard_normal(2000), rng.standard_normal((2, 700))
    x[550] = np.inf

    def run(store):
        stream = fa.Stream(kernels[0])
        y = [pushed(stream, x[:600], [100], flush=False)]
        stream.exchange(kernels[1], ramp=300, curve="equal-power")
        y.append(pushed(stream, x[600:700], [100], flush=False))
        stream = fa.Stream.restore(stored(stream.state())) if store else stream
        return np.concatenate([*y, pushed(stream, x[700:], [100])])

    with stages(monkeypatch, 128):
        assert_allclose(run(True), run(False), atol=1e-10)


@pytest.mark.parametrize("at", [10, 100, 39_990, 40_700, 60_000, 79_500, 79_999])
def test_infinities_that_are_over_do_not_come_back(rng, at, monkeypatch):
    x, kernel = rng.standard_normal(81_000), rng.standard_normal(700)
    x[at] = np.inf
    with stages(monkeypatch, 128):
        stream = fa.Stream(kernel)
        stream.push(x[:80_000])
        other = fa.Stream.restore(stored(stream.state()))
        y = other.push(x[80_000:])
        assert_array_equal(np.isfinite(y), np.arange(80_000, 81_000) >= at + 700)
        assert_allclose(y, stream.push(x[80_000:]), atol=1e-10)


def test_the_end_is_stored():
    stream = fa.Stream([1.0, 2.0])
    stream.push([1.0])
    stream.flush()
    with pytest.raises(fa.ArgumentError, match="flushed"):
        fa.Stream.restore(stored(stream.state())).push([1.0])


@pytest.mark.parametrize("missing", ["format", "counts", "taps 0", "axis", "dtype"])
def test_a_state_that_is_none_is_refused(missing):
    state = fa.Stream([1.0, 2.0]).state()
    del state[missing]
    with pytest.raises(fa.ArgumentError, match=r"state: expected what Stream\.state returned"):
        fa.Stream.restore(state)


def test_a_state_with_a_cut_array_is_refused():
    stream = fa.Stream([1.0, 2.0, 3.0], 2)
    stream.push(np.ones((2, 5)))
    state = stream.state()
    cuts = {name: value[..., :-1] if value.ndim else np.array([]) for name, value in state.items()}
    cuts |= {"samples": state["samples"][:1], "ramp 0": state["ramp 0"][:0]}
    for name in ("samples", "counts", "channels", "axis", "dtype", "ramp 0", "format"):
        with pytest.raises(fa.ArgumentError, match=r"state: expected what Stream\.state returned"):
            fa.Stream.restore({**state, name: cuts[name]})
    with pytest.raises(fa.ArgumentError, match=r"state: .*2 x 5 samples, got samples of shape \(2, 4\)"):
        fa.Stream.restore({**state, "samples": state["samples"][:, :4]})


def test_a_state_of_another_version_is_refused():
    with pytest.raises(fa.ArgumentError, match=r"Use the version that wrote it\."):
        fa.Stream.restore({**fa.Stream([1.0]).state(), "format": np.array(99)})


# ---- threads


def test_threads_wait_for_each_other(rng, monkeypatch):
    """Many threads push zeros and impulses into one stream: every impulse comes out once."""
    kernel = rng.standard_normal(700)
    with stages(monkeypatch, 128):
        stream = fa.Stream(kernel)
        outputs, lock = [], threading.Lock()

        def work():
            for _ in range(20):
                y = stream.push(np.ones(1))
                with lock:
                    outputs.append(float(y[0]))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_allclose(sorted(outputs), sorted(itertools.accumulate(kernel[:80])), atol=1e-12)

"""How is a signal filtered that has no end? Samples are pushed block by block, and outputs come at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from faltung.errors import ArgumentError
from faltung.ground.checks import integer
from faltung.kernels import Bank, Kernel
from faltung.streams import stored_state
from faltung.streams.fade import CURVES, Ramp
from faltung.streams.running_kernels import RunningKernels
from faltung.streams.setting import Setting, as_filter, check_fits, sample_dtype, setting_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Stream"]


class Stream:
    """A filter for a signal that comes in blocks, of any length, and whose end is not known.

    All outputs together are the result of the whole signal, which is zero before its beginning::

        y[n] = sum over m of kernel[m] x[n - m]

    Parameters
    ----------
    kernel : Kernel, Bank or array_like
        A kernel with one axis, which filters every channel; or a bank, which mixes channels as in `convolve` with
        ``channel_axis``. An array of taps is a kernel if it has one axis, and a bank if it has three.
    channels : int, optional
        Number of channels. Samples then have two axes, and `axis` is that of time. The default is samples with one
        axis.
    block : int, optional
        Number of samples of most pushes: the work for long kernels is spread evenly over pushes of this length. It
        changes neither results nor latency, and pushes may have any length. The default is 256.
    axis : int, optional
        The axis of time.
    up, down : int, optional
        Factors that change the rate: `up` - 1 zeros are put behind every sample, and every `down`-th output is given.
        The kernel is one at `up` times the rate of the samples. The outputs are those of `scipy.signal.upfirdn`.
    align : {'causal', 'centred'}, optional
        Which output belongs to a sample. ``causal``: the first tap counts for the sample itself, and nothing comes
        early or late. ``centred``: the tap at the origin does, as in `convolve`; outputs then wait for the samples
        that they need, which are `latency` samples later. For a symmetric kernel this is zero phase.
    shape : {'full', 'same'}, optional
        Where the output ends. ``full``: with the last output that the signal affects; it is the default for
        ``causal``. ``same``: with the last sample; it is the default for ``centred``, which has no other.
    groups : int, optional
        Number of groups of channels for a bank. A bank with one channel in and ``groups=channels`` has a kernel of
        its own for each channel.
    dtype : dtype, optional
        Dtype of the samples, from which that of the outputs follows as in `convolve`. The default is that of the
        first push. Later pushes may hold anything that it can represent.
    longest : int, optional
        Most taps of the kernels that `exchange` will bring. The default is the taps of this kernel.
    accuracy : {'norm', 'pointwise'}, optional
        The scale that rounding errors are relative to, as for `convolve`; ``pointwise`` uses no Fourier transforms.

    Attributes
    ----------
    latency : int
        Samples that must be pushed after a sample, before its own output is given: 0 if causal.
    delay : int or float
        Samples by which outputs come later than those of `convolve`, which has the origin at lag zero: the origin if
        causal, and 0 if centred. With `up`, it is counted in samples of the input, and may be a fraction.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    See Also
    --------
    convolve : The same for a whole signal.

    Notes
    -----
    Every push gives all outputs that its samples allow, so there is no latency besides that of the alignment. The
    first taps of a long kernel are applied directly, and the others in partitions of two sizes by Fourier transforms.
    Their work is spread over the samples until the outputs are due. Transforms are computed in double precision.

    A sample that is not finite affects exactly the outputs whose non-zero taps read it.

    A stream is used by one thread at a time: calls from other threads wait for each other. It computes in the thread
    that calls it.

    W. G. Gardner, "Efficient convolution without input-output delay", J. Audio Eng. Soc. 43, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> stream = fa.Stream([1.0, 2.0, 3.0])
    >>> stream.push([1.0, 0.0]), stream.push([0.0]), stream.flush()
    (array([1., 2.]), array([3.]), array([0., 0.]))
    >>> centred = fa.Stream([1.0, 2.0, 3.0], align="centred")
    >>> centred.latency, centred.push([1.0, 0.0]), centred.push([0.0]), centred.flush()
    (1, array([2.]), array([3.]), array([0.]))
    """

    def __init__(
        self,
        kernel: Kernel | Bank | ArrayLike,
        channels: int | None = None,
        block: int | None = None,
        axis: int = -1,
        up: int = 1,
        down: int = 1,
        *,
        align: str = "causal",
        shape: str | None = None,
        groups: int = 1,
        dtype: DTypeLike | None = None,
        longest: int | None = None,
        accuracy: str = "norm",
    ) -> None:
        given = as_filter(kernel, channels)
        arguments = (channels, groups, block, axis, up, down, align, shape, longest, accuracy)
        self._setting = setting_of(given, *arguments)
        self._kernels = RunningKernels(self._setting, [(given, None)], None if dtype is None else sample_dtype(dtype))
        self._lock = threading.RLock()
        self._pushed = 0
        self._ended = self._closed = False

    # ---- what can be read

    @property
    def kernel(self) -> Kernel | Bank:
        """The kernel; during a ramp, the new one."""
        return self._kernels.newest

    @property
    def latency(self) -> int:
        """Samples that must be pushed after a sample, before its own output is given."""
        return -(-self._setting.offset // self._setting.up)

    @property
    def delay(self) -> int | float:
        """Samples by which outputs come later than those of `convolve`."""
        behind = self.kernel.origin[0] - self._setting.offset
        return behind // self._setting.up if behind % self._setting.up == 0 else behind / self._setting.up

    @property
    def channels(self) -> int | None:
        """Channels of the samples, or None if they have a single axis."""
        return self._setting.channels

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Dtype of the outputs; None until the first samples came, unless it was named."""
        return None if self._kernels.kept is None else self._kernels.result(self._kernels.kept)

    @property
    def position(self) -> int:
        """Samples that were pushed."""
        return self._pushed

    def __repr__(self) -> str:
        """Return what the stream does."""
        setting = self._setting
        rates = f", up={setting.up}, down={setting.down}" if setting.resamples else ""
        align = "centred" if setting.centred else "causal"
        return f"Stream({self.kernel!r}, channels={setting.channels}{rates}, align={align!r})"

    # ---- what can be done

    def push(self, samples: ArrayLike) -> NDArray[Any]:
        """Take the next samples, and return all outputs that they allow.

        Parameters
        ----------
        samples : array_like
            Any number of samples, also none: with one axis, or with the axes of channels and time.

        Returns
        -------
        ndarray
            The outputs, in the same order of axes. Without a change of the rate, a causal stream gives as many as
            there are samples.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The samples have another shape or a wider dtype than the stream, or it has ended.
        """
        with self._lock:
            self._check_open()
            setting, kernels = self._setting, self._kernels
            array = setting.inward(samples, kernels.kept)
            pushed = self._pushed + array.shape[1]
            outputs = kernels.run(array, setting.outputs(pushed, kernels.taps))
            self._pushed = pushed
            return setting.outward(outputs)

    def flush(self) -> NDArray[Any]:
        """End the signal, and return the outputs that are left; `reset` begins another one.

        Returns
        -------
        ndarray
            The outputs for which the signal continues with zeros.
        """
        with self._lock:
            self._check_open()
            self._ended = True
            setting, kernels = self._setting, self._kernels
            target = setting.all_outputs(self._pushed, kernels.taps)
            zeros = -(-((target - 1) * setting.down + setting.offset + 1) // setting.up) - self._pushed
            silence = np.zeros((setting.lines, max(0, zeros)), kernels.kept or np.float64)
            return setting.outward(kernels.run(silence, target))

    def exchange(self, kernel: Kernel | Bank | ArrayLike, ramp: int = 0, curve: str = "linear") -> None:
        """Go on with another kernel, as if it had run from the beginning.

        Parameters
        ----------
        kernel : Kernel, Bank or array_like
            The new kernel, for the same channels, with at most `longest` taps.
        ramp : int, optional
            Outputs during which the old kernel fades out and the new one fades in. Meanwhile, both are computed.
            Another exchange may come before it is over.
        curve : {'linear', 'equal-power'}, optional
            The weights w of the new kernel and v of the old one: ``v + w = 1``, or ``v**2 + w**2 = 1``. Linear ramps
            are for kernels that are alike, whose outputs would become louder with the other curve.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            The kernel does not fit to the stream.

        Notes
        -----
        The spectra of a long kernel are computed in this call: about 0.3 ms for every 1000 taps.

        Examples
        --------
        >>> import faltung as fa
        >>> stream = fa.Stream([1.0])
        >>> stream.exchange([0.0], ramp=3)
        >>> stream.push([1.0, 1.0, 1.0, 1.0])
        array([0.75, 0.5 , 0.25, 0.  ])
        """
        with self._lock:
            self._check_open()
            new = as_filter(kernel, self._setting.channels)
            check_fits(new, self._setting)
            length = integer("ramp", ramp, 0)
            if curve not in CURVES:
                raise ArgumentError("curve", "'linear' or 'equal-power'", repr(curve))
            self._kernels.exchange(new, Ramp(length, curve) if length else None)

    def reset(self) -> None:
        """Begin another signal, with the last kernel, and without anything of the signal before."""
        with self._lock:
            self._kernels.begin_again()
            self._pushed = 0
            self._ended = self._closed = False

    def close(self) -> None:
        """End the stream, and free its memory; what was not given is lost."""
        with self._lock:
            self._ended = self._closed = True
            self._kernels.release()

    def __enter__(self) -> Self:
        """Return the stream, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the stream."""
        self.close()

    # ---- state

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that the outputs to come depend on, as plain arrays, for example for `numpy.savez`.

        Returns
        -------
        dict of str to ndarray
            Numbers and texts; nothing in it has to be pickled.

        Examples
        --------
        >>> import faltung as fa
        >>> stream = fa.Stream([1.0, 2.0])
        >>> stream.push([1.0])
        array([1.])
        >>> fa.Stream.restore(stream.state()).push([0.0])
        array([2.])
        """
        with self._lock:
            if self._closed:
                raise ArgumentError("stream", "one that was not closed", "a stream without samples")
            kernels = self._kernels
            counts = (self._pushed, kernels.given, int(self._ended))
            return stored_state.packed(self._setting, counts, kernels.kept, kernels.samples(), kernels.voices())

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Stream:
        """Return a stream that continues where `state` was called.

        Parameters
        ----------
        state : mapping of str to ndarray
            What `state` returned, or what `numpy.load` returns for a file of it.

        Raises
        ------
        ArgumentError
            Something is missing, or is not what `state` writes.
        """
        setting, counts, kept, samples, voices = stored_state.unpacked(state)
        kernels = RunningKernels(setting, voices, kept)
        kernels.resume(counts[0], counts[1], samples)
        return cls._made(setting, kernels, counts[0], bool(counts[2]))

    # ---- how it is done

    @classmethod
    def _made(cls, setting: Setting, kernels: RunningKernels, pushed: int = 0, ended: bool = False) -> Self:
        self = cls.__new__(cls)
        self._setting, self._kernels, self._pushed, self._ended = setting, kernels, pushed, ended
        self._closed, self._lock = False, threading.RLock()
        return self

    def _check_open(self) -> None:
        if self._ended:
            what = "closed" if self._closed else "flushed"
            raise ArgumentError("stream", "one that has not ended", f"one that was {what}", "Call reset() first.")

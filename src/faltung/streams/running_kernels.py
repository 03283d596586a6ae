"""Which kernels run along a signal? One, and during a ramp those that it takes over from, over one history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ArgumentError
from faltung.kernels import Bank, Kernel
from faltung.streams.fade import Ramp
from faltung.streams.head import MOST
from faltung.streams.history import History
from faltung.streams.partitioning import LONGEST
from faltung.streams.rates import Polyphase
from faltung.streams.running_filter import RunningFilter
from faltung.streams.setting import Setting, sample_dtype

__all__ = ["RunningKernels"]


@dataclass
class _Voice:
    """A kernel that runs, and the ramp along which it takes over from those before."""

    kernel: Kernel | Bank
    ramp: Ramp | None
    filter: RunningFilter | Polyphase


class RunningKernels:
    """The kernels of a stream, their history, and the outputs that were given.

    Parameters
    ----------
    setting : Setting
        The arguments of the stream.
    voices : sequence of (Kernel or Bank, Ramp or None)
        The kernels, the newest one last.
    kept : dtype or None
        Dtype of the samples in the history; None until the first ones come.

    Attributes
    ----------
    given : int
        Outputs that were given.
    newest : Kernel or Bank
        The kernel that was given last.
    taps : int
        Taps of the longest kernel that is running.
    """

    def __init__(
        self, setting: Setting, voices: Sequence[tuple[Kernel | Bank, Ramp | None]], kept: np.dtype[Any] | None
    ) -> None:
        self._setting = setting
        self._given_voices = [*voices]
        self._voices: list[_Voice] = []
        self._history: History | None = None
        self.kept = kept
        self.given = 0
        self._note_kernels()

    def voices(self) -> list[tuple[Kernel | Bank, Ramp | None]]:
        """Return the kernels with their ramps."""
        return [(voice.kernel, voice.ramp) for voice in self._voices] or self._given_voices

    def samples(self) -> NDArray[Any] | None:
        """Return the samples in the history; None if there is none yet."""
        history = self._history
        return None if history is None else history.last(min(history.size, history.position))

    def result(self, samples: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the outputs for samples of a dtype."""
        kept = sample_dtype(samples)
        return np.result_type(kept, np.complex64) if self._is_complex else kept

    def run(self, samples: NDArray[Any], until: int) -> NDArray[Any]:
        """Take samples of shape (channels, n), and return the outputs up to a number, which they allow."""
        outputs = np.empty((self._channels_out, max(0, until - self.given)), self.result(self.kept or samples.dtype))
        if not samples.shape[1]:
            return outputs
        history = self._made(samples.dtype)
        at = done = 0
        unit = min(voice.filter.unit for voice in self._voices)
        while at < samples.shape[1]:
            piece = samples[:, at : at + min(unit - history.position % unit, MOST)]
            history.write(piece)
            allowed = max(0, min(until, self._setting.outputs(history.position, self.taps)) - self.given)
            with np.errstate(all="ignore"):  # infinities of different signs, and sums beyond single precision
                self._fill(history, piece.shape[1], outputs[:, done : done + allowed])
            at, done = at + piece.shape[1], done + allowed
        return outputs

    def exchange(self, kernel: Kernel | Bank, ramp: Ramp | None) -> None:
        """Go on with another kernel, at once or along a ramp."""
        self._check(kernel)
        if self._history is None:
            self._given_voices = [*self._given_voices, (kernel, ramp)] if ramp else [(kernel, None)]
        else:
            voice = _Voice(kernel, ramp, self._filter(kernel, self._history.dtype))
            voice.filter.rewind(self._history)
            self._voices = [*self._voices, voice] if ramp else [voice]
        self._note_kernels()

    def resume(self, pushed: int, given: int, samples: NDArray[Any] | None) -> None:
        """Go on at a position, after these samples."""
        self.given = given
        if samples is not None and self.kept is not None:
            history = self._made(self.kept)
            least = min(history.size, pushed)
            channels = history.last(0).shape[0]
            if samples.ndim != 2 or samples.shape[0] != channels or samples.shape[1] < least:
                received = f"samples of shape {samples.shape}"
                raise ArgumentError(
                    "state", f"what Stream.state returned, with {channels} x {least} samples", received
                )
            history.rewind(pushed, samples)
            for voice in self._voices:
                voice.filter.rewind(history)

    def begin_again(self) -> None:
        """Go on with the newest kernel, as if nothing had come."""
        self._given_voices = [(self.newest, None)]
        self.given = 0
        if self._history is not None:
            self._history.rewind()
            self._voices = self._voices[-1:]
            self._voices[0].ramp = None
            self._voices[0].filter.rewind(self._history)
        self._note_kernels()

    def release(self) -> None:
        """Free all memory."""
        self._given_voices = [(self.newest, None)]
        self._voices, self._history = [], None

    # ---- how it is done

    def _made(self, samples: np.dtype[Any]) -> History:
        """Return the history; the first samples make it, and the filters."""
        if self._history is not None:
            return self._history
        setting = self._setting
        self.kept = kept = self.kept or sample_dtype(samples)
        self._voices = [_Voice(kernel, ramp, self._filter(kernel, kept)) for kernel, ramp in self._given_voices]
        size = setting.longest + 5 * LONGEST + 2 * MOST
        if setting.resamples:
            size = -(-setting.longest // setting.up) + max(voice.filter.reach for voice in self._voices)
        self._history = History(setting.lines, size, kept)
        return self._history

    def _filter(self, kernel: Kernel | Bank, kept: np.dtype[Any]) -> RunningFilter | Polyphase:
        setting = self._setting
        if isinstance(kernel, Kernel) and setting.resamples:
            rates = (setting.up, setting.down, setting.offset)
            return Polyphase(kernel, setting.lines, *rates, kept, setting.accuracy)
        return RunningFilter(kernel, setting.lines, setting.groups, setting.block, kept, setting.accuracy)

    def _fill(self, history: History, new: int, target: NDArray[Any]) -> None:
        """Fill a part of the outputs, for the new samples of the history."""
        first, *later = self._voices
        first.filter.give(history, new, target, self.given)
        for voice in later:
            other = np.empty_like(target)
            voice.filter.give(history, new, other, self.given)
            if voice.ramp is not None:
                voice.ramp.mix(target, other)
        over = [k for k, voice in enumerate(self._voices) if voice.ramp is not None and voice.ramp.over]
        if over:
            self._voices = self._voices[over[-1] :]
            self._voices[0].ramp = None
            self._note_kernels()
        self.given += target.shape[1]

    def _note_kernels(self) -> None:
        """Note what every push asks about the kernels."""
        kernels = [kernel for kernel, _ in self.voices()]
        self.newest = kernels[-1]
        self.taps = max(kernel.shape[0] for kernel in kernels)
        self._is_complex = any(kernel.dtype.kind == "c" for kernel in kernels)
        self._channels_out = self._outputs_of(self.newest)

    def _outputs_of(self, kernel: Kernel | Bank) -> int:
        """Return the channels out of a kernel."""
        return kernel.out_channels if isinstance(kernel, Bank) else self._setting.lines

    def _check(self, kernel: Kernel | Bank) -> None:
        """Refuse a kernel whose outputs have another form."""
        if self._outputs_of(kernel) != self._channels_out:
            expected = f"{self._channels_out} channels out, as before"
            raise ArgumentError("kernel", expected, str(self._outputs_of(kernel)), "Make another stream.")
        if self.kept is not None and kernel.dtype.kind == "c" and self.result(self.kept).kind != "c":
            remedy = "Make the stream with dtype='complex64' or 'complex128'."
            raise ArgumentError("kernel", "real taps for a stream of real numbers", "complex taps", remedy)

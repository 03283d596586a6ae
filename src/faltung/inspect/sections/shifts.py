"""What happens when the input moves? The answer under shifts, and which layers do not follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from faltung.inspect.alias_energy import alias_share
from faltung.inspect.antialiasing import BlurredSubsampling
from faltung.inspect.examples import Example, tensors_in
from faltung.inspect.moved_inputs import Moves, equivariance_error, moved, window_moved
from faltung.inspect.section_result import CardTable, NotMeasured, SectionResult, Subject
from faltung.kernels import binomial

__all__ = ["LayerShift", "ShiftResult", "measure"]

#: Shifts of the input that are tried for the answer, and the largest one, as a part of the length.
_SHIFTS, _LARGEST = 24, 0.125
#: An error above this is no rounding.
_ERROR = 1e-3


@dataclass(frozen=True)
class LayerShift:
    """How one layer follows its own input.

    Parameters
    ----------
    name, kind : str
        The layer.
    stride : tuple of int
        Positions of its input for one position of its output; empty if the output has no positions.
    whole, inside, single : float
        See `faltung.inspect.moved_inputs.Moves`; nan if it cannot be told.
    alias : float
        Share of the energy of its outputs that is an alias, from its taps; nan for layers without taps or stride.
    breaks : str
        What does not follow: ``stride``, ``padding``, ``dense``, ``positions``, or nothing.
    """

    name: str
    kind: str
    stride: tuple[int, ...]
    whole: float
    inside: float
    single: float
    alias: float
    breaks: str


@dataclass(frozen=True, eq=False)
class ShiftResult(SectionResult):
    """How a network follows its input.

    Parameters
    ----------
    circular, window : float
        Share of shifts under which the top answer stays: of the input in a circle, and of a window over the input,
        which is mirrored at its border. Nan if the network gives no one answer.
    shifts : int
        Number of shifts, for each example.
    output_error : float
        Error of the network's output for a shift by its stride; nan if the output has no positions.
    layers : tuple of LayerShift
        The layers.

    References
    ----------
    R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019: consistency.
    """

    heading: ClassVar[str] = "When the input moves"

    circular: float
    window: float
    shifts: int
    output_error: float
    layers: tuple[LayerShift, ...]

    def facts(self) -> Mapping[str, str]:
        """Return the consistency, and which layers do not follow."""
        told = {}
        if not math.isnan(self.circular):
            told["Same top answer"] = (
                f"{self.circular:.1%} of {self.shifts} circular shifts, {self.window:.1%} of as many moved windows"
            )
        if not math.isnan(self.output_error):
            told["Error of the output"] = f"{self.output_error:.2g} of its magnitude, for a shift by its stride"
        for cause, text in _CAUSES.items():
            names = [layer.name for layer in self.layers if cause in layer.breaks.split(", ")]
            if names:
                told[text] = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return told

    def table(self) -> CardTable | None:
        """Return the errors of each layer."""
        rows = tuple(
            (
                layer.name,
                layer.kind,
                " x ".join(map(str, layer.stride)) or "-",
                *(_number(value) for value in (layer.whole, layer.inside, layer.single)),
                "-" if math.isnan(layer.alias) else f"{layer.alias:.0%}",
                layer.breaks or "-",
            )
            for layer in self.layers
        )
        header = ("layer", "kind", "stride", "by stride", "inside", "by one", "alias", "breaks")
        caption = (
            "Each layer on its own input, moved in a circle: error of the output that should move with it, over its "
            "magnitude, for a shift by the stride, the same inside of the border, and for a shift by one sample. "
            "Alias: share of the energy that stride folds into lower frequencies, for white noise."
        )
        return CardTable(header, rows, caption, page_only=("kind", "inside"))

    def figures(self) -> Mapping[str, float]:
        """Return consistency and error."""
        named = {"consistency": self.circular, "window_consistency": self.window, "shift_error": self.output_error}
        return {name: value for name, value in named.items() if not math.isnan(value)}


_CAUSES = {
    "stride": "Stride or pooling breaks it in",
    "padding": "Padding breaks it in",
    "dense": "Positions become features in",
    "positions": "Depends on the position in",
}


def measure(subject: Subject) -> SectionResult:
    """Shift the examples, and the input of every layer.

    Examples
    --------
    See `faltung.inspect.report_card.card`.
    """
    name = subject.captured[0].input
    given = subject.examples[0].tensors[name]
    if not given.is_floating_point() or given.ndim < 3:
        return NotMeasured(f"the input {name!r} has no positions, or no floating-point values")
    axes = tuple(range(2, given.ndim))
    with torch.no_grad():
        circular, window = _consistency(subject, name, axes)
        layers = tuple(_layer_shifts(subject))
        error = _output_error(subject, name, axes)
    return ShiftResult(circular, window, _SHIFTS, error, layers)


def _consistency(subject: Subject, name: str, axes: tuple[int, ...]) -> tuple[float, float]:
    """Return the share of shifts, circular and of a window, under which the top answers stay."""
    output = next(iter(tensors_in(subject.examples[0].output(subject.network))), None)
    if output is None or output.ndim != 2 or output.shape[1] < 2:
        return math.nan, math.nan
    generator = torch.Generator().manual_seed(0)
    kept = {moved: 0.0, window_moved: 0.0}
    for example in subject.examples:
        x = example.tensors[name]
        before = _answers(subject.network, example)
        largest = [max(1, int(_LARGEST * x.shape[axis])) for axis in axes]
        for _ in range(_SHIFTS):
            shift = [int(torch.randint(-far, far + 1, (), generator=generator)) for far in largest]
            for move in kept:
                after = _answers(subject.network, example.replaced({name: move(x, shift, axes)}))
                kept[move] += float((before == after).double().mean())
    total = _SHIFTS * len(subject.examples)
    return kept[moved] / total, kept[window_moved] / total


def _answers(network: nn.Module, example: Example) -> torch.Tensor:
    return next(iter(tensors_in(example.output(network)))).argmax(1)


def _output_error(subject: Subject, name: str, axes: tuple[int, ...]) -> float:
    example = subject.examples[0]
    x = example.tensors[name]
    y = next(iter(tensors_in(example.output(subject.network))))
    stride = _stride(x.shape, y.shape, axes)
    if not stride:
        return math.nan
    z = next(iter(tensors_in(example.replaced({name: moved(x, stride, axes)}).output(subject.network))))
    return equivariance_error(moved(y, [1] * len(axes), axes), z, axes, [0] * len(axes))


def _layer_shifts(subject: Subject) -> Iterator[LayerShift]:
    """Run every layer that is a module on its own input, and on that input moved."""
    modules = subject.modules
    inputs = _inputs_of(subject, {row.name for row in subject.layers if row.name in modules})
    for row in subject.layers:
        if row.name not in inputs:
            continue
        x = inputs.pop(row.name)
        module = modules[row.name]
        y = module(x.clone())
        if not isinstance(y, torch.Tensor) or not y.is_floating_point():
            continue
        axes = tuple(range(2, x.ndim))
        stride = _stride(x.shape, y.shape, axes)
        if stride:
            errors = _errors(module, x, y, stride)
            alias = _alias(module, stride)
            yield LayerShift(row.name, row.kind, stride, *errors, alias, _breaks(errors, stride))
        elif math.prod(x.shape[1:]) and isinstance(module, nn.Linear) and _was_flattened(subject, x):
            yield LayerShift(row.name, row.kind, (), math.nan, math.nan, math.nan, math.nan, "dense")


def _inputs_of(subject: Subject, names: set[str]) -> dict[str, torch.Tensor]:
    """Return the input of the first call of each of these modules, if it is one floating-point tensor."""
    found: dict[str, torch.Tensor] = {}
    handles = []

    def keep(name: str) -> Any:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
            if len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor) and args[0].is_floating_point():
                found.setdefault(name, args[0].detach().clone())

        return hook

    try:
        for name, module in subject.modules.items():
            if name in names:
                handles.append(module.register_forward_pre_hook(keep(name), with_kwargs=True))
        subject.examples[0].output(subject.network)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _stride(before: Sequence[int], after: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """Return how many positions of the input one of the output stands for; empty if it has none."""
    if len(before) != len(after) or not axes or any(after[axis] < 2 or before[axis] < 2 for axis in axes):
        return ()
    return tuple(max(1, round(before[axis] / after[axis])) for axis in axes)


def _errors(module: nn.Module, x: torch.Tensor, y: torch.Tensor, stride: tuple[int, ...]) -> Moves:
    axes = tuple(range(2, x.ndim))
    margin = [_margin(module, axis, step) for axis, step in enumerate(stride)]
    moved_by_stride, ones = module(moved(x, stride, axes)), [1] * len(axes)
    wanted = moved(y, ones, axes)
    whole = equivariance_error(wanted, moved_by_stride, axes, [0] * len(axes))
    inside = equivariance_error(wanted, moved_by_stride, axes, margin)
    if {*stride} == {1}:
        return Moves(whole, inside, inside)
    part = moved(y, [1 / step for step in stride], axes)
    return Moves(whole, inside, equivariance_error(part, module(moved(x, ones, axes)), axes, margin))


def _margin(module: nn.Module, axis: int, stride: int) -> int:
    """Return how many outputs along a border read beyond it, or what has moved across it."""
    size, gap = (_of_axis(getattr(module, name, 1), axis) for name in ("kernel_size", "dilation"))
    return -(-(size - 1) * gap // stride) + 1


def _of_axis(value: Any, axis: int) -> int:
    number = value[axis] if isinstance(value, (tuple, list)) and value else value
    return number if isinstance(number, int) else 1


def _alias(module: nn.Module, stride: tuple[int, ...]) -> float:
    weight = getattr(module, "weight", None)
    axes = len(stride)
    if {*stride} == {1} or axes not in (1, 2, 3) or getattr(module, "transposed", False):
        return math.nan
    if isinstance(module, nn.modules.conv._ConvNd) and isinstance(weight, torch.Tensor):
        return alias_share(weight.double().cpu().numpy(), stride, tuple(module.dilation))
    if isinstance(module, BlurredSubsampling):
        taps = binomial(module.order, ndim=axes).taps
        return alias_share(taps[None, None], stride, (1,) * axes)
    if isinstance(module, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d):
        sizes = [_of_axis(module.kernel_size, axis) for axis in range(axes)]
        return alias_share(torch.ones(1, 1, *sizes).numpy(), stride, (1,) * axes)
    return math.nan


def _breaks(errors: Moves, stride: tuple[int, ...]) -> str:
    causes = []
    if {*stride} != {1} and errors.single > _ERROR:
        causes.append("stride")
    if errors.whole > _ERROR and not errors.inside > _ERROR:
        causes.append("padding")
    if errors.inside > _ERROR and "stride" not in causes:
        causes.append("positions")
    return ", ".join(causes)


def _was_flattened(subject: Subject, x: torch.Tensor) -> bool:
    """Whether the features of a fully connected layer are the positions of an activation before it."""
    count = math.prod(x.shape[1:])
    return any(
        len(row.result.shape) > 2 and math.prod(row.result.shape[1:]) == count and math.prod(row.result.shape[2:]) > 1
        for row in subject.layers
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else "0" if value < 1e-6 else f"{value:.2g}"

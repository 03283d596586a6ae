"""How is a network exported? As ONNX or as a program of torch, and only if it says the same."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from faltung.errors import ArgumentError, FaltungError, MissingExtraError
from faltung.ground.new_files import write_new_file
from faltung.ground.targets import Inputs, check_new_file
from faltung.layers import convert
from faltung.learn.standalone import Standalone, standalone
from faltung.learn.trained_classifier import trained_network

__all__ = ["Exported", "export_network"]

_TOLERANCE = 1e-4

_Run = Callable[..., torch.Tensor | Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Parameters
    ----------
    path : path
        The file.
    size : int
        In bytes.
    facts : dict of str to str
        Metadata of the file, as JSON: "class_names", "sample_shape", and the meaning of each input and output by its
        name: "pixels", "samples", "points", "times", "labels", "logits".
    difference : float
        Largest difference between the outputs of the file and of the network, relative to the largest output.

    Examples
    --------
    See `export_network`.
    """

    path: Path
    size: int
    facts: dict[str, str]
    difference: float


def export_network(
    run: str | Path, output: str | Path, *, network: str = "model", format: str | None = None
) -> Exported:
    """Write a trained network as a file that runs without faltung, for batches of any size.

    The file of a classifier of images maps uint8 "pixels" (batch, height, width, channels) of any size to "logits"
    (batch, classes): it scales, crops and standardises as `predict` does. That of another classifier maps "samples"
    ``(batch, channels, *spatial)`` as in training to logits. That of a generator maps "points", "times" and "labels"
    to "moved" points and "samples"; some steps lead from noise to a sample. Each file says so itself. It is made in
    memory and run on batches of several sizes. It is written only if its outputs are those of the network.

    Parameters
    ----------
    run : path
        A run folder.
    output : path
        File to write, completely or not at all.
    network : str, optional
        Network of the run: "model", or the name of a yardstick.
    format : {"onnx", "pt2"}, optional
        ONNX, or a program for `torch.export.load`. By default the ending of the file name.

    Raises
    ------
    ArgumentError
        If the run has no such network, its task does not learn classes, or the format is not one of the two.
    MissingExtraError
        If ONNX is asked for and not installed.
    FaltungError
        If the exported network gives other outputs than the trained one, by more than 1e-4 of the largest.

    References
    ----------
    ONNX, Open Neural Network Exchange, intermediate representation specification, https://onnx.ai/onnx.

    Examples
    --------
    >>> import tempfile
    >>> from faltung.learn import RunFolder, load_embedded
    >>> from faltung.learn.saved import save_network
    >>> from faltung.networks import DenseClassifier
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     network = DenseClassifier(sample_shape=(1, 28, 28), widths=(8,), classes=10)
    ...     save_network(RunFolder(Path(folder)), "model", network, load_embedded().training)
    ...     exported = export_network(folder, Path(folder) / "model.pt2")
    ...     again = torch.export.load(exported.path).module()
    >>> again(torch.zeros(3, 60, 40, 1, dtype=torch.uint8)).shape
    torch.Size([3, 10])
    >>> exported.facts["pixels"]
    '"uint8 from 0 to 255 (batch, height, width, channels)"'
    """
    output = Path(output)
    chosen = format or output.suffix.removeprefix(".").lower()
    if chosen not in _FORMATS:
        received = repr(format) if format else f"no format and a file named '{output}'"
        raise ArgumentError("format", " or ".join(map(repr, _FORMATS)), received, "Name the file .onnx or .pt2.")
    check_new_file("output", output, True, Inputs([Path(run)]))
    write, read = _FORMATS[chosen]
    whole = standalone(trained_network(run, network))
    convert(whole.module, to="torch")  # the file must run without faltung
    with _quiet(), torch.no_grad():
        content = write(whole)
        difference = _largest_difference(whole, read(content, whole))
    if not difference <= _TOLERANCE:
        raise FaltungError(
            f"'{output}' was not written: its outputs differ from those of the network by {difference:.1g} of the "
            f"largest, and {_TOLERANCE:g} is allowed. Another format may do better."
        )
    write_new_file(output, content, "output")
    return Exported(output, len(content), whole.facts, difference)


def _to_onnx(whole: Standalone) -> bytes:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("Export to ONNX", "export") from error
    program = torch.onnx.export(
        whole.module,
        whole.examples[0],
        input_names=[*whole.inputs],
        output_names=[*whole.outputs],
        dynamic_shapes={name: dict(enumerate(axes)) for name, axes in whole.inputs.items()},
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is None without dynamo
    program.model.metadata_props.update(whole.facts)
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # paths of this machine are private
    content: bytes = program.model_proto.SerializeToString()
    return content


def _from_onnx(content: bytes, whole: Standalone) -> _Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*inputs: torch.Tensor) -> list[torch.Tensor]:
        named = dict(zip(whole.inputs, (tensor.numpy() for tensor in inputs), strict=True))
        return [torch.from_numpy(output) for output in session.run([*whole.outputs], named)]

    return run


def _to_program(whole: Standalone) -> bytes:
    # torch.export keeps only tensors that are contiguous in the order of their axes.
    whole.module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in the stubs
    any_length = {axis: torch.export.Dim(axis) for axes in whole.inputs.values() for axis in axes}
    shapes = {
        name: {index: any_length[axis] for index, axis in enumerate(axes)} for name, axes in whole.inputs.items()
    }
    program = torch.export.export(whole.module, whole.examples[0], dynamic_shapes=shapes)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=whole.facts)
    return file.getvalue()


def _from_program(content: bytes, whole: Standalone) -> _Run:
    network: nn.Module = torch.export.load(io.BytesIO(content)).module()
    return network


_FORMATS = {"onnx": (_to_onnx, _from_onnx), "pt2": (_to_program, _from_program)}


def _largest_difference(whole: Standalone, run: _Run) -> float:
    """Return the largest difference between the outputs of two networks, relative to the largest output."""
    differences = []
    for inputs in whole.examples:
        for ours, theirs in zip(_listed(whole.module(*inputs)), _listed(run(*inputs)), strict=True):
            # Rounded to whole numbers, two outputs may differ by one.
            unit = 0.0 if ours.is_floating_point() else 1.0
            difference = (theirs.double() - ours.double()).abs().clamp(min=unit).max() - unit
            differences.append(difference / ours.double().abs().max())
    return torch.stack(differences).max().item()  # NaN if any difference is NaN


def _listed(outputs: torch.Tensor | Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    return [outputs] if isinstance(outputs, torch.Tensor) else outputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings of torch about its own parts and about packages that it could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

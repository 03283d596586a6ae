"""How is a network exported? As ONNX or as a program of torch, and only if its logits stay the same."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faltung.errors import ArgumentError, FaltungError, MissingExtraError
from faltung.ground.targets import new_file
from faltung.layers import convert
from faltung.learn.trained_classifier import trained_classifier
from faltung.networks.stored import Trained

__all__ = ["Exported", "export_network"]

_TOLERANCE = 1e-4
_BATCHES = (1, 5)  # neither is the size that the network is traced with
_INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}

_Run = Callable[[torch.Tensor], torch.Tensor]


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
        Metadata of the file, as JSON: "class_names", "sample_shape", and the scale of the input as "samples".
    difference : float
        Largest difference between logits of the file and of the network, relative to the largest logit.

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
    """Write a trained classifier as a file that runs without faltung, for batches of any size.

    The file maps float32 "samples" (batch, channels, *spatial) to "logits" (batch, classes). It is made in memory and
    run on batches of noise and of smooth samples. It is written only if its logits are those of the network.

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
        If the run has no such classifier, its task does not learn classes, or the format is not one of the two.
    MissingExtraError
        If ONNX is asked for and not installed.
    FaltungError
        If the exported network gives other logits than the trained one, by more than 1e-4 of the largest.

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
    >>> again(torch.zeros(3, 1, 28, 28)).shape, exported.facts["sample_shape"]
    (torch.Size([3, 10]), '[1, 28, 28]')
    """
    output = Path(output)
    chosen = format or output.suffix.removeprefix(".").lower()
    if chosen not in _FORMATS:
        received = repr(format) if format else f"no format and a file named '{output}'"
        raise ArgumentError("format", " or ".join(map(repr, _FORMATS)), received, "Name the file .onnx or .pt2.")
    write, read = _FORMATS[chosen]
    trained = trained_classifier(run, network)
    convert(trained.network, to="torch")  # the file must run without faltung
    facts = _facts(trained)
    with _quiet():
        content = write(trained, facts)
        difference = _largest_difference(trained, read(content))
    if not difference <= _TOLERANCE:
        raise FaltungError(
            f"'{output}' was not written: its logits differ from those of the network by {difference:.1g} of the "
            f"largest, and {_TOLERANCE:g} is allowed. Another format may do better."
        )
    with new_file(output, "output") as temporary:
        temporary.write_bytes(content)
    return Exported(output, len(content), facts, difference)


def _facts(trained: Trained) -> dict[str, str]:
    scale = (
        "float32 from 0 to 1: intensities divided by 255" if trained.dtype == "uint8" else "float32 as in training"
    )
    facts = {"class_names": trained.class_names, "sample_shape": trained.sample_shape, "samples": scale}
    return {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts.items()}


def _to_onnx(trained: Trained, facts: dict[str, str]) -> bytes:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("Export to ONNX", "export") from error
    program = torch.onnx.export(
        trained.network,
        (_example(trained),),
        input_names=["samples"],
        output_names=["logits"],
        dynamic_shapes={"samples": {0: "batch"}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # it is None without dynamo
    program.model.metadata_props.update(facts)
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # paths of this machine are private
    content: bytes = program.model_proto.SerializeToString()
    return content


def _from_onnx(content: bytes) -> _Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda samples: torch.from_numpy(session.run(["logits"], {"samples": samples.numpy()})[0])


def _to_program(trained: Trained, facts: dict[str, str]) -> bytes:
    # torch.export keeps only tensors that are contiguous in the order of their axes.
    trained.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in the stubs
    batch = torch.export.Dim("batch")
    program = torch.export.export(trained.network, (_example(trained),), dynamic_shapes={"samples": {0: batch}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files=facts)
    return file.getvalue()


def _from_program(content: bytes) -> _Run:
    network: nn.Module = torch.export.load(io.BytesIO(content)).module()
    return network


_FORMATS = {"onnx": (_to_onnx, _from_onnx), "pt2": (_to_program, _from_program)}


def _example(trained: Trained) -> torch.Tensor:
    return torch.zeros(3, *trained.sample_shape)


@torch.no_grad()
def _largest_difference(trained: Trained, run: _Run) -> float:
    """Return the largest difference between the logits of two networks, relative to the largest logit."""
    differences = []
    for batch in _BATCHES:
        for samples in _probes(trained, batch):
            logits = trained.network(samples)
            differences.append((run(samples) - logits).abs().max() / logits.abs().max())
    return torch.stack(differences).max().item()  # NaN if any difference is NaN


def _probes(trained: Trained, batch: int) -> Iterator[torch.Tensor]:
    """Yield noise, and smooth samples, which are more like images and series, on the scale of the training set."""
    generator = torch.Generator().manual_seed(batch)
    channels, *spatial = trained.sample_shape
    for lengths in (spatial, [-(-length // 7) for length in spatial]):
        values = torch.rand(batch, channels, *lengths, generator=generator)
        if trained.dtype != "uint8":
            arguments: Any = trained.network.arguments
            values = arguments["mean"] + arguments["deviation"] * (4 * values - 2)
        yield nn.functional.interpolate(values, spatial, mode=_INTERPOLATION[len(spatial)])


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

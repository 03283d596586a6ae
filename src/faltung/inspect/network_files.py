"""Where does a network come from? A run folder, a function of Python and its weights, or a file of torch.export.

Weights are read as numbers alone: nothing in a file is executed. A function that is named is called, since it is the
network.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from faltung.errors import ArgumentError
from faltung.ground.given_arrays import read_npy
from faltung.ground.given_files import check_fits, check_regular
from faltung.inspect.examples import Example, as_example
from faltung.networks.stored import GENERATORS, load_trained

__all__ = ["example_from_text", "load_network", "read_weights"]

_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def load_network(
    target: str, weights: Path | None = None, network: str = "model"
) -> tuple[nn.Module, Example | None]:
    """Return a network, and an example if what was named has one.

    Parameters
    ----------
    target : str
        A run folder of `faltung learn`, a ``.pt2`` file of torch.export, or ``package.module:factory``: a function
        without arguments that returns the network, or its class.
    weights : path, optional
        A safetensors file, or a state dict that torch saved, for the network of a factory.
    network : str, optional
        Network of the run: model, or the name of a yardstick.

    Raises
    ------
    ArgumentError
        There is no such network, or the weights are of another one.

    Examples
    --------
    >>> load_network("torch.nn:Identity")
    (Identity(), None)
    """
    path = Path(target)
    if path.is_dir() or path.suffix == ".pt2":
        if weights is not None:
            remedy = "Omit --weights: they are in the file or folder."
            raise ArgumentError("weights", "none beside a run folder or a .pt2 file", f"'{weights}'", remedy)
        return _of_run(path, network) if path.is_dir() else _of_program(path)
    made = _of_factory(target)
    if weights is not None:
        state = read_weights(weights)
        try:
            made.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ArgumentError(
                "weights", f"the weights of {type(made).__name__}", f"'{weights}' ({reason})"
            ) from error
    return made, None


def _of_run(folder: Path, network: str) -> tuple[nn.Module, Example]:
    trained = load_trained(folder, network)
    samples = torch.rand(1, *trained.sample_shape, generator=torch.Generator().manual_seed(0))
    if type(trained.network).__name__ in GENERATORS:  # of points, times and classes
        return trained.network, Example((samples, torch.full((1,), 0.5), torch.zeros(1, dtype=torch.int64)))
    return trained.network, Example((samples,))


def _of_program(path: Path) -> tuple[nn.Module, Example | None]:
    if not path.is_file():
        raise ArgumentError("target", "a file that exists", f"'{path}'")
    try:
        with _numbers_alone():
            program = torch.export.load(path)
    except Exception as error:  # of many kinds; a file may hold anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ArgumentError("target", "a file that torch.export.save wrote", f"'{path}' ({reason})") from error
    given = program.example_inputs
    return program.module(), None if given is None else Example(tuple(given[0]), dict(given[1]))


@contextmanager
def _numbers_alone() -> Iterator[None]:
    """Let torch read tensors only, also where it would fall back to objects that can run code."""
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = "1"
    try:
        yield
    finally:
        os.environ.pop(_FORCED) if before is None else os.environ.update({_FORCED: before})


def _of_factory(target: str) -> nn.Module:
    expected = "a run folder, a .pt2 file, or package.module:factory"
    module, colon, name = target.partition(":")
    if not (colon and module and name):
        raise ArgumentError("target", expected, repr(target))
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        made: Any = import_module(module)
        for part in name.split("."):
            made = getattr(made, part)
    except (ImportError, AttributeError) as error:
        raise ArgumentError("target", expected, f"{target!r} ({error})") from error
    if not isinstance(made, nn.Module):
        try:
            made = made()
        except TypeError as error:
            received = f"{target!r} ({error})"
            raise ArgumentError("target", "a function that needs no arguments", received) from error
    if not isinstance(made, nn.Module):
        raise ArgumentError("target", "a function that returns a torch.nn.Module", f"{type(made).__name__}")
    return made


def read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a safetensors file, or of a state dict that torch saved.

    Raises
    ------
    ArgumentError
        It cannot be read, or holds other things than tensors.

    Examples
    --------
    >>> read_weights(Path("missing.safetensors"))
    Traceback (most recent call last):
    faltung.errors.ArgumentError: weights: expected a file of weights, got 'missing.safetensors' (No such file ...
    """
    try:
        check_regular(path)
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, ImportError, AttributeError) as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # the unpickler of torch refuses with errors of its own
        raise _unreadable(path, error) from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not (isinstance(held, Mapping) and all(isinstance(value, torch.Tensor) for value in held.values())):
        raise ArgumentError("weights", "a state dict, whose values are tensors", f"'{path}'")
    return held


def _unreadable(path: Path, error: Exception) -> ArgumentError:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    reason = (said.splitlines() or [type(error).__name__])[0]
    return ArgumentError("weights", "a file of weights", f"'{path}' ({reason[:200]})")


def example_from_text(text: str, network: nn.Module) -> Example:
    """Return an example of a shape, such as ``1x3x224x224``, or from a ``.npy`` or ``.safetensors`` file.

    An example of a shape is random, from 0 to 1, and has the dtype of the network.

    Raises
    ------
    ArgumentError
        It is neither.
    MemoryError
        It has more numbers than memory has room for.

    Examples
    --------
    >>> print(example_from_text("1x3x8x8", nn.Conv2d(3, 1, 1)))
    input 1 x 3 x 8 x 8 float32
    """
    parameter = next((one for one in network.parameters() if one.is_floating_point()), torch.zeros(()))
    path = Path(text)
    if path.suffix in (".npy", ".safetensors"):
        return _example_in(path)
    try:
        shape = [int(part) for part in text.replace(",", "x").split("x")]
    except ValueError as error:
        expected = "a shape such as 1x3x224x224, or a .npy or .safetensors file"
        raise ArgumentError("example", expected, repr(text)) from error
    if min(shape) < 1:
        raise ArgumentError("example", "positive lengths", repr(text))
    check_fits(4 * math.prod(shape))
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return as_example(values.to(parameter))


def _example_in(path: Path) -> Example:
    try:
        if path.suffix == ".npy":
            return as_example(torch.from_numpy(read_npy(path)))
        check_regular(path)
        return as_example(load_file(path))
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ArgumentError("example", "a file of numbers", f"'{path}' ({error})") from error

"""What is a network run on? A tensor, a tuple of tensors, or tensors by the names of the arguments."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import nn

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["Example", "as_example", "tensors_in"]


@dataclass(frozen=True, eq=False)
class Example:
    """The arguments of one call of a network.

    Parameters
    ----------
    args : tuple
        The arguments by position.
    kwargs : mapping of str
        The arguments by name.

    Examples
    --------
    >>> as_example({"x": torch.zeros(1, 2)}).tensors["x"].shape
    torch.Size([1, 2])
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by name; the first one without a name is the input."""
        named = {f"input {place}": value for place, value in enumerate(self.args, start=1)}
        if len(named) == 1 and not self.kwargs:
            named = {"input": self.args[0]}
        return {name: value for name, value in {**named, **self.kwargs}.items() if isinstance(value, torch.Tensor)}

    def copied(self) -> Example:
        """Return the same arguments with tensors of their own, which a network may overwrite."""

        def own(value: Any) -> Any:
            return value.detach().clone() if isinstance(value, torch.Tensor) else copy.copy(value)

        return Example(tuple(map(own, self.args)), {name: own(value) for name, value in self.kwargs.items()})

    def replaced(self, tensors: Mapping[str, torch.Tensor]) -> Example:
        """Return the arguments with other tensors of these names."""
        names = iter(self.tensors)
        args = tuple(
            tensors.get(next(names), value) if isinstance(value, torch.Tensor) else value for value in self.args
        )
        return Example(args, {name: tensors.get(name, value) for name, value in self.kwargs.items()})

    def output(self, network: nn.Module) -> Any:
        """Return what a network returns for a copy of the example.

        Raises
        ------
        ArgumentError
            The network does not accept it.
        """
        given = self.copied()
        return given.called(network)

    def called(self, network: nn.Module) -> Any:
        """Return what a network returns for these tensors themselves."""
        try:
            return network(*self.args, **self.kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            received = f"{self}: {type(error).__name__}: {reason}"
            raise ArgumentError("example", "an input that the network accepts", received) from error

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {' x '.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"
            for name, tensor in self.tensors.items()
        )


def as_example(value: Any, argument: str = "example") -> Example:
    """Return the arguments of a call: of a tensor, a tuple of arguments, or a mapping of arguments by name.

    Raises
    ------
    ArgumentTypeError
        It has no tensor.

    Examples
    --------
    >>> print(as_example(torch.zeros(1, 3, 8, 8)))
    input 1 x 3 x 8 x 8 float32
    >>> as_example("photo.png")
    Traceback (most recent call last):
    faltung.errors.ArgumentTypeError: example: expected a tensor, a tuple or a mapping with tensors, got str.
    """
    if isinstance(value, Example):
        return value
    if isinstance(value, torch.Tensor):
        return Example((value,))
    if isinstance(value, tuple | list):
        example = Example(tuple(value))
    elif isinstance(value, Mapping):
        example = Example((), dict(value))
    else:
        example = Example()
    if not example.tensors:
        raise ArgumentTypeError(argument, "a tensor, a tuple or a mapping with tensors", type(value).__name__)
    return example


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a value: of tuples, lists, mappings and dataclasses, in their order.

    Examples
    --------
    >>> [tensor.item() for tensor in tensors_in({"a": torch.ones(()), "b": [torch.zeros(()), None]})]
    [1.0, 0.0]
    """
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for name in fields(value):
            yield from tensors_in(getattr(value, name.name))

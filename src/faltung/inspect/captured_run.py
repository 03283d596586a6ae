"""What is known of one run of a network? Tensors as places in memory, operations, and calls of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Captured", "ModuleCall", "Operation", "Place"]


@dataclass(frozen=True)
class Place:
    """Where the elements of a tensor are.

    Parameters
    ----------
    storage : int
        Number of the storage.
    shape, strides : tuple of int
        In elements.
    offset : int
        Of the first element, in elements.
    itemsize : int
        Bytes of an element.
    dtype : str
        Name of the dtype.

    Examples
    --------
    >>> Place(0, (2, 3), (3, 1), 0, 4, "float32").count
    6
    """

    storage: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    itemsize: int
    dtype: str

    @property
    def count(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.count * self.itemsize


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of torch that ran.

    Parameters
    ----------
    function : OpOverload
        What torch ran, such as ``aten.convolution.default``.
    arguments : mapping of str
        Its arguments by name, with a `Place` for each tensor.
    results : tuple of Place
        The tensors that it returned.
    written : tuple of Place
        The tensors that it wrote in place and did not return.
    call : int
        Index of the module call in which it ran.
    variable : frozenset of Place
        The operands that can depend on the input of the network.
    values : mapping of Place to tensor
        Values of tensors that an analysis needs: indices, masks, and the operands of operations without a rule.

    Examples
    --------
    See `faltung.inspect.capture.capture`.
    """

    function: Any
    arguments: Mapping[str, Any]
    results: tuple[Place, ...]
    written: tuple[Place, ...]
    call: int
    variable: frozenset[Place]
    values: Mapping[Place, torch.Tensor]

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields, with the name of the function, which torch cannot pickle."""
        return {**vars(self), "function": (self.function._schema.name, self.function._overloadname)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Find the function again by its name."""
        whole, overload = state["function"]
        library, stem = whole.split("::")
        vars(self).update(state, function=getattr(getattr(getattr(torch.ops, library), stem), overload))

    @property
    def follows(self) -> bool:
        """Whether its results can depend on the input of the network."""
        return bool(self.variable)

    @property
    def name(self) -> str:
        """Name without overload, such as ``convolution``; that of the variant in place is the same.

        Of other libraries than torch's own, the name of the library is part of it: two may use one name.
        """
        library, stem = self.function._schema.name.split("::")
        stem = stem if stem.startswith("__") else stem.rstrip("_")
        return stem if library == "aten" else f"{library}::{stem}"

    @property
    def pointwise(self) -> bool:
        """Whether each result depends on the operands at its own position alone."""
        return torch.Tag.pointwise in self.function.tags

    @property
    def in_place(self) -> bool:
        """Whether it writes to one of its arguments."""
        return bool(self.function._schema.is_mutable)

    def operands(self) -> Iterator[tuple[str, int | None, Place]]:
        """Yield the name, the index in a list, and the place of each tensor argument."""
        for name, value in self.arguments.items():
            if isinstance(value, Place):
                yield name, None, value
            elif isinstance(value, list | tuple):
                for index, item in enumerate(value):
                    if isinstance(item, Place):
                        yield name, index, item


@dataclass(eq=False)
class ModuleCall:
    """One call of a module.

    Parameters
    ----------
    name : str
        Path of the module in the network; empty for the network itself.
    module : str
        Name of its class.
    parent : int
        Index of the call in which it was called; -1 for the network itself.
    number : int
        How often the module had been called before.
    first, end : int
        Its operations are those from `first`, up to but not including `end`.
    results : tuple of Place
        The tensors that it returned.

    Examples
    --------
    See `faltung.inspect.capture.capture`.
    """

    name: str
    module: str
    parent: int
    number: int
    first: int
    end: int = 0
    results: tuple[Place, ...] = ()
    inputs: tuple[Place, ...] = ()
    parts: int = 0  # calls of modules inside it


@dataclass(eq=False)
class Captured:
    """All that happened in one run of a network.

    Parameters
    ----------
    operations : list of Operation
        In the order in which they ran, without views.
    calls : list of ModuleCall
        In the order in which they began; the first one is the network itself.
    sources : dict of str to Place
        The tensors of the example.
    parameters, buffers : dict of str to Place
        By name; a tensor that is shared has several.
    classes : dict of str to str
        The class of each module, by its path.
    sizes : dict of int to int
        Bytes of each storage.
    trace : list of str
        Names of all operations with their modules, views included: two runs differ in it if control flow does.
    choices : list of tuple
        For each of them the numbers and words among its arguments, and which weights it read.

    Examples
    --------
    See `faltung.inspect.capture.capture`.
    """

    operations: list[Operation] = field(default_factory=list)
    calls: list[ModuleCall] = field(default_factory=list)
    sources: dict[str, Place] = field(default_factory=dict)
    parameters: dict[str, Place] = field(default_factory=dict)
    buffers: dict[str, Place] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    choices: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def results(self) -> tuple[Place, ...]:
        """The tensors that the network returned."""
        return self.calls[0].results

    @property
    def input(self) -> str:
        """Name of the first tensor of the example with floating-point values, or else of the first one."""
        floats = [name for name, place in self.sources.items() if "float" in place.dtype]
        return (floats or [*self.sources])[0]

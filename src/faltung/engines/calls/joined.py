"""One call of machine code for one or two: a block is filtered, where it is or once it has been gathered.

On a small image a call from Python costs more than the arithmetic. If a problem is a single tile, only the addresses
of the arrays change from call to call, so everything else is written into a table once::

    table     gather | its arguments ... | filter | its arguments ...
    scratch   [ gathered block | scratch of the filter ]

A block that is filtered where it is has neither `gather` in its table nor a gathered block in its scratch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung.engines.base import Call
from faltung.engines.calls.gather_code import PARAMETERS as GATHER
from faltung.ground import scratch
from faltung.jit.compile import address, compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.target import Target, host

__all__ = ["Gathered", "Joined"]

_PARAMETERS = {
    "source": "ptr",
    "target": "ptr",
    "scratch": "ptr",
    "table": "ptr noalias readonly",  # the addresses of both functions, and their other arguments
}


@dataclass(frozen=True)
class Gathered:
    """How a block is gathered.

    Parameters
    ----------
    code : callable
        The compiled function that gathers.
    arguments : tuple of int
        Its arguments after source and target.
    size : int
        Bytes of the gathered block.
    keep : object
        Owns the memory whose addresses are among the arguments.
    """

    code: Callable[..., int]
    arguments: tuple[int, ...]
    size: int
    keep: object


class Joined:
    """Fills a block from another one, which may have to be gathered first; returns what the filter returns.

    Parameters
    ----------
    block : Call
        The call that fills the block.
    gathered : Gathered, optional
        How the block that it reads is gathered.
    """

    def __init__(self, block: Call, gathered: Gathered | None = None) -> None:
        # Scratch begins with the gathered block; the scratch of the other call follows, on cache lines of its own.
        places, self._size = {}, gathered.size if gathered else 0
        for name, bytes_ in block.scratch.items():
            places[name] = -(-self._size // 64) * 64
            self._size = places[name] + bytes_
        others = [name for name in block.parameters if name not in ("source", "target")]
        table = [address(gathered.code), *gathered.arguments] if gathered else []
        table += [address(block.code), *[places[name] if name in places else block.values[name] for name in others]]
        self._table = np.array(table, np.int64)
        self._place = self._table.ctypes.data
        self._code = _compile(tuple(block.parameters.items()), tuple(block.scratch), gathered is not None, host())
        self._keep = gathered, block
        #: Whether the target is final after the call, so that source and target may share memory.
        self.final = block.final

    def __call__(self, source: int, target: int) -> int:
        """Gather the block at `source`, and fill the one at `target`."""
        buffer, place = scratch.take("joined", self._size)
        status: int = self._code(source, target, place, self._place)
        del buffer
        return status


@compiled_once
def _compile(
    parameters: tuple[tuple[str, str], ...], in_scratch: tuple[str, ...], gathered: bool, target: Target
) -> Any:
    f = Function("joined", _PARAMETERS)
    entries = itertools.count()

    def entry(kind: str) -> Value:
        value = f.entry("%table", str(next(entries)))
        return f.value(f"inttoptr i64 {value} to ptr") if kind.startswith("ptr") else value

    def call(kinds: Mapping[str, str], given: Mapping[str, Value]) -> Value:
        function = entry("ptr")
        arguments = []
        for name, kind in kinds.items():
            if name in given:
                value = given[name]
            elif name in in_scratch:
                value = f.at("%scratch", entry("i64"))
            else:
                value = entry(kind)
            arguments.append(f"{kind.split()[0]} {value}")
        return f.value(f"call i32 {function}({', '.join(arguments)})")

    if gathered:
        call(GATHER, {"source": "%source", "target": "%scratch"})
    status = call(dict(parameters), {"source": "%scratch" if gathered else "%source", "target": "%target"})
    f.do(f"ret i32 {status}")
    return compile_function(module(f), "joined", ctypes_of(_PARAMETERS), target)

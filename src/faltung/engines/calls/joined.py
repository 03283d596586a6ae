"""One call of machine code for two: the block is gathered, and then filtered.

On a small image a call from Python costs more than the arithmetic. Where a problem is a single tile nothing changes
from call to call but where the arrays lie, so everything else is written into a table once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from faltung.engines.base import Call
from faltung.engines.calls.gather_code import PARAMETERS as GATHER
from faltung.ground import scratch
from faltung.jit.compile import address, compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.target import Target, host

__all__ = ["Joined"]

_PARAMETERS = {
    "source": "ptr",
    "target": "ptr",
    "scratch": "ptr",
    "table": "ptr noalias readonly",  # both functions, and all else that they are called with
}


class Joined:
    """Gathers a block and fills another from it; returns whether an output was not finite.

    Parameters
    ----------
    gather : callable
        The machine code that gathers.
    arguments : tuple of int
        What it is called with after source and target.
    size : int
        Bytes of the gathered block.
    keep : object
        What must live as long as the addresses among the arguments.
    block : Call
        What fills the other one.
    """

    def __init__(
        self, gather: Callable[..., int], arguments: tuple[int, ...], size: int, keep: object, block: Call
    ) -> None:
        # Scratch begins with the gathered block; what else there is follows, on cache lines of its own.
        places, self._size = {}, size
        for name, bytes_ in block.scratch.items():
            places[name] = -(-self._size // 64) * 64
            self._size = places[name] + bytes_
        others = [name for name in block.parameters if name not in ("source", "target")]
        table = [address(gather), *arguments, address(block.code)]
        table += [places[name] if name in places else block.values[name] for name in others]
        self._table = np.array(table, np.int64)
        self._place = self._table.ctypes.data
        self._code = _compile(tuple(block.parameters.items()), tuple(block.scratch), host())
        self._keep = gather, keep, block
        #: Whether the other block is final, so that it may be where the source is.
        self.final = block.final

    def __call__(self, source: int, target: int) -> int:
        """Run both."""
        buffer, place = scratch.take("joined", self._size)
        status: int = self._code(source, target, place, self._place)
        del buffer
        return status


@compiled_once
def _compile(parameters: tuple[tuple[str, str], ...], in_scratch: tuple[str, ...], target: Target) -> Any:
    f = Function("joined", _PARAMETERS)
    entries = iter(range(1000))

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

    call(GATHER, {"source": "%source", "target": "%scratch"})
    status = call(dict(parameters), {"source": "%scratch", "target": "%target"})
    f.do(f"ret i32 {status}")
    return compile_function(module(f), "joined", ctypes_of(_PARAMETERS), target)

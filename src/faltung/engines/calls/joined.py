"""One call of machine code for two: a block is gathered, and then filtered.

On a small image a call from Python costs more than the arithmetic. If a problem is a single tile, only the addresses
of the arrays change from call to call, so everything else is written into a table once::

    table     gather | its arguments ... | filter | its arguments ...
    scratch   [ gathered block | scratch of the filter ]
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
    "table": "ptr noalias readonly",  # the addresses of both functions, and their other arguments
}


class Joined:
    """Gathers a block and fills another from it; returns what the second function returns.

    Parameters
    ----------
    gather : callable
        The compiled function that gathers.
    arguments : tuple of int
        Its arguments after source and target.
    size : int
        Bytes of the gathered block.
    keep : object
        Owns the memory whose addresses are among the arguments.
    block : Call
        The call that fills the other block.
    """

    def __init__(
        self, gather: Callable[..., int], arguments: tuple[int, ...], size: int, keep: object, block: Call
    ) -> None:
        # Scratch begins with the gathered block; the scratch of the other call follows, on cache lines of its own.
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
        #: Whether the target is final after the call, so that source and target may share memory.
        self.final = block.final

    def __call__(self, source: int, target: int) -> int:
        """Gather the block at `source`, and fill the one at `target`."""
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

"""From LLVM assembly to a function that can be called.

`compile_function` looks for finished machine code in the object cache, asks LLVM for it otherwise, and loads it.
A `ctypes` function releases the interpreter lock for as long as it runs.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from faltung.jit import loader as load
from faltung.jit import object_cache
from faltung.jit.target import Target

__all__ = ["address", "compile_function", "ctypes_of"]

_lock = threading.Lock()  # LLVM's shared state is not safe for several threads

if hasattr(os, "register_at_fork"):
    # A child inherits the lock as it is, but not the thread that would release it: nobody compiles during a fork.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def compile_function(text: str, name: str, parameters: Sequence[Any], target: Target) -> Callable[..., int]:
    """Machine code for one function that returns a 32-bit integer.

    Parameters
    ----------
    text : str
        LLVM assembly of a module that calls nothing outside itself.
    name : str
        The function.
    parameters : sequence of ctypes types
        Its parameters.
    target : Target
        The processor at hand, under which the code is kept.

    Returns
    -------
    callable
        The function; calling it releases the interpreter lock.
    """
    key = object_cache.key(text, target.identity)
    with _lock:
        code = object_cache.read(key)
        if code is None:
            code = _compile(text)
            object_cache.write(key, code)
        place = load.load(code, name)
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int32, *parameters)(place)
    function.place = place  # to ask ctypes for it leaves a reference cycle behind each time
    return function  # type: ignore[no-any-return]


def address(function: Callable[..., int]) -> int:
    """Return where the machine code of a function begins."""
    return function.place  # type: ignore[attr-defined,no-any-return]


def ctypes_of(parameters: dict[str, str]) -> list[Any]:
    """Return the types to call a function with, given its parameters as LLVM types."""
    return [ctypes.c_void_p if "ptr" in kind else ctypes.c_int64 for kind in parameters.values()]


def _compile(text: str) -> bytes:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",  # the code may then be loaded at any address
        codemodel="small",
    )
    module = llvm.parse_assembly(text)
    module.verify()
    return bytes(machine.emit_object(module))

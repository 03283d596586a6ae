"""From LLVM assembly to a function that can be called.

`compile_function` reads finished machine code from the object cache, or has LLVM make it, and loads it. A `ctypes`
function releases the interpreter lock while it runs. The function owns its machine code: the memory is unmapped when
nothing refers to the function any more. So code that keeps its `address` must also hold the function.

`compiled_once` decorates the functions of engines that emit code. All of them share one table of compiled functions,
which is bounded by the bytes of machine code; the least recently used are dropped first.

With the environment variable ``FALTUNG_DUMP=folder`` every function that is loaded is also written to that folder as
text: ``name-digest.ll`` is the LLVM assembly that an engine emitted, ``name-digest.s`` the assembly of the processor
that LLVM makes of it. This includes functions whose machine code comes from the object cache.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec

from faltung.errors import ArgumentError
from faltung.ground.bounded import Bounded
from faltung.ground.undisturbed import undisturbed
from faltung.jit import loader, object_cache
from faltung.jit.objects_on_disk import prune
from faltung.jit.target import Target

__all__ = ["address", "code_bytes", "compile_function", "compiled_once", "ctypes_of", "forget_code"]

#: Bytes of machine code that stay in memory while no plan uses them.
MOST_CODE = 64 << 20
#: Number of functions that do.
MOST_FUNCTIONS = 1 << 12
_DUMP = "FALTUNG_DUMP"

_Parameters = ParamSpec("_Parameters")
_CompiledFunction = Callable[..., int]

_functions: Bounded[tuple[Any, ...], _CompiledFunction] = Bounded(MOST_FUNCTIONS, MOST_CODE)
_lock = threading.Lock()  # LLVM's shared state is not safe for several threads

if hasattr(os, "register_at_fork"):
    # A child inherits the lock as it is, but not the thread that would release it: so it is free during a fork.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def compiled_once(make: Callable[_Parameters, _CompiledFunction]) -> Callable[_Parameters, _CompiledFunction]:
    """Keep what a function compiles, for each combination of its (hashable, positional) arguments."""

    @functools.wraps(make)
    def look_up(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _CompiledFunction:
        key = (make, *arguments, *named.items())
        function = _functions.get(key)
        if function is None:
            function = make(*arguments, **named)
            function = _functions.put(key, function, code_bytes([function]))
        return function

    return look_up


def forget_code() -> None:
    """Drop all compiled functions that no plan uses."""
    _functions.clear()


def compile_function(text: str, name: str, parameters: Sequence[Any], target: Target) -> _CompiledFunction:
    """Return machine code for one function that returns a 32-bit integer.

    Parameters
    ----------
    text : str
        LLVM assembly of a module that calls nothing outside itself.
    name : str
        The function.
    parameters : sequence of ctypes types
        Its parameters.
    target : Target
        The processor for which the code is kept on disk.

    Returns
    -------
    callable
        The function, which owns its machine code; calling it releases the interpreter lock.

    Raises
    ------
    ArgumentError
        ``FALTUNG_DUMP`` names a folder that cannot be written.
    """
    code = undisturbed(lambda: _loaded(text, name, target))  # llvmlite has a lock of its own
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int32, *parameters)(code.address)
    function.code = code  # to ask ctypes for the address would leave a reference cycle behind each time
    return function  # type: ignore[no-any-return]


def _loaded(text: str, name: str, target: Target) -> loader.Code:
    """Return machine code from the disk; what is not there is compiled, and kept there."""
    folder = os.environ.get(_DUMP)
    # What is imported here for the first time is imported under the lock: a module that another thread is importing
    # during a fork would stay locked in the child.
    with _lock:
        key = object_cache.key(text, target.identity)
        machine_code = object_cache.read(key)
        is_new = machine_code is None
        if machine_code is None:
            machine_code = _compile(text)
            object_cache.write(key, machine_code)
        code = loader.load(machine_code, name)
        if folder:
            _dump(folder, text, name)
    if is_new:
        prune(len(machine_code))
    return code


def address(function: _CompiledFunction) -> int:
    """Return where the machine code of a function begins; it is valid as long as the function is referred to."""
    return _code(function).address


def code_bytes(functions: Iterable[_CompiledFunction]) -> int:
    """Return the bytes of the machine code that functions hold."""
    return sum([_code(function).bytes for function in functions])


def ctypes_of(parameters: dict[str, str]) -> list[Any]:
    """Return the ctypes types of parameters, given their LLVM types."""
    return [ctypes.c_void_p if "ptr" in kind else ctypes.c_int64 for kind in parameters.values()]


def _code(function: _CompiledFunction) -> loader.Code:
    return function.code  # type: ignore[attr-defined,no-any-return]


def _compile(text: str) -> bytes:
    machine, module = _understood(text)
    return bytes(machine.emit_object(module))


def _understood(text: str) -> tuple[Any, Any]:
    """Return LLVM's description of this processor, and the module that it has read."""
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
    return machine, module


def _dump(folder: str, text: str, name: str) -> None:
    """Write a function as text, in the LLVM assembly that was emitted and in the assembly of this processor."""
    place = os.path.join(folder, f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")
    try:
        os.makedirs(folder, exist_ok=True)
        machine, module = _understood(text)
        for ending, content in ((".ll", text), (".s", machine.emit_assembly(module))):
            with open(place + ending, "w", encoding="utf-8") as file:
                file.write(content)
    except OSError as error:
        raise ArgumentError(_DUMP, "a folder that can be written", f"{folder!r} ({error})", "Unset it.") from error

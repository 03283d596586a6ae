"""How are the peers' functions replaced? In the peers, and wherever modules have bound their names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple

from faltung.compat.patched_call import Replacement, Tally
from faltung.compat.peers import PEERS, chosen_peers
from faltung.errors import ArgumentError

__all__ = ["TALLIES", "PatchedFunction", "install", "installed", "originals_in_place", "patches", "uninstall"]


class PatchedFunction(NamedTuple):
    """One function of a peer that is replaced."""

    peer: str
    original: Callable[..., Any]
    replacement: Callable[..., Any]
    tally: Tally


_PATCHES: dict[str, PatchedFunction] = {}
#: The peers that are installed until they are uninstalled, and the number of blocks that need each peer.
_ALWAYS: set[str] = set()
_BLOCKS: Counter[str] = Counter()
_LOCK = threading.RLock()


def install(*peers: str) -> None:
    """Replace functions of other libraries by those of `faltung.compat`, for the whole process.

    Names that modules have bound already, as by ``from scipy.ndimage import convolve``, are bound anew. Names inside
    of classes, containers and default arguments are not found; so install before other modules are imported. A
    library that is not imported yet is patched when it is imported. Processes that are started by ``spawn`` have to
    install again.

    A call that `faltung.compat` cannot serve goes to the original function, and so does a call that raises an error,
    which is then the peer's own. `faltung.compat.report` counts both.

    Parameters
    ----------
    *peers : {'scipy', 'skimage', 'cv2', 'astropy'}
        The libraries. By default, all that are installed here.

    Raises
    ------
    ArgumentError
        A library is unknown, or is not installed here.

    See Also
    --------
    installed : The same for a block of code.
    uninstall : Bring the originals back.

    Examples
    --------
    >>> import numpy as np, faltung as fa
    >>> from scipy import ndimage
    >>> fa.compat.install("scipy")
    >>> y = ndimage.gaussian_filter(np.ones((64, 64), np.float32), 2)
    >>> fa.compat.uninstall()
    >>> print(fa.compat.report(seconds=0).rows[0][:4])
    ('scipy.ndimage.gaussian_filter', 1, 1, 0)
    """
    found = _installed_peers(peers)
    with _LOCK:
        _ALWAYS.update(found)
        for peer in found:
            _replace(peer)


def uninstall(*peers: str) -> None:
    """Bring the original functions of other libraries back; the counts of `faltung.compat.report` are kept.

    Parameters
    ----------
    *peers : {'scipy', 'skimage', 'cv2', 'astropy'}
        The libraries. By default, all.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.compat.uninstall()
    """
    with _LOCK:
        chosen = {*chosen_peers(peers)}
        gone = {name: patch for name, patch in _PATCHES.items() if patch.peer in chosen}
        _rebind({id(patch.replacement): patch.original for patch in gone.values()})
        for name in gone:
            del _PATCHES[name]
        _WATCH.forget(chosen)
        _ALWAYS.difference_update(chosen)


@contextmanager
def installed(*peers: str) -> Iterator[None]:
    """Replace functions of other libraries within a block of code; the arguments are those of `install`.

    Other threads see the replaced functions too. What was installed before the block stays so after it.

    Examples
    --------
    >>> import numpy as np, faltung as fa
    >>> from scipy import ndimage
    >>> original = ndimage.sobel
    >>> with fa.compat.installed("scipy"):
    ...     edges, replaced = ndimage.sobel(np.eye(5)), ndimage.sobel is not original
    >>> replaced, ndimage.sobel is original
    (True, True)
    """
    found = _installed_peers(peers)
    with _LOCK:
        for peer in found:
            _BLOCKS[peer] += 1
            _replace(peer)
    try:
        yield
    finally:
        with _LOCK:
            for peer in found:
                _BLOCKS[peer] -= 1
            ended = [peer for peer in found if not _BLOCKS[peer] and peer not in _ALWAYS]
            if ended:
                uninstall(*ended)


def _installed_peers(peers: tuple[str, ...]) -> list[str]:
    """Return the names of peers that can be imported here; one that was asked for must be among them."""
    there = [
        peer for peer in chosen_peers(peers) if peer in sys.modules or importlib.util.find_spec(peer) is not None
    ]
    for peer in peers:
        if peer not in there:
            raise ArgumentError("peers", "libraries that are installed", repr(peer), f"Install {peer}.")
    return there


def _replace(peer: str) -> None:
    """Replace the functions of a peer, now or as soon as they are imported."""
    for module in PEERS[peer]:
        if module in sys.modules:
            _patch(peer, module)
        else:
            _WATCH.wait_for(module, peer)


def patches() -> dict[str, PatchedFunction]:
    """Return what is replaced now, by the full names of the peers' functions."""
    with _LOCK:
        return dict(_PATCHES)


@contextmanager
def originals_in_place() -> Iterator[None]:
    """Bring all originals back for a block of code, so that none of them calls a replaced function."""
    with _LOCK:
        _rebind({id(patch.replacement): patch.original for patch in _PATCHES.values()})
        try:
            yield
        finally:
            _rebind({id(patch.original): patch.replacement for patch in _PATCHES.values()})


#: The counts of all functions that were ever replaced.
TALLIES: dict[str, Tally] = {}


def _patch(peer: str, name: str) -> None:
    """Replace the functions of one module of a peer, which is imported."""
    module, ours = sys.modules[name], importlib.import_module(PEERS[peer][name])
    with _LOCK:
        new = {}
        for function in ours.__all__:
            full = f"{name}.{function}"
            original = getattr(module, function, None)
            if original is None or full in _PATCHES:  # an older version may lack a function
                continue
            tally = TALLIES.setdefault(full, Tally(full))
            new[full] = PatchedFunction(peer, original, Replacement(original, getattr(ours, function), tally), tally)
        _PATCHES.update(new)  # before names are bound, so that `uninstall` finds them whatever happens
        _rebind({id(patch.original): patch.replacement for patch in new.values()})


def _rebind(replacement_of: dict[int, Callable[..., Any]]) -> None:
    """Give every name in a module that is bound to one of these objects, by identity, its replacement."""
    for module in [*sys.modules.values()]:
        names = getattr(module, "__dict__", None)
        if not isinstance(module, ModuleType) or names is None or str(names.get("__name__")).startswith("faltung."):
            continue
        for name, value in [*names.items()]:
            replacement = replacement_of.get(id(value))
            if replacement is not None:
                with suppress(AttributeError, TypeError):  # a module may refuse to be changed
                    setattr(module, name, replacement)


class _Watch:
    """An import finder that patches the modules of peers as soon as they are imported."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}

    def wait_for(self, module: str, peer: str) -> None:
        self._waiting[module] = peer
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self, peers: set[str]) -> None:
        self._waiting = {module: peer for module, peer in self._waiting.items() if peer not in peers}
        if not self._waiting and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        peer = self._waiting.get(name)
        if peer is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                vars(spec.loader)["exec_module"] = self._patching(spec.loader.exec_module, peer)
                return spec
        return None

    def _patching(self, execute: Callable[[ModuleType], None], peer: str) -> Callable[[ModuleType], None]:
        def exec_module(module: ModuleType) -> None:
            execute(module)
            if self._waiting.pop(module.__name__, None) is not None:  # it is None after `uninstall`
                _patch(peer, module.__name__)

        return exec_module


_WATCH = _Watch()

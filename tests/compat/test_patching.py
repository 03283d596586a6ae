"""Replaced functions: where names are bound anew, what is passed on, what is counted, what comes back."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest

import faltung as fa
from faltung.compat import patching, peers


def _module(name, text):
    module = types.ModuleType(name)
    exec(text, module.__dict__)
    return module


PEER = """
import numpy as np
def double(x, size=2, output=None):
    if size < 0:
        raise KeyError("the peer's own error")
    return ("peer", size)
def only_theirs(x):
    return "peer"
"""
OURS = """
__all__ = ["double", "not_in_this_version"]
def double(x, size=2, output=None):
    if size < 0:
        raise ValueError("ours")
    if size > 9:
        raise NotImplementedError("size above 9")
    return ("ours", size)
def not_in_this_version(x):
    return "ours"
"""


@pytest.fixture
def peer(monkeypatch):
    """A peer, a module here that serves one of its functions, and a module that has bound the name."""
    made = _module("fakepeer", PEER)
    user = types.ModuleType("fakeuser")
    user.bound, user.other = made.double, made.only_theirs
    for name, module in {"fakepeer": made, "fakeours": _module("fakeours", OURS), "fakeuser": user}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(peers, "PEERS", {"fakepeer": {"fakepeer": "fakeours"}})
    monkeypatch.setattr(patching, "PEERS", peers.PEERS)
    monkeypatch.setattr(patching, "TALLIES", tallies := {})
    monkeypatch.setattr("faltung.compat.call_report.TALLIES", tallies)
    yield made
    fa.compat.uninstall()


def test_a_name_is_replaced_wherever_a_module_has_bound_it_and_comes_back(peer):
    original, user = peer.double, sys.modules["fakeuser"]
    fa.compat.install("fakepeer")
    assert peer.double is user.bound is not original
    assert peer.double(1) == ("ours", 2)
    assert user.other is peer.only_theirs
    assert peer.only_theirs(1) == "peer"
    assert not hasattr(peer, "not_in_this_version")
    fa.compat.uninstall()
    assert peer.double is user.bound is original


def test_installing_twice_replaces_once(peer):
    original = peer.double
    fa.compat.install("fakepeer")
    once = peer.double
    fa.compat.install()
    assert peer.double is once
    fa.compat.uninstall("fakepeer")
    fa.compat.uninstall()
    assert peer.double is original


def test_a_block_leaves_what_was_there_before(peer):
    original = peer.double
    with fa.compat.installed("fakepeer"):
        assert peer.double is not original
    assert peer.double is original
    with pytest.raises(RuntimeError), fa.compat.installed():
        raise RuntimeError
    assert peer.double is original
    fa.compat.install("fakepeer")
    with fa.compat.installed("fakepeer"):
        pass
    assert peer.double is not original


def test_what_cannot_be_served_is_passed_on_and_errors_are_the_peers_own(peer):
    fa.compat.install("fakepeer")
    x = np.zeros((3, 4), "f4")
    assert [peer.double(x, size) for size in (3, 10, 11)] == [("ours", 3), ("peer", 10), ("peer", 11)]
    with pytest.raises(KeyError, match="the peer's own error") as caught:
        peer.double(x, size=-1)
    assert caught.value.__context__ is None
    (row,) = fa.compat.report(seconds=0).rows
    assert row[:4] == ("fakepeer.double", 4, 1, 3)
    assert row.reason == "size above 9"
    assert row.saved is None
    assert "passed on: size above 9" in str(fa.compat.report(seconds=0))


def test_a_replacement_looks_like_the_original(peer):
    signature = inspect.signature(peer.double)
    fa.compat.install("fakepeer")
    assert inspect.signature(peer.double) == signature
    assert peer.double.__name__ == "double"


def test_the_time_saved_is_measured_with_the_original_on_samples_like_those_of_the_calls(peer, monkeypatch):
    seen = []

    def slow(x, size=2, output=None):
        seen.append((x.shape, x.dtype, size))
        total = 0
        for _ in range(20_000):
            total += 1
        return ("peer", total)

    monkeypatch.setattr(peer, "double", slow)
    fa.compat.install("fakepeer")
    for _ in range(3):
        peer.double(np.zeros((1024, 2048), "f4"), size=5)
    assert seen == []
    (row,) = fa.compat.report().rows
    assert {(dtype, size) for _, dtype, size in seen} == {(np.dtype("f4"), 5)}
    assert all(shape[0] * shape[1] <= 2**18 for shape, _, _ in seen)
    assert row.saved is not None
    seen.clear()
    peer.double(object())  # what cannot be made again is not measured, and does no harm
    assert fa.compat.report().rows[0].served == 4


def test_a_replacement_is_the_original_as_a_key(peer):
    table = {peer.double: "double"}
    original = peer.double
    fa.compat.install("fakepeer")
    assert table[peer.double] == "double"
    assert peer.double in [original]
    assert peer.double == original
    assert peer.double != peer.only_theirs


def test_an_error_of_a_users_function_is_raised_and_not_tried_again(peer):
    calls = []
    sys.modules["fakeours"].double = lambda x, size=2, output=None: size(x)
    fa.compat.install("fakepeer")

    def fails(x):
        calls.append(x)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        peer.double(1, fails)
    assert calls == [1]


def test_blocks_of_two_threads_end_one_by_one(peer):
    original = peer.double
    first, second = fa.compat.installed("fakepeer"), fa.compat.installed("fakepeer")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert peer.double is not original
    second.__exit__(None, None, None)
    assert peer.double is original


def test_modules_that_are_odd_do_no_harm(peer, monkeypatch):
    class Frozen(types.ModuleType):
        def __setattr__(self, name, value):
            raise AttributeError(name)

    frozen, nameless = Frozen("frozen"), types.ModuleType("nameless")
    vars(frozen)["bound"] = peer.double
    nameless.bound, nameless.__name__ = peer.double, None
    monkeypatch.setitem(sys.modules, "frozen", frozen)
    monkeypatch.setitem(sys.modules, "nameless", nameless)
    original = peer.double
    fa.compat.install("fakepeer")
    assert frozen.bound is original
    assert nameless.bound is peer.double is not original
    fa.compat.uninstall()
    assert nameless.bound is peer.double is original


def test_what_an_original_calls_is_part_of_its_call(peer):
    peer.outer = types.FunctionType(
        compile("def outer(x): return double(x)", "outer", "exec").co_consts[0], vars(peer), "outer"
    )

    def refuses(x):
        raise NotImplementedError("outer")

    vars(sys.modules["fakeours"]).update(__all__=["double", "outer"], outer=refuses)
    fa.compat.install("fakepeer")
    assert peer.outer(1) == ("ours", 2)
    assert [row[:4] for row in fa.compat.report(seconds=0).rows] == [("fakepeer.outer", 1, 0, 1)]


def test_peers_are_named(peer):
    with pytest.raises(fa.ArgumentError, match=r"peers: expected some of 'fakepeer', got 'nothing'"):
        fa.compat.install("nothing")
    peers.PEERS["absent_peer"] = {"absent_peer": "fakeours"}
    with pytest.raises(fa.ArgumentError, match=r"absent_peer"):
        fa.compat.install("absent_peer")
    fa.compat.install()  # all that are there


def test_a_module_that_is_imported_later_is_patched_then(peer, tmp_path, monkeypatch):
    (tmp_path / "latepeer.py").write_text(PEER)
    monkeypatch.syspath_prepend(tmp_path)
    peers.PEERS["latepeer"] = {"latepeer": "fakeours"}
    before = [*sys.meta_path]
    fa.compat.install("latepeer")
    assert "latepeer" not in sys.modules
    import latepeer

    assert latepeer.double(1) == ("ours", 2)
    fa.compat.uninstall()
    assert latepeer.double(1) == ("peer", 2)
    assert sys.meta_path == before
    del sys.modules["latepeer"]
    fa.compat.install("latepeer")
    fa.compat.uninstall("latepeer")
    import latepeer

    assert latepeer.double(1) == ("peer", 2)
    monkeypatch.delitem(sys.modules, "latepeer")


SCRIPT = """
import sys
from scipy.ndimage import gaussian_filter
import numpy as np
print(sys.argv[1:], __name__, gaussian_filter.__wrapped__.__module__)
assert np.allclose(gaussian_filter(np.ones((40, 50)), 2), 1)
raise SystemExit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("command", [["faltung", "run", "--report"], ["faltung"]], ids=["run", "python -m"])
def test_a_script_runs_with_replaced_functions(command, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    call = [sys.executable, "-m", *command, str(tmp_path / "script.py"), "7", "--size", "3"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stdout == "['7', '--size', '3'] __main__ scipy.ndimage._filters\n"
    assert ("gaussian_filter" in done.stderr) == ("--report" in command)


def test_a_script_finds_itself_and_its_arguments_as_under_python(tmp_path):
    lines = [
        "import sys, os, threading, time",
        "from pathlib import Path",
        "os.chdir('/')",
        "folder = Path(__file__).parent",
        "print(folder == Path(sys.path[0]), sys.argv[1:], (folder / 'script.py').exists())",
        "sys.excepthook = lambda kind, error, frames: print('hook', kind.__name__)",
        "def late():",
        "    time.sleep(0.2)",
        "    print(sys.modules['__main__'].__file__ == __file__)",
        "threading.Thread(target=late).start()",
        "raise ValueError",
    ]
    (tmp_path / "script.py").write_text("\n".join(lines))
    call = [sys.executable, "-m", "faltung", "run", "script.py", "", "x"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == ["True ['', 'x'] True", "hook ValueError", "True"], done.stderr
    assert done.returncode == 1


def test_an_error_of_a_script_is_shown_from_its_first_line_on(tmp_path):
    (tmp_path / "script.py").write_text("def f():\n    raise FileNotFoundError('gone')\nf()\n")
    call = [sys.executable, "-m", "faltung", "run", str(tmp_path / "script.py")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "FileNotFoundError: gone"
    assert "runpy" not in done.stderr


def test_pickles_of_replaced_functions_are_names():
    from scipy import ndimage

    with fa.compat.installed("scipy"):
        assert pickle.loads(pickle.dumps(ndimage.sobel)) is ndimage.sobel
    assert pickle.loads(pickle.dumps(ndimage.sobel)) is ndimage.sobel

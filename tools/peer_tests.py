"""Do the tests of another library pass on this operator? Runs them with the functions of `faltung.compat` in place.

    python tools/peer_tests.py FOLDER/test_filters.py ndimage

The first argument is a file or folder of the peer's own tests, or the name of an installed module of tests with dots;
the others are modules of `faltung.compat`. While a test runs, the peer's functions of the same names are replaced: in
the peer's module, in the module of the test, and among the test's parameters. A call that is not served goes to the
peer's own function, as after `faltung.compat.install`.

What failed is printed; failures with a reason in `KNOWN` are told apart. The exit code is 0 if there are no others.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faltung.compat.not_served import NotServedError

#: For each module of `faltung.compat`, the module that it takes the place of.
PEERS = {
    "ndimage": "scipy.ndimage",
    "signal": "scipy.signal",
    "skimage.filters": "skimage.filters",
    "cv2": "cv2",
    "astropy": "astropy.convolution",
}


class Known(NamedTuple):
    """A difference that is meant: the tests that show it, as a pattern of their names, and the reason."""

    module: str
    tests: str
    reason: str


_ONE_DIVISION = (
    "a mean over a window of several axes is divided once, and not once for each axis: the last bit differs"
)

KNOWN = [Known("ndimage", "::test_multiple_modes_sequentially*", _ONE_DIVISION)]
_SIGNAL = Path(__file__).with_name("peer_differences_signal.json")
KNOWN += [Known(**row) for row in json.loads(_SIGNAL.read_text(encoding="utf-8"))]


class Replacement:
    """A pytest plugin that runs each test with other functions, and counts what happens.

    Parameters
    ----------
    modules : list of str
        Modules of `faltung.compat`.
    """

    def __init__(self, modules: list[str]) -> None:
        self.modules = modules
        self.called: Counter[str] = Counter()
        self.handed_back: Counter[str] = Counter()
        self.failed: dict[str, str] = {}
        self.passed: set[str] = set()
        self.served: set[str] = set()
        self._test = ""
        self._pairs = [*self._replacements()]

    def _replacements(self) -> Iterator[tuple[Any, str, Any, Any]]:
        """Return for each function: the peer's module, the name, the peer's function, and what replaces it."""
        for module in self.modules:
            ours, theirs = importlib.import_module(f"faltung.compat.{module}"), importlib.import_module(PEERS[module])
            for name in ours.__all__:
                original = getattr(theirs, name)
                if callable(original):
                    yield theirs, name, original, self._counted(f"{module}.{name}", getattr(ours, name), original)

    def _counted(self, name: str, ours: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(ours)
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.called[name] += 1
            try:
                result = ours(*arguments, **keywords)
            except NotServedError as error:
                self.handed_back[str(error)] += 1
                return original(*arguments, **keywords)
            self.served.add(self._test)
            return result

        return call

    def _in_place(self, value: Any) -> Any:
        """Return what replaces a parameter of a test."""
        for _, _, original, call in self._pairs:
            if value is original:
                return call
        if type(value) in (list, tuple):
            return type(value)(map(self._in_place, value))
        if isinstance(value, functools.partial):
            return functools.partial(self._in_place(value.func), *value.args, **value.keywords)
        return value

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> Iterator[None]:
        """Run one test."""
        self._test = pyfuncitem.nodeid
        for name, value in [*pyfuncitem.funcargs.items()]:
            pyfuncitem.funcargs[name] = self._in_place(value)
        names = pyfuncitem.module.__dict__
        with pytest.MonkeyPatch.context() as patch:
            for theirs, name, original, call in self._pairs:
                patch.setattr(theirs, name, call)
                for own in [own for own, value in names.items() if value is original]:
                    patch.setitem(names, own, call)
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note how a test ended."""
        if report.failed:
            lines = str(report.longrepr).strip().splitlines()
            self.failed[report.nodeid] = next((line for line in lines if line.startswith("E ")), lines[-1])
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)


def reason_of(modules: list[str], test: str) -> str:
    """Return why a test is known to fail; empty if it is not."""
    return next((row.reason for row in KNOWN if row.module in modules and fnmatch(test, f"*{row.tests}")), "")


def main() -> int:
    """Run the tests, and print what failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tests", help="file or folder of tests, or a module of tests with dots")
    parser.add_argument("modules", nargs="+", choices=sorted(PEERS), help="modules of faltung.compat")
    parser.add_argument("-k", dest="chosen", default="", help="only tests with such names, as for pytest")
    arguments = parser.parse_args()
    replacement = Replacement(arguments.modules)
    dotted = "/" not in arguments.tests and not arguments.tests.endswith(".py")
    options = ["-q", "-p", "no:cacheprovider", "--no-header", "--tb=short", "-rN", "--show-capture=no"]
    options += ["--pyargs"] if dotted else []
    options += ["-k", arguments.chosen] if arguments.chosen else []
    pytest.main([*options, arguments.tests], plugins=[replacement])
    known = {test: reason for test in replacement.failed if (reason := reason_of(arguments.modules, test))}
    print(f"\n{len(replacement.passed)} tests passed, of which {len(replacement.passed & replacement.served)} called")
    print(f"functions of {', '.join(arguments.modules)}; {len(replacement.failed)} failed, {len(known)} as expected.")
    for name, count in sorted(replacement.called.items()):
        print(f"{count:8} calls of {name}")
    for text, count in replacement.handed_back.items():
        print(f"{count:8} handed back: {text}")
    for test, line in replacement.failed.items():
        print(f"FAILED {test}\n    {line}" + (f"\n    known: {known[test]}" if test in known else ""))
    return 0 if replacement.passed and len(known) == len(replacement.failed) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What does `explore` return? The explorer of what was given, to be shown in a notebook, served, or saved."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import logging
import string
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import faltung
from faltung.errors import ArgumentError, ArgumentTypeError, FaltungError, MissingExtraError
from faltung.explorer.es_module import es_module, page_source
from faltung.explorer.packing import pack, unpack
from faltung.explorer.subject import PageSubject
from faltung.ground.checks import integer
from faltung.ground.lazy import lazy
from faltung.ground.new_files import write_new_file
from faltung.ground.targets import Inputs, check_new_file

if TYPE_CHECKING:
    from faltung.explorer.widget import ExplorerWidget

__all__ = ["VIEWS", "Explorer"]

#: Views of a page, in their order.
VIEWS = ("filter", "algebra", "network", "learning")

_log = logging.getLogger(__name__)

_WITHOUT_WIDGET = "Without them, .save('page.html') writes a page that shows the same."
_TO_WAIT = 60.0  # seconds for other answers
_LONGEST_ERROR = 500
#: What a page may load: its own script, known by its digest, and pictures that it made itself.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class Explorer:
    """A page of four views on one state: filter, algebra, network, learning.

    Parameters
    ----------
    subjects : sequence of PageSubject
        What is shown.
    state : mapping
        What the page shows first: values for keys such as ``"view"`` or ``"filter.mode"``.
    title : str
        Title of the page.
    views : sequence of str
        The views that the page has.
    address : str
        What is shown instead of `state` at first, as an address of the page says it after the sign #.
    inputs : Inputs
        The files that are shown, which a saved page never overwrites.
    """

    def __init__(
        self,
        subjects: Sequence[PageSubject],
        state: Mapping[str, object] | None = None,
        title: str = "faltung",
        views: Sequence[str] = VIEWS,
        address: str = "",
        inputs: Inputs | None = None,
    ) -> None:
        self._inputs = inputs
        self.address = address
        self.title = title
        self.views = tuple(views)
        self.version = faltung.__version__
        self.subjects = tuple(subjects)
        self.state = dict(state or {})
        self._questions = {
            name: function for subject in self.subjects for name, function in subject.questions().items()
        }
        self._without_lock = {name for subject in self.subjects for name in subject.without_lock}
        self._lock = Lock()  # networks and runs are asked by one thread at a time

    def __repr__(self) -> str:
        return f"<explorer: {', '.join(self.views)}; .serve() opens it, .save(path) writes it>"

    def content(self) -> dict[str, object]:
        """Return what the page needs at once."""
        return {
            "views": self.views,
            "state": self.state,
            "address": self.address,
            **{subject.name: subject.content() for subject in self.subjects},
        }

    def reply(
        self, question: object, arguments: object, data: bytes | memoryview = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Return the packed answer to a question of the page: ``{"value": ...}``, or ``{"error": sentence}``.

        Whatever is asked, nothing is raised but an interrupt: one bad question leaves the explorer as it was.
        """
        try:
            value, answer = pack(self._answer(question, unpack(arguments, data)))
        except FaltungError as error:
            return _refused(str(error))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a network may even call exit()
            _log.exception("the explorer could not answer %.80r", question)
            return _refused(f"Python could not answer this: {type(error).__name__}: {error}")
        return {"value": value}, answer

    def _answer(self, question: object, arguments: object) -> object:
        if not isinstance(question, str) or question not in self._questions:
            raise ArgumentError("question", f"one of {', '.join(sorted(self._questions))}", f"{question!r:.80}")
        if not isinstance(arguments, dict):
            raise ArgumentError("arguments", "a mapping of names to values", type(arguments).__name__)
        function = self._questions[question]
        try:
            signature(function).bind(**arguments)
        except TypeError as error:
            expected = ", ".join(signature(function).parameters)
            raise ArgumentError("arguments", f"those of {question} ({expected})", str(error)) from None
        if question in self._without_lock:
            return function(**arguments)
        if not self._lock.acquire(timeout=_TO_WAIT):
            raise FaltungError("Python is still computing another answer. Try again later.")
        try:
            return function(**arguments)
        finally:
            self._lock.release()

    @lazy
    def widget(self) -> ExplorerWidget:
        """The widget of this explorer, for a notebook that does not show the explorer itself."""
        try:
            from faltung.explorer.widget import ExplorerWidget
        except ModuleNotFoundError as error:
            raise MissingExtraError("fa.explore in a notebook", "explore") from error
        return ExplorerWidget(self)

    def _display_(self) -> object:
        """Return what marimo shows."""
        try:
            return self.widget
        except MissingExtraError as error:
            return f"{error} {_WITHOUT_WIDGET}"

    def _repr_mimebundle_(self, **chosen: Any) -> Any:
        """Return what Jupyter shows; a sentence if no widget can be made."""
        try:
            return self.widget._repr_mimebundle_(**chosen)
        except MissingExtraError as error:
            return {"text/plain": f"{error}\n{_WITHOUT_WIDGET}"}

    def serve(self, *, port: int = 0, browser: bool = True, allowed_hosts: Iterable[str] = ()) -> None:
        """Show the page in the browser, and answer it until this is interrupted.

        Parameters
        ----------
        port : int, optional
            Port of the server on this machine; a free one by default.
        browser : bool, optional
            Whether the browser is opened. The address is printed, with a token that whoever asks has to know.
        allowed_hosts : iterable of str, optional
            Names of this machine, beside ``localhost``, by which the page may be reached.
        """
        try:
            from faltung.explorer.local_server import LocalServer
        except ModuleNotFoundError as error:
            raise MissingExtraError("the explorer's server", "explore") from error
        server = LocalServer(self, integer("port", port, 0, 65535), allowed_hosts)
        print(f"The explorer is at {server.url}\nCtrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(server.url)
        server.run()

    def page(self, host: str, **traits: object) -> tuple[str, str]:
        """Return the page as HTML, for a host of its own ("server" or "file"), and what it may load: nothing.

        The second text is a content security policy, which is in the page, too.
        """
        content, data = pack(self.content())
        known = {
            "host": host,
            "version": self.version,
            "content": content,
            "data": base64.b64encode(data).decode(),
            **traits,
        }
        script = es_module("page.js").replace("</script", "<\\/script")
        policy = _POLICY.format(digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())
        text = string.Template(page_source("page.html")).substitute(
            title=html.escape(self.title),
            policy=policy,
            traits=json.dumps(known, allow_nan=False).replace("<", "\\u003c"),
            script=script,
        )
        return text, policy

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write one file that shows the same without Python, from a folder as from a server.

        Parameters
        ----------
        path : path
            The file, such as ``page.html``.
        overwrite : bool, optional
            Whether a file of this name may be replaced.

        Returns
        -------
        path
            The file.
        """
        if not isinstance(path, str | PathLike):
            raise ArgumentTypeError("path", "the name of a file", type(path).__name__, "Pass 'page.html'.")
        target = Path(path)
        check_new_file("path", target, overwrite, self._inputs)
        write_new_file(target, self.page("file", answers=self._stored_answers())[0], "path")
        return target

    def _stored_answers(self) -> dict[str, object]:
        answers: dict[str, object] = {}
        for subject in self.subjects:
            for question, arguments in subject.stored():
                reply, data = self.reply(question, dict(arguments))
                key = json.dumps([question, arguments], separators=(",", ":"), ensure_ascii=False)
                answers[key] = {"reply": reply, "data": base64.b64encode(data).decode()}
        return answers


def _refused(sentence: str) -> tuple[dict[str, Any], bytes]:
    """Return an error as an answer. What was sent may be in it, so its length is bounded."""
    return {"error": sentence if len(sentence) <= _LONGEST_ERROR else f"{sentence[: _LONGEST_ERROR - 1]}…"}, b""

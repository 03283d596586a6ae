"""What does `explore` return? The explorer of what was given, to be shown in a notebook, served, or saved."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import logging
import string
from collections.abc import Mapping, Sequence
from inspect import signature
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any

import faltung
from faltung.errors import ArgumentError, FaltungError
from faltung.explorer.es_module import es_module, page_source
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.learning_subject import LearningSubject
from faltung.explorer.network_subject import NetworkSubject
from faltung.explorer.packing import pack, unpack
from faltung.explorer.subject import Subject
from faltung.ground.targets import check_new_file, new_file

__all__ = ["Explorer", "explore"]

_log = logging.getLogger(__name__)

_TO_WAIT = 60.0  # seconds for other answers
#: What a page may load: its own script, known by its digest, and pictures that it made itself.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class Explorer:
    """A page of four views on one state: filter, algebra, network, learning.

    Parameters
    ----------
    subjects : sequence of Subject
        What is shown.
    state : mapping
        What the page shows first: values for keys such as ``"view"`` or ``"filter.mode"``.
    title : str
        Title of the page.
    """

    def __init__(
        self, subjects: Sequence[Subject], state: Mapping[str, object] | None = None, title: str = "faltung"
    ) -> None:
        self.title = title
        self.subjects = tuple(subjects)
        self.state = dict(state or {})
        self._questions = {
            name: function for subject in self.subjects for name, function in subject.questions().items()
        }
        self._lock = Lock()  # networks and runs are asked by one thread at a time

    def content(self) -> dict[str, object]:
        """Return what the page needs at once."""
        return {"state": self.state, **{subject.name: subject.content() for subject in self.subjects}}

    def reply(
        self, question: object, arguments: object, data: bytes | memoryview = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Return the packed answer to a question of the page: ``{"value": ...}``, or ``{"error": sentence}``.

        Whatever is asked, nothing is raised: one bad question leaves the explorer as it was.
        """
        try:
            value, answer = pack(self._answer(question, unpack(arguments, data)))
        except FaltungError as error:
            return {"error": str(error)}, b""
        except Exception as error:
            _log.exception("the explorer could not answer %.80r", question)
            return {"error": f"Python could not answer this: {type(error).__name__}: {error}"}, b""
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
        if not self._lock.acquire(timeout=_TO_WAIT):
            raise FaltungError("Python is still computing another answer. Try again later.")
        try:
            return function(**arguments)
        finally:
            self._lock.release()

    def page(self, host: str, **traits: object) -> tuple[str, str]:
        """Return the page as HTML, for a host of its own ("server" or "file"), and what it may load: nothing.

        The second text is a content security policy, which is in the page, too.
        """
        content, data = pack(self.content())
        known = {
            "host": host,
            "version": faltung.__version__,
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
        target = Path(path)
        check_new_file("path", target, overwrite)
        with new_file(target, "path") as partial:
            partial.write_text(self.page("file", answers=self._stored_answers())[0], encoding="utf-8")
        return target

    def _stored_answers(self) -> dict[str, object]:
        answers: dict[str, object] = {}
        for subject in self.subjects:
            for question, arguments in subject.stored():
                reply, data = self.reply(question, dict(arguments))
                key = json.dumps([question, arguments], separators=(",", ":"), ensure_ascii=False)
                answers[key] = {"reply": reply, "data": base64.b64encode(data).decode()}
        return answers


def explore(thing: object = None, beside: object = None, /, *, view: str | None = None) -> Explorer:
    """Show convolution in a page: in a notebook, in the browser, or as a file.

    Parameters
    ----------
    thing : array, Kernel, network or path, optional
        What is looked at. By default a photograph.
    beside : Kernel, expression or example, optional
        For an array its kernel, for a network an example of its input.
    view : str, optional
        The view that is shown first.

    Returns
    -------
    Explorer
        The last value of a cell is shown there; `Explorer.save` writes a page.

    Examples
    --------
    >>> explore().content()["state"]
    {}
    """
    state = {} if view is None else {"view": view}
    return Explorer([FilterSubject(), NetworkSubject(), LearningSubject()], state)

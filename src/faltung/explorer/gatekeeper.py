"""Who may ask the local server? A browser of this machine, from the page that it was given: host, origin, token.

A browser runs the pages of strangers beside those of this machine. So each request is checked in this order, before
anything of it is read: the name that it was sent to (a stranger's name may be made to lead to this machine), the page
that it comes from, and the token that only the printed address and its page hold.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from faltung.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LOOPBACK", "Denial", "Gatekeeper", "is_host_name"]

#: Names of this machine.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_HOST = re.compile(rb"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
_METHODS = ("GET", "POST")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def is_host_name(text: str) -> bool:
    """Return whether a text is the name or the address of a machine, without a port.

    Examples
    --------
    >>> is_host_name("box.local"), is_host_name("[::1]"), is_host_name("box:80")
    (True, True, False)
    """
    match = _HOST.fullmatch(text.lower().encode())
    return match is not None and len(match["name"]) == len(text)


class Denial(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    sentence: str


class Gatekeeper:
    """The only way to the server: an ASGI application around the one that answers.

    Parameters
    ----------
    app : ASGI application
        What answers.
    token : str
        What a request has to hold: in its address for the page, in the header ``x-faltung-token`` for a question.
    allowed_hosts : iterable of str
        Names of this machine beside those of the loopback, such as that of a proxy.
    """

    def __init__(self, app: ASGIApp, token: str, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token.encode()
        expected = "a list of names without a port, such as ['box.local']"
        if isinstance(allowed_hosts, str) or not isinstance(allowed_hosts, Iterable):
            raise ArgumentTypeError("allowed_hosts", expected, f"{allowed_hosts!r:.60}")
        own = tuple(allowed_hosts)
        for name in own:
            if not isinstance(name, str):
                raise ArgumentTypeError("allowed_hosts", expected, f"{name!r:.60} in it")
            if not is_host_name(name):
                raise ArgumentError("allowed_hosts", expected, f"{name!r:.60} in it")
        self._hosts = {name.lower().encode() for name in (*LOOPBACK, *own)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":  # no question needs a socket that stays open, whoever asks
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif refusal := self.refusal(scope):
            await _refuse(refusal, _with_headers(send))
        else:
            await self._app(scope, receive, _with_headers(send))

    def refusal(self, scope: Scope) -> Denial | None:
        """Return why a request is refused, or None."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            remedy = "Another name of this machine is allowed by: faltung explore --allow-host NAME"
            return Denial(HTTPStatus.FORBIDDEN, f"This server answers to names of its own machine only. {remedy}")
        if any(re.sub(rb"^https?://", b"", origin.lower()) != hosts[0].lower() for origin in origins):
            return Denial(HTTPStatus.FORBIDDEN, "This server answers to its own page only.")
        if not self._has_token(scope):
            return Denial(HTTPStatus.FORBIDDEN, "Open the address that was printed, with its token.")
        if scope["method"] not in _METHODS or _values(scope, b"upgrade"):
            return Denial(HTTPStatus.METHOD_NOT_ALLOWED, "This server knows GET and POST only.")
        return None

    def _is_own(self, host: bytes) -> bool:
        match = _HOST.fullmatch(host.lower())
        return match is not None and match["name"] in self._hosts

    def _has_token(self, scope: Scope) -> bool:
        given = _values(scope, b"x-faltung-token")
        if scope["method"] == "GET":
            given = [text.encode() for text in parse_qs(scope["query_string"].decode("latin-1")).get("token", [])]
        return len(given) == 1 and secrets.compare_digest(given[0], self._token)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the headers that every response has, unless it has its own."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            added = [
                (name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in names
            ]
            message = {**message, "headers": [*own, *added]}
        await send(message)

    return with_headers


async def _refuse(refusal: Denial, send: Send) -> None:
    body = refusal.sentence.encode()
    length = str(len(body)).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", length),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

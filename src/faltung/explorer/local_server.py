"""How does a page of its own reach Python? Over a small server on this machine that gives the page and answers it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from faltung.errors import ArgumentError
from faltung.explorer.gatekeeper import Gatekeeper

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from faltung.explorer.subject import Shown

__all__ = ["LARGEST_BODY", "LARGEST_TEXT", "LocalServer", "application"]

#: Bytes of a question, all in all, and of its text.
LARGEST_BODY, LARGEST_TEXT = 64 * 2**20, 2**20
#: Seconds that the header of a request and a question may take to arrive, and an answer to be found.
_HEADER_TO_ARRIVE, _TO_ARRIVE, _TO_ANSWER = 10.0, 30.0, 120.0
#: Questions that are answered at a time, that may wait, and that may arrive; and bytes of all of them.
_ANSWERED, _WAITING, _ARRIVING = 4, 32, 64
_MOST_BYTES = 4 * LARGEST_BODY


class LocalServer:
    """A server on this machine, which answers as soon as it exists and `run` is called.

    Parameters
    ----------
    explorer : Shown
        What the page shows.
    port : int
        Its port; 0 finds a free one.
    allowed_hosts : iterable of str
        Names that the page may be reached by, beside those of this machine.

    Raises
    ------
    ArgumentError
        The port is taken.
    """

    def __init__(self, explorer: Shown, port: int = 0, allowed_hosts: Iterable[str] = ()) -> None:
        self._token = secrets.token_urlsafe(24)
        app = application(explorer, self._token, allowed_hosts)
        self._socket = _bound(port)
        self._server = _Server(
            Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_level="critical",  # the log would hold the token
                access_log=False,
                server_header=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def url(self) -> str:
        """Address of the page, with the token."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/?token={self._token}"

    def run(self) -> None:
        """Answer until `stop` is called, or the program is interrupted."""
        with self._socket, suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` end, from another thread."""
        self._server.should_exit = True


class _Server(Server):
    """A server that leaves no connection open when it ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all connections: those that are still in use after the time to finish are cut."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Protocol(H11Protocol):
    """HTTP on one connection, which is closed if the header of a request does not come."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first header."""
        super().connection_made(transport)
        self._wait_for_header()

    def on_response_complete(self) -> None:
        """Begin to wait for the next header."""
        super().on_response_complete()
        self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(_HEADER_TO_ARRIVE, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # a port that was just in use; elsewhere this would take one from another program
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or str(error)
        raise ArgumentError("port", "a free port", f"{port} ({why})", "Leave it out: a free one is found.") from error
    listener.listen()  # so that a browser that is opened now waits, instead of being refused
    return listener


def application(explorer: Shown, token: str, allowed_hosts: Iterable[str] = ()) -> ASGIApp:
    """Return the ASGI application: the page, its questions, and a gatekeeper before both."""
    desk = _Desk(explorer)

    async def page(_: Request) -> Response:
        found = await desk.page(token)
        if found is None:
            sentence = "What the page shows could not be read in time. Is a disk slow?"
            return PlainTextResponse(sentence, 503)
        text, policy = found
        return HTMLResponse(text, headers={"content-security-policy": f"{policy}; frame-ancestors 'none'"})

    routes = [Route("/", page), Route("/ask", desk.ask, methods=["POST"])]
    return Gatekeeper(Starlette(routes=routes), token, allowed_hosts)


class _RefusedQuestionError(Exception):
    """A question that is not answered, with the status of HTTP that says why."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class _Desk:
    """Where questions are answered: a few at a time, each in a thread of its own, as soon as all of it is here."""

    def __init__(self, explorer: Shown) -> None:
        self._explorer = explorer
        self._slots = asyncio.Semaphore(_ANSWERED)
        self._pages = asyncio.Semaphore(_ANSWERED)
        self._arriving = self._waiting = self._bytes = 0

    async def page(self, token: str) -> tuple[str, str] | None:
        """Return the page and its policy; None if it takes too long, as files may that it is made from."""
        try:
            async with asyncio.timeout(_TO_ANSWER):
                await self._pages.acquire()
                made = _in_thread(lambda: self._explorer.page("server", token=token), self._pages.release)
                found: tuple[str, str] = await made
                return found
        except TimeoutError:
            return None

    async def ask(self, request: Request) -> Response:
        """Answer a question, or say why not."""
        body = bytearray()
        try:
            await self._receive(request, body)
            asked = _taken_apart(body)
            await self._take_place()
            return await self._answered(*asked)
        except _RefusedQuestionError as error:  # what else is sent on this connection is not read
            return PlainTextResponse(str(error), error.status, headers={"connection": "close"})
        except ClientDisconnect:
            return PlainTextResponse("", 400)
        finally:
            self._bytes -= len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        """Fill a body, unless it is too much or comes too slowly; what its header says is not trusted."""
        if self._arriving >= _ARRIVING:
            raise _RefusedQuestionError("Too many questions are arriving. Try again later.", 503)
        self._arriving += 1
        try:
            async with asyncio.timeout(_TO_ARRIVE):
                async for part in request.stream():
                    body += part
                    self._bytes += len(part)
                    if len(body) > LARGEST_BODY:
                        raise _RefusedQuestionError(f"a question has at most {LARGEST_BODY >> 20} MB.")
                    if self._bytes > _MOST_BYTES:
                        raise _RefusedQuestionError("All questions together are too large. Try again later.", 503)
        except TimeoutError:
            raise _RefusedQuestionError(f"the question did not arrive within {_TO_ARRIVE:.0f} seconds.") from None
        finally:
            self._arriving -= 1

    async def _take_place(self) -> None:
        if self._waiting >= _WAITING:
            raise _RefusedQuestionError("Too many questions are waiting. Try again later.", 503)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    async def _answered(self, question: object, arguments: object, data: memoryview) -> Response:
        # The thread frees the place when it has ended: what takes too long still counts as a question.
        answer = _in_thread(lambda: self._explorer.reply(question, arguments, data), self._slots.release)
        try:
            reply, bytes_ = await asyncio.wait_for(answer, _TO_ANSWER)
        except TimeoutError:
            reply, bytes_ = {"error": f"Python did not finish within {_TO_ANSWER:.0f} seconds. Ask for less."}, b""
        text = json.dumps(reply, allow_nan=False).encode()
        return Response(struct.pack("<I", len(text)) + text + bytes_, media_type="application/octet-stream")


def _taken_apart(body: bytearray) -> tuple[object, object, memoryview]:
    """Return question, arguments and the bytes of arrays: the length of a text, the text in JSON, the bytes."""
    length = int.from_bytes(body[:4], "little")
    if len(body) < 4 or length > min(len(body) - 4, LARGEST_TEXT):
        raise _RefusedQuestionError("it is no question of the page.")
    try:
        asked = json.loads(body[4 : 4 + length].decode("utf-8"))
    except (ValueError, RecursionError):
        raise _RefusedQuestionError("the text of the question is not JSON.") from None
    if not isinstance(asked, dict):
        raise _RefusedQuestionError("it is no question of the page.")
    return asked.get("question"), asked.get("arguments"), memoryview(body)[4 + length :]


def _in_thread(call: Callable[[], Any], ended: Callable[[], None]) -> asyncio.Future[Any]:
    """Return the coming result of a call in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        ended()
        if not future.done():
            future.set_exception(error) if error else future.set_result(result)

    def work() -> None:
        try:
            result, error = call(), None
        except BaseException as raised:
            result, error = None, raised
        with suppress(RuntimeError):  # the server has stopped meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=work, daemon=True, name="faltung-answer").start()
    return future

"""Requests to an ASGI application without a socket."""

from __future__ import annotations

import asyncio
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

TOKEN = "a-token"


class Answer(NamedTuple):
    status: int | None
    headers: dict[str, str]
    body: bytes

    @property
    def reply(self):
        """The JSON value of an answer to a question."""
        (length,) = struct.unpack_from("<I", self.body)
        return json.loads(self.body[4 : 4 + length])


def run(coroutine):
    """Run a coroutine in a thread of its own: a browser that a test drives has the loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def question(name, arguments, data=b""):
    """Return the body of a question."""
    text = json.dumps({"question": name, "arguments": arguments}).encode()
    return struct.pack("<I", len(text)) + text + data


async def answer(app, method="GET", target="/", headers=None, parts=(b"",), kind="http", wait=0.0):
    """Return what an application answers to a request whose body comes in parts."""
    path, _, query = target.partition("?")
    headers = {"host": "127.0.0.1:8000", **(headers or {})}
    scope = {
        "type": kind, "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items() if v is not None],
        "http_version": "1.1", "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    waiting, sent = list(parts), []

    async def receive():
        await asyncio.sleep(wait)
        if kind == "websocket":
            return {"type": "websocket.connect"}
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    if kind == "websocket":
        return Answer(None, {}, repr([message["type"] for message in sent]).encode())
    start, *bodies = sent
    named = {key.decode(): value.decode() for key, value in start["headers"]}
    return Answer(start["status"], named, b"".join(message.get("body", b"") for message in bodies))

"""Who is answered by the explorer's server, and what may be asked: strangers are refused, and the server stays up."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import json
import os
import random
import socket
import struct
import urllib.request
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from asgi import TOKEN, answer, question, run
from PIL import Image

import faltung as fa
from explorer_pages import serving
from faltung.explorer import local_server
from faltung.explorer.explored import Explorer
from faltung.explorer.gatekeeper import Gatekeeper
from faltung.explorer.local_server import application
from faltung.explorer.subject import PageSubject
from faltung.explorer.upload_subject import UploadSubject


class Counter(PageSubject):
    """Questions with known answers."""

    name = "counter"

    def content(self):
        return {"samples": np.arange(3.0)}

    def questions(self):
        return {"double": self.double, "fail": self.fail, "wait": self.wait}

    def double(self, *, x):
        return {"twice": 2 * x}

    def fail(self):
        raise RuntimeError("a defect")

    def wait(self, *, seconds):
        import time

        time.sleep(seconds)
        return {}


@pytest.fixture(scope="module")
def app():
    return application(Explorer([Counter(), UploadSubject()]), TOKEN, ["box.local"])


def get(app, **options):
    return run(answer(app, **{"target": f"/?token={TOKEN}", **options}))


def post(app, body, **options):
    headers = {"x-faltung-token": TOKEN, **options.pop("headers", {})}
    return run(answer(app, "POST", "/ask", headers, body if isinstance(body, list) else [body], **options))


def double(app, **options):
    array = {"$array": [0, [2], "float64"]}
    return post(app, question("double", {"x": array}, np.float64([1, 4]).tobytes()), **options)


def still_answers(app):
    return double(app).reply["value"]["twice"] == {"$array": [0, [2], "float64"]}


# ---- who is answered


def test_the_page_and_its_questions_are_answered(app):
    assert get(app).status == 200
    assert b"<title>faltung" in get(app).body
    told = double(app)
    assert told.status == 200
    assert np.frombuffer(told.body[-16:]).tolist() == [2, 8]


GOOD = ["localhost", "localhost:1", "127.0.0.1:65535", "[::1]:8000", "LOCALHOST:80", "box.local", "Box.Local:9"]
FOREIGN = [
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "0.0.0.0",
    "localhost.", "localhost:", "localhost:80:80", "user@localhost", "localhost/", "localhost#", " localhost", "",
    "localhost:123456", "[::2]", "::1", "localhost\tevil", "2130706433", None,
]  # fmt: skip


@pytest.mark.parametrize("host", GOOD)
def test_names_of_this_machine_are_answered(app, host):
    assert get(app, headers={"host": host}).status == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused_whatever_else_it_has(app, host):
    # As after DNS rebinding: the page of evil.example asks itself, and that name leads here.
    origin = {"origin": f"http://{host}"} if host else {}
    assert get(app, headers={"host": host, **origin}).status == 403
    assert double(app, headers={"host": host, **origin}).status == 403


def test_a_host_that_is_told_twice_is_refused(app):
    scope = {"headers": [(b"host", b"localhost"), (b"host", b"evil.example")], "method": "GET", "query_string": b""}
    assert Gatekeeper(app, TOKEN).refusal(scope).status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost:8001",
        "http://localhost",
        "https://evil.example:8000",
        "file://",
    ],
)
def test_another_origin_is_refused(app, origin):
    assert double(app, headers={"host": "localhost:8000", "origin": origin}).status == 403


def test_its_own_origin_is_answered(app):
    assert double(app, headers={"host": "localhost:8000", "origin": "http://localhost:8000"}).status == 200
    assert double(app, headers={"host": "box.local", "origin": "https://box.local"}).status == 200


@pytest.mark.parametrize("token", [None, "", "a-toke", "a-tokens", "A-TOKEN", "é", "a-token,a-token", "0" * 10_000])
def test_a_wrong_token_is_refused(app, token):
    assert double(app, headers={"x-faltung-token": token}).status == 403
    assert get(app, target="/" if token is None else f"/?token={token}").status == 403


def test_the_token_of_the_address_is_none_of_a_question_and_none_is_told_twice(app):
    body = question("double", {"x": 1})
    assert run(answer(app, "POST", f"/ask?token={TOKEN}", {}, [body])).status == 403
    assert get(app, target=f"/?token={TOKEN}&token={TOKEN}").status == 403


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_websockets_are_closed_before_they_open(app, kind):
    if kind == "websocket":
        told = get(app, kind=kind, headers={"origin": "http://evil.example"})
        assert told.body == b"['websocket.close']"
    assert get(app, headers={"upgrade": "websocket", "connection": "upgrade"}).status == 405


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "HEAD", "get"])
def test_other_methods_are_refused(app, method):
    headers = {"x-faltung-token": TOKEN}
    assert run(answer(app, method, f"/?token={TOKEN}", headers)).status in (403, 405)
    assert run(answer(app, method, "/ask", headers, [question("double", {"x": 1})])).status in (403, 405)


@pytest.mark.parametrize(
    "path", ["/ask", "/page.html", "/../etc/passwd", "//", "/%2e%2e/", "/favicon.ico", "/static/x"]
)
def test_there_are_no_other_paths(app, path):
    assert get(app, target=f"{path}?token={TOKEN}").status in (404, 405)


def test_every_response_has_the_strict_headers(app):
    for told in (get(app), double(app), get(app, headers={"host": "evil.example"}), get(app, target="/x")):
        assert told.headers["cache-control"] == "no-store"
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in told.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in told.headers["content-security-policy"]
        assert not {"server", "access-control-allow-origin"} & {*told.headers}
    assert "unsafe-inline" not in get(app).headers["content-security-policy"].split("style-src")[0]
    assert TOKEN.encode() not in get(app, headers={"host": "evil.example"}).body


# ---- what may be asked


NOT_QUESTIONS = {
    "nothing": b"",
    "three bytes": b"abc",
    "a length beyond the end": struct.pack("<I", 2**31) + b"{}",
    "no JSON": struct.pack("<I", 3) + b"{,}",
    "a list": struct.pack("<I", 2) + b"[]",
    "not UTF-8": struct.pack("<I", 2) + b"\xff\xfe",
    "deep": struct.pack("<I", 200_000) + b"[" * 200_000,
    "a huge integer": struct.pack("<I", 100_000) + b"9" * 100_000,
    "a long text": struct.pack("<I", 2**20 + 1) + b" " * (2**20 + 1),
}


@pytest.mark.parametrize("body", NOT_QUESTIONS.values(), ids=NOT_QUESTIONS)
def test_what_is_no_question_is_refused(app, body):
    assert post(app, body).status == 400
    assert still_answers(app)


WRONG = {
    "no name": (None, {}),
    "an unknown name": ("__class__", {}),
    "a name that is a list": (["double"], {}),
    "no arguments": ("double", None),
    "too few arguments": ("double", {}),
    "too many arguments": ("double", {"x": 1, "self": 2}),
    "an array without bytes": ("double", {"x": {"$array": [0, [2], "float64"]}}),
    "a negative offset": ("double", {"x": {"$array": [-8, [1], "float64"]}}),
    "a negative length": ("double", {"x": {"$array": [0, [-1, -1], "float64"]}}),
    "lengths that overflow": ("double", {"x": {"$array": [0, [2**62, 4], "uint8"]}}),
    "many lengths": ("double", {"x": {"$array": [0, [1] * 1000, "uint8"]}}),
    "objects": ("double", {"x": {"$array": [0, [1], "object"]}}),
    "a truth value for a length": ("double", {"x": {"$array": [0, [True], "uint8"]}}),
    "no number": ("double", {"x": {"$number": "1e999"}}),
    "deep": ("double", {"x": json.loads("[" * 50 + "]" * 50)}),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_question_is_answered_with_a_sentence(app, wrong):
    told = post(app, question(*wrong))
    assert told.status == 200
    assert "expected" in told.reply["error"]
    assert still_answers(app)


def test_the_same_bytes_cannot_fill_the_memory(app):
    array = {"$array": [0, [2**20], "uint8"]}
    told = post(app, question("double", {"x": [array] * 10_000}, bytes(2**20)))
    assert "all in all" in told.reply["error"]


def test_a_defect_in_one_answer_leaves_the_server_up(app, caplog):
    assert post(app, question("fail", {})).reply == {"error": "Python could not answer this: RuntimeError: a defect"}
    assert "could not answer" in caplog.text
    assert still_answers(app)


def test_a_body_that_is_larger_than_it_says_is_refused_while_it_comes(app):
    part = bytes(2**20)
    sent = [part] * 200
    told = post(app, sent, headers={"content-length": "10"})
    assert told.status == 400
    assert "64 MB" in told.body.decode()
    assert told.headers["connection"] == "close"
    assert still_answers(app)


def test_a_body_that_does_not_come_is_given_up(app, monkeypatch):
    monkeypatch.setattr(local_server, "_TO_ARRIVE", 0.05)
    told = post(app, [b"a"] * 100, wait=0.02)
    assert told.status == 400
    assert "did not arrive" in told.body.decode()
    assert still_answers(app)


def test_bodies_that_do_not_come_keep_no_place(app, monkeypatch):
    async def ask_beside():
        headers = {"x-faltung-token": TOKEN}
        slow = [
            asyncio.create_task(answer(app, "POST", "/ask", headers, [b"a"] * 100, wait=0.1))
            for _ in range(2 * local_server._ANSWERED)
        ]
        await asyncio.sleep(0.05)
        told = await answer(app, "POST", "/ask", headers, [question("double", {"x": 2})])
        assert not any(task.done() for task in slow)
        monkeypatch.setattr(local_server, "_ARRIVING", len(slow))
        refused = await answer(app, "POST", "/ask", headers, [question("double", {"x": 2})])
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return told, refused

    told, refused = run(ask_beside())
    assert told.reply == {"value": {"twice": 4}}
    assert (refused.status, "are arriving" in refused.body.decode()) == (503, True)
    assert still_answers(app)


def test_bodies_are_bounded_all_together(app, monkeypatch):
    monkeypatch.setattr(local_server, "_MOST_BYTES", 10)
    assert double(app).status == 503
    monkeypatch.undo()
    assert still_answers(app)


def test_a_sender_who_leaves_leaves_no_trace(app):
    async def leave():
        for _ in range(3 * local_server._ANSWERED):
            await answer(app, "POST", "/ask", {"x-faltung-token": TOKEN}, [])

    run(leave())
    assert still_answers(app)


def test_a_question_that_takes_too_long_is_given_up_and_others_are_bounded(monkeypatch):
    app = application(Explorer([Counter()]), TOKEN)
    monkeypatch.setattr(local_server, "_TO_ANSWER", 0.05)
    monkeypatch.setattr(local_server, "_WAITING", 2)

    async def ask(seconds):
        body = [question("wait", {"seconds": seconds})]
        return await answer(app, "POST", "/ask", {"x-faltung-token": TOKEN}, body)

    async def many():
        return await asyncio.gather(*(ask(0.3) for _ in range(local_server._ANSWERED + 4)))

    told = run(many())
    assert [one.status for one in told].count(503) == 2
    assert all("did not finish" in one.reply["error"] for one in told if one.status == 200)


# ---- what is uploaded


def upload(app, name, content):
    array = {"$array": [0, [len(content)], "uint8"]}
    return post(app, question("open", {"name": name, "file": array}, content)).reply


def png(width, height, rows):
    """Return a PNG of grey samples that says it is of this size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def encoded(samples, kind):
    file = io.BytesIO()
    Image.fromarray(samples).save(file, kind)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_pictures_are_decoded(app):
    samples = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    reply = upload(app, "a.png", encoded(samples, "PNG"))["value"]
    assert reply["samples"]["$array"][1:] == [[3, 4, 5], "uint8"]
    assert reply["name"] == "a.png, 4 × 5"


BOMB = png(60_000, 60_000, zlib.compress(bytes(60_001)))
DAMAGED = {
    "empty.png": b"",
    "text.png": b"no picture",
    "bomb.png": BOMB,
    "cut.png": encoded(np.zeros((64, 64), np.uint8), "PNG")[:60],
    "pickle.npy": npy(np.array([{"a": 1}]), allow_pickle=True),
    "huge.npy": npy(np.zeros(2))[:60].replace(b"(2,)", b"(2**40,)"),
    "tags.tif": b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200,
    "circle.tif": b"II*\0\x08\0\0\0\x00\x00\x08\0\0\0",
    "ragged.csv": b"1,2\n3\n",
    "text.csv": b"a,b\nc,d\n",
    "no.wav": b"RIFF\xff\xff\xff\xffWAVEfmt ",
    "../../../etc/passwd": b"root:x:0:0",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_with_a_sentence(app, name):
    said = upload(app, name, DAMAGED[name])["error"]
    assert said.startswith("file: ")
    assert "Traceback" not in said
    assert "/tmp" not in said
    assert still_answers(app)


def test_a_large_picture_is_refused_by_its_header(app):
    assert "at most 64 million pixels, got 60,000 × 60,000" in upload(app, "a.png", BOMB)["error"]
    subject = UploadSubject()
    subject._places.acquire()
    subject._places.acquire()
    reply, _ = Explorer([subject]).reply("open", {"name": "a", "file": []})
    assert "still reading 2 other files" in reply["error"]


def test_no_file_of_an_upload_stays(app, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload(app, "a.png", DAMAGED["bomb.png"])
    upload(app, "b.png", encoded(np.zeros((3, 3), np.uint8), "PNG"))
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_takes_too_long_is_given_up(app, monkeypatch):
    monkeypatch.setattr("faltung.explorer.decoding._SECONDS", 0.01)
    assert "longer" in upload(app, "a.png", b"")["error"]


@pytest.mark.parametrize(
    "arguments", [{"name": 3, "file": 3}, {"name": "a" * 300, "file": []}, {"name": "a", "file": "/etc/passwd"}]
)
def test_an_upload_is_a_name_and_bytes(app, arguments):
    assert "expected" in post(app, question("open", arguments)).reply["error"]


@pytest.mark.parametrize(
    "text",
    [
        "gaussian(1e9)",
        "box(100000)",
        "(" * 100,
        "gaussian(2)**64**64",
        "__import__('os')",
        "9**9**9",
        "gaussian(300)**60",
    ],
)
def test_expressions_are_bounded(text):
    reply, _ = fa.explore().reply("kernel", {"text": text, "ndim": 2})
    assert "error" in reply


# ---- many requests


WORDS = [
    "/", "/ask", "/../", "localhost", "127.0.0.1", "evil.example", "http://localhost", "null", TOKEN, "", "\x00",
    "é" * 9, "[" * 99, '{"$array": [0, [9], "uint8"]}', '{"question": "double", "arguments": {"x": 1}}',
    "double", "open", "%00",
]  # fmt: skip
HEADERS = ["host", "origin", "x-faltung-token", "content-length", "transfer-encoding", "upgrade", "cookie", "referer"]


def drawn(random_, words=WORDS):
    """Return a random request: method, target, headers, parts of a body."""
    pick = random_.choice
    headers = {name: pick(words).encode("utf-8").decode("latin-1") for name in random_.sample(HEADERS, 4)}
    if random_.random() < 0.5:
        headers |= {"host": "localhost", "x-faltung-token": TOKEN}
        headers.pop("origin", None)
    text = pick(words).encode()
    body = pick([text, struct.pack("<I", len(text)) + text, random_.randbytes(random_.randrange(300))])
    target = pick(["/", "/ask", f"/?token={TOKEN}", "/" + pick(words).replace("\x00", "")])
    return pick(["GET", "POST", "POST", "PUT", pick(words)]), target, headers, [body[:9], body[9:]]


FILTER = {"kernels": [[{"text": "box(3)"}]], "size": [9, 9], "operation": "convolve"}


@pytest.mark.parametrize(
    "name", ["kernels", "size", "operation", "mode", "cval", "shape", "stride", "dilation", "other"]
)
@pytest.mark.parametrize(
    "value", [None, [], [[]], {}, {"text": 1}, "nonsense", [[2**70]], {"$array": [0, [2], "uint8"]}]
)
def test_wrong_arguments_of_a_plan_are_answered_with_a_sentence(name, value, caplog):
    reply, _ = fa.explore().reply("plan", FILTER | {name: value}, b"ab")
    assert "error" in reply
    assert caplog.text == ""


def resident():
    """Return the bytes of memory that this process has now, without what is free but not given back."""
    gc.collect()
    with suppress(AttributeError):  # other C libraries than glibc lack it
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is told by Linux")
def test_ten_thousand_random_requests_are_survived(app, caplog):
    random_ = random.Random(0)
    before = resident()

    async def ask_all():
        return [await answer(app, *drawn(random_)) for _ in range(10_000)]

    statuses = {one.status for one in run(ask_all())}
    assert statuses <= {200, 400, 403, 404, 405}
    assert {200, 400, 403, 405} <= statuses
    assert still_answers(app)
    assert resident() - before < 50 * 2**20


def test_random_bytes_on_the_socket_are_survived():
    random_ = random.Random(1)
    with serving(Explorer([Counter()])) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        for _ in range(300):
            method, target, headers, parts = drawn(random_)
            lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            raw = "\r\n".join(lines).encode("utf-8", "replace") + b"".join(parts)
            raw = raw if random_.random() < 0.7 else random_.randbytes(400)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                status = connection.recv(65536).split(b" ", 2)[1:2]
            assert not status or status[0] in {b"200", b"400", b"403", b"404", b"405"}
        with urllib.request.urlopen(server.url) as page:
            assert page.status == 200
            assert "Server" not in page.headers


def test_a_header_that_does_not_come_closes_the_connection(monkeypatch):
    monkeypatch.setattr(local_server, "_HEADER_TO_ARRIVE", 0.2)
    with serving(Explorer([Counter()])) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(sent)
                received = b"".join(iter(lambda: connection.recv(65536), b""))
            assert received.startswith(b"HTTP/1.1 403" if sent.endswith(b"\r\n") else b"")
        with urllib.request.urlopen(server.url) as page:
            assert page.status == 200


def test_a_page_that_takes_long_keeps_nobody(monkeypatch):
    import threading

    held = threading.Event()

    class Held(Counter):
        def content(self):
            held.wait(10)
            return {}

    app = application(Explorer([Held()]), TOKEN)
    monkeypatch.setattr(local_server, "_TO_ANSWER", 0.5)

    async def both():
        page = asyncio.create_task(answer(app, target=f"/?token={TOKEN}"))
        body = [question("double", {"x": 2})]
        told = await answer(app, "POST", "/ask", {"x-faltung-token": TOKEN}, body)
        return told, await page

    told, page = run(both())
    held.set()
    assert told.reply == {"value": {"twice": 4}}
    assert (page.status, "in time" in page.body.decode()) == (503, True)


@pytest.mark.filterwarnings("error")
def test_a_server_that_ends_leaves_no_connection_open():
    import gc
    import time

    def waiting():
        """Whether a connection has bytes that could not be sent."""
        return any(one.transport.get_write_buffer_size() for one in server._server.server_state.connections)

    with socket.socket() as connection, serving(Explorer([Counter()])) as server:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(server._socket.getsockname())
        target = server.url.split("/", 3)[3]
        connection.sendall(f"GET /{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * 30)
        end = time.monotonic() + 10
        while not waiting():  # nothing is read here
            assert time.monotonic() < end
            time.sleep(0.05)
    gc.collect()  # an open connection warns here, or in whichever test runs next


def test_the_server_is_reached_from_this_machine_only():
    with serving(Explorer([Counter()])) as server:
        assert server._socket.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_refused():
    with serving(Explorer([Counter()])) as server:
        port = server._socket.getsockname()[1]
        with pytest.raises(fa.ArgumentError, match=r"port: expected a free port.*Leave it out"):
            local_server.LocalServer(Explorer([]), port)

"""`faltung explore` as it is typed: the page is served until Ctrl-C, or saved."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faltung as fa
from faltung.explorer.explored import Explorer
from faltung.explorer.network_subject import NetworkSubject

SOURCE = str(Path(fa.__file__).parents[1])


@pytest.fixture
def started(tmp_path):
    """A function that starts the command, and returns the process and the address that it prints."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "faltung", "explore", "--no-browser", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": SOURCE},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, re.search(r"http://\S+", process.stdout.readline())[0]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def fetched(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_it_is_interrupted(started, number):
    process, url = started("--allow-host", "box.local")
    assert url.startswith("http://127.0.0.1:")
    status, page = fetched(url)
    assert (status, "<title>faltung" in page) == (200, True)
    assert fetched(url, Host="box.local:1")[0] == 200
    assert fetched(url, Host="evil.example")[0] == 403
    process.send_signal(number)
    _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors) == (0, "")


def test_the_port_can_be_chosen(started):
    _, first = started()
    port = first.split(":")[2].split("/")[0]
    process = subprocess.run(
        [sys.executable, "-m", "faltung", "explore", "--no-browser", "--port", port],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert f"--port: expected a free port, got {port}" in " ".join(process.stderr.split())


def test_the_browser_is_opened_at_the_printed_address(command, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("faltung.explorer.local_server.LocalServer.run", lambda self: self._socket.close())
    code, output, _ = command("explore")
    assert code == 0
    assert opened == [re.search(r"http://\S+", output)[0]]
    command("explore", "--no-browser")
    assert len(opened) == 1


def test_the_page_can_be_saved(command, tmp_path, monkeypatch):
    monkeypatch.setattr(NetworkSubject, "stored", lambda self: iter(()))  # its answers take seconds
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    code, output, errors = command("explore", "a.png", "-k", "gaussian(1)", "--save", "page.html")
    assert (code, output, errors) == (0, "Saved page.html\n", "")
    assert "a.png, 9" in (tmp_path / "page.html").read_text(encoding="utf-8")
    code, _, errors = command("explore", "--save", "page.html")
    assert code == 1
    assert "--save: expected a file that does not exist yet" in errors
    assert command("explore", "a.png", "--save", "a.png", "--overwrite")[0] == 2
    assert command("explore", "--save", "page.html", "--overwrite")[0] == 0


WRONG = {
    "a file that does not exist": (["no.png"], 1, "THING: expected a file that exists, got 'no.png'"),
    "a file of another kind": (["text.md"], 1, "THING: expected a PNG, JPEG, TIFF"),
    "a folder that is no run": (["folder"], 1, "folder"),
    "a kernel that cannot be read": (["-k", "gausian(2)"], 1, "gaussian"),
    "a kernel of another dimension": (["-k", "box(3, ndim=1)"], 1, "axes"),
    "a view that does not exist": (["--view", "none"], 1, "--view: expected one of filter, algebra"),
    "a name with a port": (["--allow-host", "box:80"], 2, "a name without a port"),
    "a port that does not exist": (["--port", "70000"], 2, "--port"),
    "a folder for the page": (["--save", "folder"], 1, "--save"),
    "a folder that is missing": (
        ["--save", "missing/page.html"],
        1,
        "--save: expected a name in a folder that exists",
    ),
}


def test_a_run_folder_may_come_a_little_later(command, tmp_path, monkeypatch):
    def make(_):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "history.csv").write_text("network,epoch,seconds\n")

    monkeypatch.setattr("faltung.cli.explore.time.sleep", make)
    monkeypatch.setattr("faltung.explorer.local_server.LocalServer.run", lambda self: self._socket.close())
    code, output, errors = command("explore", "run", "--no-browser")
    assert (code, "The explorer is at http" in output) == (0, True)
    assert "'run' does not exist yet. Waiting 30 seconds" in errors
    monkeypatch.setattr("faltung.cli.explore._TO_WAIT", 0.0)
    code, _, errors = command("explore", "other")
    assert code == 1
    assert (
        "expected a file or a run folder that exists, got 'other'. If faltung learn has just been started" in errors
    )


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_answered_with_a_sentence(command, tmp_path, arguments, code, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.md").write_text("words")
    found, output, errors = command("explore", "--no-browser", *arguments)
    assert found == code
    assert message in errors
    assert output == ""


def test_a_missing_extra_is_named(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "faltung.explorer.local_server", raising=False)
    code, _, errors = command("explore", "--no-browser")
    assert code == 1
    assert "faltung explore needs packages" in errors
    assert 'pip install ".[explore]"' in errors


def test_saving_needs_no_extra(command, tmp_path, monkeypatch):
    for name in ("uvicorn", "starlette", "anywidget"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("local_server", "widget"):
        monkeypatch.delitem(sys.modules, f"faltung.explorer.{name}", raising=False)
    assert command("explore", "--save", "page.html")[0] == 0
    assert isinstance(fa.explore(), Explorer)

"""JupyterLab and marimo show the explorer, and Python answers it: the real programs, in Chromium."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import faltung as fa

CODE = "import faltung as fa\nfa.explore(fa.gaussian(1))"
MARIMO = """import marimo

app = marimo.App()


@app.cell
def _():
    import faltung as fa

    fa.explore(fa.gaussian(1))
    return
"""
ASK = """async (node) => {
    const answer = await node.getRootNode().host.explorer.host.ask("kernel", { text: "binomial(4)", ndim: 2 });
    return [answer.taps.shape, [...answer.taps.data]];
}"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def program(module, *arguments, address, folder):
    """Run a module that serves an address, until the block ends."""
    source = str(Path(fa.__file__).parents[1])
    own = {"PYTHONPATH": source, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "JUPYTER_PLATFORM_DIRS": "1"}
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(address, process)
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(process.pid, number)
            try:
                process.wait(10)
                break
            except subprocess.TimeoutExpired:
                continue


def wait_for(address, process):
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert process.poll() is None, "the server has ended"
            time.sleep(0.1)
    raise AssertionError("the server did not start")


@pytest.fixture
def notebook_page(browser):
    """A page that must raise no error; a notebook has messages of its own in the console."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def gray_levels(element):
    """Return how many levels of grey are seen: one where nothing was drawn."""
    return len(np.unique(Image.open(io.BytesIO(element.screenshot())).convert("L")))


def check_explorer(page):
    """The view is there, its first picture is no blank, and Python answers what the page asks."""
    explorer = page.locator(".explorer").first
    explorer.locator("[role=tab][aria-selected=true]").wait_for(timeout=60_000)
    explorer.locator("canvas").first.wait_for()
    for _ in range(50):
        most = max(map(gray_levels, explorer.locator("canvas:visible").all()))
        if most > 50:
            break
        page.wait_for_timeout(100)
    assert most > 50, "all pictures are blank"
    shape, taps = explorer.evaluate(ASK)
    np.testing.assert_array_equal(np.reshape(taps, shape), fa.binomial(4).taps)


def test_jupyterlab_shows_the_last_value_of_a_cell(notebook_page, tmp_path):
    cell = {"cell_type": "code", "execution_count": None, "id": "one", "metadata": {}, "outputs": [], "source": CODE}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "explore.ipynb").write_text(json.dumps(notebook))
    port = free_port()
    options = ["--no-browser", "--allow-root", "--IdentityProvider.token=token", "--LabApp.news_url="]
    place = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    address = f"http://127.0.0.1:{port}/lab/tree/explore.ipynb?token=token"
    with program("jupyterlab", *options, *place, address=address, folder=tmp_path):
        page = notebook_page
        page.goto(address)
        page.get_by_text("| Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .cm-content").click()
        page.keyboard.press("Control+Enter")
        check_explorer(page)
        # What is typed into the page is none of the notebook's commands: "d", "d" would delete the cell.
        page.locator(".explorer [role=tab]").first.focus()
        page.keyboard.type("dd")
        assert page.locator(".jp-Notebook .explorer").count() == 1


def test_marimo_shows_the_last_expression_of_a_cell(notebook_page, tmp_path):
    (tmp_path / "explore.py").write_text(MARIMO)
    port = free_port()
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with program("marimo", "-y", "run", "explore.py", *options, address=address, folder=tmp_path):
        notebook_page.goto(address)
        check_explorer(notebook_page)

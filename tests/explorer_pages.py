"""What tests of the explorer share: a browser, pages of a server and in files, and a page that must be quiet.

The browser is the system's Chromium, driven by playwright. Without it the tests fail, because a page that nobody
looked at is not tested; FALTUNG_WITHOUT_BROWSER=1 skips them instead.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Flags without which Chromium asks the machine for more than a test needs.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


def chromium() -> str:
    """Return the path of Chromium."""
    found = next(filter(None, map(shutil.which, [os.environ.get("FALTUNG_CHROMIUM", ""), *NAMES])), None)
    if found is None:
        if os.environ.get("FALTUNG_WITHOUT_BROWSER"):
            pytest.skip("there is no Chromium")
        pytest.fail(
            "These tests drive Chromium, which is not installed. Install it (Debian: apt-get install chromium), name "
            "it in FALTUNG_CHROMIUM, or set FALTUNG_WITHOUT_BROWSER=1 to skip them.",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def serving(explorer, **options):
    """Serve an explorer on a free port; yield the server."""
    from faltung.explorer.local_server import LocalServer

    server = LocalServer(explorer, **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def served():
    """A function that serves an explorer until the end of the test, and returns the address of its page."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda explorer, **options: stack.enter_context(serving(explorer, **options)).url


@pytest.fixture
def saved(tmp_path):
    """A function that saves an explorer, and returns the address of the file."""
    return lambda explorer, name="page.html": explorer.save(tmp_path / name).as_uri()


@pytest.fixture(scope="session")
def whole_page(tmp_path_factory):
    """The address of a file with all views, saved once: its answers about the built-in network take seconds."""
    import faltung as fa

    return fa.explore().save(tmp_path_factory.mktemp("whole") / "page.html").as_uri()


class Noise:
    """What a page did that it should not: messages, errors, requests that failed or left the machine."""

    def __init__(self, page):
        self.heard = []
        self._page = page
        self._listeners = {
            "console": lambda message: self.heard.append(f"console: {message.text}"),
            "pageerror": lambda error: self.heard.append(f"error: {error}"),
            "requestfailed": lambda request: self.heard.append(f"failed: {request.url[:80]}"),
            "response": self._check,
            "request": lambda request: self._check_place(request.url),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def end(self):
        """Listen no longer, and return what was heard."""
        for event, listener in self._listeners.items():
            self._page.remove_listener(event, listener)
        return self.heard

    def _check(self, answer):
        if answer.status >= 400:
            self.heard.append(f"status {answer.status}: {answer.url[:80]}")

    def _check_place(self, url):
        if not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:", "http://localhost:")):
            self.heard.append(f"request: {url[:80]}")


@pytest.fixture(scope="session")
def one_page(browser):
    """A page for all tests: to open one, with a process of its own, takes longer than most tests do."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


@pytest.fixture
def quiet_page(one_page):
    """An empty page of 1280 x 900 pixels, which must neither complain nor leave the machine."""
    one_page.set_viewport_size({"width": 1280, "height": 900})
    one_page.mouse.move(0, 0)
    noise = Noise(one_page)
    yield one_page
    heard = noise.end()
    one_page.unroute_all(behavior="ignoreErrors")
    one_page.goto("about:blank")
    assert heard == [], heard

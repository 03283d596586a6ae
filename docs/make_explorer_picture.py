"""Photograph the explorer: docs/images/explorer.png. Run it where Chromium and playwright are installed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import faltung as fa

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PICTURE = Path(__file__).parent / "images" / "explorer.png"


def main() -> None:
    """Write the picture: both operations on the photograph, with the window at its strongest edge."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        saved = fa.explore().save(Path(folder) / "page.html")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 820})
        page.goto(saved.as_uri())
        page.locator(".filter-view .map-overlay:visible").first.wait_for()
        page.wait_for_timeout(1000)  # fonts and the first output
        page.screenshot(path=PICTURE)
        browser.close()
    Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()

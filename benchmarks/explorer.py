"""How fast does the explorer's page answer? First paint, and from a movement of the pointer to the picture.

python benchmarks/explorer.py            # writes benchmarks/results/explorer.{md,json}
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

import faltung as fa
from measure import table, write

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
_MOVES = 300
_STARTS = 9

_NOTE = """
Chromium without a GPU, a saved page of 1280 x 900 pixels with `sobel(axis=1)` on an image. *Work*: from the event of
the pointer to the end of style and layout, which is all that the page does for a new position of the window.
*Picture*: from the event to the second frame after it, with up to two waits for the display (16.7 ms each at 60 Hz).
*First paint*: from the start of the navigation to the first contentful paint. *First picture*: to the first frame
with an output.
"""

_HOVER = """
async (moves) => {
  const root = document.getElementById("explorer").shadowRoot;
  const overlay = root.querySelector(".maps .map-overlay");
  const frame = overlay.getBoundingClientRect();
  const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const [work, picture] = [[], []];
  for (let index = 0; index < moves; index += 1) {
    const [x, y] = [0.3 + 0.4 * ((index * 0.618) % 1), 0.2 + 0.6 * ((index * 0.414) % 1)];
    await next();
    await new Promise((resolve) => setTimeout(resolve, 3));
    const start = performance.now();
    const place = { clientX: frame.left + x * frame.width, clientY: frame.top + y * frame.height, bubbles: true };
    overlay.dispatchEvent(new PointerEvent("pointermove", place));
    void root.querySelector(".window-panel").offsetHeight;
    work.push(performance.now() - start);
    await next();
    await next();
    picture.push(performance.now() - start);
  }
  return { work, picture };
}
"""

_STARTED = """
async () => {
  const view = () => document.getElementById("explorer").shadowRoot?.querySelector(".filter-view[aria-busy=false]");
  while (!view()) await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const picture = performance.now();
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return { paint: paint ? paint.startTime : picture, picture };
}
"""


def _saved(folder: Path, image: np.ndarray, name: str) -> str:
    return fa.explore(image, fa.sobel(axis=1)).save(folder / f"{name}.html").as_uri()


def _hover(page: Page, address: str) -> dict[str, list[float]]:
    page.goto(address)
    page.evaluate(_STARTED)
    page.evaluate(_HOVER, 30)
    measured: dict[str, list[float]] = page.evaluate(_HOVER, _MOVES)
    return measured


def _percentiles(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), float(np.quantile(times, 0.95))


def main() -> None:
    """Measure, print and write."""
    rows, data = [], {}
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for side in (28, 512):
            image = random.integers(0, 256, (side, side)).astype(np.uint8)
            measured = _hover(page, _saved(folder, image, str(side)))
            for what, times in measured.items():
                middle, most = _percentiles(times)
                data[f"hover {side} x {side}, {what}"] = {"p50": middle, "p95": most}
                rows.append([f"hover, {side} x {side}: {what}", f"{middle:.1f} ms", f"{most:.1f} ms"])
        first = fa.explore().save(folder / "first.html").as_uri()
        starts = []
        for _ in range(_STARTS):
            fresh = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            fresh.goto(first, wait_until="commit")
            starts.append(fresh.evaluate(_STARTED))
            fresh.context.close()
        for key, what in (("paint", "first paint"), ("picture", "first picture")):
            middle, most = _percentiles([start[key] for start in starts])
            data[what] = {"p50": middle, "p95": most}
            rows.append([what, f"{middle:.0f} ms", f"{most:.0f} ms"])
        browser.close()
    body = table(["what", "median", "95th percentile"], rows)
    print(body)
    write("explorer", "The explorer's page", f"{_NOTE.strip()}\n\n{body}", data)


if __name__ == "__main__":
    main()

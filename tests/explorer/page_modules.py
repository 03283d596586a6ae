"""The page's modules without the page: loaded into a browser, and called with many cases at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from faltung.explorer.es_module import _add

_READING = """
const array = ({ shape, data }) => new NdArray(shape, Float64Array.from(data, Number));
const kernel = ({ taps, origin }) => ({ taps: array(taps), origin });
const plain = (value) => {
  if (value instanceof NdArray) return { shape: value.shape, data: Array.from(value.data, plain) };
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};
const answer = async (compute, one) => {
  try {
    return plain(await compute(one));
  } catch (error) {
    return { error: error.message, position: error.position, beyond: error.beyond };
  }
};
"""


class PageModules:
    """Functions of the page, called from Python."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def each(self, body: str, cases: Sequence[object]) -> list[Any]:
        """Return what the JavaScript expression `body` is for each `case`; errors are ``{"error": sentence}``."""
        text = json.dumps(sent(list(cases)))
        answers = f"JSON.parse(text).map((one) => answer(async (one) => ({body}), one))"
        code = f"async (text) => JSON.stringify(await Promise.all({answers}))"
        return [received(answer) for answer in json.loads(self.page.evaluate(code, text))]


@contextmanager
def modules_in_browser(browser: Browser, *names: str) -> Iterator[PageModules]:
    """Load modules of the page, such as ``"convolution"``, with all that they export as globals."""
    parts: dict[str, str] = {}
    for name in names:
        _add(f"{name}.js", parts, ())
    module = "\n".join(parts.values())
    exports = " ".join(f"Object.assign(globalThis, module_{name});" for name in names)
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_content("<p>faltung")
    page.add_script_tag(content=f"{{{module}\n{exports}}}\n{_READING}")
    assert not problems
    yield PageModules(page)
    page.close()


def sent(value: object) -> Any:
    """Return a value as JSON can hold it; an array becomes its shape and its numbers."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "data": [sent(float(item)) for item in value.ravel()]}
    if isinstance(value, np.generic):
        return sent(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: sent(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sent(item) for item in value]
    return value


def received(value: Any) -> Any:
    """Return arrays for what `sent` wrote in the browser."""
    if isinstance(value, dict):
        if value.keys() == {"shape", "data"}:
            return np.array([float(item) for item in value["data"]]).reshape(value["shape"])
        return {key: received(item) for key, item in value.items()}
    if isinstance(value, list):
        return [received(item) for item in value]
    return value

"""Which pages show the explorer? One saved page, which needs no Python, opened at what each page explains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

FILE = "_static/explorer.html"


def _by_name(name: str, **arguments: object) -> dict[str, object]:
    return {"source": "name", "name": name, "arguments": arguments}


_EXTENDED = {"view": "algebra", "algebra.part": "border", "algebra.mode": "nearest"}
_WIDE_BOX = {"filter.input": "shapes", "filter.kernels": [[_by_name("box", size=9)]]}

#: By the name of a page: what to do there, and the state of the explorer as far as it is not the first one.
SHOWN: dict[str, tuple[str, dict[str, object]]] = {
    "exploring": ("Point at the output, and see where its number comes from.", {}),
    "filters": (
        "Write an expression, or change a tap.",
        {"filter.kernels": [[{"source": "text", "text": "gaussian(1) * sobel(axis=1)"}]]},
    ),
    "conventions": ("Choose another mode, and look at the rim of the input.", {**_WIDE_BOX, "filter.mode": "wrap"}),
    "idea": ("The border: extended once, and extended twice, in each mode.", _EXTENDED),
    "fitting": ("Learn a filter from two pictures, at once or step by step.", {"view": "learning"}),
    "learning": ("The first rung: one filter, learned from two pictures.", {"view": "learning"}),
    "inspecting": ("Click a feature map to see how it is made.", {"view": "network"}),
    "statements/plot_01_fewer_parameters": (
        "One map of a layer. Scroll to its lines, beside those of a dense layer.",
        {"view": "network", "network.layer": 3, "network.channel": 0},
    ),
    "statements/plot_03_local_patterns": (
        "One value of a layer: the frame on the input is all that it sees.",
        {"view": "network", "network.layer": 6, "network.channel": 1, "network.position": [14, 12]},
    ),
    "statements/plot_05_window_and_dot_product": (
        "Press Play, or move the window with the arrow keys: window times filter, added up.",
        {"filter.operation": "correlate"},
    ),
    "statements/plot_06_learned_by_risk": ("Choose After some steps, and press Play.", {"view": "learning"}),
    "statements/plot_08_simple_to_complex": (
        "The maps of all layers. Open Patterns by depth above them.",
        {"view": "network"},
    ),
    "statements/plot_09_algebra": (
        "Change f, g or h, and see which laws still hold.",
        {"view": "algebra", "algebra.part": "laws"},
    ),
    "statements/plot_10_two_dimensional": ("Choose a kernel by its name.", {"filter.input": "shapes"}),
    "statements/plot_11_several_input_channels": (
        "Each channel has a kernel of its own; the output is the sum.",
        {
            "filter.input": "microphones",
            "filter.kernels": [[_by_name("gaussian", sigma=3), _by_name("delta"), _by_name("sobel", axis=0)]],
        },
    ),
    "statements/plot_12_several_output_channels": (
        "Each kernel makes a channel of its own.",
        {
            "filter.input": "chirp",
            "filter.kernels": [[_by_name("gaussian", sigma=3)], [_by_name("sobel", axis=0)], [_by_name("laplacian")]],
        },
    ),
    "statements/plot_13_edges": ("Choose Horizontal edges, then Vertical edges.", {"filter.input": "shapes"}),
    "statements/plot_14_convolution_and_correlation": (
        "Both at once: the same window, the taps in opposite order.",
        {"filter.operation": "both"},
    ),
    "gallery/teaching/plot_window": ("Press Play.", {"filter.input": "shapes", "filter.operation": "correlate"}),
    "gallery/teaching/plot_flip": ("Both at once.", {"filter.operation": "both"}),
    "gallery/teaching/plot_border_modes": ("Choose another mode.", {**_WIDE_BOX, "filter.mode": "mirror"}),
    "gallery/teaching/plot_extend_once": ("The difference, in each mode.", _EXTENDED),
    "gallery/teaching/plot_separable": (
        "The rank of a product, and its column and row.",
        {"view": "algebra", "algebra.f": _by_name("gaussian", sigma=1), "algebra.g": _by_name("sobel", axis=0)},
    ),
}


def address(state: dict[str, object]) -> str:
    """Return the part of an address behind the file, as the explorer writes it."""
    text = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in state.items()
    }
    return "&".join(f"{key}={quote(value, safe='')}" for key, value in text.items())


def add_explorer(app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Put the explorer at the end of a page."""
    if page in SHOWN:
        todo, state = SHOWN[page]
        source = f"{relative_uri(app.builder.get_target_uri(page), FILE)}#{address(state)}"
        context["body"] += (
            '<section class="watch-it"><h2>Watch it</h2>'
            f'<p>{todo} This is the <a href="{source}" target="_blank">explorer</a>. '
            "It runs in this page, without Python; as large as your window in a tab of its own.</p>"
            f'<div><iframe src="{source}" title="The explorer of faltung" loading="lazy"></iframe></div></section>'
        )


def save_explorer(app: Sphinx, error: Exception | None) -> None:
    """Write the explorer once, beside the style sheets."""
    if error is None and app.builder.format == "html":
        import faltung

        unknown = {*SHOWN} - app.env.found_docs
        if unknown:
            raise ValueError(f"the explorer is shown on pages that do not exist: {sorted(unknown)}")
        faltung.explore().save(Path(app.outdir) / FILE, overwrite=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", add_explorer)
    app.connect("build-finished", save_explorer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""How is the site built? ``make docs`` runs Sphinx with this file; docs/extensions has what is made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SOURCE = ROOT / "build" / "docs-source"
sys.path.insert(0, str(DOCS / "extensions"))

import api_pages  # noqa: E402
import embedded_explorer  # noqa: E402
import staged_sources  # noqa: E402

import faltung  # noqa: E402

staged_sources.stage(SOURCE)
api_pages.write_pages(SOURCE / "api")

project = "faltung"
author = "the authors of faltung"
copyright = "the authors of faltung; BSD-3-Clause"
version = release = faltung.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "embedded_explorer",
    "formulas",
    "llms_text",
    "public_references",
]
exclude_patterns = ["**/GALLERY_HEADER.rst", "**/sg_execution_times.rst", "sg_execution_times.rst"]

# A single backtick in a docstring is a link where it names something public, and otherwise only a name.
default_role = "autolink"
nitpicky = True
autodoc_typehints = "none"  # the docstrings have the types, in words
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": [str(DOCS / "statements"), str(DOCS / "gallery")],
    "gallery_dirs": ["statements", "gallery"],
    "within_subsection_order": "FileNameSortKey",
    "parallel": 2,
    "reset_modules": ("plot_look.reset",),
    "doc_module": ("faltung",),
    "backreferences_dir": "api/uses",
    "reference_url": {"faltung": None},
    "log_level": {"backreference_missing": "debug"},
    "image_srcset": ["2x"],
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_title = "faltung"
html_favicon = "static/logo.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("explorer_frames.js", {"defer": "defer"})]
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    # Pages with an explorer give it the width of the list of their sections.
    "secondary_sidebar_items": {"**": ["page-toc"], **{page: [] for page in embedded_explorer.SHOWN}},
    "logo": {"text": "faltung", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_sidebars = {"index": []}

"""The list of pages for language models: each has the first sentence of its text."""

from __future__ import annotations

import pytest

pytest.importorskip("sphinx")  # the extra docs; .ci/run runs this file behind `make docs`, which installs it

import llms_text
from docutils.core import publish_doctree

NOTE = """.. note::
    :class: sphx-glr-download-link-note

    Go to the end to download the full example code.

"""
TITLE = "A title of a page\n=================\n\n"


@pytest.mark.parametrize("before", ["", NOTE + TITLE, TITLE], ids=["text alone", "an example", "a page"])
def test_the_first_sentence_is_that_of_the_text_and_not_of_a_note(before):
    document = publish_doctree(f"{before}Kernels are values and\nhave *algebra*. A second sentence.\n")
    assert llms_text.first_sentence(document) == "Kernels are values and have algebra."


def test_what_is_too_short_for_a_sentence_is_passed_over():
    document = publish_doctree("Short.\n\n**Context.** This one says what the page is about:\n")
    assert llms_text.first_sentence(document) == "This one says what the page is about."


def test_a_page_without_text_has_no_sentence():
    assert llms_text.first_sentence(publish_doctree(NOTE)) == ""

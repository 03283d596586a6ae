"""How are results shown? As a table for the terminal, and as a page that needs no other file.

`page` assembles the page of a comparison of classifiers. `findings` has the results in sentences, `table` the costs
and accuracies; `layer_section` and `filter_section` show the inside of the networks, `mistakes` and `sample_section`
their errors.

Examples
--------
>>> from faltung.learn.report.findings import findings
>>> findings([])
[]
"""

from __future__ import annotations

from faltung.learn.report.findings import warnings
from faltung.learn.report.page import html_report

__all__ = ["html_report", "warnings"]

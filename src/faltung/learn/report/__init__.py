"""What does a run show? A table and sentences for the terminal, and a page that stands alone.

`page` puts the page together: `findings` says what came out, `table` what each network costs, `layers` and `filters`
look inside, `mistakes` and `samples` show where the network is wrong.

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

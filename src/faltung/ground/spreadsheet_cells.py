"""What may a cell of a CSV file hold? Text that a spreadsheet would compute gets an apostrophe before it."""

from __future__ import annotations

__all__ = ["cell_of", "text_of"]

#: Signs with which spreadsheets let a formula begin; the last four are those of wide letters.
_BEGIN = tuple("=+-@\t\r＝＋－＠")
_APOSTROPHE = "'"


def cell_of(text: str) -> str:
    """Return the cell for a text, which a spreadsheet shows and does not compute. Numbers stay numbers.

    References
    ----------
    OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection.

    Examples
    --------
    >>> cell_of("=1+1"), cell_of("-0.5"), cell_of("cat"), cell_of("'=1")
    ("'=1+1", '-0.5', 'cat', "''=1")
    """
    return _APOSTROPHE + text if _is_formula(text.lstrip(_APOSTROPHE)) else text


def text_of(cell: str) -> str:
    """Return the text of a cell, as it was given to `cell_of`.

    Examples
    --------
    >>> text_of("'=1+1"), text_of("-0.5"), text_of("'tis")
    ('=1+1', '-0.5', "'tis")
    """
    return cell[1:] if cell.startswith(_APOSTROPHE) and _is_formula(cell.lstrip(_APOSTROPHE)) else cell


def _is_formula(text: str) -> bool:
    if not text.startswith(_BEGIN):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False

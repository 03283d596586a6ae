"""Why can a file not be read, though it is whole? Something in it would be lost or mean something else."""

from __future__ import annotations

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """A file holds what cannot be kept; `read` makes an `ArgumentError` of it, which names the file.

    Parameters
    ----------
    expected : str
        What was expected.
    held : str
        What the file has instead; it follows the name of the file.
    remedy : str, optional
        A sentence that says what to do.
    """

    def __init__(self, expected: str, held: str, remedy: str = "") -> None:
        super().__init__(expected, held, remedy)
        self.expected, self.held, self.remedy = expected, held, remedy

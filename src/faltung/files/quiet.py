"""How are libraries kept from writing to the terminal? What they say is checked, or an error."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]

_LOGGERS = ("tifffile", "imagecodecs", "PIL")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Run a block without warnings and messages of the libraries that read and write pictures."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

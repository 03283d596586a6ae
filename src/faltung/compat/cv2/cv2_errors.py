"""How does a call fail as in OpenCV? With an error that is also OpenCV's own where that is loaded."""

from __future__ import annotations

import sys
from typing import NoReturn

from faltung.errors import ArgumentError

__all__ = ["OpenCVError", "refuse"]

_loaded: dict[type[Exception], type[OpenCVError]] = {}


class OpenCVError(ArgumentError):
    """An argument that OpenCV refuses, too; where OpenCV is loaded, the error is a `cv2.error` as well.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung.compat import cv2
    >>> try:
    ...     cv2.blur(np.ones((4, 4)), (0, 3))
    ... except cv2.error as error:
    ...     print(error)
    ksize: expected a positive width and height, got (0, 3).
    """


def refuse(argument: str, expected: str, received: str, remedy: str = "") -> NoReturn:
    """Raise the error for an argument that OpenCV refuses."""
    raise _error_class()(argument, expected, received, remedy)


def _error_class() -> type[OpenCVError]:
    """Return the class of errors: with OpenCV's as a second base, if OpenCV is loaded."""
    theirs = getattr(sys.modules.get("cv2"), "error", None)
    if not (isinstance(theirs, type) and issubclass(theirs, Exception)):
        return OpenCVError
    if theirs not in _loaded:
        _loaded[theirs] = type("OpenCVError", (OpenCVError, theirs), {"__doc__": OpenCVError.__doc__})
    return _loaded[theirs]

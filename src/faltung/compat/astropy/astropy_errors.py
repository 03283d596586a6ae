"""How does a call fail or warn as in astropy? With its own classes as well, where they are loaded."""

from __future__ import annotations

import sys
import warnings
from typing import NoReturn

from faltung.errors import ArgumentError

__all__ = [
    "AstropyDimensionError",
    "AstropyMaskError",
    "AstropySizeError",
    "refuse_size",
    "warn_user",
]

_loaded: dict[type[Exception], type[AstropySizeError]] = {}


class AstropySizeError(ArgumentError):
    """A kernel has a size that `convolve` cannot use; where astropy is loaded, it is also its `KernelSizeError`."""


class AstropyDimensionError(ArgumentError, NotImplementedError):
    """What astropy has not implemented, for which it raises a `NotImplementedError`."""


class AstropyMaskError(ArgumentError, IndexError):
    """A mask does not fit its array, for which NumPy raises an `IndexError` in astropy."""


def refuse_size(expected: str, received: str, remedy: str = "") -> NoReturn:
    """Raise the error for a size of a kernel."""
    theirs = getattr(sys.modules.get("astropy.convolution.utils"), "KernelSizeError", None)
    if not (isinstance(theirs, type) and issubclass(theirs, Exception)):
        raise AstropySizeError("kernel", expected, received, remedy)
    if theirs not in _loaded:
        _loaded[theirs] = type("AstropySizeError", (AstropySizeError, theirs), {"__doc__": AstropySizeError.__doc__})
    raise _loaded[theirs]("kernel", expected, received, remedy)


def warn_user(message: str, calls: int = 1) -> None:
    """Warn the caller that is so many calls above this one's, with astropy's class of warnings if it is loaded."""
    category = getattr(sys.modules.get("astropy.utils.exceptions"), "AstropyUserWarning", UserWarning)
    warnings.warn(message, category, stacklevel=2 + calls)

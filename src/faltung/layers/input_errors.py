"""What can be wrong with the input of a layer? Errors that are those of torch, too."""

from __future__ import annotations

from faltung.errors import ArgumentError, ArgumentTypeError

__all__ = ["InputError", "InputTypeError"]


class InputError(ArgumentError, RuntimeError):
    """A layer cannot be computed for an input; torch raises a RuntimeError then.

    Examples
    --------
    >>> import torch
    >>> from faltung.layers import Conv
    >>> try:
    ...     Conv(3, 8, 5)(torch.zeros(1, 3, 4, 4))
    ... except RuntimeError as error:
    ...     print(type(error).__name__)
    InputError
    """


class InputTypeError(ArgumentTypeError, RuntimeError):
    """The input and the weight of a layer have different dtypes; torch raises a RuntimeError then."""

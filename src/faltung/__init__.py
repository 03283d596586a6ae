"""faltung: the convolution operator, from the algebra of filters to networks that learn them."""

from __future__ import annotations

from faltung.errors import ArgumentError, ArgumentTypeError, ExpressionError, FaltungError, MissingExtraError

__version__ = "0.1.0"

__all__ = ["ArgumentError", "ArgumentTypeError", "ExpressionError", "FaltungError", "MissingExtraError"]

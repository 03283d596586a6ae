"""The exceptions that a user can catch.

Every error about an argument names four things: the argument, what was expected, what was received, and the remedy.
"""

from __future__ import annotations

__all__ = ["ArgumentError", "ArgumentTypeError", "ExpressionError", "FaltungError", "MissingExtraError"]


class FaltungError(Exception):
    """Base of every error that faltung raises on purpose.

    Examples
    --------
    >>> import faltung as fa
    >>> try:
    ...     fa.gaussian(-1.0)
    ... except fa.FaltungError as error:
    ...     print(type(error).__name__)
    ArgumentError
    """


def _explain(argument: str, expected: str, received: str, remedy: str) -> str:
    text = f"{argument}: expected {expected}, got {received}."
    return f"{text} {remedy}" if remedy else text


class ArgumentError(FaltungError, ValueError):
    """An argument has the right type but a value that cannot be used.

    Parameters
    ----------
    argument : str
        Name of the argument.
    expected, received : str
        What was expected, and what was received instead.
    remedy : str, optional
        A sentence that says what to do.

    Examples
    --------
    >>> print(ArgumentError("size", "a positive odd integer", "4", "Use 3 or 5."))
    size: expected a positive odd integer, got 4. Use 3 or 5.
    """

    def __init__(self, argument: str, expected: str, received: str, remedy: str = "") -> None:
        super().__init__(_explain(argument, expected, received, remedy))
        self.argument = argument

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.argument, self.args)


class ArgumentTypeError(FaltungError, TypeError):
    """An argument has a type that cannot be used; the parameters are those of `ArgumentError`.

    Examples
    --------
    >>> print(ArgumentTypeError("x", "an array of numbers", "dtype object"))
    x: expected an array of numbers, got dtype object.
    """

    def __init__(self, argument: str, expected: str, received: str, remedy: str = "") -> None:
        super().__init__(_explain(argument, expected, received, remedy))
        self.argument = argument

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.argument, self.args)


def _rebuild(cls: type[Exception], argument: str, args: tuple[object, ...]) -> Exception:
    # `args` holds the finished message, which must not be made into a message again.
    error = cls.__new__(cls, *args)
    error.args = args
    error.argument = argument  # type: ignore[attr-defined]
    return error


class ExpressionError(FaltungError, ValueError):
    """A text cannot be read as a kernel; the message points at the position of the mistake.

    Parameters
    ----------
    message : str
        What is wrong, with the remedy.
    text : str
        The whole expression.
    position : int
        Index in `text` of the character at which the mistake is.

    Examples
    --------
    >>> print(ExpressionError("expected a number, a kernel or '('", "2 * ", 4))
    expected a number, a kernel or '(' (at column 5)
      2 *
          ^
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(f"{message} (at column {position + 1})\n  {text.rstrip()}\n  {' ' * position}^")
        self.position = position
        self._parts = (message, text, position)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._parts


class MissingExtraError(FaltungError, ImportError):
    """A command or function needs an optional dependency that is not installed.

    Parameters
    ----------
    feature : str
        Name of the command or function.
    extra : str
        The extra of the package that installs the dependency.

    Examples
    --------
    >>> print(MissingExtraError("faltung.learn", "learn"))
    faltung.learn needs packages that are not installed. Install them with: pip install "faltung[learn]"
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f'{feature} needs packages that are not installed. Install them with: pip install "faltung[{extra}]"'
        )
        self._parts = (feature, extra)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._parts

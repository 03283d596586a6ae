"""The exceptions that a user can catch, and the warnings.

Every error about an argument names four things: the argument, what was expected, what was received, and the remedy.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "AxesWarning",
    "ExpressionError",
    "FaltungError",
    "MissingExtraError",
    "lacks_learning",
]

#: Characters of an expression that an error shows on either side of a mistake.
_AROUND = 60
#: Characters of what was received that an error shows: a damaged file may hold values of any length.
_RECEIVED = 500


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
    if len(received) > _RECEIVED:
        received = f"{received[: _RECEIVED // 2]} ... {received[-_RECEIVED // 2 :]}"
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
        shown, at = _excerpt(text.rstrip(), position)
        super().__init__(f"{message} (at column {position + 1})\n  {shown}\n  {' ' * at}^")
        self.position = position
        self._parts = (message, text, position)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._parts


def _excerpt(text: str, position: int) -> tuple[str, int]:
    """Return the text, of a long one the part around the position, and the position there."""
    start, stop = max(0, position - _AROUND), position + _AROUND
    if len(text) <= 2 * _AROUND:
        return text, position
    before, after = "..." if start else "", "..." if stop < len(text) else ""
    return f"{before}{text[start:stop]}{after}", position - start + len(before)


class AxesWarning(UserWarning):
    """A kernel extends over an axis that is probably that of colours or channels.

    A kernel extends over the last axes of an array. So a kernel with two axes mixes the colours of an image of shape
    (height, width, 3) unless ``axes=(0, 1)`` is passed. The warning comes where neither `axes` nor `channel_axis` is
    passed, all axes before the last one are longer than it, and

    - the kernel has two axes, and the NumPy array three, the last of length 3 or 4; or
    - the kernel has one axis, and the NumPy array two, the last of length 2.

    Of an array of xarray, names decide: the warning comes for an axis called ``band``, ``channel``, ``rgb`` or the
    like, if the kernel could extend over others.

    Pass `axes`, or `dims`, to say what is meant; ``axes=(-2, -1)`` are the last two.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import faltung as fa
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     y = fa.gaussian(1.0)(np.ones((20, 30, 3)))
    >>> print(caught[0].message)
    axes: the kernel extends over the last axis of 20 x 30 x 3 samples. If it holds colours, pass axes=(0, 1).
    """


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
    faltung.learn needs packages that are not installed. In the folder from which faltung was installed, run:
    pip install ".[learn]"
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed. In the folder from which faltung was installed, run: "
            f'pip install ".[{extra}]"'
        )
        self.extra = extra
        self._parts = (feature, extra)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._parts


def lacks_learning(error: ModuleNotFoundError) -> bool:
    """Return whether the extra ``learn`` would install what is missing.

    Examples
    --------
    >>> lacks_learning(ModuleNotFoundError(name="safetensors.torch")), lacks_learning(ModuleNotFoundError(name="six"))
    (True, False)
    """
    return (error.name or "").partition(".")[0] in ("torch", "safetensors")

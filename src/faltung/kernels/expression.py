"""Which kernel is a text? A recursive-descent parser for expressions of numbers and named kernels.

    expression := term (('+' | '-') term)*
    term       := unary (('*' | '/') unary)*
    unary      := ('+' | '-') unary | power
    power      := postfix ('**' unary)?
    postfix    := atom ('.flip()' | '.conj()' | '.squared()' | '.real' | '.imag')*
    atom       := number | 'word' | constant | name '(' arguments ')' | list | tuple | '(' expression ')'

Precedence is that of Python. Text is read and never executed, and length, depth and number of taps are bounded.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn, TypeAlias

from faltung.errors import ArgumentTypeError, ExpressionError, FaltungError
from faltung.kernels.kernel import Kernel
from faltung.kernels.named import NAMED

__all__ = ["MOST_TAPS", "parse"]

_LONGEST_TEXT = 4096
_DEEPEST = 40
_LARGEST_EXPONENT = 64
#: The budget of an expression: the taps of the array that it is multiplied out to, and of those that it is made of.
#: A plan makes some copies of them: about a second and 300 MB. Large separable kernels have only their lines.
MOST_TAPS = 2**22

_TOO_MANY = f"expected at most {MOST_TAPS} taps"
_REMEDY = "Filter with its factors one after the other, or take a smaller kernel."

Value: TypeAlias = "Kernel | complex | str | list[Value] | tuple[Value, ...]"
"""A list becomes a kernel if a kernel is needed; tuples and words can only be arguments."""

_CALLS: dict[str, Callable[..., Kernel]] = {**NAMED, "kernel": Kernel, "Kernel": Kernel}
_CONSTANTS: dict[str, complex] = {"pi": math.pi, "True": True, "False": False}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?j?)"
    r"|'(?P<word>\w*)'|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|[-+*/()\[\],.=])|(?P<end>\Z)|(?P<other>.))",
    re.ASCII,
)


def parse(text: str) -> Kernel:
    """Return the kernel that a text such as ``"gaussian(2) * sobel(axis=1)"`` describes.

    The text is written as in Python: named kernels with their arguments, nested lists of taps,
    ``kernel([1, 2, 1], origin=0)``, numbers, the operators ``+ - * / **``, parentheses, ``.flip()``, ``.conj()``,
    ``.squared()``, ``.real``, ``.imag``, the constant ``pi``, and words like ``'hann'`` as arguments. The printed
    text of an expression can be read back if it is made of named kernels and of kernels with few taps.

    Parameters
    ----------
    text : str
        The expression, with at most 4096 characters.

    Returns
    -------
    Kernel
        The kernel, which keeps the expression.

    Raises
    ------
    ExpressionError
        The text is not a kernel, has a wrong argument, or would have more than 2^22 taps, as many as 2048 x 2048:
        those that it is multiplied out to, or those of its parts together. Of separable kernels, such as large
        Gaussians, only the taps along each axis count. The message points at the position of the mistake.
    ArgumentTypeError
        `text` is not a string.

    Examples
    --------
    >>> import faltung as fa
    >>> fa.parse("2 * delta() - gaussian(2)") == 2 * fa.delta() - fa.gaussian(2)
    True
    >>> fa.parse("[[0, 1, 0], [1, -4, 1], [0, 1, 0]]") == fa.laplacian()
    True
    >>> try:
    ...     fa.parse("gausian(2)")
    ... except fa.ExpressionError as error:
    ...     print(error)
    unknown name 'gausian': did you mean gaussian? (at column 1)
      gausian(2)
      ^
    """
    if not isinstance(text, str):
        raise ArgumentTypeError("text", "a string", type(text).__name__)
    if len(text) > _LONGEST_TEXT:
        message = f"expected at most {_LONGEST_TEXT} characters, got {len(text)}"
        raise ExpressionError(message, text[:60], 0)
    # The text is put on one line, so that an error can point at a position.
    return _Parser(re.sub(r"\s", " ", text)).whole()


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Parser:
    """The position in the text, and how much of the bounds is used."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [
            _Token(kind, match[kind], match.start(kind))
            for match in _TOKEN.finditer(text)
            if (kind := match.lastgroup)
        ]
        self.index = 0
        self.depth = 0
        self.taps = self.made = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def fail(self, message: str, position: int) -> NoReturn:
        raise ExpressionError(message, self.text, position)

    def unexpected(self, expected: str) -> NoReturn:
        received = "the end" if self.token.kind == "end" else repr(self.token.text)
        self.fail(f"expected {expected}, got {received}", self.token.position)

    def take(self) -> _Token:
        token = self.token
        self.index += 1
        return token

    def accept(self, *signs: str) -> _Token | None:
        return self.take() if self.token.kind == "sign" and self.token.text in signs else None

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            self.unexpected(repr(sign))

    def whole(self) -> Kernel:
        value = self.promote(self.expression(), 0)
        if self.token.kind != "end":
            self.unexpected("an operator or the end")
        if not isinstance(value, Kernel):
            self.fail(f"expected a kernel, got the number {value}: multiply delta() by it", 0)
        return value

    def expression(self) -> Value:
        value = self.term()
        while sign := self.accept("+", "-"):
            value = self.combine(sign.text, sign.position, value, self.term())
        return value

    def term(self) -> Value:
        value = self.unary()
        while sign := self.accept("*", "/"):
            value = self.combine(sign.text, sign.position, value, self.unary())
        return value

    def unary(self) -> Value:
        # Every recursion passes through this method, so all are bounded.
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"expected at most {_DEEPEST} levels of nesting", self.token.position)
        if sign := self.accept("+", "-"):
            value = self.combine("*", sign.position, -1 if sign.text == "-" else 1, self.unary())
        else:
            value = self.power()
        self.depth -= 1
        return value

    def power(self) -> Value:
        base = self.postfix()
        if not (sign := self.accept("**")):
            return base
        exponent = self.unary()
        if not isinstance(exponent, int | float) or abs(exponent) > _LARGEST_EXPONENT:
            self.fail(f"expected a number up to {_LARGEST_EXPONENT} as exponent", sign.position)
        return self.combine("**", sign.position, base, exponent)

    def postfix(self) -> Value:
        start = self.token.position
        value = self.atom()
        while self.accept("."):
            value = self.promote(value, start)
            if not isinstance(value, Kernel) or self.token.text not in ("flip", "conj", "squared", "real", "imag"):
                self.unexpected(".flip(), .conj(), .squared(), .real or .imag after a kernel")
            name = self.take().text
            if name in ("flip", "conj", "squared"):
                self.expect("(")
                self.expect(")")
            if name != "flip":  # they may multiply out what they are taken of
                self.spend(value, start)
            attribute = getattr(value, name)
            value = attribute() if callable(attribute) and not isinstance(attribute, Kernel) else attribute
        return value

    def atom(self) -> Value:
        if self.token.kind == "number":
            return _number(self.take().text)
        if self.token.kind == "word":
            return self.take().text
        if self.token.kind == "name":
            return self.name()
        if self.accept("["):
            return self.items()
        if self.accept("("):
            return self.parenthesis()
        return self.unexpected("a number, a kernel or '('")

    def name(self) -> Value:
        token = self.take()
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text not in _CALLS:
            near = get_close_matches(token.text, [*_CALLS, *_CONSTANTS], 1)
            hint = f"did you mean {near[0]}?" if near else f"the known names are {', '.join(_CALLS)}"
            self.fail(f"unknown name {token.text!r}: {hint}", token.position)
        if not self.accept("("):
            self.fail(f"{token.text} needs arguments in parentheses", token.position)
        return self.call(token)

    def call(self, name: _Token) -> Kernel:
        constructor = _CALLS[name.text]
        args, kwargs = self.arguments()
        signature = inspect.signature(constructor)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            self.fail(f"{name.text}({', '.join(signature.parameters)}): {error}", name.position)
        try:
            kernel = constructor(*args, **kwargs)
        except FaltungError as error:
            self.fail(f"{name.text}: {error}", name.position)
        return self.spend(kernel, name.position)

    def arguments(self) -> tuple[list[Value], dict[str, Value]]:
        args: list[Value] = []
        kwargs: dict[str, Value] = {}
        while not self.accept(")"):
            start = self.token
            keyword = start.kind == "name" and self.tokens[self.index + 1].text == "="
            if keyword:
                self.index += 2
            value = self.number_or_items()
            if keyword and start.text not in kwargs:
                kwargs[start.text] = value
            elif keyword or kwargs:
                self.fail("expected each argument once, and arguments with names last", start.position)
            else:
                args.append(value)
            if self.token.text != ")":
                self.expect(",")
        return args, kwargs

    def items(self) -> list[Value]:
        items: list[Value] = []
        while not self.accept("]"):
            items.append(self.number_or_items())
            if self.token.text != "]":
                self.expect(",")
        return items

    def parenthesis(self) -> Value:
        values = [self.expression()]
        if self.accept(")"):
            return values[0]
        while self.accept(",") and self.token.text != ")":
            values.append(self.number_or_items())
        self.expect(")")
        return tuple(values)

    def number_or_items(self) -> Value:
        start = self.token.position
        value = self.expression()
        if isinstance(value, Kernel):
            self.fail("expected a number or a list of numbers, got a kernel", start)
        return value

    def promote(self, value: Value, position: int) -> Kernel | complex:
        if isinstance(value, tuple):
            self.fail("expected a number or a kernel; taps are written in square brackets", position)
        if isinstance(value, str):
            self.fail(f"expected a number or a kernel, got the word {value!r}", position)
        if not isinstance(value, list):
            return value
        try:
            return Kernel(value)  # type: ignore[arg-type]  # the constructor refuses what is not a number
        except FaltungError as error:
            self.fail(str(error), position)

    def combine(self, sign: str, position: int, left: Value, right: Value) -> Value:
        operands = self.promote(left, position), self.promote(right, position)
        try:
            result = _OPERATORS[sign](*operands)
            # Integers of Python have no largest value: repeated powers of them would fill the memory.
            if isinstance(result, int) and abs(result) > 2**53:
                result = float(result)
        except FaltungError as error:
            self.fail(str(error), position)
        except ArithmeticError:
            self.fail("the result is not a finite number", position)
        if not isinstance(result, Kernel):
            return result  # type: ignore[no-any-return]  # a number
        made = sign == "**" or all(isinstance(operand, Kernel) for operand in operands)
        return self.within_budget(result, position, made)

    def spend(self, kernel: Kernel, position: int) -> Kernel:
        """Take the taps of a part from the budget."""
        self.taps += _taps_of(kernel)
        if self.taps > MOST_TAPS:
            self.fail(f"{_TOO_MANY} in the parts of the expression, got {self.taps}. {_REMEDY}", position)
        return kernel

    def within_budget(self, kernel: Kernel, position: int, made: bool) -> Kernel:
        """Check the size of what an operator makes, before it is multiplied out, and that of all it made before."""
        if _taps_of(kernel) > MOST_TAPS:
            received = " x ".join(map(str, kernel.shape))
            self.fail(f"{_TOO_MANY} to multiply out, got {received}. {_REMEDY}", position)
        if made and not kernel._separated():
            self.made += kernel.size * (2 if kernel.ndim > 2 else 1)  # a plan of a volume takes twice as long
        if self.made > MOST_TAPS:
            counted = f"{self.made}, those of volumes counted twice" if kernel.ndim > 2 else f"{self.made}"
            self.fail(f"{_TOO_MANY} in all sums and products, got {counted}. {_REMEDY}", position)
        return kernel


def _taps_of(kernel: Kernel) -> int:
    """Return the taps that a plan needs: of a large separable kernel those of its lines."""
    return sum(kernel.shape) if kernel.size > MOST_TAPS and kernel._separated() else kernel.size


def _number(text: str) -> complex:
    if text.endswith("j"):
        return complex(text)
    return int(text) if text.isdigit() else float(text)

"""What is a filter whose lengths are in the units of coordinates? A value that waits for the spacing of samples."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.checks import axis_index, integer, is_number, is_sequence, number, real
from faltung.kernels.grid import GridFunction
from faltung.kernels.kernel import Kernel, Product, Scaled, Sum, Taps
from faltung.kernels.outer import Outer
from faltung.kernels.text import ATOM, PRODUCT, SUM, Spelling, spell

__all__ = ["LENGTHS", "CoordinateKernel", "as_duration", "in_coordinates"]

#: The arguments of named kernels that are lengths, and can be given for each name of an axis.
LENGTHS: dict[str, tuple[str, ...]] = {
    "gaussian": ("sigma",),
    "gaussian_derivative": ("sigma",),
    "log": ("sigma",),
    "unsharp": ("sigma",),
    "dog": ("low", "high"),
    "box": ("size",),
    "disk": ("radius",),
}
_MOST_FACTORS = 10_000
_EXPECTED = "a kernel in coordinate units or a number"


@dataclass(frozen=True, repr=False)
class CoordinateKernel:
    """A filter whose lengths are in the units of coordinates, such as degrees, metres or hours.

    It is a named kernel whose lengths are given for names of axes: ``fa.gaussian({"lat": 0.5, "lon": 0.5})``. It has
    no taps yet: they follow from the spacing of the samples. Applied to an array of xarray, it takes the spacing from
    the coordinates, and filters along the axes that it names. For other arrays, `sampled` makes a kernel of it.

    Kernels in coordinate units have the algebra of kernels: ``f * g``, ``f + g``, ``f - g``, ``a * f``, ``f / a``,
    ``-f``, ``f ** n`` and ``f.flip()``. An axis that only one of two kernels names is one along which the other does
    nothing.

    Derivatives are with respect to the coordinates: per unit of the coordinate, and per second along an axis of time.
    They have the sign of the coordinate, also where it descends.

    Attributes
    ----------
    dims : tuple
        The names of the axes, in the order of the axes of the kernel.

    Examples
    --------
    >>> import faltung as fa
    >>> smooth = fa.gaussian(sigma={"lat": 0.5, "lon": 1.0})
    >>> smooth.sampled({"lat": -0.25, "lon": 0.25})
    gaussian((2, 4))
    >>> fa.gaussian_derivative(sigma={"x": 10.0}) - 2 * fa.box(size={"x": 20.0})
    gaussian_derivative({'x': 10.0}) - 2 * box({'x': 20.0})
    """

    operation: str
    parts: tuple[Any, ...]
    dims: tuple[Hashable, ...]
    _text: str = field(default="", compare=False)

    # NumPy leaves `array * kernel` and `numpy.float64(2) * kernel` to the methods below.
    __array_ufunc__: ClassVar[None] = None
    # This is `faltung.convolve`, which is on a higher floor and sets this attribute.
    apply: ClassVar[Callable[..., Any]]
    # Makes the kernel of a call with lengths in samples. It is set by `faltung.kernels.coordinate_sampling`.
    sample_call: ClassVar[Callable[[str, Mapping[str, Any], Mapping[Hashable, Any]], Kernel]]

    __call__ = GridFunction.__call__

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.dims)

    @property
    def orders(self) -> dict[Hashable, int] | None:
        """Orders of the derivative along each axis, without zeros; None for a sum of different ones."""
        if self.operation == "call":
            name, arguments = self.parts
            if name == "log":
                return None if self.ndim > 1 else {self.dims[0]: 2}
            orders = dict(arguments).get("order", ())
            return {dim: order for dim, order in zip(self.dims, orders, strict=False) if order}
        inner = [part.orders for part in self.parts if isinstance(part, CoordinateKernel)]
        if self.operation != "product":
            return inner[0] if all(orders == inner[0] for orders in inner) else None
        if None in inner:
            return None
        return {
            dim: total
            for dim in self.dims
            if (total := sum(orders.get(dim, 0) for orders in inner if orders is not None))
        }

    def sampled(self, spacing: Mapping[Hashable, Any]) -> Kernel:
        """Return the kernel for samples of a known spacing, with one axis for each of `dims`.

        Parameters
        ----------
        spacing : mapping of name to number or timedelta
            The coordinate of a sample minus that of the one before, along each of `dims`; negative where the
            coordinate descends. For lengths that are durations it is a duration too.

        Returns
        -------
        Kernel
            The kernel.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            A spacing is missing, zero, or not of the kind of the length; or a length cannot be used with it.

        Examples
        --------
        >>> import faltung as fa
        >>> fa.box(size={"x": 30.0}).sampled({"x": 10.0}).shape
        (3,)
        """
        missing = [dim for dim in self.dims if dim not in spacing]
        if missing:
            expected = f"the spacing along {', '.join(map(repr, self.dims))}"
            raise ArgumentError("spacing", expected, f"none along {', '.join(map(repr, missing))}")
        if self.operation == "call":
            name, arguments = self.parts
            return type(self).sample_call(name, dict(arguments), {dim: spacing[dim] for dim in self.dims})
        inner = [part for part in self.parts if isinstance(part, CoordinateKernel)]
        kernels = [part.sampled(spacing) for part in inner]
        if self.operation == "scaled":
            return Scaled(self.parts[0], kernels[0])
        if self.operation == "flip":
            return kernels[0].flip()
        places = [[self.dims.index(dim) for dim in part.dims] for part in inner]
        spread = [_spread(kernel, at, self.ndim) for kernel, at in zip(kernels, places, strict=True)]
        return Sum(spread) if self.operation == "sum" else Product(spread)

    def flip(self) -> CoordinateKernel:
        """Return the kernel reversed along each axis; see `Kernel.flip`."""
        return CoordinateKernel("flip", (self,), self.dims)

    def __mul__(self, other: CoordinateKernel | complex) -> CoordinateKernel:
        if isinstance(other, CoordinateKernel):
            factors = tuple(f for k in (self, other) for f in (k.parts if k.operation == "product" else (k,)))
            return CoordinateKernel("product", factors, _union(factors))
        if not is_number(other):
            self._refuse(other)
        return CoordinateKernel("scaled", (number("scalar", other), self), self.dims)

    def __rmul__(self, other: complex) -> CoordinateKernel:
        return self * other

    def __truediv__(self, other: complex) -> CoordinateKernel:
        if not is_number(other):
            self._refuse(other)
        divisor = number("divisor", other)
        if divisor == 0:
            raise ArgumentError("divisor", "a number other than zero", str(other))
        return self * (1.0 / divisor)

    def __add__(self, other: CoordinateKernel) -> CoordinateKernel:
        if not isinstance(other, CoordinateKernel):
            self._refuse(other)
        terms = tuple(t for k in (self, other) for t in (k.parts if k.operation == "sum" else (k,)))
        return CoordinateKernel("sum", terms, _union(terms))

    def __radd__(self, other: CoordinateKernel | int) -> CoordinateKernel:
        # The built-in sum() begins with the integer zero.
        return self if type(other) is int and other == 0 else self + other  # type: ignore[operator]

    def __sub__(self, other: CoordinateKernel) -> CoordinateKernel:
        return self + (-other if isinstance(other, CoordinateKernel) else other)

    def __rsub__(self, other: CoordinateKernel) -> CoordinateKernel:
        return -self + other

    def __neg__(self) -> CoordinateKernel:
        return self * -1.0

    def __pos__(self) -> CoordinateKernel:
        return self

    def __pow__(self, exponent: int) -> CoordinateKernel:
        """Return the filter applied several times, at least once; see `Kernel`."""
        count = integer("exponent", exponent, 1, _MOST_FACTORS)
        return self if count == 1 else CoordinateKernel("product", (self,) * count, self.dims)

    def _refuse(self, other: object) -> NoReturn:
        remedy = "Its method sampled(spacing) returns a kernel, which can be combined with other kernels."
        raise ArgumentTypeError("operand", _EXPECTED, f"a {type(other).__name__}", remedy)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        names = ", ".join(f"{dim!r}: ..." for dim in self.dims)
        raise ArgumentTypeError(
            "kernel",
            "a kernel whose lengths are in samples, as the axes of the array have no coordinates",
            repr(self),
            f"Pass an array of xarray, or kernel.sampled({{{names}}}) with the spacing of the samples.",
        )

    def __repr__(self) -> str:
        return self._spelled().text

    def _spelled(self) -> Spelling:
        if self.operation == "call":
            return Spelling(self._text)
        if self.operation == "flip":
            return Spelling(f"{self.parts[0]._spelled().inside(ATOM)}.flip()")
        if self.operation == "scaled":
            scalar, inner = self.parts[0], self.parts[1]._spelled().inside(PRODUCT)
            return Spelling(f"-{inner}" if scalar == -1 else f"{spell(scalar)} * {inner}", PRODUCT)
        if self.operation == "product":
            return Spelling(" * ".join(part._spelled().inside(PRODUCT) for part in self.parts), PRODUCT)
        text = " + ".join(part._spelled().inside(PRODUCT) for part in self.parts)
        return Spelling(text.replace(" + -", " - "), SUM)


def in_coordinates(
    constructor: Callable[..., Kernel], arguments: Mapping[str, Any], text: str
) -> CoordinateKernel | None:
    """Return a call of a named kernel as a kernel in coordinate units; None if it has no lengths that have names.

    Parameters
    ----------
    constructor : callable
        The function that makes the kernel.
    arguments : mapping
        The arguments of the call by name; at least one of them is a mapping.
    text : str
        The call, as it is printed.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used.
    """
    name = constructor.__name__
    lengths = [argument for argument in LENGTHS.get(name, ()) if arguments.get(argument) is not None]
    if not lengths or not isinstance(arguments[lengths[0]], Mapping):
        return None
    dims = tuple(arguments[lengths[0]])
    if not dims:
        raise ArgumentError(lengths[0], "a length for at least one name of an axis", "{}")
    plain = {key: value for key, value in arguments.items() if key not in ("ndim", *lengths)}
    if arguments.get("ndim") not in (None, len(dims)):
        raise ArgumentError("ndim", f"{len(dims)}, the number of names", repr(arguments["ndim"]), "Omit it.")
    for argument in lengths:
        plain[argument] = _lengths(argument, arguments[argument], dims)
    if name == "gaussian_derivative":
        plain["order"] = _orders(plain.pop("order", 1), plain.pop("axis", None), dims)
    constructor(**plain | dict.fromkeys(lengths, (1,) * len(dims)))  # raises an error if anything else is wrong
    return CoordinateKernel("call", (name, tuple(sorted(plain.items()))), dims, text)


def as_duration(value: Any) -> np.timedelta64 | None:
    """Return a timedelta of NumPy, of Python or of pandas as one of NumPy; None for everything else.

    Examples
    --------
    >>> as_duration(datetime.timedelta(hours=1)) == np.timedelta64(1, "h"), as_duration(1.0)
    (np.True_, None)
    """
    if isinstance(value, datetime.timedelta):
        exact = getattr(value, "to_timedelta64", None)  # that of pandas has nanoseconds
        return exact() if exact else np.timedelta64(value)
    if isinstance(value, np.timedelta64) and np.datetime_data(value.dtype)[0] not in ("Y", "M", "generic"):
        return value
    return None


def _lengths(argument: str, given: Any, dims: tuple[Hashable, ...]) -> tuple[Any, ...]:
    """Return a length for each axis, none of them negative."""
    if not isinstance(given, Mapping) or {*given} != {*dims}:
        received = f"{', '.join(map(repr, given))}" if isinstance(given, Mapping) else repr(given)
        raise ArgumentError(argument, f"a length for each of {', '.join(map(repr, dims))}", received or "none")
    lengths: list[Any] = []
    for dim in dims:
        value, duration = given[dim], as_duration(given[dim])
        if isinstance(value, np.timedelta64) and duration is None:
            remedy = "Months and years have no fixed length: use days."
            raise ArgumentError(argument, "a duration of a fixed length", repr(value), remedy)
        if isinstance(value, str):
            remedy = f"Pass pandas.Timedelta({value!r}), or numpy.timedelta64."
            raise ArgumentTypeError(argument, "a number or a timedelta", repr(value), remedy)
        if duration is None:
            lengths.append(real(f"{argument}[{dim!r}]", value, 0.0))
        elif np.isnat(duration) or duration < np.timedelta64(0, "ns"):
            raise ArgumentError(f"{argument}[{dim!r}]", "a timedelta of at least zero", repr(value))
        else:
            lengths.append(duration)
    return tuple(lengths)


def _orders(order: Any, axis: Any, dims: tuple[Hashable, ...]) -> tuple[int, ...]:
    """Return the order of the derivative along each axis; `axis` is the name of one, or its number."""
    if isinstance(order, Mapping):
        wrong = [dim for dim in order if dim not in dims]
        if wrong or axis is not None:
            received = repr(order) if wrong else f"{order!r} and axis={axis!r}"
            raise ArgumentError("order", f"orders for {', '.join(map(repr, dims))}, without axis", received)
        return tuple(order.get(dim, 0) for dim in dims)
    if is_sequence(order):
        if axis is not None or len(order) != len(dims):
            raise ArgumentError("order", f"one number, or {len(dims)} without axis", f"{order!r}, axis={axis!r}")
        return tuple(order)
    chosen = len(dims) - 1 if axis is None else _place(axis, dims)
    return tuple(order if place == chosen else 0 for place in range(len(dims)))


def _place(axis: Any, dims: tuple[Hashable, ...]) -> int:
    """Return the number of an axis that is given by name or by number."""
    if axis in dims:
        return dims.index(axis)
    if isinstance(axis, str):
        raise ArgumentError("axis", f"one of {', '.join(map(repr, dims))}", repr(axis))
    return axis_index(axis, len(dims))


def _union(kernels: Sequence[CoordinateKernel]) -> tuple[Hashable, ...]:
    return tuple(dict.fromkeys(dim for kernel in kernels for dim in kernel.dims))


def _spread(kernel: Kernel, places: Sequence[int], ndim: int) -> Kernel:
    """Return a kernel with more axes, along which it does nothing; `places` are those that it has."""
    if [*places] == [*range(ndim)]:
        return kernel
    if (factors := kernel._separated()) is not None:
        along: list[Kernel] = [Taps([1.0])] * ndim
        for factor, place in zip(factors, places, strict=True):
            along[place] = factor
        return Outer(along)
    if isinstance(kernel, Sum):
        return Sum(_spread(term, places, ndim) for term in kernel.terms)
    if isinstance(kernel, Product):
        return Product(_spread(factor, places, ndim) for factor in kernel.factors)
    if isinstance(kernel, Scaled):
        return Scaled(kernel.scalar, _spread(kernel.kernel, places, ndim))
    order = np.argsort(places)
    others = [axis for axis in range(ndim) if axis not in places]
    origin = [0] * ndim
    for place, at in zip(places, kernel.origin, strict=True):
        origin[place] = at
    return Taps(np.expand_dims(kernel.taps.transpose(order), others), origin)

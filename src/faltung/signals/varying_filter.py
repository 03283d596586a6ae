"""How does a filter change from place to place? As a sum of fixed kernels, whose weights are maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.front import convolve
from faltung.ground.arrays import is_tensor
from faltung.ground.checks import integer
from faltung.kernels import Bank, Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = ["varying"]

#: Bytes of filtered maps that are held at a time: kernels whose maps fit share their Fourier transforms.
_HELD_BYTES = 2**25


def varying(
    x: ArrayLike,
    kernels: Bank | Sequence[Kernel | ArrayLike],
    weights: ArrayLike | Sequence[ArrayLike],
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    cval: complex = 0.0,
    *,
    weights_at: str = "output",
    axes: int | Sequence[int] | None = None,
    dims: str | Sequence[str] | None = None,
    nan: str = "propagate",
    mask: ArrayLike | None = None,
    workers: int | None = None,
) -> Any:
    """Filter an array with a kernel that varies over it: a sum of fixed kernels, each with a map of weights.

        y = sum over i of weights[i] * convolve(x, kernels[i])      weights_at="output"
        y = sum over i of convolve(weights[i] * x, kernels[i])      weights_at="input"

    With ``"output"``, every *output* is made with the kernel of its place, ``sum of weights[i][n] * kernels[i]``, as
    in a blur that adapts. With ``"input"``, every *sample* is spread by the kernel of its place, as light is by a
    point spread function that varies over the field; the total of the light is kept if that of each kernel is one.

    Parameters
    ----------
    x : array_like or torch.Tensor
        An array of any kind that `convolve` filters.
    kernels : Bank, or sequence of Kernel or array_like
        The kernels, of any shapes: a bank with one channel in, or several kernels.
    weights : array_like, or sequence of array_like
        One map for each kernel, whose shape is that of `x` or broadcasts to it: an array whose first axis is that of
        the kernels, or several arrays. For tensors they may have gradients.
    mode, axes, dims, workers
        As for `convolve`.
    cval : number, optional
        The value beyond the border for the mode ``constant``. With ``weights_at="input"`` it must be zero, since
        there are no weights beyond the border; in the other modes the weights continue as the samples do.
    weights_at : {'output', 'input'}, optional
        Whether the weights are applied after the convolution, or before it.
    nan, mask
        As for `convolve`: missing samples of `x` are left out under each kernel by itself.

    Returns
    -------
    array
        The result, of the shape and kind of `x`.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        An argument cannot be used; the message names it and says what to do.

    Notes
    -----
    The filtered maps are not all held: kernels are taken together, so that they share the transforms of `x`, only as
    long as their maps fit into 32 MiB; of larger arrays one map is held at a time.

    The two forms are transposes of each other: with the mode ``constant`` or ``wrap``, the transpose of one has the
    flipped kernels (for complex ones, its adjoint has ``k.flip().conj()`` and the conjugate maps) in the other form.

    References
    ----------
    Nagy and O'Leary, "Restoring images degraded by spatially variant blur", SIAM Journal on Scientific Computing 19,
    1998; Denis et al., "Fast approximations of shift-variant blur", International Journal of Computer Vision 115,
    2015.

    Examples
    --------
    >>> import numpy as np
    >>> import faltung as fa
    >>> x = np.array([0.0, 4.0, 0.0, 0.0, 0.0, 4.0, 0.0])
    >>> right = np.linspace(0.0, 1.0, 7)
    >>> fa.varying(x, [fa.delta(ndim=1), fa.binomial(2, ndim=1)], [1 - right, right], weights_at="input").round(2)
    array([0.17, 3.67, 0.17, 0.  , 0.83, 2.33, 0.83])
    """
    if weights_at not in ("output", "input"):
        raise ArgumentError("weights_at", "'output' or 'input'", repr(weights_at))
    if weights_at == "input" and cval != 0:
        remedy = "Subtract it from x, and add it to the result."
        raise ArgumentError("cval", "zero with weights_at='input'", f"{cval}", remedy)
    if hasattr(x, "data_vars"):
        raise ArgumentTypeError("x", "an array", f"a {type(x).__name__}", "Filter its variables one by one.")
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    filters = _filters(kernels)
    given: Any = weights
    if not hasattr(given, "__iter__"):
        raise ArgumentTypeError("weights", f"one map for each of {len(filters)} kernels", repr(given))
    maps = [_map(x, one) for one in given]
    if len(maps) != len(filters):
        raise ArgumentError("weights", f"one map for each of {len(filters)} kernels", f"{len(maps)}")
    rest: dict[str, Any] = {"axes": axes, "dims": dims, "nan": nan, "mask": mask, "workers": workers}
    result: Any = None
    if weights_at == "input":
        terms: Iterator[Any] = (
            convolve(x * one, kernel, mode, cval, **rest) for kernel, one in zip(filters, maps, strict=True)
        )
    else:
        terms = (one * y for one, y in zip(maps, _filtered(x, filters, mode, cval, rest), strict=True))
    for term in terms:
        result = term if result is None else result + term
    return result


def _filters(kernels: Any) -> list[Any]:
    """Return the kernels one by one."""
    if isinstance(kernels, Bank):
        if kernels.in_channels != 1:
            raise ArgumentError("kernels", "a bank with one channel in", f"{kernels.in_channels} channels in")
        return [kernels[index, 0] for index in range(kernels.out_channels)]
    if isinstance(kernels, Kernel):
        raise ArgumentTypeError("kernels", "several kernels", "one kernel", "For one, multiply convolve(x, kernel).")
    if not hasattr(kernels, "__iter__"):
        raise ArgumentTypeError("kernels", "a bank, or several kernels", repr(kernels))
    filters = [one if isinstance(one, Kernel) or is_tensor(one) else Kernel(one) for one in kernels]
    integer("len(kernels)", len(filters), 1)
    return filters


def _map(x: Any, weights: Any) -> Any:
    """Return one map of weights, whose shape must broadcast to that of the array, in the precision of its floats."""
    if not hasattr(weights, "dtype"):
        weights = np.asarray(weights)
    try:
        fits = hasattr(weights, "dims") or np.broadcast_shapes(weights.shape, x.shape) == tuple(x.shape)
    except ValueError:
        fits = False
    if not fits or (hasattr(weights, "dims") and not {*weights.dims} <= {*getattr(x, "dims", weights.dims)}):
        expected = f"maps whose shapes broadcast to that of x, {tuple(x.shape)}"
        raise ArgumentError("weights", expected, f"shape {tuple(weights.shape)}")
    if is_tensor(x) and not is_tensor(weights):
        weights = x.new_tensor(weights, dtype=x.dtype if x.is_floating_point() else None)
    return weights


def _filtered(x: Any, filters: list[Any], mode: Any, cval: Any, rest: dict[str, Any]) -> Iterator[Any]:
    """Yield the array filtered by each kernel: several at a time where their maps are small."""
    plain = type(x) is np.ndarray or (is_tensor(x) and not any(map(is_tensor, filters)))
    size = x.size if isinstance(x, np.ndarray) else x.numel() if is_tensor(x) else 1
    together = max(1, _HELD_BYTES // max(1, 8 * int(size))) if plain else 1
    for start in range(0, len(filters), together):
        group = filters[start : start + together]
        if len(group) == 1:
            yield convolve(x, group[0], mode, cval, **rest)
        else:
            yield from convolve(x, Bank.stack(group), mode, cval, **rest)

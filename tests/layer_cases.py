"""Layers to test: the shapes that torch tests its own convolutions with, calls that it refuses, and comparisons.

Read from torch 2.13: `module_tests` in `torch/testing/_internal/common_nn.py`, `module_inputs_torch_nn_ConvNd` in
`common_modules.py`, and `sample_inputs_conv*` and `error_inputs_conv*` in `common_methods_invocations.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from faltung.layers import Conv

Case = tuple[tuple[int, ...], int, Any, dict[str, Any]]

#: Shape of the input, channels out, kernel, and all other arguments.
PLAIN: list[Case] = [
    # common_nn: series
    ((2, 4, 10), 5, 3, {}),
    ((2, 4, 10), 5, 3, {"stride": 2}),
    ((2, 4, 10), 5, 3, {"padding": 1}),
    ((2, 4, 10), 5, 5, {"padding": 2}),
    ((1, 4, 1), 4, 3, {"padding": 1}),
    ((1, 4, 1), 4, 5, {"padding": 2}),
    ((0, 4, 10), 5, 3, {}),
    ((2, 4, 10), 5, 3, {"dilation": 2}),
    ((2, 4, 6), 6, 3, {"groups": 2}),
    ((2, 4, 10), 5, 3, {"padding": "valid"}),
    ((2, 4, 10), 5, 3, {"padding": "same"}),
    ((2, 4, 10), 5, 4, {"padding": "same"}),
    ((2, 4, 10), 5, 4, {"padding": "same", "dilation": 2}),
    # images
    ((2, 3, 7, 5), 4, (3, 2), {}),
    ((2, 3, 6, 6), 4, (3, 3), {"stride": (2, 2)}),
    ((2, 3, 6, 6), 4, (3, 3), {"stride": (2, 2), "padding": (1, 1)}),
    ((2, 3, 8, 8), 2, (3, 3), {"stride": (2, 2), "padding": (1, 1), "dilation": (2, 2)}),
    ((2, 3, 6, 5), 4, (3, 2), {"bias": False}),
    ((0, 3, 7, 5), 4, (3, 2), {}),
    ((2, 4, 6, 5), 6, (3, 2), {"groups": 2}),
    ((2, 2, 6, 5), 4, (3, 4), {"padding": "valid"}),
    ((2, 2, 6, 5), 4, (3, 4), {"padding": "same"}),
    ((2, 2, 6, 5), 4, (3, 4), {"padding": "same", "dilation": 2}),
    ((2, 4, 6, 6), 4, (3, 3), {"groups": 4}),
    ((2, 4, 6, 6), 8, (3, 3), {"groups": 4}),
    ((2, 4, 6, 6), 4, (3, 3), {"stride": (2, 2), "groups": 4}),
    ((2, 4, 6, 6), 4, (3, 3), {"padding": (1, 1), "groups": 4}),
    ((2, 4, 5, 5), 4, (2, 2), {"dilation": (2, 2), "groups": 4}),
    # volumes
    ((1, 2, 4, 5, 4), 3, (2, 3, 2), {}),
    ((1, 2, 3, 4, 5), 3, (2, 3, 4), {"bias": False}),
    ((1, 2, 3, 4, 5), 3, (1, 1, 1), {"bias": False}),
    ((2, 3, 5, 5, 5), 4, 2, {"stride": 2, "ndim": 3}),
    ((2, 3, 5, 5, 5), 4, 2, {"stride": 2, "padding": 1, "ndim": 3}),
    ((0, 3, 3, 4, 5), 4, (2, 3, 4), {}),
    ((1, 2, 4, 5, 4), 4, (3, 3, 3), {"groups": 2}),
    ((2, 3, 5, 5, 5), 4, 2, {"dilation": 2, "ndim": 3}),
    ((2, 3, 5, 5, 5), 4, 2, {"dilation": 2, "stride": 2, "ndim": 3}),
    ((2, 3, 6, 5, 4), 4, (2, 3, 4), {"padding": "valid"}),
    ((2, 3, 6, 5, 4), 4, (2, 3, 4), {"padding": "same"}),
    ((2, 3, 6, 5, 4), 4, (2, 3, 4), {"padding": "same", "dilation": 2}),
    # padding modes
    *(
        ((2, 2, *[4] * d), 3, 3, {"ndim": d, "stride": 2, "padding": tuple(range(1, d + 1)), "padding_mode": mode})
        for mode in ("reflect", "circular", "replicate", "zeros")
        for d in (1, 2, 3)
    ),
    # common_modules
    *(((2, 4, *[i + 3 for i in range(d)]), 5, 3, {"ndim": d}) for d in (1, 2, 3)),
    *(((2, 4, *[i + 3 for i in range(d)]), 5, 3, {"ndim": d, "padding": "same"}) for d in (1, 2, 3)),
    # common_methods_invocations
    ((1, 3, 4), 3, 3, {"stride": 2, "padding": 2}),
    ((2, 4, 8), 2, 3, {"stride": 3, "padding": 1, "groups": 2, "dilation": 2}),
    ((1, 4, 5), 1, 3, {"stride": 2, "padding": "valid", "bias": False}),
    ((2, 2, 4), 2, 4, {"padding": "same", "groups": 2, "dilation": 2}),
    ((1, 3, 4, 4), 3, 3, {"stride": (2, 2), "padding": 2}),
    ((2, 4, 8, 8), 2, 3, {"stride": (3, 2), "padding": (2, 1), "groups": 2, "dilation": (4, 4)}),
    ((1, 4, 5, 5), 1, (2, 3), {"stride": 2, "padding": 1, "dilation": (2, 3)}),
    ((1, 2, 4, 3), 4, (3, 4), {"stride": 2, "padding": 1, "bias": False}),
    ((1, 4, 5, 5), 1, (2, 3), {"stride": 2, "padding": "valid"}),
    ((1, 4, 5, 5), 1, (2, 3), {"padding": "same", "dilation": 3}),
    ((2, 4, 6, 6), 4, 3, {"groups": 4, "stride": (3, 2)}),
    ((1, 1, 4, 4, 4), 1, (1, 1, 1), {"padding": "same"}),
    ((1, 1, 4, 4, 4), 1, (4, 4, 4), {"stride": (2, 2, 2)}),
    ((1, 1, 5, 5, 5), 1, (3, 3, 3), {"dilation": 2}),
    ((1, 1, 1, 1, 10), 1, (1, 1, 4), {"padding": "valid", "bias": False}),
    ((1, 1, 10, 11, 12), 1, (1, 2, 5), {"padding": "same", "dilation": 2, "bias": False}),
    ((1, 1, 10, 11, 12), 1, (4, 4, 4), {"padding": "same", "dilation": 3, "bias": False}),
    ((3, 9, 3, 1, 9), 3, (3, 1, 9), {"groups": 3}),
    ((3, 9, 3, 1, 9), 3, (3, 1, 9), {"groups": 3, "stride": (2, 2, 2)}),
]

TRANSPOSED: list[Case] = [
    # common_nn
    ((1, 3, 7), 4, 3, {"stride": 3, "padding": 1, "output_padding": 1}),
    ((1, 3, 6), 4, 3, {"stride": 2, "padding": 1, "output_padding": 1, "bias": False}),
    ((1, 3, 6), 4, 3, {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}),
    ((2, 4, 7), 6, 3, {"stride": 3, "padding": 1, "output_padding": 1, "groups": 2}),
    ((1, 3, 7, 6), 4, 3, {"stride": (3, 2), "padding": 1, "output_padding": 1}),
    ((1, 3, 6, 7), 4, 3, {"stride": (2, 3), "padding": 1, "output_padding": 1, "bias": False, "dilation": (2, 2)}),
    ((1, 3, 6, 7), 4, 3, {"stride": (2, 3), "padding": 1, "output_padding": 1, "bias": False}),
    ((1, 2, 4, 5), 4, (2, 3), {"groups": 2}),
    ((1, 2, 4, 5, 4), 3, (2, 3, 2), {}),
    ((1, 2, 4, 5, 4), 3, (2, 3, 2), {"dilation": 2}),
    # common_modules
    *(((2, 4, *[i + 3 for i in range(d)]), 5, 3, {"ndim": d}) for d in (1, 2, 3)),
    # common_methods_invocations
    ((1, 3, 4), 3, 3, {"stride": 2, "padding": 2, "output_padding": 1}),
    ((2, 2, 4), 4, 4, {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 4}),
    ((1, 1, 4), 1, 4, {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}),
    ((1, 4, 5), 8, 3, {"bias": False}),
    ((1, 3, 4, 4), 3, 3, {"stride": 2, "padding": 2, "output_padding": 1}),
    (
        (2, 2, 4, 4),
        4,
        (4, 5),
        {"stride": (3, 2), "padding": (1, 2), "output_padding": (2, 3), "groups": 2, "dilation": 4},
    ),
    ((1, 1, 4, 5), 1, (4, 3), {"stride": 2, "padding": 1, "output_padding": 1, "dilation": (2, 3)}),
    ((1, 1, 4, 3), 2, (3, 4), {"stride": 2, "padding": 1, "output_padding": 1, "bias": False}),
    ((2, 4, 4, 4), 4, 3, {"groups": 4, "bias": False}),
    ((1, 3, 4, 4, 4), 3, (3, 3, 3), {"stride": 2, "padding": 2, "output_padding": 1}),
    (
        (2, 2, 4, 4, 4),
        4,
        (4, 5, 6),
        {"stride": (3, 2, 1), "padding": (1, 2, 3), "output_padding": (2, 3, 1), "groups": 2, "dilation": 4},
    ),
    ((1, 1, 4, 5, 2), 1, (4, 3, 1), {"stride": 2, "padding": 1, "output_padding": 1, "dilation": (2, 3, 2)}),
    ((1, 1, 4, 3, 4), 2, (3, 4, 5), {"stride": 2, "padding": 1, "output_padding": 1, "bias": False}),
]

#: What is wrong, whether the layer is transposed, shape and dtype of the input, and the arguments.
REFUSED: dict[str, tuple[bool, tuple[int, ...], str, tuple[int, int, Any], dict[str, Any]]] = {
    "negative stride": (False, (1, 1, 4), "float32", (1, 1, 2), {"stride": -1, "ndim": 1}),
    "no stride": (False, (1, 1, 4, 4), "float32", (1, 1, 2), {"stride": 0}),
    "negative padding": (False, (1, 1, 4, 3), "float32", (1, 1, 2), {"padding": -1}),
    "negative dilation": (False, (1, 1, 4, 4, 4), "float32", (1, 1, 2), {"dilation": -1, "ndim": 3}),
    "no dilation": (False, (1, 1, 4, 4), "float32", (1, 1, 2), {"dilation": 0}),
    "no groups": (False, (2, 2, 4, 3), "float32", (2, 2, 2), {"groups": 0}),
    "negative groups": (False, (2, 2, 4, 3), "float32", (2, 2, 2), {"groups": -1}),
    "groups that do not divide": (False, (2, 2, 4, 3), "float32", (2, 2, 2), {"groups": 3}),
    "same with a stride": (False, (1, 2, 9, 9), "float32", (2, 2, 3), {"padding": "same", "stride": 2}),
    "an unknown word": (False, (1, 2, 9, 9), "float32", (2, 2, 3), {"padding": "full"}),
    "an unknown mode": (False, (1, 2, 9, 9), "float32", (2, 2, 3), {"padding_mode": "mirror"}),
    "too many strides": (False, (1, 2, 9, 9), "float32", (2, 2, 3), {"stride": (1, 1, 1)}),
    "integers": (False, (1, 2, 9, 9), "int64", (2, 2, 3), {}),
    "complex numbers": (False, (1, 2, 9, 9), "complex64", (2, 2, 3), {}),
    "double precision": (False, (1, 2, 9, 9), "float64", (2, 2, 3), {}),
    "too few axes": (False, (2, 9), "float32", (2, 2, 3), {}),
    "too many axes": (False, (1, 1, 2, 9, 9), "float32", (2, 2, 3), {}),
    "other channels": (False, (1, 3, 9, 9), "float32", (2, 2, 3), {}),
    "an image without rows": (False, (1, 2, 0, 9), "float32", (2, 2, 3), {"padding": 1}),
    "an image smaller than the kernel": (False, (1, 2, 2, 9), "float32", (2, 2, 3), {}),
    "an image smaller than the dilated kernel": (False, (1, 2, 4, 9), "float32", (2, 2, 3), {"dilation": 2}),
    "a mode of the transposed layer": (True, (1, 2, 9, 9), "float32", (2, 2, 3), {"padding_mode": "reflect"}),
    "a word for the transposed layer": (True, (1, 2, 9, 9), "float32", (2, 2, 3), {"padding": "same"}),
    "nothing is left": (True, (1, 2, 1, 1), "float32", (2, 2, 1), {"padding": 1}),
    "other channels of the transposed layer": (True, (1, 3, 9, 9), "float32", (2, 2, 3), {}),
    "integers for the transposed layer": (True, (1, 2, 9, 9), "int64", (2, 2, 3), {}),
}


# ---- shared by tests of layers

METHODS = ("auto", "direct", "torch", "fourier")
#: Padding modes of torch and of layers, and the modes of the package.
MODES = {"zeros": "constant", "reflect": "mirror", "replicate": "nearest", "circular": "wrap", "symmetric": "reflect"}
PLAIN_KINDS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_KINDS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
#: Rounding errors relative to the largest number of a result.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def pair(
    case: Case, transposed: bool = False, dtype: torch.dtype = torch.float64, **named: Any
) -> tuple[Any, nn.Module, torch.Tensor]:
    """Return our layer and torch's with the same parameters, and an input."""
    shape, outs, kernel, options = case
    options = dict(options)
    ndim = options.pop("ndim", len(shape) - 2)
    theirs = (TRANSPOSED_KINDS if transposed else PLAIN_KINDS)[ndim](shape[1], outs, kernel, dtype=dtype, **options)
    make = Conv.transposed if transposed else Conv
    ours = make(shape[1], outs, kernel, dtype=dtype, **options, ndim=ndim, **named)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, torch.randn(shape, dtype=dtype)


def outcome(layer: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the output, and the gradients of its product with fixed noise, with respect to input and parameters."""
    x = x.detach().requires_grad_()
    y = layer(x)
    noise = torch.randint(-16, 17, y.shape, generator=torch.Generator().manual_seed(1)) / 8  # exact in every dtype
    tensors = {"input": x, **dict(layer.named_parameters())}
    gradients = torch.autograd.grad(y, [*tensors.values()], noise.to(y.dtype))
    return {"output": y.detach(), **dict(zip(tensors, gradients, strict=True))}


def assert_same(got: dict[Any, torch.Tensor], want: dict[Any, torch.Tensor], tolerance: float | None = None) -> None:
    """Compare two outcomes; the second may be more accurate than the first."""
    assert {*got} == {*want}
    for name, mine in got.items():
        theirs = want[name]
        assert mine.shape == theirs.shape, name
        if mine.numel():
            error = float((mine.double() - theirs.double()).abs().max())
            scale = max(1.0, float(theirs.abs().max()))
            assert error <= (tolerance or TOLERANCES[mine.dtype]) * scale, (name, error, scale)

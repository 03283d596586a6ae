"""Stacks of kernels in compiled functions, and on tensors without numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import faltung as fa

STACKS = {
    "derivatives": lambda: fa.Bank.stack([fa.sobel(0), fa.sobel(1)]),
    "complex": lambda: fa.Bank.stack([fa.gabor(0.2, angle) for angle in (0.0, 0.8)]),
    "series": lambda: fa.Bank.stack([fa.box(3, ndim=1), fa.gaussian(1.0, ndim=1)]),
}


@pytest.mark.usefixtures("alone")
# torch.compile hides this warning of its own, but not from a filter that makes it an error.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("name", ["derivatives", "series"])  # complex ones are made inside a function elsewhere
def test_a_compiled_function_may_call_a_stack(name):
    torch._dynamo.reset()
    bank, x = STACKS[name](), torch.randn(20, 21, dtype=torch.float64, requires_grad=True)
    want = bank(x.detach().numpy())
    got = torch.compile(lambda given: bank(given), backend="aot_eager")(x)
    assert np.abs(got.detach().numpy() - want).max() < 1e-12
    (gradient,) = torch.autograd.grad(got.square().sum(), x)
    (wanted,) = torch.autograd.grad(bank(x).square().sum(), x)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("name", STACKS)
def test_shapes_of_stacks_are_known_without_numbers(name):
    bank = STACKS[name]()
    want = bank(torch.randn(20, 21))
    got = bank(torch.empty(20, 21, device="meta"))
    assert (got.device.type, got.shape, got.dtype) == ("meta", want.shape, want.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_shapes_of_kernels_are_known_without_numbers(dtype):
    x = torch.empty(20, 21, device="meta", dtype=dtype)
    for kernel in (fa.gaussian(1.0), fa.sobel(0), fa.box(5), fa.gabor(0.2, 0.3), fa.disk(4)):
        want = kernel(torch.zeros(20, 21, dtype=dtype))
        got = kernel(x)
        assert (got.device.type, got.shape, got.dtype) == ("meta", want.shape, want.dtype)

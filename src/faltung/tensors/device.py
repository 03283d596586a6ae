"""How fast is this device? A few short measurements when it is first used, kept for later processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import cache
from time import perf_counter

import numpy as np
import torch

from faltung.planning.layer import Axis, Layer
from faltung.planning.machine import known, note
from faltung.tensors.layer_cost import Rates
from faltung.tensors.ways import plane_filter, triton_kernels
from faltung.tensors.ways.plane_filter import AxisReach, PlaneFilter

__all__ = ["measure", "rates_of"]

_FILE = "devices.json"
_MOST_DEVICES = 50
_RUNS = 5
#: Calls between two waits for the device: it works on one while the next is prepared.
_TOGETHER = 8


@cache
def rates_of(device: torch.device, dtype: torch.dtype) -> Rates:
    """Return the rates of a device, from the disk or measured now, which takes some hundredths of a second."""
    key = f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else device} {dtype} {torch.__version__}"
    kept = known(_FILE).get(key)
    names = {field.name for field in fields(Rates)}
    if (
        isinstance(kept, dict)
        and kept.keys() == names
        and all(isinstance(value, float) and 0 <= value < math.inf for value in kept.values())
    ):
        return Rates(**kept)
    measured = measure(device, dtype)
    note(_FILE, key, asdict(measured), _MOST_DEVICES)
    return measured


def measure(device: torch.device, dtype: torch.dtype) -> Rates:
    """Measure the rates of a device.

    Examples
    --------
    >>> measure(torch.device("cpu"), torch.float32).call > 0
    True
    """
    conv2d = torch.nn.functional.conv2d

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    with torch.no_grad():
        one = random(1)
        call = _time(lambda: one + one, device)
        images = 64 if device.type == "cuda" else 4  # so many that the work takes longer than the call
        x, w = random(images, 64, 56, 56), random(64, 64, 3, 3)
        dense = _time(lambda: conv2d(x, w, padding=1), device) / (images * 64 * 64 * 9 * 56 * 56)
        single = random(64, 1, 7, 7)
        depthwise = _time(lambda: conv2d(x, single, padding=3, groups=64), device) / (images * 64 * 49 * 56 * 56)
        layer = Layer(images, 64, 1, 1, (Axis(56, 15, -7, 56),) * 2)
        alone = 0.0
        if device.type == "cuda" and not triton_kernels.refusal(layer, "correlate", device, dtype):
            long = random(64, 1, 15, 15)
            alone = _time(lambda: triton_kernels.correlate(layer, x, long, None), device) / layer.multiply_adds
        image = random(16, 1024, 1024)
        filtered = 0.0
        if device.type == "cuda" and not plane_filter.refusal(image.shape, (1, 2), device, dtype):
            reach = AxisReach(1024, 1024, -7, 15, "reflect")
            square = PlaneFilter(np.full((15, 15), 0.01), [], (1, 2), [reach] * 2, 0.0, device, dtype)
            filtered = _time(lambda: square(image), device) / (image.numel() * plane_filter.work(15, 15))
        number = _time(lambda: image + 1, device) / (2 * image.numel())
        reordered = _time(lambda: image.transpose(0, 2).contiguous(), device) / (2 * image.numel())
        planes = image.float() if dtype.itemsize < 4 else image
        stages = planes.numel() * math.log2(1024 * 1024)
        transformed = _time(lambda: torch.fft.rfft2(planes), device) / stages
    return Rates(dense, depthwise, number, reordered, transformed, call, alone, filtered)


def _time(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the fastest of a few calls."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    run()
    best, count = math.inf, _TOGETHER if device.type == "cuda" else 1
    for _ in range(_RUNS):
        wait()
        start = perf_counter()
        for _ in range(count):
            run()
        wait()
        best = min(best, (perf_counter() - start) / count)
    return best

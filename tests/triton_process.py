"""Processes in which Triton's kernels are interpreted, or translated for devices that are not here.

Triton decides when it translates a kernel whether it is to be interpreted, so all of it happens in processes of their
own. They need Triton, which torch brings along for GPUs only: ``pip install triton``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install triton, then run these tests"
)


def in_a_process(file, what, interpreted, timeout=500):
    """Run a file of tests as a program with one argument, and return what it prints as JSON."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"TRITON_INTERPRET": str(int(interpreted)), "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, file, what], capture_output=True, text=True, env=environment, timeout=timeout
    )
    assert not done.returncode, done.stderr[-3000:]
    return json.loads(done.stdout)


class Device:
    """As much of a driver as is asked before a kernel is translated."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self):
        return self.capability

    def get_current_stream(self, device):
        return 0


class Translated:
    """A kernel that is translated where it is launched; `found` takes what there is to say of its code."""

    def __init__(self, code, found):
        self.code, self.found = code, found

    def __getitem__(self, grid):
        def launch(*arguments, **named):
            made = self.code.warmup(*arguments, grid=grid, **named)
            ptx = made.asm["ptx"]
            bytes_ = len(made.asm["cubin"])
            self.found.append({"loads": ptx.count("ld.global"), "local": ".local" in ptx, "bytes": bytes_})

        return launch

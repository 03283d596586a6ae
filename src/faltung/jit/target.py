"""Which processor is this? Vector widths, and a name for the machine code that is made for it.

On Linux this is read from the list of the kernel, because loading LLVM takes longer than the first convolution. On
other systems LLVM is asked.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache

from faltung.errors import ArgumentError
from faltung.ground.undisturbed import undisturbed

__all__ = ["Target", "host"]


@dataclass(frozen=True)
class Target:
    """A processor, as engines see it.

    Parameters
    ----------
    identity : str
        Architecture and instruction-set extensions; machine code is valid on all processors with the same identity.
    vector_bytes : int
        Bytes of the vector registers that are used.
    registers : int
        Number of vector registers.
    """

    identity: str
    vector_bytes: int
    registers: int

    def lanes(self, number: str) -> int:
        """Return the lanes of a register for ``float`` or ``double``."""
        return self.vector_bytes // (4 if number == "float" else 8)

    def fitting_lanes(self, number: str, count: int, least: int = 1) -> int:
        """Return the lanes of vectors for `count` numbers: half or less of a register, if most of it would be empty.

        Examples
        --------
        >>> target = Target("x86-64", 64, 32)
        >>> target.lanes("float"), target.fitting_lanes("float", 9), target.fitting_lanes("float", 8)
        (16, 16, 8)
        """
        lanes = self.lanes(number)
        while lanes > least and 2 * count <= lanes:
            lanes //= 2
        return lanes


def host() -> Target:
    """Return the processor of this machine; ``FALTUNG_VECTOR_BITS`` (128, 256 or 512) overrides the vector width."""
    return _target(os.environ.get("FALTUNG_VECTOR_BITS", ""))


@cache
def _target(forced_bits: str) -> Target:
    architecture = platform.machine().lower()
    features = _features()
    arm = architecture in {"arm64", "aarch64"}
    if "avx512f" in features and "avx512bw" in features and "avx512vl" in features:
        width, registers = 64, 32
    else:
        width, registers = (32 if "avx2" in features else 16), (32 if arm else 16)
    if forced_bits:
        if forced_bits not in {"128", "256", "512"}:
            raise ArgumentError("FALTUNG_VECTOR_BITS", "128, 256 or 512", repr(forced_bits), "Unset it.")
        width = int(forced_bits) // 8
    identity = f"{architecture}:{','.join(sorted(features))}"
    return Target(identity, width, registers)


def _features() -> frozenset[str]:
    if sys.platform == "linux":
        # The first processor's entry is enough, and the file is long on large machines.
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file.read(16384).splitlines():
                key, _, value = line.partition(":")
                if key.strip() in {"flags", "Features"}:
                    return frozenset(value.split())
        return frozenset()
    import llvmlite.binding as llvm

    return frozenset(name for name, present in undisturbed(llvm.get_host_cpu_features).items() if present)

"""What does training run on? A device, a precision, and processes and threads that share the work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from faltung.errors import ArgumentError
from faltung.ground.threads import worker_count
from faltung.jit.target import host
from faltung.learn.arguments import instance, thread_count

__all__ = ["Hardware"]

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Hardware:
    """The device, precision, threads and processes of a training.

    Several processes, as `torchrun` starts them, each compute a part of every batch; gradients are averaged.

    Parameters
    ----------
    device : str
        A torch device, such as "cpu" or "cuda:0".
    threads : int
        Threads that one operation on the CPU may use.
    precision : {"float32", "bfloat16"}
        Precision of the products in convolutional and linear layers; weights and sums stay in float32.
    rank, processes : int
        Number of this process, counted from zero, and number of all processes.

    Examples
    --------
    >>> Hardware().part(torch.arange(4))
    tensor([0, 1, 2, 3])
    >>> Hardware(rank=1, processes=2).part(torch.arange(4))
    tensor([1, 3])
    """

    device: str = "cpu"
    threads: int = 1
    precision: str = "float32"
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "threads", thread_count(self.threads))
        instance("device", self.device, str, "the name of a torch device", "Use 'cpu' or 'cuda:0'.")
        if self.precision not in list(_PRECISIONS):
            raise ArgumentError("precision", " or ".join(map(repr, _PRECISIONS)), repr(self.precision))

    @classmethod
    def find(cls, device: str | None = None, threads: int | None = None, precision: str | None = None) -> Hardware:
        """Return the hardware of this computer: a CUDA device if it has one, all cores, bfloat16 if it is fast.

        Parameters
        ----------
        device, threads, precision : optional
            Used instead of what would be chosen.

        Raises
        ------
        ArgumentError
            If the device cannot be used, the precision is not one of the two, or ``threads`` is not positive.
        """
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if device is None:
            device = f"cuda:{local}" if torch.cuda.is_available() else "cpu"
        instance("device", device, str, "the name of a torch device", "Use 'cpu' or 'cuda:0'.")
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ArgumentError(
                "device", "a device that torch can use here, such as cpu", f"{device!r} ({reason})"
            ) from error
        if precision is None:
            precision = "bfloat16" if _multiplies_bfloat16(device) else "float32"
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        shared = max(1, worker_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        return cls(
            device, shared if threads is None else threads, precision, int(os.environ.get("RANK", "0")), processes
        )

    @property
    def leads(self) -> bool:
        """Whether this is the first process, the only one that writes files and reports progress."""
        return self.rank == 0

    def part(self, chosen: torch.Tensor) -> torch.Tensor:
        """Return this process's part of a batch."""
        return chosen[self.rank :: self.processes]

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which layers compute in the chosen precision."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    def replica(self, network: nn.Module) -> nn.Module:
        """Return the network itself, or with several processes a wrapper that averages the gradients of all."""
        if self.processes == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean of a tensor over the processes."""
        if self.processes > 1:
            distributed.all_reduce(values)
        return values / self.processes

    def first(self, values: list[float]) -> list[float]:
        """Return the values of the first process in all: what they decide by times must be the same."""
        if self.processes == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return [float(value) for value in shared]

    def agree(self, network: nn.Module) -> None:
        """Copy the buffers of the first process to all; each had computed its batch statistics from other samples."""
        if self.processes > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, 0)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Connect the processes while the context lasts, if there are several."""
        if self.processes == 1:
            yield
            return
        # Functions of this module take the connection as a default when it is imported. So it is imported before, or
        # else the connection would never be closed, and its threads could abort the process at its exit.
        import torch.distributed.nn  # noqa: F401

        distributed.init_process_group("nccl" if self.device.startswith("cuda") else "gloo")
        try:
            yield
            # Together, so that no process closes the connection while another one still uses it.
            distributed.barrier()
        finally:
            distributed.destroy_process_group()


def _multiplies_bfloat16(device: str) -> bool:
    """Return whether the device has instructions for bfloat16; without them float32 is faster."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return "avx512_bf16" in host().identity or "amx_bf16" in host().identity

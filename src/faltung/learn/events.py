"""How is training watched in TensorBoard? As events, written after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faltung.errors import MissingExtraError
from faltung.learn.epoch_record import EpochRecord

__all__ = ["event_writer"]


@contextmanager
def event_writer(folder: Path) -> Iterator[Callable[[str, EpochRecord], None]]:
    """Yield a function that writes the epochs of a network as events of TensorBoard, to one folder per network.

    Raises
    ------
    MissingExtraError
        If the package tensorboard is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with event_writer(Path(folder)) as write:
    ...         write("dense", EpochRecord(1, 1, 0.5, {"training_risk": 2.0}))
    ...     print(sum(1 for _ in Path(folder).glob("dense/events.out.*")))
    1
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingExtraError("--tensorboard", "tensorboard") from error
    writers: dict[str, Any] = {}

    def write(name: str, record: EpochRecord) -> None:
        if name not in writers:
            writers[name] = SummaryWriter(str(folder / name))
        for measure, value in record.measures.items():
            writers[name].add_scalar(measure, value, record.epoch)

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()

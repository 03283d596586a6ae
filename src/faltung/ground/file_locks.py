"""Who works with this file? A lock that the system takes away when the process ends, however it ends."""

from __future__ import annotations

__all__ = ["lock"]


def lock(descriptor: int) -> bool | None:
    """Lock an open file for this process alone.

    Parameters
    ----------
    descriptor : int
        The open file. The lock lasts until it is closed, here and in processes that were forked meanwhile.

    Returns
    -------
    bool or None
        Whether the file is locked now; False if another process has locked it. None if there are no such locks: on
        Windows, and on some disks of a network.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, open(file.name) as again:
    ...     lock(file.fileno()), lock(again.fileno())
    (True, False)
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True

"""What happens to a call that cannot be served? The error of the modules of `compat`."""

from __future__ import annotations

from faltung.errors import FaltungError

__all__ = ["NotServedError"]


class NotServedError(FaltungError, NotImplementedError):
    """The peer can do what is asked, and this package cannot.

    Where the peer's functions are replaced (`faltung.compat.install`), the call goes to the peer's own function.

    Parameters
    ----------
    function : str
        Full name of the peer's function.
    reason : str
        What cannot be done, with the argument.

    Examples
    --------
    >>> print(NotServedError("scipy.ndimage.convolve", "x: objects have no sums here"))
    scipy.ndimage.convolve is not served: x: objects have no sums here. Call the original.
    """

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function} is not served: {reason}. Call the original.")

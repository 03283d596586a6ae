"""Which module of a peer belongs to which module here? The table of the peers."""

from __future__ import annotations

from faltung.errors import ArgumentError

__all__ = ["PEERS", "chosen_peers"]

#: For each peer: its modules, and for each of them the module here whose `__all__` names the functions.
PEERS = {
    "scipy": {"scipy.ndimage": "faltung.compat.ndimage", "scipy.signal": "faltung.compat.signal"},
    "skimage": {"skimage.filters": "faltung.compat.skimage.filters"},
    "cv2": {"cv2": "faltung.compat.cv2"},
    "astropy": {"astropy.convolution": "faltung.compat.astropy"},
}


def chosen_peers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of peers, checked; all peers, if none is named.

    Examples
    --------
    >>> chosen_peers(("cv2",))
    ('cv2',)
    """
    for name in names:
        if not isinstance(name, str) or name not in PEERS:
            raise ArgumentError("peers", f"some of {', '.join(map(repr, PEERS))}", repr(name))
    return names or tuple(PEERS)

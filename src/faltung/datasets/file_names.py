"""Which part of a data set does a name stand for? The words in it, such as train and test, say it."""

from __future__ import annotations

import re

__all__ = ["part_of", "words"]

_PARTS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",  # MNIST's ten thousand
}


def words(name: str) -> list[str]:
    """Return the words of a name, in lower case.

    Examples
    --------
    >>> words("Train-images.idx3_ubyte")
    ['train', 'images', 'idx3', 'ubyte']
    """
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def part_of(word: str) -> str | None:
    """Return the part that a word is a name of; None if it is no such name.

    Examples
    --------
    >>> part_of("Val"), part_of("cats")
    ('validation', None)
    """
    return _PARTS.get(word.strip().lower())

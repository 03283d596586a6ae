"""Make the Fashion-MNIST subset that ships inside the package.

Usage: python tools/make_fashion_mnist_subset.py FOLDER [OUT.npz]

FOLDER holds the four IDX files of the data set, as the Debian package `dataset-fashion-mnist` installs them under
`share/datasets/fashion-mnist`. The subset is the first 500 training and the first 100 test images of each class, in
the order of the official files, so it needs no random numbers and anyone can make it again.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np

from faltung.datasets.dataset import digest
from faltung.datasets.embedded import EMBEDDED_FILE

TRAINING_IMAGES_PER_CLASS = 500
TEST_IMAGES_PER_CLASS = 100


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, the type code 8, the rank, big-endian sizes, then the data."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the first `count` samples of every class, in ascending order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]))


def make_subset(folder: Path) -> dict[str, np.ndarray]:
    """Choose the images and labels of both splits."""
    arrays = {}
    for split, prefix, count in (
        ("training", "train", TRAINING_IMAGES_PER_CLASS),
        ("test", "t10k", TEST_IMAGES_PER_CLASS),
    ):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        chosen = first_of_each_class(labels, count)
        arrays[f"{split}_images"] = images[chosen]
        arrays[f"{split}_labels"] = labels[chosen]
    return arrays


def main() -> None:
    """Write the subset and print its digest, which `faltung.datasets.embedded` checks on load."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    arrays = make_subset(Path(sys.argv[1]))
    out = Path(sys.argv[2]) if len(sys.argv) == 3 else EMBEDDED_FILE
    np.savez_compressed(out, **arrays)
    print(f"{out}: {out.stat().st_size} bytes, digest {digest(arrays)}")


if __name__ == "__main__":
    main()

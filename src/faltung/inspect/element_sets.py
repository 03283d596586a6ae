"""Which elements of memory belong to a set? Tensors that share memory share its elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from faltung.inspect.captured_run import Place

__all__ = ["ElementSets"]

Tensor = torch.Tensor


class ElementSets:
    """For each storage, a set of its elements, as booleans.

    Parameters
    ----------
    sizes : dict of int to int
        Bytes of each storage.

    Examples
    --------
    >>> sets = ElementSets({0: 24})
    >>> sets.add(Place(0, (2, 3), (3, 1), 0, 4, "float32"), torch.tensor([[1, 0, 0], [0, 0, 1]]).bool())
    >>> sets.of(Place(0, (3, 2), (1, 3), 0, 4, "float32")).int().tolist()
    [[1, 0], [0, 0], [0, 1]]
    """

    def __init__(self, sizes: dict[int, int]) -> None:
        self._sizes = sizes
        self._sets: dict[int, Tensor] = {}
        self._itemsizes: dict[int, int] = {}

    def _whole(self, place: Place) -> Tensor:
        if self._itemsizes.setdefault(place.storage, place.itemsize) != place.itemsize:
            raise NotImplementedError("a tensor whose memory is read as another dtype")
        held = self._sets.get(place.storage)
        if held is None:
            count = self._sizes[place.storage] // place.itemsize
            held = self._sets[place.storage] = torch.zeros(count, dtype=torch.bool)
        return held

    def touches(self, place: Place) -> bool:
        """Whether something was added to the storage of a tensor."""
        return place.storage in self._sets

    def holds(self, place: Place) -> bool:
        """Whether an element of a tensor is in the set."""
        return self.touches(place) and bool(self.of(place).any())

    def of(self, place: Place) -> Tensor:
        """Return the set as booleans in the shape of a tensor; it may share memory with the set."""
        return torch.as_strided(self._whole(place), place.shape, place.strides, place.offset)

    def add(self, place: Place, mask: Tensor) -> None:
        """Add elements of a tensor."""
        repeated = [axis for axis, step in enumerate(place.strides) if step == 0 and place.shape[axis] > 1]
        strides = place.strides
        if repeated:
            mask = mask.amax(repeated, keepdim=True)
        if _overlaps(mask.shape, strides):
            index = torch.as_strided(torch.arange(len(self._whole(place))), mask.shape, strides, place.offset)
            self._whole(place)[index[mask]] = True
        else:
            torch.as_strided(self._whole(place), mask.shape, strides, place.offset).logical_or_(mask)

    def remove(self, place: Place) -> None:
        """Remove all elements of a tensor."""
        if self.touches(place):
            self.of(place).zero_()


def _overlaps(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether several positions of a tensor may be one element."""
    end = 0
    for step, length in sorted((step, length) for step, length in zip(strides, shape, strict=True) if length > 1):
        if step <= end:
            return True
        end += step * (length - 1)
    return False

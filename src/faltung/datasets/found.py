"""What was found where a data set was read? The files that are used, and every one that is not, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Found"]


@dataclass(frozen=True)
class Found:
    r"""The files of a data set of images.

    Parameters
    ----------
    suffixes : mapping of str to int
        Number of used files by suffix, in lower case.
    sizes : mapping of (int, int) to int
        Number of used files by height and width in pixels, as they are before they are scaled.
    colours : int
        Number of used files with colours; the others are grey.
    pixels : mapping of str to int
        Number of used files by their kind of pixels: "8 bits", "16 bits" or "floats".
    skipped : mapping of str to str
        Why a file is not used, by its name.
    animated : int
        Number of used files with several pictures, of which the first one is used.
    cut : int
        Number of used files with colours of more than 8 bits, of which the upper 8 are used.

    Examples
    --------
    >>> found = Found({".png": 3, ".jfif": 1}, {(8, 9): 4}, 1, {"8 bits": 4}, {"a/.DS_Store": "hidden"})
    >>> print(*found.lines(), sep="\n")
    4 images (3 .png, 1 .jfif), 8 x 9 pixels of 8 bits, 1 in colour
    1 file skipped: 1 hidden (a/.DS_Store)
    """

    suffixes: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)
    colours: int = 0
    pixels: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    animated: int = 0
    cut: int = 0

    def lines(self) -> list[str]:
        """Return sentences for a terminal: one about the files that are used, one about those that are not."""
        lines = []
        if count := sum(self.suffixes.values()):
            heights, widths = zip(*self.sizes, strict=True)
            middle = f" (median {_median(self.sizes)})" if len(self.sizes) > 1 else ""
            size = f"{_range(heights)} x {_range(widths)} pixels{middle} of {' or '.join(self.pixels)}"
            colours = {0: "all grey", count: "all in colour"}.get(self.colours, f"{self.colours:,} in colour")
            lines.append(f"{_number(count, 'image')} ({_counted(self.suffixes)}), {size}, {colours}")
        if self.animated:
            lines.append(f"{_number(self.animated, 'animation')}, of which the first picture is used")
        if self.cut:
            images = _number(self.cut, "image")
            lines.append(f"{images} with colours of more than 8 bits, of which the upper 8 are used")
        if self.skipped:
            lines.append(f"{_number(len(self.skipped), 'file')} skipped: {self._reasons()}")
        return lines

    def _reasons(self) -> str:
        first = {reason: name for name, reason in reversed([*self.skipped.items()])}
        counts = Counter(self.skipped.values()).most_common()
        return "; ".join(
            f"{count:,} {reason} ({'' if count == 1 else 'such as '}{first[reason]})" for reason, count in counts
        )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in Counter(numbers).most_common())


def _range(values: tuple[int, ...]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _median(sizes: Mapping[tuple[int, int], int]) -> str:
    """Return the size of which half of the images are larger, by number of pixels."""
    every = sorted(Counter(sizes).elements(), key=lambda size: size[0] * size[1])
    height, width = every[len(every) // 2]
    return f"{height} x {width}"

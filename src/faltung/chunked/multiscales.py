"""What is an image of several resolutions in Zarr? The metadata of OME-Zarr: axes, levels, scales, translations."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faltung.errors import ArgumentError

__all__ = ["Multiscale", "NamedAxis", "axes_of_array", "multiscale_of", "spatial_places", "written"]

#: Types of axes by their names, where nothing else is said.
_TYPES = {"x": "space", "y": "space", "z": "space", "t": "time", "time": "time"}
_TYPES |= dict.fromkeys(("c", "s", "band", "bands", "channel", "channels", "sample", "samples"), "channel")
_LETTERS = "tczyx"
#: Distances and places are below it.
_FAR = 1e300
#: Each level has at most half of the samples of the one before, so there cannot be more that differ.
_MOST_LEVELS = 64


@dataclass(frozen=True)
class NamedAxis:
    """An axis of an image.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        ``space``, ``time``, ``channel``, or "" if nothing is known.
    unit : str
        Unit of length or time, or "".
    """

    name: str
    kind: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Multiscale:
    """An image of several resolutions.

    Parameters
    ----------
    folder : path
        The folder of the group.
    version : str
        Version of OME-Zarr.
    axes : tuple of NamedAxis
        Its axes.
    paths : tuple of str
        The levels, from the finest, below the group.
    attributes : dict
        All attributes of the group.
    group : zarr.Group
        The group.
    """

    folder: Path
    version: str
    axes: tuple[NamedAxis, ...]
    paths: tuple[str, ...]
    attributes: dict[str, Any]
    group: Any

    @property
    def first(self) -> dict[str, Any]:
        """The metadata of the first image."""
        return dict(_ome(self.attributes)["multiscales"][0])

    @property
    def method(self) -> str:
        """How its smaller levels were made: ``gaussian`` if it says so, or else ``mean``."""
        return "gaussian" if "gauss" in str(self.first.get("type", "")).lower() else "mean"

    def scale(self, level: int) -> tuple[float, ...]:
        """Return the distance of samples along each axis."""
        return self._placed(level)[0]

    def translation(self, level: int) -> tuple[float, ...]:
        """Return the place of the first sample along each axis."""
        return self._placed(level)[1]

    def _placed(self, level: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return scale and translation of a level: its own, and then those of the whole image."""
        scale, place = [1.0] * len(self.axes), [0.0] * len(self.axes)
        for holder in (self.first["datasets"][level], self.first):
            for step in _listed(holder, "coordinateTransformations", Mapping, self.folder):
                kind = step.get("type")
                if kind not in ("scale", "translation") or kind not in step:
                    continue
                numbers = _listed(step, kind, int | float, self.folder)
                if len(numbers) != len(self.axes):
                    received = f"{len(numbers)} in '{self.folder}'"
                    raise ArgumentError("source", f"a {kind} of {len(self.axes)} numbers", received)
                if not all(abs(number) < _FAR and (number or kind != "scale") for number in numbers):
                    received = f"{numbers} in '{self.folder}'"
                    raise ArgumentError("source", f"a {kind} of finite numbers that are distances", received)
                if kind == "scale":
                    scale = [old * number for old, number in zip(scale, numbers, strict=True)]
                    place = [old * number for old, number in zip(place, numbers, strict=True)]
                else:
                    place = [old + number for old, number in zip(place, numbers, strict=True)]
        return tuple(scale), tuple(place)

    @property
    def besides(self) -> dict[str, Any]:
        """The attributes that say nothing of its levels, such as ``omero``."""
        return {
            name: value for name, value in _ome(self.attributes).items() if name not in ("multiscales", "version")
        }

    def members_beside(self) -> list[str]:
        """Return the names of the folders in the group that hold none of its levels, such as ``labels``."""
        levels = {path.split("/")[0] for path in self.paths}
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir() and path.name not in levels)

    def with_levels(self, count: int) -> dict[str, Any]:
        """Return the attributes of the group with its first levels alone."""
        attributes = copy.deepcopy(self.attributes)
        images = _ome(attributes)["multiscales"]
        images[0]["datasets"] = images[0]["datasets"][:count]
        return attributes


def _ome(attributes: Mapping[str, Any]) -> Any:
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) and "multiscales" in inner else attributes


def multiscale_of(group: Any, folder: Path) -> Multiscale:
    """Return the image in a group.

    Raises
    ------
    ArgumentError
        There is none, or more than one; the message names what is there.
    """
    attributes = dict(group.attrs)
    known = _ome(attributes)
    images = _listed(known, "multiscales", Mapping, folder)
    if len(images) != 1 or not images[0].get("datasets"):
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir())[:5]
        named = ", ".join(f"'{folder / name}'" for name in inside)
        remedy = f"Name one of the arrays or images in it, such as {named}." if inside else ""
        held = f"'{folder}', a group with {len(images)} images"
        raise ArgumentError("source", "a Zarr array, or a group with one image of OME-Zarr", held, remedy)
    (image,) = images
    datasets = _listed(image, "datasets", object, folder)
    if len(datasets) > _MOST_LEVELS:  # each of them is opened
        held = f"{len(datasets):,} in '{folder}'"
        raise ArgumentError("source", f"an image of at most {_MOST_LEVELS} levels", held)
    paths = tuple(_level(each, group, folder) for each in datasets)
    version = str(known.get("version") or image.get("version") or "0.4")
    counts = {group[path].ndim for path in paths}
    listed = _listed(image, "axes", str | Mapping, folder) or [*_LETTERS[-max(counts) :]]
    if counts != {len(listed)}:
        held = f"{len(listed)} for arrays with {', '.join(map(str, sorted(counts)))} axes in '{folder}'"
        raise ArgumentError("source", "an image of OME-Zarr that names each axis of its levels", held)
    return Multiscale(folder, version, tuple(map(_axis, listed)), paths, attributes, group)


def _listed(holder: Mapping[str, Any], name: str, kinds: Any, folder: Path) -> list[Any]:
    """Return a list in the metadata of an image, which is empty if it is not there, and holds such values alone."""
    found = holder.get(name) or []
    if isinstance(found, list) and all(isinstance(each, kinds) for each in found):
        return found
    received = f"{name} {found!r}"[:80] + f" in '{folder}'"
    raise ArgumentError("source", "metadata that OME-Zarr has", received, "Restore it, or name a level.")


def _level(given: Any, group: Any, folder: Path) -> str:
    """Return the path of a level, if it is that of an array below the group."""
    path = given.get("path") if isinstance(given, Mapping) else None
    if not isinstance(path, str) or not path or {"", ".", ".."} & {*path.split("/")}:
        received = f"{given!r}"[:80] if path is None else f"the path {path!r}"[:200]
        raise ArgumentError("source", f"levels below '{folder}' in its metadata", received)
    try:
        held = group[path]
        dict(held.attrs)
        if hasattr(held, "shape"):
            return path
        why = ""
    except Exception as error:  # damaged metadata can raise any kind of error
        why = "" if isinstance(error, KeyError) else f" ({' '.join(str(error).split())[:200]})"
    received = f"none at {path!r}"[:200] + f", which its metadata names{why}"
    raise ArgumentError("source", f"an array for each level of '{folder}'", received, "Restore it, or name a level.")


def _axis(given: Any) -> NamedAxis:
    if isinstance(given, str):
        return NamedAxis(given, _TYPES.get(given.lower(), ""))
    name = str(given.get("name", ""))
    return NamedAxis(name, str(given.get("type") or _TYPES.get(name.lower(), "")), str(given.get("unit") or ""))


def axes_of_array(array: Any) -> tuple[NamedAxis, ...]:
    """Return the axes of an array by the names that it has, or those that images usually have."""
    names: Any = getattr(array.metadata, "dimension_names", None) or dict(array.attrs).get("_ARRAY_DIMENSIONS")
    ndim = int(array.ndim)
    named = isinstance(names, list | tuple) and all(name is None or isinstance(name, str) for name in names)
    if not named or len(names) != ndim:
        return (NamedAxis(""),) * ndim
    axes: list[NamedAxis] = [_axis(name or "") for name in names]
    return tuple(axes)


def spatial_places(axes: Sequence[NamedAxis], dims: Sequence[str] | None, count: int) -> tuple[int, ...]:
    """Return the axes that a kernel extends over: those that are named, or the last that are not channels or times.

    Raises
    ------
    ArgumentError
        There are too few, or there is no axis of a name.

    Examples
    --------
    >>> spatial_places([NamedAxis("t", "time"), NamedAxis("y"), NamedAxis("x"), NamedAxis("c", "channel")], None, 2)
    (1, 2)
    """
    names = [axis.name for axis in axes]
    if dims is not None:
        missing = [name for name in dims if names.count(name) != 1]
        if missing or len(dims) != count:
            known = f"of {', '.join(filter(None, names))}" if any(names) else "of an array whose axes have names"
            raise ArgumentError("dims", f"{count} {known}, one for each axis of the kernel", repr(tuple(dims)))
        return tuple(names.index(name) for name in dims)
    places = [place for place, axis in enumerate(axes) if axis.kind not in ("time", "channel")]
    if len(places) < count:
        expected = f"a kernel of at most {len(places)} axes for an array with {len(places)} axes in space"
        raise ArgumentError("kernel", expected, f"one with {count}", "Named filters take ndim=.")
    return tuple(places[len(places) - count :])


def written(
    version: str,
    name: str,
    axes: Sequence[NamedAxis],
    levels: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    method: str,
    besides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the attributes of a group for levels of (path, scale, translation), and what else is said of the image.

    Examples
    --------
    >>> image = written("0.5", "a", [NamedAxis("x", "space")], [("0", [1.0], [0.0])], "mean")["ome"]["multiscales"][0]
    >>> image["datasets"]
    [{'path': '0', 'coordinateTransformations': [{'type': 'scale', 'scale': [1.0]},
    {'type': 'translation', 'translation': [0.0]}]}]
    """
    described = []
    for axis in axes:
        known = {"name": axis.name, "type": axis.kind, "unit": axis.unit}
        described.append({key: value for key, value in known.items() if value})
    datasets = []
    for path, scale, translation in levels:
        steps = [
            {"type": "scale", "scale": list(scale)},
            {"type": "translation", "translation": list(translation)},
        ]
        datasets.append({"path": path, "coordinateTransformations": steps})
    image = {"name": name, "axes": described, "datasets": datasets, "type": method}
    if version == "0.4":
        return {**(besides or {}), "multiscales": [{"version": version, **image}]}
    return {"ome": {**(besides or {}), "version": version, "multiscales": [image]}}

"""How does noise become a picture? The points of its path, as the generators of a run move them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from faltung.errors import ArgumentError
from faltung.explorer.question_arguments import one_of
from faltung.explorer.small_json import small_json
from faltung.ground.checks import integer, real
from faltung.ground.given_files import is_regular
from faltung.learn.tasks.generation.flow import follow, guided, noise, samples_of
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.networks.generator import VelocityField
from faltung.networks.stored import GENERATORS, Trained, load_trained

__all__ = ["NoisePaths"]

_MOST_STEPS = 64
_MOST_BYTES = 2**32  # of weights
_MOST_SAMPLES = 2**18  # of one point
_LARGEST_SEED = 2**32 - 1
_STRONGEST = 10.0  # guidance


class NoisePaths:
    """The generators of a run, and the paths on which they move noise.

    Parameters
    ----------
    folder : path
        The run folder.

    Examples
    --------
    >>> NoisePaths(Path("no/such/folder")).names()
    []
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, tuple[int, Trained]] = {}

    def names(self) -> list[str]:
        """Return the names of the generators that are trained, the model first."""
        stems = sorted(path.stem for path in self._folder.glob("*.json") if _is_generator(path))
        return sorted(stems, key=lambda stem: stem != "model")

    def content(self) -> dict[str, object] | None:
        """Return what can be chosen: generators and classes; None if the run has no generator yet."""
        names = self.names()
        if not names:
            return None
        trained = self._trained(names[0])
        sampling = Sampling()
        chosen = {"steps": sampling.steps, "guidance": sampling.guidance, "seed": sampling.seed}
        return {
            "networks": names,
            "classes": list(trained.class_names),
            "shape": list(trained.sample_shape),
            **chosen,
        }

    def path(
        self, *, network: object, label: object, seed: object, steps: object, guidance: object
    ) -> dict[str, object]:
        """Return the points from noise to a sample, and where each would end on a straight line.

        They are the numbers of `faltung generate` with the same network, class, seed, steps and guidance: its first
        sample is the last point.
        """
        trained = self._trained(one_of("network", network, self.names()))
        field = trained.network
        assert isinstance(field, VelocityField)
        if math.prod(trained.sample_shape) > _MOST_SAMPLES:
            raise ArgumentError("network", f"samples of at most {_MOST_SAMPLES:,} numbers", str(trained.sample_shape))
        labels = torch.tensor([integer("label", label, 0, len(trained.class_names) - 1)])
        count = integer("steps", steps, 1, _MOST_STEPS)
        begin = noise(integer("seed", seed, 0, _LARGEST_SEED), [0], trained.sample_shape)
        velocity = guided(field, real("guidance", guidance, 0.0, _STRONGEST))
        points = list(follow(velocity, begin, labels, count))
        with torch.no_grad():
            ends = [
                point + (1 - step / count) * velocity(point, torch.full((1,), step / count), labels)
                for step, point in enumerate(points[:-1])
            ]
        shown = [
            np.concatenate([samples_of(field, each, trained.dtype) for each in part])
            for part in (points, [*ends, points[-1]])
        ]
        return {"points": shown[0], "ends": shown[1]}

    def _trained(self, name: str) -> Trained:
        try:
            written = (self._folder / f"{name}.json").stat().st_mtime_ns
        except FileNotFoundError:
            written = 0  # then loading says what is missing
        weights = self._folder / f"{name}.safetensors"
        if weights.exists() and not is_regular(weights, _MOST_BYTES):
            expected = f"weights in a regular file of at most {_MOST_BYTES >> 30} GB"
            raise ArgumentError("run", expected, f"'{weights}'", "Copy the folder again.")
        if self._loaded.get(name, (None, None))[0] != written:
            self._loaded[name] = written, load_trained(self._folder, name, GENERATORS)
        return self._loaded[name][1]


def _is_generator(path: Path) -> bool:
    named = (small_json(path) or {}).get("class")
    return isinstance(named, str) and named in GENERATORS

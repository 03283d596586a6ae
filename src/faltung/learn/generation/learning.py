"""How is generating learned? By a convolutional and a dense network, with the same data and budget, then scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
from torch import nn

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.learn.augmentation import Augmentation
from faltung.learn.checkpoint import Checkpoint
from faltung.learn.generation.flow import UNCHANGED, FlowMatching
from faltung.learn.generation.generated import GeneratorOutcome, measure_generator, score_table
from faltung.learn.generation.generation_page import html_page
from faltung.learn.generation.judging import JUDGE, published_judge, trained_judge
from faltung.learn.generation.sampling import Sampling
from faltung.learn.generation.score import Protocol
from faltung.learn.hardware import Hardware
from faltung.learn.provenance import provenance
from faltung.learn.recipe import Recipe
from faltung.learn.report.contact_sheet import contact_sheet
from faltung.learn.report.pictures import png
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.training import EpochRecord, train
from faltung.networks.generator import ConvGenerator, DenseGenerator, VelocityField
from faltung.tensors.determinism import reproducible

__all__ = [
    "generator_augmentation",
    "generator_recipe",
    "generators_for",
    "learn_to_generate",
    "score_table",
]

_CHANNELS = (16, 32, 64)
_DEEP = 64  # channels of all further levels
_COARSE = 8  # places along an axis that the coarsest level may have
_BATCH = 64
_STEPS = 15_000  # for so many samples:
_SAMPLES = 60_000


def generators_for(data: Dataset) -> Mapping[str, Callable[[], VelocityField]]:
    """Return what makes a convolutional generator of samples like these, and a dense one with as many parameters.

    Parameters
    ----------
    data : Dataset
        The training samples.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> for name, make in generators_for(load_embedded().training).items():
    ...     print(name, sum(parameter.numel() for parameter in make().parameters()))
    convolutional 303937
    dense 300847
    """
    shape, classes = data.sample_shape, len(data.class_names)
    unit = 255.0 if data.samples.dtype == np.uint8 else 1.0
    mean = float(data.samples.mean(dtype=np.float64)) / unit
    deviation = float(data.samples.std(dtype=np.float64)) / unit or 1.0
    levels = 1 + max(1, math.ceil(math.log2(max(shape[1:]) / _COARSE)))
    convolutional = partial(
        ConvGenerator,
        sample_shape=shape,
        classes=classes,
        channels=(*_CHANNELS[:levels], *[_DEEP] * (levels - len(_CHANNELS))),
        blocks=(*[1] * (levels - 1), 2),
        mean=mean,
        deviation=deviation,
    )
    parameters = sum(parameter.numel() for parameter in convolutional().parameters())
    dense = partial(
        DenseGenerator,
        sample_shape=shape,
        classes=classes,
        width=DenseGenerator.width_for(parameters, shape, classes),
        mean=mean,
        deviation=deviation,
    )
    return {"convolutional": convolutional, "dense": dense}


def generator_recipe(samples: int) -> Recipe:
    """Return the recipe for a generator and so many training samples: four times as many take twice as many steps.

    Examples
    --------
    >>> generator_recipe(60_000).epochs, generator_recipe(15_000).epochs
    (17, 33)
    """
    batch_size = max(2, min(_BATCH, samples))
    steps = _STEPS * math.sqrt(samples / _SAMPLES)
    return Recipe(
        epochs=math.ceil(steps / max(1, samples // batch_size)),
        batch_size=batch_size,
        learning_rate=2e-3,
        weight_decay=0.01,
        optimiser="adam",
        averaging=0.1,
    )


def generator_augmentation(data: Dataset) -> Augmentation:
    """Return how samples are changed at random: not at all, for a generator would learn the changes.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> generator_augmentation(load_embedded().training)
    Augmentation(mirror=False, shift=0)
    """
    return UNCHANGED


def learn_to_generate(
    split: Split,
    recipe: Recipe,
    run: RunFolder,
    *,
    candidates: Mapping[str, Callable[[], VelocityField]] | None = None,
    augmentation: Augmentation = UNCHANGED,
    seed: int = 0,
    hardware: Hardware | None = None,
    judge: nn.Module | None = None,
    sampling: Sampling | None = None,
    on_epoch: Callable[[str, EpochRecord], None] = lambda name, record: None,
) -> list[GeneratorOutcome]:
    """Train generators with the same data, recipe and seed, score what they make, and write it all to a run folder.

    Each network is written as soon as it is trained, a checkpoint and `history.csv` after every epoch. Called again
    with a folder in which it was stopped, it goes on there, and the end is the same to the last bit.

    Parameters
    ----------
    split : Split
        Data to learn from, to watch and to be compared with.
    recipe : Recipe
        How to train each of the generators.
    run : RunFolder
        Where to write.
    candidates : mapping of str to callable, optional
        Names, and what makes a fresh network; those of `generators_for` by default. The first is the model, written
        as `model.safetensors` and `model.json`; the others are its yardsticks, written under their own names.
    augmentation : Augmentation, optional
        How training samples are changed at random.
    seed : int, optional
        Seed of weights and order.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default.
    judge : torch.nn.Module, optional
        The classifier that judges what was generated. Without it, one that ships with faltung if it knows the data,
        or one that is trained first.
    sampling : Sampling, optional
        How the samples are made that are scored.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch.

    Returns
    -------
    list of GeneratorOutcome
        In the order of `candidates`; empty in all but the first of several processes.

    Raises
    ------
    ArgumentError
        If an argument is out of its range, the judge does not fit the data, or a risk stops being finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier
    >>> few = load_embedded().validation
    >>> split = Split(few, few, few, "few")
    >>> candidates = {"dense": lambda: DenseGenerator(sample_shape=(1, 28, 28), classes=10, width=8)}
    >>> judge = ConvClassifier(sample_shape=(1, 28, 28), classes=10, channels=(8,))
    >>> recipe = Recipe(epochs=1, optimiser="adam", learning_rate=1e-3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [outcome] = learn_to_generate(split, recipe, RunFolder(Path(folder)), candidates=candidates, judge=judge)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['history.csv', 'metrics.json', 'model.json', 'model.safetensors', 'report.html', 'samples.png']
    """
    hardware = hardware or Hardware()
    sampling = sampling or Sampling(seed)
    candidates = generators_for(split.training) if candidates is None else candidates
    if JUDGE in candidates:
        raise ArgumentError("candidates", "other names than that of the judge", repr(JUDGE))
    judged_by, judge = _judge(judge, split, run, seed, hardware, on_epoch)
    # Made before anything is trained, so that a judge that does not fit costs nobody an hour.
    with reproducible(seed, hardware.threads):
        protocol = Protocol(judge.eval(), split) if hardware.leads else None
    rows: list[dict[str, object]] = []
    outcomes: list[GeneratorOutcome] = []
    for name, make_network in candidates.items():

        def record_epoch(record: EpochRecord, name: str = name) -> None:
            rows.append({"network": name, "epoch": record.epoch, "seconds": record.seconds, **record.measures})
            if hardware.leads:
                run.write_csv("history.csv", rows)
            on_epoch(name, record)

        with reproducible(seed, hardware.threads):
            network = make_network()
            objective = FlowMatching(split, network.standardise, augmentation=augmentation, device=hardware.device)
            history = train(
                network,
                objective,
                recipe,
                seed=seed,
                hardware=hardware,
                checkpoint=Checkpoint(run, name),
                on_epoch=record_epoch,
            )
            if protocol is not None:
                save_network(run, name if outcomes else "model", network, split.training)
                outcomes.append(measure_generator(name, network, split.training, protocol, history, sampling))
    if hardware.leads:
        made = {
            **provenance(split, recipe, seed=seed, hardware=hardware),
            "sampling": asdict(sampling),
            "judge": judged_by,
        }
        _write_results(run, outcomes, split, made)
        for name in (*candidates, JUDGE):
            Checkpoint(run, name).remove()
    return outcomes


def _judge(
    given: nn.Module | None,
    split: Split,
    run: RunFolder,
    seed: int,
    hardware: Hardware,
    on_epoch: Callable[[str, EpochRecord], None],
) -> tuple[str, nn.Module]:
    if given is not None:
        return "given", given
    if (published := published_judge(split.training)) is not None:
        return "published with faltung", published
    trained = trained_judge(split, run, seed=seed, hardware=hardware, on_epoch=lambda record: on_epoch(JUDGE, record))
    return "trained on the training samples of this run", trained


def _write_results(
    run: RunFolder, outcomes: Sequence[GeneratorOutcome], split: Split, made: Mapping[str, object]
) -> None:
    model = outcomes[0]
    samples = model.samples.reshape(-1, *split.training.sample_shape)
    run.write_bytes("samples.png", png(contact_sheet(samples, columns=model.samples.shape[1])))
    run.write_text("report.html", html_page(outcomes, split, made))
    run.write_json("metrics.json", {**made, "networks": {each.name: each.metrics() for each in outcomes}})

"""The task `generate`: a convolutional network and a dense yardstick learn to make samples like those of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from torch import nn

from faltung.datasets.dataset import Split
from faltung.errors import ArgumentError
from faltung.ground.drawings.pictures import png
from faltung.learn.augmentation import Augmentation
from faltung.learn.experiment import carry_out
from faltung.learn.hardware import Hardware
from faltung.learn.recipe import Recipe
from faltung.learn.report.contact_sheet import contact_sheet
from faltung.learn.runs import RunFolder
from faltung.learn.task import Results, Setup, Task
from faltung.learn.tasks.generation.flow import UNCHANGED, FlowMatching
from faltung.learn.tasks.generation.generator_outcome import GeneratorOutcome, measure_generator, score_table
from faltung.learn.tasks.generation.generator_page import html_page
from faltung.learn.tasks.generation.generators import generator_augmentation, generator_recipe, generators_for
from faltung.learn.tasks.generation.judges import JUDGE, judge_for
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.learn.tasks.generation.score import Protocol
from faltung.learn.trainer import MakeNetwork, MakeObjective, OnEpoch, TrainedCandidate, Trainer
from faltung.networks.generator import VelocityField
from faltung.tensors.determinism import reproducible

__all__ = ["TASK", "learn_to_generate"]


class _GeneratorMeasures:
    """Scores generators with a judge, which is trained first if there is none."""

    def __init__(self, setup: Setup, trainer: Trainer) -> None:
        source, judge = judge_for(setup, trainer)
        self._training = setup.split.training
        self._sampling = setup.options.get("sampling") or Sampling(trainer.seed)
        self.facts: Mapping[str, object] = {"sampling": asdict(self._sampling), "judge": source}
        if trainer.hardware.leads:
            with reproducible(trainer.seed, trainer.hardware.threads):
                self._protocol = Protocol(judge, setup.split)

    def __call__(self, trained: TrainedCandidate) -> GeneratorOutcome:
        network = trained.network
        assert isinstance(network, VelocityField)
        return measure_generator(
            trained.name, network, self._training, self._protocol, trained.history, self._sampling
        )


def _objective(setup: Setup) -> MakeObjective:
    def make(network: nn.Module) -> FlowMatching:
        assert isinstance(network, VelocityField)
        return FlowMatching(setup.split, network.standardise, augmentation=setup.augmentation, device=setup.device)

    return make


def _report(results: Results[GeneratorOutcome]) -> dict[str, str | bytes]:
    samples = results.outcomes[0].samples
    sheet = contact_sheet(samples.reshape(-1, *samples.shape[2:]), columns=samples.shape[1])
    return {
        "samples.png": png(sheet),
        "report.html": html_page(results.outcomes, results.split, results.facts),
    }


def _measuring(split: Split) -> int:
    """Return how many answers a score takes: each step to a sample is computed for its class, and without one."""
    return 2 * Sampling().steps * len(split.test)


TASK: Task[GeneratorOutcome] = Task(
    candidates=generators_for,
    recipe=generator_recipe,
    augmentation=generator_augmentation,
    objective=_objective,
    measures=_GeneratorMeasures,
    report=_report,
    table=score_table,
    measuring=_measuring,
    options={"judge": None},
    classifies=True,  # the judge; generators are no classifiers
)
"""Generation by flow matching, measured by the protocol of `docs/scoring.md`."""


def learn_to_generate(
    split: Split,
    recipe: Recipe,
    run: RunFolder,
    *,
    candidates: Mapping[str, MakeNetwork] | None = None,
    augmentation: Augmentation = UNCHANGED,
    seed: int = 0,
    hardware: Hardware | None = None,
    judge: nn.Module | None = None,
    sampling: Sampling | None = None,
    on_epoch: OnEpoch = lambda name, record: None,
) -> list[GeneratorOutcome]:
    """Train generators with the same data, recipe and seed, score their samples, and write all of it to a run folder.

    Each network is saved as soon as it is trained; checkpoints and `history.csv` are written after every epoch.
    Called again with the folder of a run that was stopped, it continues the run, and the results are the same to the
    last bit.

    Parameters
    ----------
    split : Split
        Training, validation and test set.
    recipe : Recipe
        How each of the generators is trained.
    run : RunFolder
        The folder to write to. It holds nothing, or a run that was stopped.
    candidates : mapping of str to callable, optional
        Names, and what makes a fresh network; those of `generators_for` by default. The first is the model, saved as
        `model.safetensors` and `model.json`; the others are its yardsticks, saved under their own names.
    augmentation : Augmentation, optional
        The random changes of training samples.
    seed : int, optional
        Seed of weights and order.
    hardware : Hardware, optional
        What to run on; one thread of the CPU by default.
    judge : torch.nn.Module, optional
        The classifier that judges generated samples. By default one that ships with faltung if it fits the data, or
        one that is trained first.
    sampling : Sampling, optional
        Seed, steps and guidance of the samples that are scored.
    on_epoch : callable, optional
        Called with a network's name and its record after each epoch.

    Returns
    -------
    list of GeneratorOutcome
        In the order of `candidates`; empty in all but the first of several processes.

    Raises
    ------
    ArgumentError
        If the folder holds a finished run, an argument is out of its range, the judge does not fit the data, or a
        risk stops being finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from faltung.datasets.embedded import load_embedded
    >>> from faltung.networks import ConvClassifier, DenseGenerator
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
    candidates = generators_for(split.training) if candidates is None else candidates
    if JUDGE in candidates:
        raise ArgumentError("candidates", "other names than that of the judge", repr(JUDGE))
    trainer = Trainer(run, seed=seed, hardware=hardware, on_epoch=on_epoch)
    options = {"judge": judge, "sampling": sampling}
    setup = Setup(split, augmentation, device=trainer.hardware.device, options=options)
    return carry_out(replace(TASK, candidates=lambda data: candidates), setup, recipe, trainer)

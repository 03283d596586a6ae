"""Flow matching: the risk is that of the definition, known fields are followed exactly, seeds decide everything."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.datasets.dataset import Dataset, Split
from faltung.errors import ArgumentError
from faltung.learn.recipe import Recipe
from faltung.learn.tasks.generation import flow
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.learn.training import train
from faltung.networks.generator import ConvGenerator, DenseGenerator, VelocityField
from faltung.tensors.determinism import reproducible


@pytest.fixture(autouse=True)
def _one_thread():
    with reproducible(0, threads=1):
        yield


def _split(samples: np.ndarray, labels: np.ndarray) -> Split:
    data = Dataset(samples, labels, ("row", "column"))
    return Split(data, data, data, "made here")


def _noisy(count: int, shape: tuple[int, ...] = (1, 6, 7)) -> Split:
    generator = np.random.default_rng(0)
    return _split(generator.integers(0, 256, (count, *shape), dtype=np.uint8), np.arange(count) % 2)


class _Spy(torch.nn.Module):
    """Answers with a given field, and remembers what it was asked."""

    def __init__(self, field):
        super().__init__()
        self.field = field
        self.asked = []

    def forward(self, points, times, labels):
        self.asked.append((points, times, labels))
        return self.field(points, times)


def _scale(samples):
    return (samples - 0.5) / 0.25


def _at(times, like):
    return times.reshape(-1, *[1] * (like.ndim - 1))


def test_risk_is_the_mean_squared_difference_to_the_velocity_of_the_line():
    split = _noisy(500)
    objective = flow.FlowMatching(split, _scale)
    spy = _Spy(lambda points, times: 0.3 * points)
    chosen = torch.arange(500).flip(0)
    risk, watched = objective.batch_risk(spy, chosen, torch.Generator().manual_seed(3))
    [(points, times, labels)] = spy.asked

    ends = (split.training.samples[::-1] / 255.0 - 0.5) / 0.25
    t = times.double().numpy().reshape(-1, 1, 1, 1)
    # A point of the line and its end give its beginning.
    starts = (points.double().numpy() - t * ends) / (1 - t)
    usable = t.ravel() < 0.99  # nearer to the end the beginning drowns in rounding errors
    assert abs(starts[usable].mean()) < 0.03
    assert abs(starts[usable].std() - 1) < 0.03
    squares = ((0.3 * points.double().numpy() - (ends - starts)) ** 2).mean(axis=(1, 2, 3))
    assert risk.item() == pytest.approx(squares.mean(), rel=1e-3)
    assert watched == {}

    assert np.diff(np.sort(t.ravel())) == pytest.approx(1 / 500, abs=1e-5)
    unnamed = labels == 2
    assert 25 < unnamed.sum() < 80  # 50 expected, standard deviation 7
    assert torch.equal(labels[~unnamed], torch.from_numpy(split.training.labels[::-1].copy())[~unnamed])


def test_the_field_of_a_single_sample_has_no_risk():
    end = np.random.default_rng(1).integers(0, 256, (1, 1, 5, 5), dtype=np.uint8)
    split = _split(end.repeat(40, axis=0), np.zeros(40, np.int64))
    target = _scale(torch.from_numpy(end / 255.0).float())
    network = _Spy(lambda points, times: (target - points) / (1 - _at(times, points)))
    objective = flow.FlowMatching(split, _scale)
    risk, _ = objective.batch_risk(network, torch.arange(40), torch.Generator().manual_seed(0))
    assert risk.item() < 1e-6
    assert objective.validate(network)["validation_risk"] < 1e-6


def test_validation_is_the_same_every_time_and_knows_the_classes():
    objective = flow.FlowMatching(_noisy(300), _scale)
    spy = _Spy(lambda points, times: torch.zeros_like(points))
    first = objective.validate(spy)
    assert objective.validate(spy) == first
    asked = len(spy.asked) // 2
    assert torch.equal(torch.cat([labels for _, _, labels in spy.asked[:asked]]), torch.arange(300) % 2)
    ends = _scale(torch.from_numpy(_noisy(300).validation.samples / 255.0))
    # Lines between independent ends have the variances of both.
    assert first["validation_risk"] == pytest.approx(1 + ends.square().mean().item(), rel=0.05)


@given(st.floats(-3, 3), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_midpoint_rule_on_a_linear_field(rate, steps):
    start = torch.tensor([[1.0], [-2.5]], dtype=torch.float64)
    labels = torch.zeros(2, dtype=torch.long)
    path = list(flow.follow(lambda points, times, labels: rate * points, start, labels, steps))
    a = rate / steps
    for step, points in enumerate(path):
        assert points.numpy() == pytest.approx(start.numpy() * (1 + a + a * a / 2) ** step, rel=1e-12)
    assert len(path) == steps + 1


def test_noise_becomes_normal_samples_and_the_error_falls_with_the_square_of_the_step():
    mean, deviation = 3.0, 0.5

    def velocity(points, times, labels):
        t = times.double()[:, None]
        slope = (t * deviation**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * deviation**2)
        return mean + slope * (points - t * mean)

    start = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    labels = torch.zeros(9, dtype=torch.long)
    errors = []
    for steps in (8, 16, 32):
        *_, end = flow.follow(velocity, start, labels, steps)
        errors.append((end - (mean + deviation * start)).abs().max().item())
    assert errors[0] < 0.05
    assert errors[0] / errors[1] > 3.5
    assert errors[1] / errors[2] > 3.5


def _random(network: VelocityField) -> VelocityField:
    """Give a network weights as if it had learned: fresh ones answer zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1, generator=generator)
    return network.eval()


NETWORKS = {
    "convolutional": lambda: ConvGenerator(sample_shape=(2, 9, 6), classes=3, channels=(8, 16), blocks=(1, 1)),
    "dense": lambda: DenseGenerator(sample_shape=(2, 9, 6), classes=3, width=12),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sample_depends_on_seed_place_and_class_alone(name, monkeypatch):
    network = _random(NETWORKS[name]())
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    few = Sampling(seed=5, steps=2)
    samples = flow.generate(network, labels, few, dtype="float32")
    assert np.array_equal(samples, flow.generate(network, labels, few, dtype="float32"))
    monkeypatch.setattr(flow, "_BLOCK", 4)
    assert flow.generate(network, labels, few, dtype="float32") == pytest.approx(samples, abs=1e-5)
    assert flow.generate(network, labels[:3], few, dtype="float32") == pytest.approx(samples[:3], abs=1e-5)
    other_class = flow.generate(network, np.zeros(7, np.int64), few, dtype="float32")
    assert (np.abs(other_class - samples).max(axis=(1, 2, 3)) > 1e-3).tolist() == (labels != 0).tolist()
    other_seed = flow.generate(network, labels, Sampling(seed=6, steps=2), dtype="float32")
    assert (np.abs(other_seed - samples).max(axis=(1, 2, 3)) > 0.1).all()


def test_samples_are_on_the_scale_of_the_data():
    network = DenseGenerator(sample_shape=(1, 4), classes=1, width=8, mean=0.5, deviation=0.25)  # still: v = 0
    noise = flow.noise(0, range(2), (1, 4)).numpy()
    values = flow.generate(network, np.zeros(2, np.int64), dtype="float32")
    assert values == pytest.approx(0.5 + 0.25 * noise)
    intensities = flow.generate(network, np.zeros(2, np.int64), dtype="uint8")
    assert np.array_equal(intensities, np.rint((255 * values).clip(0, 255)).astype(np.uint8))


def test_noise_is_normal_and_its_own_for_each_place():
    noise = flow.noise(1, range(400), (1, 5, 5)).numpy()
    assert abs(noise.mean()) < 0.04
    assert abs(noise.std() - 1) < 0.03
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.04


class _Constant(VelocityField):
    """Moves every point by the number of its class, and by ten where any class will do."""

    def __init__(self):
        super().__init__((1,), classes=2, mean=0.0, deviation=1.0)
        self.by_label = torch.tensor([3.0, 5.0, 10.0])

    def forward(self, points, times, labels):
        return self.by_label[labels][:, None].expand_as(points)


@pytest.mark.parametrize(
    ("strength", "moved"), [(0.0, [10, 10]), (1.0, [3, 5]), (1.5, [-0.5, 2.5]), (3.0, [-11, -5])]
)
def test_guidance_goes_beyond_the_class_away_from_any(strength, moved):
    velocity = flow.guided(_Constant(), strength)(torch.zeros(2, 1), torch.zeros(2), torch.tensor([0, 1]))
    assert velocity.ravel().tolist() == pytest.approx(moved)


@pytest.mark.parametrize("labels", [[0, 3], [-1]])
def test_labels_that_are_no_class_are_refused(labels):
    text = rf"labels: expected from 0 to 2, got {min(labels)} to {max(labels)}"
    with pytest.raises(ArgumentError, match=text):
        flow.generate(NETWORKS["dense"](), np.array(labels))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"guidance": -0.5}, "guidance: expected a number from 0, got -0.5"),
        ({"guidance": math.nan}, "guidance: .* got nan"),
    ],
)
def test_samplings_out_of_range_are_refused(values, text):
    with pytest.raises(ArgumentError, match=text):
        Sampling(**values)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 15, 20), (2, 37), (1, 6, 5, 7), (1, 1, 3)])
def test_velocities_have_the_shape_of_points_and_are_zero_at_first(shape):
    network = ConvGenerator(sample_shape=shape, classes=2, channels=(8, 16, 16), blocks=(1, 2, 1))
    points, times, labels = torch.randn(3, *shape), torch.rand(3), torch.tensor([0, 1, 2])
    assert torch.equal(network(points, times, labels), torch.zeros(3, *shape))
    answers = _random(network)(points, times, labels)
    assert answers.shape == points.shape
    moved = network(points, times + 0.1, labels)
    renamed = network(points, times, 1 - labels.clamp(max=1))
    for other in (moved, renamed):
        assert ((other - answers).flatten(1).abs().amax(dim=1) > 1e-6).all()


def test_dense_yardstick_has_as_many_parameters_as_fit():
    def size(width):
        network = DenseGenerator(sample_shape=(1, 8, 8), classes=3, width=width)
        return sum(parameter.numel() for parameter in network.parameters())

    for parameters in (40_000, 100_001, size(31), size(31) - 1):
        width = DenseGenerator.width_for(parameters, (1, 8, 8), 3)
        assert size(width) <= parameters < size(width + 1)
    assert DenseGenerator.width_for(1, (1, 8, 8), 3) == 2


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ConvGenerator(sample_shape=(1, 0), classes=2), "sample_shape: expected no number below one"),
        (
            lambda: ConvGenerator(sample_shape=(4,), classes=2),
            r"sample_shape: .* one to three spatial axes, got \(4,\)",
        ),
        (lambda: ConvGenerator(sample_shape=(1, 8), classes=2, channels=(12,)), r"channels: .* of 8, got \(12,\)"),
        (lambda: ConvGenerator(sample_shape=(1, 8), classes=2, channels=()), "channels: expected at least one level"),
        (lambda: ConvGenerator(sample_shape=(1, 8), classes=2, channels=(8, 8)), "blocks: .* for each of 2 levels"),
        (lambda: DenseGenerator(sample_shape=(1, 8), classes=2, width=1), "width: expected at least two, .* width=1"),
    ],
)
def test_networks_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


def test_two_images_are_learned_by_heart():
    images = np.zeros((2, 1, 8, 8), np.uint8)
    images[0, :, 2] = 250
    images[1, :, :, 5] = 250
    split = _split(images.repeat(64, axis=0), np.arange(2).repeat(64))
    network = ConvGenerator(
        sample_shape=(1, 8, 8), classes=2, channels=(8, 16), blocks=(1, 1), mean=0.125, deviation=0.33
    )
    recipe = Recipe(epochs=60, batch_size=32, learning_rate=1e-2, optimiser="adam", weight_decay=0.0)
    history = train(network, flow.FlowMatching(split, network.standardise), recipe)
    assert history[-1].measures["validation_risk"] < 0.1 * history[0].measures["validation_risk"]
    samples = flow.generate(network.eval(), np.array([0, 1, 0, 1, 1]), Sampling(guidance=1.0))
    assert np.abs(samples / 255 - images[[0, 1, 0, 1, 1]] / 255).mean() < 0.05

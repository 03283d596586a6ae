"""Few samples are split again and again: each is tested once, and no test sample is learned from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faltung.datasets.cross_validation import further_splits
from faltung.datasets.dataset import Split
from faltung.datasets.embedded import load_embedded
from faltung.datasets.splitting import RawPart, split_parts
from faltung.errors import ArgumentError


def _split(counts: list[int], **arguments: float) -> Split:
    """Samples whose value is their number."""
    labels = np.repeat(np.arange(len(counts)), counts)
    numbers = np.arange(len(labels), dtype=np.float32)
    samples = np.broadcast_to(numbers[:, None, None], (len(labels), 1, 8)).copy()
    order = np.random.default_rng(0).permutation(len(labels))
    names = [f"class {index:02}" for index in range(len(counts))]
    return split_parts({"training": RawPart(samples[order], labels[order])}, "many", class_names=names, **arguments)


def _numbers(part) -> set[int]:
    return {*part.samples[:, 0, 0].astype(int).tolist()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(3, 40), min_size=2, max_size=20))
def test_every_sample_is_tested_once_and_never_learned_from_there(counts):
    first = _split(counts)
    splits = [first, *further_splits(first)]
    everything = {*range(sum(counts))}
    tested = [number for split in splits for number in _numbers(split.test)]
    assert sorted(tested) == sorted(everything)
    for split in splits:
        parts = [_numbers(part) for part in (split.training, split.validation, split.test)]
        assert set.union(*parts) == everything
        assert sum(map(len, parts)) == len(everything)
        assert {*split.training.labels.tolist()} == {*range(len(counts))}
    # Of each class, the further test sets have as many samples, but for one.
    shares = np.array([np.bincount(split.test.labels, minlength=len(counts)) for split in splits[1:]])
    if len(shares):
        assert (shares.max(axis=0) - shares.min(axis=0)).max() <= 1
        assert np.ptp(shares.sum(axis=1)) <= 1


def test_labels_go_with_their_samples():
    first = _split([20, 30])
    for split in further_splits(first):
        for part in (split.training, split.validation, split.test):
            assert ((part.samples[:, 0, 0] >= 20) == part.labels).all()


@pytest.mark.parametrize(
    ("samples", "fractions"),
    [(30, (4, 6)), (120, (12, 24)), (1000, (100, 200)), (2000, (100, 200)), (4000, (200, 400))],
)
def test_how_much_is_held_out_goes_with_the_number_of_samples(samples, fractions):
    split = _split([samples // 2, samples // 2])
    assert (len(split.validation), len(split.test)) == fractions
    assert len(further_splits(split)) == (round(samples / len(split.test)) - 1 if len(split.test) < 200 else 0)


def test_a_data_set_with_its_own_test_set_is_not_split_again():
    given_parts = load_embedded()
    assert len(further_splits(given_parts)) == 0
    with pytest.raises(ArgumentError, match=r"splits: expected from 1 to 1 splits .* got 3\. Its parts were given"):
        further_splits(given_parts, 3)
    with pytest.raises(ArgumentError, match="splits: expected from 1 to 5 splits of these data, got 6"):
        further_splits(_split([50, 50]), 6)
    assert [len(further_splits(_split([50, 50]), splits)) for splits in (None, 1, 3, 5)] == [4, 0, 2, 4]


def test_the_same_seed_gives_the_same_splits():
    first = _split([20, 30])
    digests = [[split.digest for split in further_splits(first, seed=seed)] for seed in (0, 0, 1)]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert digests[0] == [further_splits(first)[index].digest for index in range(4)]

"""Names that a package loads when they are first used."""

from __future__ import annotations

import sys

import pytest

import faltung as fa
from faltung.errors import MissingExtraError
from faltung.ground.faces import load_when_used


def test_names_and_modules_are_loaded():
    load, names = load_when_used("faltung", {"regions": "faltung.ground.regions", "errors": "faltung.errors"})
    assert load("errors") is sys.modules["faltung.errors"]
    assert load("regions") is sys.modules["faltung.ground.regions"].regions
    assert names() == sorted({*vars(fa), "regions", "errors"})
    with pytest.raises(AttributeError, match="module 'faltung' has no attribute 'other'"):
        load("other")


@pytest.mark.parametrize("missing", ["torch", "safetensors"])
def test_a_missing_extra_is_named(monkeypatch, tmp_path, missing):
    (tmp_path / "needs_it.py").write_text(f"import {missing}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    names = {"train": "needs_it"}
    with pytest.raises(MissingExtraError, match=r'faltung\.learn\.train needs .* pip install "\.\[learn\]"'):
        load_when_used("faltung.learn", names, extra="learn")[0]("train")
    with pytest.raises(ModuleNotFoundError, match=missing):
        load_when_used("faltung", names)[0]("train")


def test_other_missing_modules_are_not_called_an_extra(monkeypatch, tmp_path):
    (tmp_path / "needs_other.py").write_text("import a_module_that_does_not_exist")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_does_not_exist"):
        load_when_used("faltung", {"name": "needs_other"}, extra="learn")[0]("name")


@pytest.mark.parametrize("package", ["fit", "datasets"])
def test_every_public_name_of_a_room_is_loaded(package):
    room = getattr(fa, package)
    assert room.__all__ == sorted(room.__all__)
    assert {*room.__all__} <= {*dir(room)}
    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    with pytest.raises(AttributeError, match=f"module 'faltung.{package}' has no attribute 'nothing'"):
        _ = room.nothing


def test_names_of_fit_and_datasets_are_those_of_learn():
    assert fa.learn.fit_filter is fa.fit.fit_filter is fa.fit_filter
    assert fa.learn.fit_filter_by_gradient is fa.fit.fit_filter_by_gradient
    assert fa.learn.load is fa.datasets.load
    assert fa.learn.load_embedded is fa.datasets.load_embedded
    assert (fa.learn.Dataset, fa.learn.Split) == (fa.datasets.Dataset, fa.datasets.Split)
    assert (fa.learn.FitReport, fa.learn.DescentReport) == (fa.fit.FitReport, fa.fit.DescentReport)

"""The reference has every public name, and nothing else."""

from __future__ import annotations

import importlib
import re

import api_pages
import pytest

import faltung as fa

#: Modules that users import from, written out: a new one has to be added here as well.
PUBLIC = [
    "faltung",
    "faltung.chunked",
    "faltung.compat",
    "faltung.compat.astropy",
    "faltung.compat.cv2",
    "faltung.compat.ndimage",
    "faltung.compat.signal",
    "faltung.compat.skimage",
    "faltung.compat.skimage.filters",
    "faltung.datasets",
    "faltung.fit",
    "faltung.inspect",
    "faltung.layers",
    "faltung.learn",
    "faltung.networks",
    "faltung.restore",
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    api_pages.write_pages(folder)
    return {page.stem: page.read_text(encoding="utf-8") for page in folder.glob("*.rst")}


def test_public_modules_are_those_that_users_import():
    assert sorted(api_pages.public_modules()) == PUBLIC


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_a_page_that_documents_it(module, pages):
    for name in importlib.import_module(module).__all__:
        if f"{module}.{name}" in PUBLIC:  # a module
            assert f"   {module}.{name}\n" in pages["index"]
            continue
        link = re.search(rf":py:obj:`{name} <([\w.]+)>`", pages[module])
        assert link, f"{module}.{name} is not on the page of its module"
        assert re.search(rf"^\.\. auto(class|function|data):: {re.escape(link[1])}$", pages[link[1]], re.MULTILINE)


def test_errors_and_packages_of_the_face_are_public_names():
    names = {f"{one.module}.{one.name}" for one in api_pages.public_names()}
    modules = {*api_pages.public_modules()}
    assert {f"faltung.{name}" for name in dir(fa) if not name.startswith("_")} <= names | modules
    errors = [one.name for one in api_pages.public_names() if one.group == "Errors and warnings"]
    assert {"ArgumentError", "ArgumentTypeError", "FaltungError", "MissingExtraError", "NotServedError"} <= {*errors}


def test_an_object_with_several_names_has_one_page():
    page = {f"{one.module}.{one.name}": one.page for one in api_pages.public_names()}
    assert page["faltung.fit.fit_filter"] == page["faltung.learn.fit_filter"] == "faltung.fit_filter"
    assert page["faltung.networks.load"] != page["faltung.datasets.load"] == page["faltung.learn.load"]


def test_pages_of_names_that_are_gone_are_removed(tmp_path):
    old = tmp_path / "faltung.gone.rst"
    old.touch()
    api_pages.write_pages(tmp_path)
    assert not old.exists()
    assert (tmp_path / "faltung.convolve.rst").exists()

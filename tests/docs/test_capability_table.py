"""The tables of what works with which array: they ask for everything, and cells that are known are right."""

from __future__ import annotations

import importlib
import inspect

import capability_cases
import capability_table
import pytest
from capability_cases import KINDS, OPTIONS

import faltung as fa
from faltung.doors import DOORS
from faltung.ground.boundary import MODES
from faltung.ground.regions import SHAPES
from faltung.planning.planner import METHODS

KIND = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def tables():
    rows = (
        capability_table.rows_of_kinds,
        capability_table.rows_of_options,
        capability_table.rows_of_dtypes,
        capability_table.rows_of_functions,
    )
    return {name: dict(zip(KIND, cells, strict=True)) for make in rows for name, cells in make().items()}


def test_all_parameters_and_their_values_are_asked_for():
    assert {one.parameter for one in OPTIONS} == {*inspect.signature(fa.convolve).parameters} - {"x", "kernel"}
    asked = {(one.parameter, str(one.keywords[one.parameter])) for one in OPTIONS}
    for parameter, values in (("mode", MODES), ("shape", SHAPES), ("method", METHODS)):
        assert {(parameter, value) for value in values} <= asked


def test_all_doors_and_functions_are_asked_for():
    assert len(KINDS) == len(DOORS) + 4
    calls = {*capability_cases.calls()}
    for module in ("astropy", "cv2", "ndimage", "signal", "skimage.filters"):
        names = importlib.import_module(f"faltung.compat.{module}").__all__
        assert {f"faltung.compat.{module}.{name}" for name in names} <= calls
    taking_arrays = [
        name
        for name in fa.__all__
        if inspect.isfunction(getattr(fa, name)) and "x" in inspect.signature(getattr(fa, name)).parameters
    ]
    assert {f"faltung.{name}" for name in taking_arrays} <= calls


def test_no_cell_is_empty_and_every_refusal_has_a_reason(tables):
    assert len(tables) == 4 + len(OPTIONS) + len(capability_cases.DTYPES) + len(capability_cases.calls())
    for cells in tables.values():
        for cell in cells.values():
            assert cell.word
            assert bool(cell.reason) == (cell.word in ("refused", "not run"))


def test_no_cell_of_numpy_is_refused_where_it_is_the_yardstick(tables):
    refused = [name for name, cells in tables.items() if cells["NumPy ndarray"].word == "refused"]
    assert refused == [
        "``dims=``",
        "longdouble",
        "object",
        "str",
        "`faltung.layers.Conv`",
        "`faltung.chunked.apply`",
    ]


@pytest.mark.parametrize(
    ("row", "kind", "word"),
    [
        ("result", "list", "NumPy ndarray"),
        ("result", "masked array", "NumPy MaskedArray"),
        ("result", "JAX Array", "JAX Array"),
        ("lazy", "dask Array", "yes"),
        ("lazy", "NumPy ndarray", "no"),
        ("gradient", "torch Tensor", "yes"),
        ("GPU", "torch Tensor", "yes"),
        ('``mode="wrap"``', "pandas Series", "yes"),
        ("``dims=``", "xarray DataArray", "yes"),
        ("``dims=``", "pandas DataFrame", "yes"),
        ('``mode=("wrap", "mirror")``', "xarray Dataset", "yes"),
        ('``mode=("wrap", "mirror")``', "pandas Series", "yes"),
        ("``channel_axis=, with a bank``", "xarray Dataset", "yes"),
        ("``channel_axis=, groups=2, with a bank``", "xarray Dataset", "yes"),
        ("lazy", "xarray DataArray", "yes"),
        ("lazy", "xarray Dataset", "yes"),
        ("float64", "JAX Array", "float32"),
        ("`faltung.compat.signal.convolve2d`", "pandas Series", "–"),
        ('``nan="ignore"``', "dask Array", "yes"),
        ("uint8", "NumPy ndarray", "float32"),
        ("int32", "NumPy ndarray", "float64"),
        ("float16", "torch Tensor", "float16"),
        ("bfloat16", "NumPy ndarray", "–"),
        ("complex64", "dask Array", "complex64"),
        ("`faltung.plan`", "NumPy ndarray", "Plan"),
        ("`faltung.fit_filter`", "dask Array", "(Kernel, FitReport)"),
        ("`faltung.layers.Conv`", "torch Tensor", "torch Tensor"),
        ("`faltung.chunked.apply`", "Zarr Array", "Applied"),
        ("`faltung.compat.ndimage.sobel`", "list", "NumPy ndarray"),
    ],
)
def test_cells_that_are_known(row, kind, word, tables):
    assert tables[row][kind].word == word


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("result", "Zarr Array", "faltung.chunked.apply(x, kernel, out)"),
        ("gradient", "JAX Array", "Gradients are not offered for JAX"),
        ("GPU", "JAX Array", "got one on 1 devices, gpu"),
        ("``out=``", "xarray DataArray", "expected None where x has labels"),
        ("``dims=``", "NumPy ndarray", "the axes of the array have no names"),
        ("``channel_axis=, with a bank``", "pandas DataFrame", "filters each column by itself"),
        ("longdouble", "NumPy ndarray", "at most double precision"),
        ("`faltung.Stream`", "torch Tensor", "Pass samples.detach().cpu().numpy()."),
        ("`faltung.compat.skimage.filters.sobel`", "torch Tensor", "Call the original."),
    ],
)
def test_refusals_that_are_known(row, kind, reason, tables):
    cell = tables[row][kind]
    assert cell.word == "refused"
    assert reason in cell.reason


def test_a_wrong_result_fails_the_build():
    option = next(one for one in OPTIONS if one.keywords == {"mode": "wrap"})
    wrong = KIND["NumPy ndarray"]._replace(read=lambda y: y + 1)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        capability_table.option_cell(option, wrong)


def test_the_page_tells_each_reason_once(tmp_path):
    page = tmp_path / "capabilities.rst"
    capability_table.write_page(page)
    text = page.read_text(encoding="utf-8")
    reasons = text.partition("Why not\n-------\n")[2].strip().splitlines()
    assert len(reasons) == len({reason.partition(". ")[2] for reason in reasons})
    assert text.count(f"[{len(reasons)}]") >= 1
    assert f"[{len(reasons) + 1}]" not in text

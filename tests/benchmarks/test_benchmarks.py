"""The benchmarks: cells are well formed, and every contender computes the same filter.

The other libraries run in a separate process, since some of them do not work after the forks of other tests::

    python tests/benchmarks/test_benchmarks.py    # the largest error of every contender, as JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.ndimage

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import cells
import chart
import compare
import grid
import measure
import ours
import outcome
import peers
import regret
from measure import Timing

TINY = {
    str(cell): cell
    for cell in (
        cells.dense(40, 5),
        cells.dense(40, 3, "uint8"),
        cells.gaussian(48, 1),
        cells.gaussian(48, 1, "uint8"),
        cells.box(40, 5),
        cells.box(40, 5, "uint8"),
        cells.dense(40, 5, "uint8", channels=3),
        cells.gaussian(48, 2, "uint8", channels=3),
        cells.sobel(40, "uint8", channels=3),
        cells.sobel(40),
        cells.laplacian_of_gaussian(60, 1),
        cells.difference_of_gaussians(60, 1, 1.6),
        cells.disk(40, 3),
        cells.motion(60, 7, 30),
        cells.gabors(40, (0.1, 0.2), 2, 11),
        cells.signal(500, 31),
        cells.signal(200, 11, batch=3),
        cells.volume(16, 3),
        cells.gaussian(24, 1, ndim=3),
        cells.box(20, 3, ndim=3),
    )
}
GRID = [*cells.grid()]


def errors(cell):
    """Largest difference of every contender from SciPy in double precision, away from the border."""
    image = cell.image()
    x = image.astype(np.float64)
    other_axes = tuple({*range(x.ndim)} - {*cell.axes})
    want = np.stack([scipy.ndimage.convolve(x, np.expand_dims(taps, other_axes)) for taps in cell.taps])
    want = want.reshape(cell.result_shape)[cell.inner]
    if cell.dtype == "uint8":
        want = want.clip(0, 255)
    runs = ours.engines(cell, image) | peers.contenders(cell, image)
    results = {name: np.asarray(run()).reshape(cell.result_shape)[cell.inner] for name, run in runs.items()}
    return {name: float(np.abs(result - want).max()) for name, result in results.items()}


@pytest.fixture(scope="module")
def errors_found():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", TINY)
def test_every_contender_agrees_with_scipy(errors_found, name):
    largest = np.abs(TINY[name].taps).sum(axis=tuple(range(1, TINY[name].taps.ndim))).max()
    assert ours.OURS in errors_found[name]
    for contender, error in errors_found[name].items():
        # Some libraries truncate where others round; Gaussians of 8-bit integers are in fixed point, with few bits in
        # libvips.
        levels = 4.5 if contender.startswith("libvips") else 1.5
        assert error <= (levels if TINY[name].dtype == "uint8" else 1e-5 * largest), contender


def test_every_installed_library_takes_part(errors_found):
    names = {
        **{"cv2": "OpenCV", "scipy": "SciPy", "torch": "torch", "diplib": "DIPlib", "jax": "JAX"},
        **{"pyvips": "libvips", "halide": "Halide", "ducc0": "ducc0", "itk": "ITK"},
    }
    taking_part = {contender.split()[0] for contender in errors_found["dense 5 on 40² float32"]} - {ours.OURS}
    assert taking_part == {name for package, name in names.items() if find_spec(package)}
    assert "Pillow Kernel" in errors_found["dense 3 on 40² uint8"]
    assert {*peers.LIBRARIES.values()} == {*names, "PIL"}


@pytest.mark.parametrize("cell", [*GRID, *TINY.values()], ids=str)
def test_cells_are_well_formed(cell):
    assert cell.family in cells.FAMILIES
    sizes = cell.taps.shape[1:]
    assert all(size % 2 and length > 2 * size for size, length in zip(sizes, cell.spatial, strict=True))
    for kernel, taps in zip(cell.kernels, cell.taps, strict=True):
        assert kernel.origin == tuple(size // 2 for size in sizes)
        assert np.isfinite(taps).all()
    if cell.terms:
        total = np.zeros(sizes)
        for term in cell.terms:
            product = np.einsum("i,j,k", *term, *[np.ones(1)] * (3 - len(term)))[(..., *[0] * (3 - len(term)))]
            rim = [(size - length) // 2 for size, length in zip(sizes, product.shape, strict=True)]
            total += np.pad(product, [(width, width) for width in rim])
        np.testing.assert_allclose(total, cell.taps[0], rtol=0, atol=1e-12)


def test_the_grid_names_each_of_its_cells_once():
    names = [(cell.family, cell.label) for cell in GRID]
    assert len(set(names)) == len(names) == 90
    assert {cell.family for cell in GRID} == {*cells.FAMILIES}
    assert [cell.label for cell in GRID if cell.family == "bank"] == ["40 Gabors 31"]


def test_a_part_of_the_grid():
    assert [str(cell) for cell in grid.chosen({"2d", "3d"}, {64, 160})] == [
        *("dense 3 on 64² float32", "dense 7 on 64² float32", "dense 15 on 64² float32"),
        *("dense 3 on 160³ float32", "dense 7 on 160³ float32", "dense 15 on 160³ float32"),
        *("Gaussian 2 on 160³ float32", "box 9 on 160³ float32"),
    ]
    assert len(grid.chosen(set(), set())) == 90


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--only", "2d,4d"),
            "argument --only: expected some of 2d,uint8,colour,gauss,box,edges,bank,1d,3d, got 2d,4d",
        ),
        (("--only", "bank", "--sizes", "64"), "no cell has these families and sizes"),
        (("--sizes", "big"), "argument --sizes: expected integers such as 64,512, got big"),
    ],
)
def test_wrong_arguments(monkeypatch, capsys, arguments, text):
    monkeypatch.setattr(sys, "argv", ["grid.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        grid.main()
    assert text in capsys.readouterr().err


def test_an_array_is_the_same_for_all_contenders():
    cell = cells.dense(40, 3, "uint8")
    assert (cell.image() == cell.image()).all()
    assert cell.image().dtype == np.uint8
    assert cell.multiply_adds == 40 * 40 * 9
    assert cells.box(40, 5).pass_multiply_adds == 40 * 40 * 10


@pytest.mark.parametrize(("shape", "text"), [((7,), "7"), ((7, 7), "7²"), ((7, 9), "7 x 9"), ((4, 4, 4), "4³")])
def test_shapes_as_text(shape, text):
    assert cells.size_text(shape) == text


def test_a_contender_that_does_something_else_is_left_out(capsys):
    cell = cells.box(40, 5)
    assert compare.wrong(cell, "wrong", np.full(3, 0.5), np.zeros(3)) == (
        "wrong is off by 0.5, more than 0.0001: box 5 on 40² float32"
    )
    assert "off by nan" in compare.wrong(cell, "wrong", np.full(3, np.nan), np.zeros(3))
    assert compare.wrong(cell, "wrong", np.full(3, 5e-5), np.zeros(3)) == ""
    image = cell.image()
    runs = ours.engines(cell, image)
    zeros = {"SciPy zeros": lambda: np.zeros(cell.shape)}
    timings = compare.compare(cell, [runs, zeros], {}, 0.01, 1)
    assert all("SciPy zeros" not in times for times in timings.values())
    assert "left out: SciPy zeros is off by" in capsys.readouterr().err
    first = next(iter(runs))
    with pytest.raises(SystemExit, match="zeros is off by"):
        compare.compare(cell, [{first: runs[first], "zeros": zeros["SciPy zeros"]}], {}, 0.01, 1)


def test_all_contenders_are_timed_and_compared():
    cell = cells.dense(40, 3)
    image = cell.image()
    runs = ours.engines(cell, image)
    timings = compare.compare(cell, [runs, {}], {"copy": image.copy}, seconds=0.01, rounds=3)
    assert tuple(timings) == measure.MANNERS
    for in_manner in timings.values():
        assert {*in_manner} == {*runs, "copy"}
        assert in_manner[ours.OURS].ratio == 1
        assert all(timing.best > 0 for timing in in_manner.values())


@pytest.mark.parametrize("manner", measure.MANNERS)
def test_manners_of_calling(monkeypatch, manner):
    """In turn, no contender is called twice in a row within a round; after rest, the process sleeps before each."""
    called, slept = [], []
    monkeypatch.setattr(measure.time, "sleep", slept.append)
    contenders = {name: lambda name=name: called.append(name) for name in "ab"}
    measure.time_in_turn(contenders, seconds=10.0, rounds=4, manner=manner)
    warm, rounds = called[:2], called[2:]
    assert warm == ["a", "b"]
    if manner == "in a row":
        assert len(rounds) > 4 * 2 * 2
    else:
        assert all(sorted(rounds[start : start + 2]) == ["a", "b"] for start in range(0, 8, 2))
        assert len(rounds) == 8
    assert len(slept) == (8 if manner == "after rest" else 0)


def example(filter_name, milliseconds, **others):
    """An outcome on a 10 x 10 image: milliseconds of contenders, with ``_`` for a space in their names."""
    cell = cells.Cell("box", filter_name, (10, 10), "float32", (cells.fa.box(3),))
    times = {ours.OURS: milliseconds} | {name.replace("_", " "): time for name, time in others.items()}
    timings = {name: Timing(time / 1e3, time / milliseconds, 5) for name, time in times.items()}
    return outcome.Outcome(cell, "direct", timings, 1e6, dict.fromkeys(outcome.OTHER_MANNERS, timings))


def test_the_figures_of_an_outcome():
    one = example("box 3", 4.0, copy=1.0, faltung_running=2.0, OpenCV_a=6.0, OpenCV_b=5.0, SciPy_c=9.0)
    assert (one.seconds, one.peer, one.ratio, one.copies) == (0.004, "OpenCV b", 1.25, 4.0)
    assert (one.best_engine, one.regret) == ("running", 2.0)
    assert one.share == "45% of peak"  # 2 * 9 taps * 100 samples in 4 ms, of a million a second
    row = dict(zip(outcome.HEADER, one.row(), strict=True))
    assert [*row.values()][:12] == [
        *("10²", "box 3", "4", "1.25", "OpenCV b", "1.25", "1.25", "", "4.00", "45% of peak", "direct"),
        "2.00 (running)",
    ]
    assert {name: time for name, time in row.items() if name.endswith(" ms") and time} == {
        "faltung ms": "4",
        "OpenCV ms": "5",
        "SciPy ms": "9",
    }
    assert json.loads(json.dumps(one.data()))["timings"]["copy"] == {"best": 0.001, "ratio": 0.25, "runs": 5}


def test_an_outcome_without_other_libraries():
    alone = example("box 3", 4.0, copy=1.0)
    assert (alone.peer, alone.data()["ratio"]) == ("", None)
    assert outcome.summary([alone]).splitlines()[2] == "| box | 1 |  |  |  |  |  | 1.000 | 1.00 |"


def test_the_summary_names_the_worst():
    text = outcome.summary(
        [example("box 3", 1.0, copy=1.0, SciPy_a=8.0), example("box 5", 4.0, copy=1.0, SciPy_a=2.0)]
    )
    assert text.splitlines()[2] == "| box | 2 | 2.00 | 0.50 | box 5 on 10² float32 | 2.00 | 2.00 | 1.000 | 1.00 |"
    assert text.endswith("\nCells in which a peer is faster: box 5 on 10² float32: 0.50 (SciPy a).\n")


def test_bars_rise_from_the_line_at_one():
    groups = {"fast": [("a", 10.0, "ten & more"), ("b", 1.0, "one")], "none": [], "slow": [("c", 0.5, "half")]}
    drawing = ElementTree.fromstring(chart.bars("Title <1>", groups))
    space = "{http://www.w3.org/2000/svg}"
    shown = [group.find(f"{space}rect").attrib for group in drawing.iter(f"{space}g")]
    tops, heights = ([float(bar[key]) for bar in shown] for key in ("y", "height"))
    assert [group.find(f"{space}title").text for group in drawing.iter(f"{space}g")] == ["ten & more", "one", "half"]
    assert heights[1] == 1  # so that it can be seen
    assert tops[1] == tops[2] == pytest.approx(tops[0] + heights[0], abs=0.11)
    assert heights[0] / heights[2] == pytest.approx(np.log(10) / np.log(2), rel=0.01)
    assert shown[0]["fill"] != shown[2]["fill"]
    assert "none" not in [text.text for text in drawing.iter(f"{space}text")]


def test_random_problems_are_of_every_kind_and_the_same_each_time():
    first, second = ([regret.draw(np.random.default_rng([5, number])) for number in range(60)] for _ in range(2))
    assert [*map(str, first)] == [*map(str, second)]
    assert {len(cell.spatial) for cell in first} == {1, 2, 3}
    assert {cell.dtype for cell in first} == {"float32", "uint8"}
    assert len({cell.filter.split()[0] for cell in first if not cell.filter[0].isdigit()}) == 6
    for cell in first:
        assert cell.kernels[0].origin == tuple(size // 2 for size in cell.kernels[0].shape)


if __name__ == "__main__":
    print(json.dumps({name: errors(cell) for name, cell in TINY.items()}))

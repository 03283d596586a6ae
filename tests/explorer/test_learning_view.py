"""The learning view: it shows of filters, runs and generators what Python computes, also while a run goes on."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

import faltung as fa
from faltung.errors import FaltungError
from faltung.explorer.explored import Explorer
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.learning_subject import LearningSubject
from faltung.explorer.sample_inputs import sample_inputs
from faltung.learn.claim import claimed
from faltung.learn.filter_history import FilterHistory, load_filters
from faltung.learn.recipe import Recipe
from faltung.learn.risk import accuracy
from faltung.learn.runs import RunFolder
from faltung.learn.saved import save_network
from faltung.learn.schedule import NETWORKS, PlannedTraining, Schedule
from faltung.learn.tasks.classification.cross_entropy import Classification
from faltung.learn.tasks.generation.flow import follow, generate, guided, noise, samples_of
from faltung.learn.tasks.generation.sampling import Sampling
from faltung.learn.trainer import Trainer
from faltung.networks import ConvClassifier, DenseClassifier
from faltung.networks.batches import tensors
from faltung.networks.generator import ConvGenerator
from faltung.networks.stored import load
from rows_and_columns import SPLIT

SAMPLES = {sample.name: sample.samples[0].astype(float) for sample in sample_inputs() if sample.samples.ndim == 3}


EPOCHS = 4
CONV = {"sample_shape": (1, 8, 8), "classes": 2, "channels": (6, 8)}
DENSE = {"sample_shape": (1, 8, 8), "classes": 2, "widths": (5,)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of two small networks, with the files that `faltung learn` writes."""
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "stripes")
    trainer, networks, works = Trainer(folder), {}, []
    objective = Classification(SPLIT)
    for name, make in {
        "convolutional": lambda: ConvClassifier(**CONV),
        "dense": lambda: DenseClassifier(**DENSE),
    }.items():
        recipe = Recipe(epochs=EPOCHS, batch_size=16, learning_rate=0.05)
        trained = trainer.train(name, make, lambda network: objective, recipe, keep_filters=True)
        trainer.save("model" if name == "convolutional" else name, trained.network, SPLIT.training)
        networks[name] = {
            "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
            "training_seconds": sum(record.seconds for record in trained.history),
            "test_accuracy": accuracy(trained.network, *tensors(SPLIT.test)),
        }
        works.append(PlannedTraining(name, name, NETWORKS, EPOCHS, 0.5))
    trainer.remove_checkpoints()
    folder.write_json("run.json", {"task": "classify"})
    folder.write_json("schedule.json", {"schedule": Schedule(tuple(works), other=1.0).as_json()})
    folder.write_json("metrics.json", {"networks": networks})
    return folder.path


@pytest.fixture(scope="module")
def generating(tmp_path_factory) -> Path:
    """A run with a generator whose weights are random: it moves noise somewhere."""
    folder = tmp_path_factory.mktemp("runs") / "generating"
    folder.mkdir()
    network = ConvGenerator(
        sample_shape=(1, 8, 8), classes=2, channels=(8, 16), blocks=(1, 1), mean=0.4, deviation=0.3
    )
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=random))
    save_network(RunFolder(folder), "model", network, SPLIT.training)
    (folder / "history.csv").write_text(
        "network,epoch,seconds,training_risk,validation_risk\nconvolutional,1,1,2,3\n"
    )
    return folder


def explorer(folder=None) -> Explorer:
    return Explorer([FilterSubject(), LearningSubject(folder)])


def look(page, address: str, **state) -> None:
    """Open a page at the learning view, in a state."""
    parts = [
        f"learning.{key}={quote(value if isinstance(value, str) else json.dumps(value))}"
        for key, value in state.items()
    ]
    page.goto(f"{address}#{'&'.join(['view=learning', *parts])}")


def put(page, **state) -> None:
    """Change the state of the page; return when it has been drawn."""
    page.evaluate(
        """(state) => new Promise((done) => {
            const { store } = document.getElementById("explorer").explorer;
            store.set(state);
            store.flush();
            requestAnimationFrame(() => requestAnimationFrame(done));
        })""",
        {f"learning.{key}": value for key, value in state.items()},
    )


def values(page, selector: str) -> np.ndarray:
    """Return the numbers in cells and spans of the page, whole."""
    shown = page.locator(selector).evaluate_all("(found) => found.map((each) => each.dataset.value)")
    return np.array([float(text.replace("Infinity", "inf")) for text in shown])


def wait(page, condition: str) -> None:
    """Wait until an expression holds. The page's policy forbids playwright's own way, which evaluates text in it."""
    for _ in range(400):
        if page.evaluate(f"() => {condition}"):
            return
        page.wait_for_timeout(25)
    raise AssertionError(condition)


def wait_for_count(page, selector: str, count: int) -> None:
    wait(page, f"document.querySelector('#explorer').shadowRoot.querySelectorAll('{selector}').length === {count}")


def reported(page, name: str) -> float:
    return float(values(page, f'.report tr[data-name="{name}"] .number')[0])


# ---- one filter, from two pictures


@pytest.mark.parametrize(
    ("picture", "truth", "size", "ridge", "direction"),
    [
        ("shapes", "binomial(4)", 3, 0, "find"),
        ("shapes", "sobel(axis=1)", 5, 25, "find"),
        ("portrait", "motion(5, 0.785)", 5, 0, "find"),
        ("shapes", "box(3)", 7, 3, "undo"),
        ("bag", "2*delta() - box(3)", 1, 0, "find"),
    ],
)
def test_a_page_without_python_finds_the_filter_of_fit_filter(
    quiet_page, saved, picture, truth, size, ridge, direction
):
    state = {"picture": picture, "truth": truth, "size": size, "ridge": ridge, "direction": direction, "noise": 0}
    look(quiet_page, saved(explorer()), **state)
    quiet_page.wait_for_selector(".report")
    sharp = SAMPLES[picture]
    changed = fa.convolve(sharp, fa.parse(truth), dtype="float64")
    pictures = (sharp, changed) if direction == "find" else (changed, sharp)
    kernel, report = fa.fit_filter(*pictures, size, ridge=ridge, held_out=0.0)
    scale = np.abs(kernel.taps).max()
    np.testing.assert_allclose(
        values(quiet_page, ".found td[data-value]"), kernel.taps.ravel(), rtol=0, atol=1e-9 * scale
    )
    variance = pictures[1].var()
    assert reported(quiet_page, "risk") == pytest.approx(report.training_risk, rel=1e-9, abs=1e-11 * variance)
    assert reported(quiet_page, "explained") == pytest.approx(report.explained, abs=1e-11)
    assert reported(quiet_page, "offset") == pytest.approx(report.offset[0], abs=1e-8)
    assert reported(quiet_page, "condition") == pytest.approx(report.condition, rel=1e-7)
    assert reported(quiet_page, "rank") == report.rank
    assert reported(quiet_page, "freedom") == pytest.approx(report.degrees_of_freedom, rel=1e-9)
    output = fa.convolve(pictures[0], kernel, shape="valid") + report.offset[0]
    edge = (size - 1) // 2
    target = pictures[1][edge : edge + output.shape[0], edge : edge + output.shape[1]]
    errors = target - output
    assert values(quiet_page, '.fit-window [data-name="risk"]')[0] == pytest.approx(
        np.mean(errors**2), rel=1e-6, abs=1e-18
    )
    for row, column in [(edge, edge), (10, 12), (999, 999)]:
        put(quiet_page, position=[row, column])
        place = min(row - edge, errors.shape[0] - 1), min(column - edge, errors.shape[1] - 1)
        assert values(quiet_page, '[data-name="output"]')[0] == pytest.approx(output[place], abs=1e-6)
        assert values(quiet_page, '[data-name="error"]')[0] == pytest.approx(errors[place], abs=1e-6)
        assert values(quiet_page, '[data-name="squared"]')[0] == pytest.approx(errors[place] ** 2, abs=1e-4)


def test_gradient_descent_takes_the_steps_that_numpy_takes_and_reaches_the_best_filter(quiet_page, saved):
    state = {"picture": "shapes", "truth": "binomial(2)", "size": 3, "noise": 0, "filter": "steps", "rate": 0.9}
    look(quiet_page, saved(explorer()), **state)
    quiet_page.wait_for_selector(".descent svg polyline")
    sharp = SAMPLES["shapes"]
    target = fa.convolve(sharp, fa.binomial(2), dtype="float64")[1:-1, 1:-1].ravel()
    windows = np.lib.stride_tricks.sliding_window_view(sharp, (3, 3)).reshape(-1, 9)
    x, y = windows - windows.mean(0), target - target.mean()
    length = 0.9 / np.linalg.eigvalsh(x.T @ x / len(x))[-1]
    taps, risks = np.zeros(9), []
    for step in range(41):
        if step in (0, 1, 7, 40):
            put(quiet_page, step=step)
            shown = values(quiet_page, ".found td[data-value]")
            np.testing.assert_allclose(shown, taps[::-1], rtol=0, atol=1e-11)
            risks.append(values(quiet_page, '[data-name="step-risk"]')[0])
            assert risks[-1] == pytest.approx(np.mean((y - x @ taps) ** 2), rel=1e-9)
        taps = taps - length * 2 * (x.T @ (x @ taps - y)) / len(x)
    assert risks == sorted(risks, reverse=True)
    put(quiet_page, step=2000)
    np.testing.assert_allclose(values(quiet_page, ".found td[data-value]"), fa.binomial(2).taps.ravel(), atol=1e-3)
    put(quiet_page, rate=1.06, step=60)
    assert values(quiet_page, '[data-name="step-risk"]')[0] > risks[0]
    assert "too long" in quiet_page.locator(".descent").inner_text()


def test_python_answers_for_large_filters_and_held_out_tiles(quiet_page, served):
    page = explorer()
    asked = []
    fit = page._questions["fit"]
    page._questions["fit"] = lambda **given: asked.append(given) or fit(**given)
    look(quiet_page, served(page), picture="shapes", truth="binomial(4)", size=5, noise=3)
    quiet_page.wait_for_selector('.report tr[data-name="held-out"]')
    assert reported(quiet_page, "agreement") < 1e-10
    for size in (5, 9):
        if size == 9:
            put(quiet_page, size=9)
            wait_for_count(quiet_page, ".found tbody td", 81)
        given = asked[-1]
        assert given["size"] == size
        kernel, report = fa.fit_filter(given["before"], given["after"], size, held_out=0.0)
        _, judged = fa.fit_filter(given["before"], given["after"], size)
        np.testing.assert_allclose(values(quiet_page, ".found tbody td"), kernel.taps.ravel(), rtol=0, atol=1e-10)
        assert reported(quiet_page, "risk") == pytest.approx(report.training_risk, rel=1e-9)
        assert reported(quiet_page, "held-out") == judged.held_out_risk
        np.testing.assert_array_equal(
            values(quiet_page, '[data-name="held-out-interval"] .number'), judged.held_out_interval
        )
    deviates = (given["after"] - fa.convolve(given["before"], fa.binomial(4))) / 3
    assert abs(deviates.mean()) < 0.05
    assert deviates.std() == pytest.approx(1, abs=0.03)


def test_two_pictures_of_the_user(quiet_page, saved, tmp_path):
    before = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    after = np.rint(fa.box(3)(before.astype(float))).astype(np.uint8)
    for name, picture in {"before": before, "after": after, "other": after[:-1]}.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    look(quiet_page, saved(explorer()), picture="own", size=3)
    files = quiet_page.locator('input[type="file"]:visible')
    assert "Open two pictures" in quiet_page.locator('[role="alert"]:visible').inner_text()
    files.nth(0).set_input_files(tmp_path / "before.png")
    files.nth(1).set_input_files(tmp_path / "other.png")
    quiet_page.wait_for_selector("text=Take two pictures of the same size")
    files.nth(1).set_input_files(tmp_path / "after.png")
    quiet_page.wait_for_selector(".report")
    kernel, _ = fa.fit_filter(before.astype(float), after.astype(float), 3, held_out=0.0)
    np.testing.assert_allclose(values(quiet_page, ".found td[data-value]"), kernel.taps.ravel(), atol=1e-10)


# ---- a run


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lines(page, table: str) -> list[list[str]]:
    """Return the rows of a table: their names, and the full numbers of the other cells."""
    return page.locator(f"{table} tbody tr").evaluate_all(
        """(rows) => rows.map(({ cells: [name, ...others] }) => [name.textContent, ...others.map(
            (cell) => cell.dataset.value ?? cell.querySelector(".number")?.dataset.value ?? "")])"""
    )


def readout(page) -> dict[str, list[float]]:
    """Return the table of the networks at an epoch: the numbers of each."""
    return {name: [None if text == "" else float(text) for text in texts] for name, *texts in lines(page, ".readout")}


MEASURES = ("training_risk", "validation_risk", "training_accuracy", "validation_accuracy")


def expected_at(folder: Path, epoch: int) -> dict[str, list[float]]:
    return {
        row["network"]: [float(row[name]) for name in MEASURES]
        for row in rows_of(folder)
        if int(row["epoch"]) == epoch
    }


def test_a_run_is_shown_with_the_numbers_of_its_files(quiet_page, saved, finished):
    look(quiet_page, saved(explorer(finished)))
    quiet_page.wait_for_selector(".tiles .tile")
    assert "stripes has finished" in quiet_page.locator(".status").inner_text()
    kept = load_filters(finished / "convolutional.filters.safetensors")
    assert kept.epochs.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(kept.taps[-1], load(finished).stages[0].change[0].weight.detach().numpy())
    for epoch in (4, 2, 1):
        put(quiet_page, epoch=epoch, tile=epoch)
        assert readout(quiet_page) == expected_at(finished, epoch)
        np.testing.assert_array_equal(
            values(quiet_page, ".filter-frames td[data-value]"),
            kept.taps[epoch, epoch].ravel(),
        )
    put(quiet_page, epoch=0, tile=3)
    assert "before training" in quiet_page.locator(".filter-frames").inner_text()
    np.testing.assert_array_equal(values(quiet_page, ".filter-frames td[data-value]"), kept.taps[0, 3].ravel())
    networks = json.loads((finished / "metrics.json").read_text())["networks"]
    assert {name: [float(text) for text in texts] for name, *texts in lines(quiet_page, ".results")} == {
        name: [facts[key] for key in ("parameters", "training_seconds", "test_accuracy")]
        for name, facts in networks.items()
    }


def test_the_epoch_follows_pointer_keys_and_play(quiet_page, saved, finished):
    look(quiet_page, saved(explorer(finished)))
    chart = quiet_page.locator("svg.chart").first
    chart.focus()
    quiet_page.keyboard.press("ArrowLeft")
    wait(quiet_page, "location.hash.includes('learning.epoch=3')")
    assert readout(quiet_page) == expected_at(finished, 3)
    assert chart.get_attribute("aria-valuetext").startswith("epoch 3: convolutional, training")
    box = chart.bounding_box()
    quiet_page.mouse.move(box["x"] + 75, box["y"] + 60)
    wait(quiet_page, "location.hash.includes('learning.epoch=1')")
    assert readout(quiet_page) == expected_at(finished, 1)
    quiet_page.mouse.move(0, 0)
    quiet_page.get_by_role("button", name="▶ Play").click()
    wait(quiet_page, "location.hash.includes('learning.epoch=4')")
    quiet_page.wait_for_selector("button:has-text('▶ Play')")
    assert readout(quiet_page) == expected_at(finished, 4)


def test_a_run_without_filters_of_each_epoch_says_so(quiet_page, saved, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "older")
    path = tmp_path / "older" / "convolutional.filters.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    look(quiet_page, saved(explorer(tmp_path / "older"), "damaged.html"))
    assert "expected a file as faltung wrote it" in quiet_page.locator(".columns .wrong").inner_text()
    path.unlink()
    look(quiet_page, saved(explorer(tmp_path / "older"), "older.html"))
    assert "has not kept its filters" in quiet_page.locator(".columns").inner_text()
    assert readout(quiet_page) == expected_at(tmp_path / "older", 4)


class Growing:
    """A run folder that is written in steps, as training writes it."""

    def __init__(self, whole: Path, folder: Path):
        folder.mkdir()
        self.whole, self.folder = whole, folder
        self.run = RunFolder(folder)
        self.kept = load_filters(whole / "convolutional.filters.safetensors")
        self.layer = torch.nn.Conv2d(1, self.kept.taps.shape[1], 3, bias=False)
        for name in ("run.json", "schedule.json"):
            shutil.copy(whole / name, folder / name)

    def write(self, rows: int) -> None:
        self.run.write_csv("history.csv", rows_of(self.whole)[:rows])
        filters = FilterHistory(self.run, "convolutional")
        for epoch in range(min(rows, 4) + 1):
            with torch.no_grad():
                self.layer.weight.copy_(torch.from_numpy(self.kept.taps[epoch]))
            filters.keep(epoch, self.layer)
        filters.write()


def test_a_page_follows_a_run_that_goes_on_stops_breaks_and_ends(quiet_page, served, finished, tmp_path):
    growing = Growing(finished, tmp_path / "growing")
    with claimed(growing.folder):
        page = explorer(growing.folder)
        questions = []
        history = page._questions["history"]
        page._questions["history"] = lambda **given: questions.append(given) or history(**given)
        look(quiet_page, served(page))
        quiet_page.wait_for_selector("text=growing is learning: no epoch yet")
        growing.write(2)
        quiet_page.wait_for_selector("text=convolutional, epoch 2 of 4")
        assert readout(quiet_page)["convolutional"] == expected_at(finished, 2)["convolutional"]
        np.testing.assert_array_equal(
            values(quiet_page, ".filter-frames td[data-value]"), growing.kept.taps[2, 0].ravel()
        )
        growing.write(7)
        quiet_page.wait_for_selector("text=dense, epoch 3 of 4")
        np.testing.assert_array_equal(
            values(quiet_page, ".filter-frames td[data-value]"), growing.kept.taps[4, 0].ravel()
        )
        assert {"rows": 2, "epoch": 2} in questions
        # A file that was cut, as by a copy that was stopped: a sentence, and what was known stays.
        whole = (growing.folder / "history.csv").read_bytes()
        (growing.folder / "history.csv").write_bytes(whole[:-20])
        quiet_page.wait_for_selector('[role="alert"]:has-text("history.csv as faltung wrote it"):visible')
        assert readout(quiet_page)["convolutional"] == expected_at(finished, 4)["convolutional"]
        (growing.folder / "history.csv").write_bytes(whole)
        quiet_page.wait_for_selector('[role="alert"]:has-text("history.csv")', state="hidden")
        quiet_page.locator("#tab-filter").click()  # nobody looks: nothing is asked
        quiet_page.wait_for_timeout(300)
        count = len(questions)
        quiet_page.wait_for_timeout(1200)
        assert len(questions) == count
        quiet_page.locator("#tab-learning").click()
    quiet_page.wait_for_selector("text=growing was stopped")
    shutil.move(growing.folder, tmp_path / "moved")
    quiet_page.wait_for_selector('[role="alert"]:has-text("which does not exist"):visible')
    shutil.move(tmp_path / "moved", growing.folder)
    growing.write(len(rows_of(finished)))
    shutil.copy(finished / "metrics.json", growing.folder / "metrics.json")
    quiet_page.wait_for_selector("text=growing has finished")
    assert readout(quiet_page) == expected_at(finished, 4)
    count = len(questions)
    quiet_page.wait_for_timeout(1200)
    assert len(questions) == count


def test_a_history_that_became_shorter_is_sent_again(finished, tmp_path):
    growing = Growing(finished, tmp_path / "growing")
    growing.write(6)
    history = LearningSubject(growing.folder).questions()["history"]
    answer = history(rows=6, epoch=4)["run"]
    assert (answer["first"], answer["records"], answer["filters"]["new"]) == (6, [], [])
    growing.write(3)
    answer = history(rows=6, epoch=-1)["run"]
    assert (answer["first"], len(answer["records"])) == (0, 3)
    assert answer["filters"]["new"] == [0, 1, 2, 3]


DAMAGE = {
    "no columns": ("history.csv", b""),
    "other columns": ("history.csv", b"a,b,c\n1,2,3\n"),
    "a cut row": ("history.csv", b"network,epoch,seconds,training_risk\nnet,1,2\n"),
    "a long row": ("history.csv", b"network,epoch,seconds\nnet,1,2,3\n"),
    "no number": ("history.csv", b"network,epoch,seconds\nnet,one,2\n"),
    "an infinity": ("history.csv", b"network,epoch,seconds\nnet,1,inf\n"),
    "bytes": ("history.csv", b"network,epoch,seconds\n\xff,1,2\n"),
    "no JSON": ("metrics.json", b"{"),
    "a list": ("metrics.json", b"[]"),
    "a schedule of nothing": ("schedule.json", b"{}"),
    "a task of nothing": ("run.json", b"[1]"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_named_in_a_sentence(finished, tmp_path, damage):
    shutil.copytree(finished, tmp_path / "run")
    name, content = DAMAGE[damage]
    (tmp_path / "run" / name).write_bytes(content)
    subject = LearningSubject(tmp_path / "run")
    problem = subject.content()["problem"]
    assert problem.startswith(f"run: expected {name} as faltung wrote it")
    reply, _ = Explorer([subject]).reply("history", {"rows": 0, "epoch": -1})
    assert reply == {"error": problem}
    shutil.copy(finished / name, tmp_path / "run" / name)
    assert subject.content()["run"]["status"] == "finished"


# ---- from noise to image


def test_the_path_is_that_of_generate(generating):
    network = load(generating)
    path = LearningSubject(generating).questions()["path"]
    for label, seed, steps, guidance in [(0, 0, 8, 1.5), (1, 7, 3, 1.0), (1, 2**32 - 1, 5, 10)]:
        answer = path(network="model", label=label, seed=seed, steps=steps, guidance=guidance)
        made = generate(network, np.array([label]), Sampling(seed, steps, guidance))
        assert answer["points"].dtype == np.uint8
        np.testing.assert_array_equal(answer["points"][-1:], made)
        np.testing.assert_array_equal(answer["ends"][-1:], made)
        start = noise(seed, [0], (1, 8, 8))
        points = [*follow(guided(network, guidance), start, torch.tensor([label]), steps)]
        np.testing.assert_array_equal(
            answer["points"], np.concatenate([samples_of(network, each, "uint8") for each in points])
        )
        with torch.no_grad():
            end = start + guided(network, guidance)(start, torch.zeros(1), torch.tensor([label]))
        np.testing.assert_array_equal(answer["ends"][:1], samples_of(network, end, "uint8"))


def pictures(page) -> np.ndarray:
    """Return the gray values of the pictures of all steps."""
    return np.array(
        page.locator(".strip canvas").evaluate_all(
            """(all) => all.map((canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return [...data].filter((value, place) => place % 4 === 0);
            })"""
        )
    )


def test_the_steps_from_noise_to_image_are_seen(quiet_page, served, saved, generating):
    path = LearningSubject(generating).questions()["path"]
    for address, asked in ((saved, {}), (served, {"seed": 5, "steps": 4})):
        look(quiet_page, address(explorer(generating)), part="path", **asked)
        quiet_page.wait_for_selector(".strip .tile")
        for label in (0, 1):
            quiet_page.locator("select:visible").first.select_option(str(label))
            expected = path(**{"network": "model", "label": label, "seed": 0, "steps": 8, "guidance": 1.5, **asked})[
                "points"
            ]
            wait_for_count(quiet_page, ".strip .tile", len(expected))
            quiet_page.wait_for_timeout(100)
            np.testing.assert_array_equal(pictures(quiet_page), expected.reshape(len(expected), -1))
        quiet_page.locator(".strip .tile").nth(2).click()
        quiet_page.wait_for_selector(f"text=step 2 of {len(expected) - 1}")


# ---- without a run; questions from anyone


def test_without_a_run_the_page_says_how_to_make_one(quiet_page, saved):
    look(quiet_page, saved(explorer()))
    quiet_page.wait_for_selector(".report")
    quiet_page.get_by_role("button", name="A run").click()
    quiet_page.wait_for_selector("text=faltung learn --out runs/first")
    quiet_page.get_by_role("button", name="From noise").click()
    quiet_page.wait_for_selector("text=faltung learn --task generate")


def test_an_address_with_wrong_numbers_is_shown(quiet_page, saved, finished):
    address = saved(explorer(finished))
    wrong = {"step": 1e9, "size": 2.4, "noise": -5, "ridge": -1, "rate": 99, "position": ["a"], "picture": "nothing"}
    look(quiet_page, address, part="fit", filter="steps", **wrong)
    quiet_page.wait_for_selector(".report")
    assert len(values(quiet_page, ".found td[data-value]")) == 4
    put(quiet_page, truth="gaussian(100)")
    quiet_page.wait_for_selector("text=Take a smaller filter")
    put(quiet_page, truth="gaussian(")
    quiet_page.wait_for_selector('[role="alert"]:visible')
    put(quiet_page, part="run", epoch=2.4, tile=-7)
    assert readout(quiet_page) == expected_at(finished, 2)


PICTURE = np.zeros((20, 20))
WRONG = {
    "fit": {
        "before": ["/etc/passwd", None, PICTURE[0], np.zeros((2000, 2000)), np.zeros((0, 5)), PICTURE[:10]],
        "size": [0, 16, 3.5, True, None, "3", [3]],
        "ridge": [-1, math.nan, math.inf, "1", None],
    },
    "history": {"rows": [-1, 1.5, "0", [1], None, True], "epoch": [-2, 2**40, 0.5]},
    "path": {
        "network": ["../model", "", ["model"], None, "convolutional"],
        "label": [2, -1, "0", 0.0],
        "seed": [-1, 2**32, 1.5],
        "steps": [0, 65, 8.0],
        "guidance": [-1, 11, math.inf, "1"],
    },
}
RIGHT = {
    "fit": {"before": PICTURE, "after": PICTURE, "size": 3, "ridge": 0},
    "history": {"rows": 0, "epoch": -1},
    "path": {"network": "model", "label": 0, "seed": 0, "steps": 2, "guidance": 1},
}


@pytest.mark.parametrize(("question", "name"), [(question, name) for question in WRONG for name in WRONG[question]])
def test_wrong_questions_are_refused_in_a_sentence(generating, question, name):
    ask = LearningSubject(generating).questions()[question]
    assert ask(**RIGHT[question])
    for value in WRONG[question][name]:
        with pytest.raises(FaltungError, match=r"^\w+: expected "):
            ask(**{**RIGHT[question], name: value})


def test_a_filter_larger_than_the_picture_is_refused():
    small = np.zeros((9, 9))
    with pytest.raises(FaltungError, match="expected"):
        LearningSubject().questions()["fit"](before=small, after=small, size=15, ridge=0)


def test_what_is_no_run_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing", tmp_path / "nothing" / "at all"):
        with pytest.raises(
            FaltungError, match=r"run: expected a folder that faltung learn wrote, got .*Make one with"
        ):
            LearningSubject(folder)

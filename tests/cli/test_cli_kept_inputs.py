"""No command overwrites what it reads: every command, each of its outputs and inputs, under every name of a file."""

from __future__ import annotations

import inspect
import json
import os
import shutil
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

import faltung as fa
from faltung.cli.kept_inputs import written_options
from faltung.cli.main import app
from faltung.cli.typed import typed_names
from faltung.errors import ArgumentError
from faltung.ground.targets import InputAsOutputError, Inputs, check_new_file, check_new_files

#: For each command that writes: command lines without outputs, and all that they read. Other commands write nothing.
READERS = {
    "apply": {
        "a.png pictures -k taps.npy --mask mask.png": ["a.png", "pictures/c.png", "taps.npy", "mask.png"],
        "dry.wav -k hall.wav": ["dry.wav", "hall.wav"],
        "in.zarr -k in.txt --memory 1GB": ["in.zarr/zarr.json", "in.zarr/c/0", "in.txt"],
    },
    "pyramid": {"a.npy": ["a.npy"]},
    "fit": {"a.npy b.npy --size 3": ["a.npy", "b.npy"], "pictures after --size 3": ["pictures/c.png", "after/c.png"]},
    "learn": {"data --judge run": ["data/cats/a.png", "run/model.json"], "--resume run": ["run/model.json"]},
    "predict": {"run a.png pictures": ["a.png", "pictures/c.png", "run/model.json", "run/deep/model.safetensors"]},
    "generate": {"run -n 1": ["run/model.json"]},
    "inspect": {
        "run": ["run/model.json", "data/cats/a.png"],  # the run names its data
        "net.pt2 --example x.npy": ["net.pt2", "x.npy"],
        "nets:Small --weights w.pth": ["nets.py", "w.pth"],
        "package.nets:Small": ["package/nets.py"],
    },
    "explore": {"a.png": ["a.png"], "run": ["run/model.json", "data/cats/a.png"]},
    "export": {"run": ["run/model.json", "run/deep/model.safetensors"]},
}
#: Parameters that name what is read.
READ = {"image", "mask", "before", "after", "data", "judge", "resume", "run", "images", "weights", "thing"}

COMMANDS = {command.callback.__name__: inspect.unwrap(command.callback) for command in app.registered_commands}
CASES = [
    (name, output, line)
    for name, command in COMMANDS.items()
    for output in written_options(command)
    for line in READERS.get(name, [])
]


@pytest.fixture
def files(tmp_path):
    for lines in READERS.values():
        for name in (name for read in lines.values() for name in read):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"data": str(tmp_path / "data")}))
    return tmp_path


def test_all_commands_that_write_are_here():
    assert {name for name, command in COMMANDS.items() if written_options(command)} == {*READERS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_path_is_known_as_read_or_written(name):
    """A new option with a path is either declared as written, or is an input that `READ` names."""
    hints = get_type_hints(COMMANDS[name])
    paths = {each for each, hint in hints.items() if Path in (hint, *get_args(hint))}
    assert paths - {*written_options(COMMANDS[name])} <= READ


@pytest.fixture(scope="module")
def parsed():
    """The command line of all commands, which typer takes a while to make."""
    return typer.main.get_command(app)


@pytest.mark.parametrize(("name", "output", "line"), CASES)
def test_no_input_is_overwritten(parsed, files, monkeypatch, name, output, line):
    monkeypatch.chdir(files)
    option = typed_names(COMMANDS[name])[output]
    overwrite = ["--overwrite"] if "overwrite" in inspect.signature(COMMANDS[name]).parameters else []
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    for number, read in enumerate(READERS[name][line]):
        (first := files / f"first{number}").symlink_to(files / read)
        (soft := files / f"soft{number}").symlink_to(first)
        os.link(files / read, hard := files / f"hard{number}")
        for target in (f"./{read}", soft, hard):
            where = [str(target)] if option.isupper() else [option, str(target)]
            named = rf"(?=.*{read}'\. Choose another name\.$)"  # the input is named, too
            said = rf"^{named}{option}: expected a file other than the input, got '{Path(target)}'"
            with pytest.raises(InputAsOutputError, match=said):
                parsed.main([name, *line.split(), *where, *overwrite], standalone_mode=False)
        first.unlink()
    assert {path: path.read_bytes() for path in before} == before


def test_that_is_a_wrong_command_line(command, files):
    code, out, said = command("export", "run", "-o", "run/model.json", "--overwrite")
    assert (code, out) == (2, "")
    assert said.startswith("Error: --output: expected a file other than the input, got 'run/model.json'. Choose")


@pytest.mark.parametrize("kernel", ["out.zarr/taps.npy", "link.npy"])
def test_a_folder_is_not_replaced_with_an_input_in_it(command, tmp_path, kernel):
    zarr = pytest.importorskip("zarr")
    import numpy as np

    for name in ("in.zarr", "out.zarr"):
        zarr.create_array(tmp_path / name, data=np.ones((4, 4)))
    np.save(tmp_path / "out.zarr" / "taps.npy", np.ones((3, 3)))
    (tmp_path / "link.npy").symlink_to("out.zarr/taps.npy")
    code, _, said = command("apply", "in.zarr", "-k", kernel, "-o", "out.zarr", "--overwrite")
    assert (code, f"got 'out.zarr', which '{kernel}' is in. Choose another name." in said) == (2, True), said
    assert (tmp_path / "out.zarr" / "taps.npy").exists()


def test_a_folder_is_not_replaced_with_chunks_that_an_input_links_to(command, tmp_path):
    zarr = pytest.importorskip("zarr")
    import numpy as np

    for name in ("in.zarr", "out.zarr"):
        zarr.create_array(tmp_path / name, data=np.ones((4, 4)))
    shutil.rmtree(tmp_path / "in.zarr" / "c")
    (tmp_path / "in.zarr" / "c").symlink_to("../out.zarr/c")
    chunk = (tmp_path / "out.zarr" / "c" / "0" / "0").read_bytes()
    for line in (["apply", "in.zarr", "-k", "box(3)", "-o", "out.zarr"], ["pyramid", "in.zarr", "out.zarr"]):
        code, _, said = command(*line, "--overwrite")
        assert (code, "got 'out.zarr', which 'in.zarr/c' is in. Choose another name." in said) == (2, True), said
    assert (tmp_path / "out.zarr" / "c" / "0" / "0").read_bytes() == chunk


def test_a_folder_of_results_is_looked_at_before_any_work(command, tmp_path):
    import numpy as np

    (tmp_path / "out").mkdir()
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.ones((4, 4)))
    os.link(tmp_path / "b.npy", tmp_path / "out" / "b.npy")
    code, _, said = command("apply", "a.npy", "b.npy", "-k", "box(3)", "-o", "out", "--overwrite")
    assert (code, "expected a file other than the input, got 'out/b.npy', which is 'b.npy'" in said) == (2, True), (
        said
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.npy"]


def test_two_outputs_have_two_names(command, tmp_path):
    for names in (("p", "./p"), ("p", "P")):
        code, _, said = command("predict", "run", "a.png", "--csv", names[0], "--json", names[1])
        assert (code, f"--json: expected another file than --csv, got '{Path(names[1])}' for both." in said) == (
            1,
            True,
        )


def test_inputs_are_known_in_folders_and_through_links(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "outside").write_text("weights")
    (tmp_path / "run" / "deep" / "model").symlink_to(tmp_path / "outside")
    inputs = Inputs([tmp_path / "run"])
    with pytest.raises(
        InputAsOutputError, match=r"--json: expected a file other than the input, got '.*outside', wh"
    ):
        check_new_file("--json", tmp_path / "outside", True, inputs)
    check_new_file("--csv", tmp_path / "run" / "new", False, inputs)
    check_new_files({"--csv": tmp_path / "run" / "new", "--json": tmp_path / "other"}, False)


def test_inputs_are_known_in_folders_that_are_linked_in_circles(tmp_path):
    for name in ("pictures", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    (tmp_path / "pictures" / "linked").symlink_to("../elsewhere")
    (tmp_path / "pictures" / "up").symlink_to("..")
    with pytest.raises(InputAsOutputError, match=r"which is '.*a\.png'"):
        check_new_file("--csv", tmp_path / "elsewhere" / "a.png", True, Inputs([tmp_path / "pictures"]))


def test_the_images_that_a_table_of_a_run_lists_are_inputs(command, files):
    (files / "data" / "table.csv").write_text("image,label\n../pictures/c.png,cat\n")
    (files / "run" / "run.json").write_text(json.dumps({"data": str(files / "data" / "table.csv")}))
    code, _, said = command("predict", "run", "a.png", "--csv", "pictures/c.png", "--overwrite")
    assert (code, "expected a file other than the input, got 'pictures/c.png'" in said) == (2, True), said
    assert (files / "pictures" / "c.png").read_text() == "pictures/c.png"


def test_a_page_does_not_overwrite_what_it_shows(tmp_path):
    import numpy as np

    np.save(tmp_path / "a.npy", np.ones((8, 8)))
    (tmp_path / "page.html").symlink_to("a.npy")
    page = fa.explore(tmp_path / "a.npy", views=["filter"])
    with pytest.raises(ArgumentError, match="path: expected a file other than the input"):
        page.save(tmp_path / "page.html", overwrite=True)

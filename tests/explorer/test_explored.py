"""What `fa.explore` returns: what is given decides what is shown, and one file holds all of it."""

from __future__ import annotations

import json
import os
import re
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
from PIL import Image

import faltung as fa
from faltung.explorer import explored
from faltung.explorer.explored import Explorer
from faltung.explorer.filter_subject import FilterSubject
from faltung.explorer.learning_subject import LearningSubject
from faltung.explorer.network_subject import NetworkSubject
from faltung.explorer.opened import LONGEST_SIDE, LONGEST_SIGNAL, open_file
from faltung.explorer.packing import unpack
from faltung.explorer.subject import PageSubject
from faltung.explorer.upload_subject import UploadSubject

IMAGE = np.random.default_rng(0).random((20, 30))


def shown(explorer):
    """Return title, note and samples of the first input."""
    first = explorer.content()["filter"]["inputs"][0]
    return first["title"], first["note"], first["samples"]


# ---- what is given


def test_nothing_shows_a_photograph():
    page = fa.explore()
    assert "view" not in page.content()["state"]
    assert shown(page)[2].shape[0] == 1


masked = np.ma.masked_array(IMAGE, IMAGE < 0.5)
GIVEN = {
    "a picture": (IMAGE, {}, IMAGE[None]),
    "lists": ([[1, 2], [3, 4]], {}, [[[1, 2], [3, 4]]]),
    "colours": (np.stack([IMAGE] * 3, -1), {}, [IMAGE] * 3),
    "channels first": (np.stack([IMAGE] * 2), {}, [IMAGE] * 2),
    "channels last": (np.stack([IMAGE] * 2, -1), {"channel_axis": -1}, [IMAGE] * 2),
    "a signal": (IMAGE[0], {}, IMAGE[:1]),
    "a signal with channels": (IMAGE[:3], {"channel_axis": 0}, IMAGE[:3]),
    "integers": (np.int64([[1, 2]]), {}, [[[1, 2]]]),
    "truth values": (IMAGE > 0.5, {}, IMAGE[None] > 0.5),
    "half precision": (np.float16(IMAGE), {}, np.float16(IMAGE)[None]),
    "NaN": (np.where(IMAGE < 0.5, np.nan, IMAGE), {}, np.where(IMAGE < 0.5, np.nan, IMAGE)[None]),
    "a masked array": (masked, {}, masked.filled(np.nan)[None]),
    "a tensor": (torch.tensor(IMAGE, requires_grad=True), {}, IMAGE[None]),
    "a tensor of bfloat16": (torch.ones(4, 4, dtype=torch.bfloat16), {}, np.ones((1, 4, 4))),
    "a labelled array": (xarray.DataArray(IMAGE, dims=("y", "x")), {}, IMAGE[None]),
}


@pytest.mark.parametrize("case", GIVEN.values(), ids=GIVEN)
def test_arrays_are_shown_with_their_numbers(case):
    array, options, expected = case
    page = fa.explore(array, **options)
    np.testing.assert_array_equal(shown(page)[2], np.float64(expected))
    assert page.content()["state"]["filter.input"] == "given"


def test_a_large_picture_is_averaged_and_a_long_signal_cut_off():
    image = np.arange(3 * LONGEST_SIDE * 10.0).reshape(-1, 10)
    _, note, samples = shown(fa.explore(image))
    np.testing.assert_allclose(samples[0], image.reshape(LONGEST_SIDE, 3, 10).mean(1))
    assert note == "Means of 3 × 1 samples, as it has 3,072 × 10."
    image = np.arange(1025.0 * 1027).reshape(1025, 1027)
    _, note, samples = shown(fa.explore(image))
    np.testing.assert_allclose(samples[0, 5, 1], image[10:12, 2:4].mean())
    np.testing.assert_allclose(samples[0, 512, 513], image[1024, 1026])
    assert note == "Means of 2 × 2 samples, as it has 1,025 × 1,027."
    assert shown(fa.explore(np.ones((1, 5000))))[2].shape == (1, 1, 1000)
    _, note, samples = shown(fa.explore(np.arange(LONGEST_SIGNAL + 5.0)))
    assert samples.shape == (1, LONGEST_SIGNAL)
    assert note.startswith("The first 131,072 of 131,077")


@pytest.mark.parametrize("kernel", [fa.gaussian(1), "gaussian(1)", fa.gaussian(1).taps])
def test_a_kernel_beside_an_array_is_shown_with_it(kernel):
    (row,) = fa.explore(IMAGE, kernel).content()["state"]["filter.kernels"]
    assert len(row) == 1


def test_a_kernel_alone_is_shown_on_the_photograph():
    state = fa.explore(fa.gaussian(2) * fa.sobel(axis=1)).content()["state"]
    assert state["filter.kernels"] == [[{"source": "text", "text": "gaussian(2) * sobel(axis=1)"}]]


def test_a_network_is_shown_with_its_example_and_classes():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 2))
    page = fa.explore(network, torch.zeros(1, 1, 8, 8), classes=["cat", "dog"])
    assert page.content()["state"]["view"] == "network"
    reply, _ = page.reply("network.overview", {})
    assert reply["value"]["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((torch.nn.Identity(),), {}, "beside: expected an example of the network's input, got None. Pass one"),
        ((fa.box(3), fa.box(3)), {}, "beside: expected nothing beside a kernel, got a Kernel. Give the array first"),
        ((IMAGE, "gausian(1)"), {}, "gaussian"),
        ((IMAGE, fa.box(3, ndim=1)), {}, "kernel: expected 2 axes"),
        ((IMAGE * 1j,), {}, "thing: expected real numbers, got dtype complex128. Pass x.real"),
        ((np.array(["a"]),), {}, "thing: expected an array of real numbers"),
        (([[1], [2, 3]],), {}, "thing: expected an array of numbers, got list"),
        ((object(),), {}, "thing: expected an array of"),
        ((np.zeros((2, 3, 4, 5)),), {}, "thing: expected a signal or a picture, .*channel_axis"),
        ((np.zeros((30, 20, 9)),), {}, "thing: expected a signal or a picture, .*channel_axis"),
        ((np.zeros((0, 5)),), {}, "thing: expected a signal or a picture"),
        ((3.0,), {}, "thing: expected a signal or a picture"),
        ((IMAGE,), {"channel_axis": 2}, "axis: expected"),
        ((IMAGE,), {"classes": ["a"]}, "classes: expected None unless a network is given"),
        ((IMAGE,), {"view": "filters"}, "view: expected one of filter, algebra, network, learning, got 'filters'"),
        ((IMAGE,), {"views": ["algebra"], "view": "filter"}, "view: expected one of algebra, got 'filter'"),
        ((IMAGE,), {"views": [[1]]}, "views: expected some of filter, algebra"),
        ((IMAGE,), {"views": 3}, "views: expected some of .* Pass a list"),
        ((IMAGE,), {"views": ["none"]}, "views: expected some of filter, algebra"),
        ((IMAGE,), {"views": "filter"}, "views: expected some of"),
        ((IMAGE,), {"views": ()}, "views: expected some of"),
        (("",), {}, "thing: expected the path of .*, got an empty path"),
        (("missing.png",), {}, "thing: expected a file that exists, got 'missing.png'"),
    ],
)
def test_what_cannot_be_shown_is_answered_with_a_remedy(arguments, options, message):
    with pytest.raises(fa.FaltungError, match=message):
        fa.explore(*arguments, **options)


def test_without_a_view_the_first_of_the_views_is_shown():
    assert "view" not in fa.explore(IMAGE, views=["network"]).content()["state"]
    assert fa.explore(IMAGE, views=["network", "algebra"]).content()["state"]["view"] == "network"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": "80"}, "port: expected an integer from 0 to 65535, got '80'"),
        ({"port": 1.5}, "port: expected an integer"),
        ({"port": -1}, "port: expected an integer"),
        ({"allowed_hosts": [5]}, "allowed_hosts: expected a list of names .*, got 5 in it"),
        ({"allowed_hosts": "box"}, "allowed_hosts: expected a list of names .*, got 'box'"),
        ({"allowed_hosts": 5}, "allowed_hosts: expected a list of names"),
    ],
)
def test_a_server_that_cannot_be_started_is_answered_with_a_sentence(options, message):
    with pytest.raises(fa.FaltungError, match=message):
        fa.explore(IMAGE).serve(browser=False, **options)


# ---- files


def test_a_picture_of_a_file_is_shown(tmp_path):
    samples = np.arange(96, dtype=np.uint8).reshape(6, 4, 4)
    Image.fromarray(samples).save(tmp_path / "a.png")
    title, note, channels = shown(fa.explore(tmp_path / "a.png"))
    np.testing.assert_array_equal(channels, samples[..., :3].transpose(2, 0, 1))
    assert title == "a.png, 6 × 4"
    assert note == "Its opacity is left out."


def test_a_sound_of_a_file_is_shown(tmp_path):
    pytest.importorskip("soundfile")
    samples = np.int16([[0, 100], [200, -300], [1, 2]])
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    title, note, channels = shown(fa.explore(str(tmp_path / "a.wav")))
    np.testing.assert_array_equal(channels, samples.T / 2**15)
    assert (title, note) == ("a.wav, 3", "8,000 samples each second.")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("a;b\n1;2\n3;4\n5;6", (2, 3)),
        ("1 2 3", (1, 3)),
        ("1\n2\n", (1, 2)),
        ("\n".join([",".join("123456789")] * 4), (1, 4, 9)),
    ],
)
def test_a_table_is_a_signal_or_a_picture(tmp_path, text, shape):
    (tmp_path / "a.csv").write_text(text)
    assert open_file(tmp_path / "a.csv", "thing").samples.shape == shape


def test_an_array_of_a_file_is_shown(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE)
    np.testing.assert_array_equal(open_file(tmp_path / "a.npy", "thing").samples[0], IMAGE)


def test_samples_that_are_missing_in_a_file_are_nan(tmp_path):
    import tifffile

    tags = [(42113, "s", 0, "-1", True)]
    tifffile.imwrite(tmp_path / "a.tif", np.int16([[1, -1], [3, 4]]), extratags=tags)
    np.testing.assert_array_equal(open_file(tmp_path / "a.tif", "thing").samples, [[[1, np.nan], [3, 4]]])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_what_lies_in_a_run_folder_is_not_opened_unless_it_is_a_small_file(tmp_path):
    (tmp_path / "history.csv").write_text("network,epoch,seconds\n")
    os.mkfifo(tmp_path / "notes.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "huge.json").write_text('{"class": "VelocityField", "x": "' + " " * 2**20 + '"}')
    content = LearningSubject(tmp_path).content()
    assert (content["generator"], "problem" in content) == (None, False)
    for make in (os.mkfifo, lambda path: path.write_text("[" * 100_000)):
        (tmp_path / "metrics.json").unlink(missing_ok=True)
        make(tmp_path / "metrics.json")
        assert "expected metrics.json as faltung wrote it" in LearningSubject(tmp_path).content()["problem"]


def test_a_saved_state_is_shown(tmp_path):
    path = tmp_path / "faltung-state.json"
    path.write_text(json.dumps({"view": "algebra", "filter.mode": "wrap", "filter.cval": 2, "filter.text": "a&b=é"}))
    content = fa.explore(path).content()
    assert content["address"] == "view=algebra&filter.mode=wrap&filter.cval=2&filter.text=a%26b%3D%C3%A9"
    path.write_text(r'{"view": "algebra", "filter.text": "\udc80"}')
    assert fa.explore(path).content()["address"] == "view=algebra&filter.text=%3F"
    for wrong in ("[]", "{}", '{"a": 1}', '{"view": "filter", "a&b": 1}', "[" * 100_000):
        path.write_text(wrong)
        with pytest.raises(fa.ArgumentError, match="thing: expected a state that 'Save state' of the page wrote"):
            fa.explore(path)


def test_what_the_page_saves_can_be_opened(quiet_page, saved, tmp_path):
    quiet_page.goto(
        saved(fa.explore(IMAGE, views=["filter", "algebra"])) + "#filter.mode=wrap&filter.output_padding=1"
    )
    with quiet_page.expect_download() as download:
        quiet_page.get_by_role("button", name="Save state").click()
    path = tmp_path / "faltung-state.json"
    download.value.save_as(path)
    state = json.loads(path.read_text())
    assert {"view", "filter.plan_size"} <= {*state}
    address = fa.explore(path).content()["address"].split("&")
    assert {"filter.mode=wrap", "filter.output_padding=1"} <= {*address}
    assert len(address) == len(state)


# ---- the page


class Named(PageSubject):
    """A subject whose content and answers are given."""

    name = "filter"

    def __init__(self, content):
        self._content = content

    def content(self):
        return self._content

    def questions(self):
        return {"echo": lambda *, x: {"x": x}}

    def stored(self):
        yield "echo", {"x": [1.0, "é</script>", None]}


def traits_of(html):
    """Return the traits that a page starts with."""
    return json.loads(re.search(r'id="traits">(.*?)</script>', html, re.DOTALL)[1])


def test_the_page_holds_what_it_shows_and_what_it_may_ask(tmp_path):
    content = {"x": np.float32([1, np.nan]), "largest": np.inf}
    page = Explorer([Named(content)]).save(tmp_path / "page.html")
    traits = traits_of(page.read_text(encoding="utf-8"))
    assert traits["host"] == "file"
    assert traits["version"] == fa.__version__
    assert [json.loads(key) for key in traits["answers"]] == [["echo", {"x": [1.0, "é</script>", None]}]]
    assert traits["content"]["filter"]["largest"] == {"$number": "Infinity"}


def test_names_cannot_end_the_script():
    wicked = "</script><script>alert(1)</script><!-- & \u2028"
    html, _ = Explorer([Named({"name": wicked})], {"view": wicked}, title=wicked).page("file", answers={})
    assert traits_of(html)["content"]["filter"]["name"] == wicked
    assert html.count("<script") == 2
    assert "<title>&lt;/script&gt;" in html


def test_the_page_may_load_its_own_script_and_nothing_else():
    html, policy = fa.explore().page("file", answers={})
    assert policy in html
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy


def test_a_file_is_not_replaced_unless_asked(tmp_path):
    target = tmp_path / "page.html"
    target.write_text("mine")
    with pytest.raises(fa.ArgumentError, match=r"path: expected a file that does not exist yet"):
        fa.explore().save(target)
    with pytest.raises(fa.ArgumentError, match=r"Pass overwrite=True to replace it"):
        fa.explore().save(target)
    with pytest.raises(fa.ArgumentTypeError, match=r"path: expected the name of a file, got NoneType"):
        fa.explore().save(None)
    assert target.read_text() == "mine"
    fa.explore(views=["algebra"]).save(target, overwrite=True)
    assert "<title>faltung" in target.read_text(encoding="utf-8")


def test_a_page_that_fails_leaves_no_file(tmp_path, monkeypatch):
    page = fa.explore(views=["algebra"])
    monkeypatch.setattr(Explorer, "page", lambda *_, **__: (None, ""))  # no text
    with pytest.raises(AttributeError):
        page.save(tmp_path / "page.html")
    assert [*tmp_path.iterdir()] == []


def test_one_table_has_all_questions(tmp_path):
    (tmp_path / "history.csv").touch()
    subjects = FilterSubject(), NetworkSubject(), LearningSubject(tmp_path), UploadSubject()
    answered = {name for subject in subjects for name in subject.questions()}
    page = Path(explored.__file__).parent / "page"
    asked = {
        (name, source.name)
        for source in page.glob("*.js")
        for name in re.findall(r'\bask\("([\w.]+)"', source.read_text(encoding="utf-8"))
    }
    section = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8").split("## 9.")[1]
    table = re.findall(r"^\| `([\w.]+)` \| `(\w+\.js)` \| `(\w+\.py)` \|", section, re.MULTILINE)
    assert {name for name, _, _ in table} == answered
    assert {(name, source) for name, source, _ in table} == asked
    assert all((page.parent / source).is_file() for _, _, source in table)


def test_a_question_is_answered_from_bytes():
    explorer = Explorer([Named({})])
    reply, data = explorer.reply("echo", {"x": {"$array": [0, [2], "uint8"]}}, b"ab")
    assert unpack(reply["value"], data)["x"].tolist() == [97, 98]


class Leaving(Named):
    """Questions that end in other ways than answers do."""

    without_lock = frozenset({"beside"})

    def questions(self):
        return {"leave": self.leave, "fail": self.fail, "beside": lambda: "answered", "hold": self.hold}

    def leave(self):
        raise SystemExit(3)

    def fail(self, *, x):
        raise fa.FaltungError(f"x: expected less, got {x}")

    def hold(self):
        return self.explorer.reply("beside", {})[0]["value"]


def test_a_network_that_leaves_the_program_is_answered_with_a_sentence(caplog):
    reply, _ = Explorer([Leaving({})]).reply("leave", {})
    assert reply == {"error": "Python could not answer this: SystemExit: 3"}
    assert "could not answer" in caplog.text


def test_what_was_sent_is_not_echoed_without_a_bound():
    reply, _ = Explorer([Leaving({})]).reply("fail", {"x": "a" * 10_000})
    assert reply["error"] == f"{'x: expected less, got ' + 'a' * 477}…"[:499] + "…"
    for wrong in ("a" * 10_000, [1] * 10_000):
        reply, _ = fa.explore().reply("fit", {"before": 1, "after": 1, "size": wrong, "ridge": 0})
        assert len(reply["error"]) < 200


def test_some_questions_need_no_lock():
    subject = Leaving({})
    subject.explorer = Explorer([subject])
    assert subject.explorer.reply("hold", {}) == ({"value": "answered"}, b"")


def test_kernels_have_the_axes_of_the_samples():
    arguments = {"samples": {"$array": [0, [1, 2, 2], "float64"]}, "operation": "convolve"}
    reply, _ = fa.explore().reply("filter", {**arguments, "kernels": [[{"text": "box(3, ndim=1)"}]]}, bytes(32))
    assert reply["error"] == "kernels: expected kernels with 2 axes, as the samples have, got 1. Use ndim=."


# ---- notebooks


def test_each_explorer_is_a_widget_that_answers():
    pytest.importorskip("anywidget")
    first, second = fa.explore(), fa.explore(IMAGE)
    assert first.widget is first.widget
    assert first.widget.model_id != second.widget.model_id
    sent = []
    first.widget.send = lambda *message: sent.append(message)
    first.widget._asked(None, {"ask": "a-1", "question": "kernel", "arguments": {"text": "box(3)", "ndim": 2}}, [])
    first.widget._asked(None, "not a message", [])
    ((message, (data,)),) = sent
    assert message["answer"] == "a-1"
    np.testing.assert_array_equal(unpack(message["value"], data)["taps"], fa.box(3).taps)


def test_without_anywidget_a_notebook_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    monkeypatch.delitem(__import__("sys").modules, "faltung.explorer.widget", raising=False)
    page = fa.explore()
    with pytest.raises(fa.MissingExtraError, match=r"explore"):
        page.widget  # noqa: B018
    for text in (page._repr_mimebundle_()["text/plain"], page._display_()):
        assert 'pip install ".[explore]"' in text
        assert ".save('page.html')" in text

"""The page around the views: tabs, address, help, errors; behind the server, in a file, and several on one page."""

from __future__ import annotations

import base64
import json

import pytest

import faltung as fa
from explorer_pages import Noise, serving
from faltung.explorer import es_module as bundler
from faltung.explorer.es_module import es_module, page_source
from faltung.explorer.packing import pack

VIEWS = ["filter", "algebra", "network", "learning"]
STATE = "document.getElementById('explorer').explorer.store.state"
ASK = "document.getElementById('explorer').explorer.host.ask"


def shown(page):
    """Return the name of the view that is seen."""
    (panel,) = page.locator("[role=tabpanel]:visible").all()
    name = panel.get_attribute("id").removeprefix("panel-")
    (tab,) = page.locator("[role=tab][aria-selected=true]").all()
    assert tab.get_attribute("id") == f"tab-{name}"
    return name


def wait_for_view(page, name):
    page.locator(f"#panel-{name}").wait_for()
    assert shown(page) == name


@pytest.fixture(params=["server", "file"], scope="module")
def address(request, whole_page):
    """The address of a page, for what depends on it: of a server, and of a file."""
    if request.param == "server":
        with serving(fa.explore()) as server:
            yield server.url
    else:
        yield whole_page


@pytest.fixture(scope="module")
def functions(browser):
    """A page in which sources can be called."""
    page = browser.new_page()
    yield page
    page.close()


def call(page, files, code, *arguments):
    """Return what an async function body returns that knows the exports of some files of the page."""
    text = "".join(page_source(name) for name in files)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("import ")).replace("export ", "")
    return page.evaluate(
        "([code, arguments_]) => new Function('given', `return (async () => {${code}})()`)(arguments_)",
        [f"{text}\n{code}", arguments],
    )


# ---- tabs and address


def test_tabs_are_changed_with_the_keyboard(quiet_page, whole_page):
    page = quiet_page
    page.goto(whole_page)
    wait_for_view(page, "filter")
    page.locator("#tab-filter").focus()
    for key, name in [
        ("ArrowRight", "algebra"),
        ("ArrowLeft", "filter"),
        ("ArrowLeft", "learning"),
        ("Home", "filter"),
        ("End", "learning"),
    ]:
        page.keyboard.press(key)
        wait_for_view(page, name)
        assert page.locator("[role=tab]:focus").get_attribute("id") == f"tab-{name}"
    assert page.locator("[role=tab][tabindex='0']").count() == 1


def test_back_and_forward_lead_through_the_views(quiet_page, address):
    page = quiet_page
    page.goto(address)
    for name in ["algebra", "network"]:
        page.locator(f"#tab-{name}").click()
        wait_for_view(page, name)
        page.wait_for_url(f"**#*view={name}*")
    page.go_back()
    wait_for_view(page, "algebra")
    page.go_back()
    wait_for_view(page, "filter")
    page.go_forward()
    wait_for_view(page, "algebra")


def test_a_link_leads_to_what_it_says(quiet_page, address):
    page = quiet_page
    page.goto(f"{address}#view=algebra&theme=dark")
    wait_for_view(page, "algebra")
    assert page.locator(".explorer").get_attribute("data-theme") == "dark"
    page.evaluate("location.hash = 'view=network'")
    wait_for_view(page, "network")
    page.wait_for_function("getComputedStyle(document.body) && document.getElementById('explorer').shadowRoot"
                           ".querySelector('.explorer').dataset.theme === 'auto'")  # fmt: skip


def test_a_link_that_says_too_much_is_read_as_far_as_it_goes(quiet_page, address):
    page = quiet_page
    page.goto(f"{address}#view=algebra&nonsense=1&theme=%E0%A4%A&__proto__=x&=&theme")
    wait_for_view(page, "algebra")
    notice = page.get_by_role("alert").filter(has_text="left out: nonsense")
    notice.get_by_role("button", name="Dismiss").click()
    notice.wait_for(state="detached")
    assert page.evaluate("({}).x") is None


def test_a_view_that_does_not_exist_is_the_first(quiet_page, whole_page):
    quiet_page.goto(f"{whole_page}#view=none")
    wait_for_view(quiet_page, "filter")


def test_the_address_follows_the_state_but_not_at_every_frame(quiet_page, address):
    page = quiet_page
    page.goto(address)
    writings = page.evaluate("""async () => {
        const { store } = document.getElementById("explorer").explorer;
        let count = 0;
        const replace = history.replaceState;
        history.replaceState = (...given) => { count += 1; return replace.apply(history, given); };
        for (let frame = 0; frame < 60; frame += 1) {
            store.set({ theme: frame % 2 ? "dark" : "light" });
            await new Promise(requestAnimationFrame);
        }
        await new Promise((done) => setTimeout(done, 400));
        return count;
    }""")
    assert 1 <= writings <= 12
    assert page.url.endswith("#theme=dark")


def test_a_link_can_be_copied(quiet_page, address):
    page = quiet_page
    page.goto(f"{address}#view=algebra")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("was copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_the_state_can_be_saved(quiet_page, address):
    quiet_page.goto(f"{address}#theme=dark")
    with quiet_page.expect_download() as download:
        quiet_page.get_by_role("button", name="Save state").click()
    with open(download.value.path(), encoding="utf-8") as file:
        assert json.load(file) == quiet_page.evaluate(STATE)


def test_a_page_can_have_fewer_views(quiet_page, saved):
    page = quiet_page
    page.goto(saved(fa.explore(views=["algebra", "filter"], view="algebra")))
    wait_for_view(page, "algebra")
    assert page.locator("[role=tab]").all_inner_texts() == ["Filter", "Algebra"]
    page.locator("#tab-algebra").focus()
    page.keyboard.press("ArrowRight")
    wait_for_view(page, "filter")


# ---- help


def test_help_names_all_keys(quiet_page, whole_page):
    page = quiet_page
    page.goto(whole_page)
    page.locator("#tab-filter").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert f"faltung {fa.__version__}" in dialog.inner_text()
    assert dialog.locator("kbd").count() >= 8
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.get_by_role("button", name="Help").click()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="hidden")


def test_a_question_mark_that_is_typed_is_text(quiet_page, whole_page):
    page = quiet_page
    page.goto(whole_page)
    wait_for_view(page, "filter")
    page.evaluate("""() => {
        const input = document.createElement("input");
        document.getElementById("explorer").shadowRoot.querySelector(".explorer").append(input);
        input.focus();
    }""")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").count() == 0


# ---- a view keeps its place


def test_a_view_is_made_once_and_keeps_its_place(quiet_page, whole_page):
    page = quiet_page
    page.goto(whole_page)
    wait_for_view(page, "filter")
    page.locator("#panel-filter > *").first.evaluate("node => { node.dataset.marked = 'yes'; }")
    page.locator("#tab-algebra").click()
    wait_for_view(page, "algebra")
    page.locator("#tab-filter").click()
    wait_for_view(page, "filter")
    assert page.locator("#panel-filter [data-marked=yes]").count() == 1


# ---- errors


def test_a_view_that_fails_says_so_and_the_others_work(browser, saved, monkeypatch):
    original = bundler.page_source
    broken = 'export const ALGEBRA_STATE = {};\nexport function mountAlgebra() { throw new Error("a defect"); }\n'
    monkeypatch.setattr(bundler, "page_source", lambda name: broken if name == "algebra_view.js" else original(name))
    es_module.cache_clear()
    address = saved(fa.explore(views=["filter", "algebra"]))
    es_module.cache_clear()
    page = browser.new_page()
    noise = Noise(page)
    page.goto(f"{address}#view=algebra")
    page.get_by_text("The view Algebra could not be shown: a defect").wait_for()
    page.locator("#tab-filter").click()
    wait_for_view(page, "filter")
    assert page.locator("#panel-filter canvas:visible").count() >= 2
    assert noise.heard == ["error: a defect"]
    page.close()


def test_questions_are_answered_and_refused_with_a_sentence(quiet_page, served):
    page = quiet_page
    page.goto(served(fa.explore()))
    ask = f"(args) => {ASK}('kernel', args)"
    taps = page.evaluate(
        f"async (args) => [...(await ({ask})(args)).taps.data]", {"text": "binomial(2, ndim=1)", "ndim": 1}
    )
    assert taps == fa.binomial(2, ndim=1).taps.tolist()
    said = page.evaluate(
        f"(args) => ({ask})(args).catch((error) => error.message)", {"text": "nonsense(2)", "ndim": 1}
    )
    assert "nonsense" in said


def test_a_page_whose_server_has_ended_says_so(browser):
    page = browser.new_page()
    with serving(fa.explore()) as server:
        page.goto(server.url)
        wait_for_view(page, "filter")
        page.wait_for_load_state("networkidle")
    said = page.evaluate(
        "document.getElementById('explorer').explorer.host.ask('kernel', {}).catch((e) => e.message)"
    )
    assert said == "Python does not answer. Is it still running?"
    page.close()


def test_a_file_says_what_it_cannot_answer(quiet_page, whole_page):
    quiet_page.goto(whole_page)
    said = quiet_page.evaluate(f"{ASK}('x').catch((error) => error.message)")
    assert "saved without Python" in said


# ---- several on one page


def test_two_explorers_on_one_page_are_apart(functions):
    content, data = pack(fa.explore().content())
    told = functions.evaluate(
        """async ([text, content, raw]) => {
            const data = new DataView(Uint8Array.from(atob(raw), (sign) => sign.charCodeAt(0)).buffer);
            const place = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            const { default: explorer } = await import(place);
            const made = ["light", "dark"].map((theme) => {
                const heard = new Set();
                const traits = { host: "notebook", version: "0", content: { ...content, state: { theme } }, data };
                const model = {
                    heard, sent: [], get: (name) => traits[name],
                    on: (_, f) => heard.add(f), off: (_, f) => heard.delete(f),
                    send(message) { this.sent.push(message); }, tell: (...given) => heard.forEach((f) => f(...given)),
                };
                const el = document.body.appendChild(document.createElement("div"));
                return { model, el, close: explorer.render({ model, el }) };
            });
            // Two views of one model hear the answers of both.
            const [one, two] = made;
            const again = document.body.appendChild(document.createElement("div"));
            const closeAgain = explorer.render({ model: one.model, el: again });
            const asked = [one.el, again].map((el) => el.explorer.host.ask("q"));
            const [first, second] = one.model.sent.slice(-2).map(({ ask }) => ask);
            one.model.tell({ answer: second, value: "second" }, []);
            one.model.tell({ answer: first, value: "first" }, []);
            const answers = await Promise.all(asked);
            const themes = made.map(({ el }) => el.shadowRoot.querySelector(".explorer").dataset.theme);
            const open = one.el.explorer.host.ask("q").catch((error) => error.message);
            two.model.send = () => { throw new Error("Cannot send"); };
            const gone = await two.el.explorer.host.ask("q").catch((error) => error.message);
            for (const close of [one.close, two.close, closeAgain]) close();
            return { answers, themes, left: one.model.heard.size + two.model.heard.size, hash: location.hash,
                closed: await open, gone, empty: one.el.shadowRoot.childElementCount, apart: first !== second };
        }""",
        [es_module("main.js"), content, base64.b64encode(data).decode()],
    )
    assert told == {
        "answers": ["first", "second"], "themes": ["light", "dark"], "left": 0, "hash": "",
        "closed": "The explorer was closed.", "gone": "Python does not answer. Run the cell again.",
        "empty": 0, "apart": True,
    }  # fmt: skip


# ---- the state


NEW_STORE = 'const store = new Store({ "a.x": 1, "a.list": [1], "b.text": "t", "b.any": null });'


def test_listeners_hear_of_their_keys_once(functions):
    heard = call(
        functions,
        ["state.js"],
        NEW_STORE
        + """
        const heard = [];
        const stop = store.on(["a."], (changed) => heard.push([...changed].sort()));
        store.set({ "a.x": 1, "b.text": "u" });
        store.flush();
        store.set({ "a.x": 2 });
        store.set({ "a.x": 3, "a.list": [2] });
        store.set({ "a.list": [2] });
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        stop();
        store.set({ "a.x": 4 });
        store.flush();
        return heard;""",
    )
    assert heard == [["a.list", "a.x"]]


def test_an_error_of_one_listener_does_not_keep_the_others_from_hearing(functions):
    told = call(
        functions,
        ["state.js"],
        NEW_STORE
        + """
        const heard = [];
        store.failed = (error) => heard.push(error.message);
        store.on([""], () => { throw new Error("a defect"); });
        store.on([""], () => heard.push("the second"));
        store.set({ "a.x": 2 });
        store.flush();
        return heard;""",
    )
    assert told == ["a defect", "the second"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, ""),
        ({"a.x": 1}, ""),
        ({"a.x": 2.5}, "a.x=2.5"),
        ({"a.list": [1, [2]], "b.text": "a&b=c #%é"}, "a.list=%5B1%2C%5B2%5D%5D&b.text=a%26b%3Dc%20%23%25%C3%A9"),
        ({"b.any": {"k": [None, True]}}, "b.any=%7B%22k%22%3A%5Bnull%2Ctrue%5D%7D"),
        ({"b.text": ""}, "b.text="),
    ],
)
def test_the_state_comes_back_from_its_text(functions, values, text):
    code = f"{NEW_STORE} store.set(given[0]); const text = store.toText();"
    code += f"{NEW_STORE.replace('store', 'other')} const refused = other.fromText(text);"
    written, state, again, refused = call(
        functions, ["state.js"], f"{code} return [text, store.state, other.state, refused];", values
    )
    assert written == text
    assert again == state
    assert refused == []


def test_a_link_says_what_differs_from_what_python_gave(functions):
    code = f"{NEW_STORE} store.begin({{ 'a.x': 5, 'b.any': [1] }}); const before = store.toText();"
    code += "store.set({ 'a.x': 1, 'b.any': null }); const text = store.toText();"
    code += "store.begin({ 'a.x': 7, 'b.any': [1] }); store.fromText(text); return [before, text, store.state];"
    before, text, state = call(functions, ["state.js"], code)
    assert (before, text) == ("", "a.x=1&b.any=null")
    assert (state["a.x"], state["b.any"]) == (1, None)


def test_what_python_gave_is_shown(quiet_page, served, saved):
    explorer = fa.explore(fa.gaussian(1), views=["filter", "algebra"])
    for address in (saved(explorer), served(explorer)):
        quiet_page.goto(address)
        wait_for_view(quiet_page, "filter")
        assert quiet_page.evaluate(STATE)["filter.kernels"] == [[{"source": "text", "text": "gaussian(1)"}]]
        assert "#" not in quiet_page.url


@pytest.mark.parametrize(
    "text", ["a.x=text", "a.x=[1]", "a.x=null", "a.list={}", "a.list=1", "c=1", "a.x=%E0%A4%A", "toString=1", "a.x"]
)
def test_what_is_no_state_is_left_out(functions, text):
    code = f"{NEW_STORE} const refused = store.fromText(given[0]); return [store.toText(), refused.length];"
    assert call(functions, ["state.js"], code, text) == ["", 1]


def test_a_key_that_is_not_known_is_an_error(functions):
    code = f"{NEW_STORE} try {{ store.set({{ nonsense: 1 }}); }} catch (error) {{ return error.message; }}"
    assert call(functions, ["state.js"], code) == "no state is called nonsense"

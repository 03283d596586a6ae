// What is the explorer? Four views on one state, for any host that speaks anywidget's `render({ model, el })`.

import { keepInAddress } from "./address.js";
import { ALGEBRA_STATE, mountAlgebra } from "./algebra_view.js";
import { button, segmented } from "./controls.js";
import { download, h } from "./dom.js";
import { FILTER_STATE, mountFilter } from "./filter_view.js";
import { helpDialog } from "./help.js";
import { Host } from "./host.js";
import { LEARNING_STATE, mountLearning } from "./learning_view.js";
import { NETWORK_STATE, mountNetwork } from "./network_view.js";
import { Panels } from "./panels.js";
import { listenForStates } from "./saved_state.js";
import { Store } from "./state.js";
import { STYLE } from "./style.js";

const VIEWS = [
  { name: "filter", title: "Filter", mount: mountFilter, state: FILTER_STATE },
  { name: "algebra", title: "Algebra", mount: mountAlgebra, state: ALGEBRA_STATE },
  { name: "network", title: "Network", mount: mountNetwork, state: NETWORK_STATE },
  { name: "learning", title: "Learning", mount: mountLearning, state: LEARNING_STATE },
];

// What a view gets: the state, the host, a sentence to say, and what to do when it is hidden or closed.
class App {
  constructor(host, store, live) {
    this.host = host;
    this.store = store;
    this.live = live;
    this.hidden = false; // what is not seen says nothing
    this.closers = [];
    this.hiders = [];
  }

  // Say a sentence, on the page and to screen readers.
  announce(sentence) {
    if (!this.hidden) this.live.textContent = sentence;
  }

  // Say what is wrong, above the views, until it is dismissed.
  warn(sentence) {
    const notice = h("p", { class: "notice wrong", role: "alert" }, sentence, button("Dismiss", () => notice.remove()));
    this.live.getRootNode().querySelector("main").before(notice);
  }

  // Call `close` when the page ends.
  untilClosed(close) {
    this.closers.push(close);
  }

  // Call `hide` each time that another view takes the place of this one: what moves stops.
  whenHidden(hide) {
    this.hiders.push(hide);
  }

  show() {
    this.hidden = false;
  }

  hide() {
    this.hidden = true;
    for (const hider of this.hiders) hider();
  }

  close() {
    for (const closer of this.closers.splice(0)) closer();
  }
}

function render({ model, el }) {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const live = h("p", { class: "live", "aria-live": "polite" });
  const page = h("div", { class: "explorer" });
  root.replaceChildren(h("style", {}, STYLE), page);
  try {
    const host = new Host(model);
    const store = new Store(Object.assign({ view: "filter", theme: "auto" }, ...VIEWS.map(({ state }) => state)));
    store.failed = (error) => {
      reportError(error);
      app.warn(`Something in the page failed: ${error.message}`);
    };
    const app = new App(host, store, live);
    el.explorer = app; // for who puts the page into another one, and for tests
    const refused = store.begin(host.content.state ?? {}, host.content.address);
    assemble(page, app);
    if (refused.length) app.warn(`The saved state says what this page does not know, and that was left out: ${refused.join(", ")}.`);
    return () => {
      app.close();
      host.close();
      root.replaceChildren();
    };
  } catch (error) {
    reportError(error);
    page.replaceChildren(h("p", { class: "wrong", role: "alert" }, `The explorer could not start: ${error.message}`));
    return undefined;
  }
}

function assemble(page, app) {
  const help = helpDialog(app.host.version);
  const panels = new Panels(VIEWS.filter(({ name }) => app.host.content.views.includes(name)), app, () => new App(app.host, app.store, app.live));
  page.append(
    h("header", {}, h("strong", { class: "brand" }, "faltung"), panels.tabs, tools(app, help)),
    h("main", {}, panels.element),
    h("footer", {}, app.live),
    help,
  );
  if (app.host.kind === "notebook") page.getRootNode().host.dataset.lmSuppressShortcuts = "true"; // a typed "d" is no command of JupyterLab
  else keepInAddress(app, app.store);
  listenForStates(app, page);
  app.store.flush();
  const theme = () => { page.dataset.theme = themeOf(app); };
  theme();
  app.untilClosed(app.store.on(["theme"], theme));
  page.addEventListener("keydown", (event) => {
    if (event.key === "?" && !/^(input|textarea|select)$/i.test(event.composedPath()[0].tagName)) help.showModal();
  });
  panels.show();
}

function tools(app, help) {
  const keep = button("Save state", () =>
    download("faltung-state.json", new Blob([JSON.stringify(app.store.state, null, 1)], { type: "application/json" })), { title: "As a file. To come back to it, drop the file on the page, or open it under Input." });
  const copy = app.host.kind === "notebook" ? null : button("Copy link", () => copyLink(app));
  const theme = segmented(app, "theme", "Colours of the page", [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]]);
  return h("div", { class: "tools" }, copy, keep, theme, button("?", () => help.showModal(), { "aria-label": "Help" }));
}

async function copyLink(app) {
  app.store.flush();
  try {
    await navigator.clipboard.writeText(location.href);
    app.announce("The link was copied. It holds what you see, without your own pictures.");
  } catch {
    app.announce("The browser did not let the page copy. The link stands in the address.");
  }
}

// The theme that was chosen; in a notebook, "auto" is that of the notebook if it says which one it has.
function themeOf(app) {
  const chosen = app.store.get("theme");
  if (chosen !== "auto" || app.host.kind !== "notebook") return chosen;
  if (document.body.dataset.jpThemeLight) return document.body.dataset.jpThemeLight === "true" ? "light" : "dark";
  if (document.documentElement.dataset.theme) return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
  return chosen;
}

export default { initialize() {}, render };

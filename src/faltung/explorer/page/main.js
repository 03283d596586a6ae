// What is the explorer? Four views on one state, for any host that speaks anywidget's `render({ model, el })`.

import { ALGEBRA_STATE, mountAlgebra } from "./algebra_view.js";
import { button, segmented } from "./controls.js";
import { download, h } from "./dom.js";
import { FILTER_STATE, mountFilter } from "./filter_view.js";
import { Host } from "./host.js";
import { LEARNING_STATE, mountLearning } from "./learning_view.js";
import { NETWORK_STATE, mountNetwork } from "./network_view.js";
import { Store } from "./state.js";
import { STYLE } from "./style.js";

const VIEWS = [
  { name: "filter", title: "Filter", mount: mountFilter, state: FILTER_STATE },
  { name: "algebra", title: "Algebra", mount: mountAlgebra, state: ALGEBRA_STATE },
  { name: "network", title: "Network", mount: mountNetwork, state: NETWORK_STATE },
  { name: "learning", title: "Learning", mount: mountLearning, state: LEARNING_STATE },
];

// What a view gets: the state, the host, a sentence to say, and how to clean up when it is closed.
class App {
  constructor(host, store, live) {
    this.host = host;
    this.store = store;
    this.live = live;
    this.closers = [];
  }

  // Say a sentence, on the page and to screen readers.
  announce(sentence) {
    this.live.textContent = sentence;
  }

  untilClosed(close) {
    this.closers.push(close);
  }

  close() {
    for (const closer of this.closers.splice(0)) closer();
  }
}

function render({ model, el }) {
  const host = new Host(model);
  const store = new Store(Object.assign({ view: "filter", theme: "auto" }, ...VIEWS.map(({ state }) => state)));
  store.set(host.content.state ?? {});
  if (host.kind !== "notebook") store.fromText(location.hash.slice(1)); // a notebook's address is not ours
  store.flush();

  const live = h("p", { class: "live", "aria-live": "polite" });
  const app = new App(host, store, live);
  const tabs = tabList(store);
  const panel = h("main", { role: "tabpanel", id: "panel" });
  const page = h("div", { class: "explorer" },
    h("header", {}, h("strong", { class: "brand" }, "faltung"), tabs.element, tools(app, host)), panel, h("footer", {}, live));
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  root.replaceChildren(h("style", {}, STYLE), page);

  let shown = null; // the view's own App, closed with it
  const show = () => {
    shown?.close();
    shown = new App(host, store, live);
    app.announce("");
    const view = VIEWS.find(({ name }) => name === store.get("view")) ?? VIEWS[0];
    tabs.mark(view.name);
    panel.setAttribute("aria-labelledby", `tab-${view.name}`);
    const place = h("div", { class: `view ${view.name}-view` });
    panel.replaceChildren(place);
    view.mount(place, shown);
  };
  show();
  const theme = () => { page.dataset.theme = store.get("theme"); };
  theme();
  app.untilClosed(store.on(["view"], show));
  app.untilClosed(store.on(["theme"], theme));
  if (host.kind !== "notebook") keepInAddress(app, store);
  return () => {
    shown.close();
    app.close();
    host.close();
    root.replaceChildren();
  };
}

function tabList(store) {
  const tabs = VIEWS.map(({ name, title }) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => store.set({ view: name }) }, title));
  const element = h("div", { role: "tablist", "aria-label": "Views" }, tabs);
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = (VIEWS.findIndex(({ name }) => name === store.get("view")) + step + VIEWS.length) % VIEWS.length;
    store.set({ view: VIEWS[next].name });
    tabs[next].focus();
  });
  const mark = (current) => {
    VIEWS.forEach(({ name }, index) => {
      tabs[index].setAttribute("aria-selected", String(name === current));
      tabs[index].tabIndex = name === current ? 0 : -1;
    });
  };
  return { element, mark };
}

function tools(app, host) {
  const keep = button("Save state", () =>
    download("faltung-state.json", new Blob([JSON.stringify(app.store.state, null, 1)], { type: "application/json" })));
  const copy = host.kind === "notebook" ? null : button("Copy link", async () => {
    await navigator.clipboard.writeText(location.href);
    app.announce("The link was copied. It holds what you see, without your own pictures.");
  });
  const theme = segmented(app, "theme", "Colours of the page", [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]]);
  return h("div", { class: "tools" }, copy, keep, theme);
}

function keepInAddress(app, store) {
  let written = location.hash.slice(1);
  app.untilClosed(store.on([""], () => {
    written = store.toText();
    history.replaceState(null, "", `${location.pathname}${location.search}${written ? `#${written}` : ""}`);
  }));
  const follow = () => {
    if (location.hash.slice(1) !== written) store.fromText(location.hash.slice(1));
  };
  addEventListener("hashchange", follow);
  app.untilClosed(() => removeEventListener("hashchange", follow));
}

export default { initialize() {}, render };

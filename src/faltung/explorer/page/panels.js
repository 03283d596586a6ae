// Which view is seen? The one whose tab is selected. A view is made when it is first shown, and keeps its place afterwards.

import { h } from "./dom.js";

export class Panels {
  // `views`: [{ name, title, mount }]; `makeApp()`: what a view gets.
  constructor(views, app, makeApp) {
    Object.assign(this, { views, app, makeApp });
    this.shown = null;
    this.made = new Map(); // by the name of the view: { place, app }
    this.buttons = views.map(({ name, title }) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => this.#select(name) }, title));
    this.tabs = h("div", { role: "tablist", "aria-label": "Views", onkeydown: (event) => this.#key(event) }, this.buttons);
    this.places = views.map(({ name }) =>
      h("section", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: `view ${name}-view`, hidden: true }));
    this.element = h("div", { class: "panels" }, this.places);
    app.untilClosed(app.store.on(["view"], () => this.show()));
    app.untilClosed(() => {
      for (const each of this.made.values()) each.close();
    });
  }

  // Show the view that the state names.
  show() {
    const index = Math.max(0, this.views.findIndex(({ name }) => name === this.app.store.get("view")));
    const { name } = this.views[index];
    if (name === this.shown) return;
    if (this.shown) {
      this.made.get(this.shown).hide();
      this.app.announce("");
    }
    this.shown = name;
    this.buttons.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === index));
      tab.tabIndex = place === index ? 0 : -1;
      this.places[place].hidden = place !== index;
    });
    this.made.get(name)?.show();
    if (!this.made.has(name)) this.#make(this.views[index], this.places[index]);
  }

  // A view that cannot be shown says so in its place; the others do not depend on it.
  #make({ name, title, mount }, place) {
    const own = this.makeApp();
    this.made.set(name, own);
    try {
      mount(place, own);
    } catch (error) {
      reportError(error);
      own.close();
      place.replaceChildren(h("p", { class: "wrong", role: "alert" }, `The view ${title} could not be shown: ${error.message}`));
    }
  }

  #select(name) {
    this.app.store.set({ view: name });
  }

  #key(event) {
    const last = this.views.length - 1;
    const at = this.views.findIndex(({ name }) => name === this.shown);
    const next = { ArrowLeft: at === 0 ? last : at - 1, ArrowRight: at === last ? 0 : at + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#select(this.views[next].name);
    this.buttons[next].focus();
  }
}

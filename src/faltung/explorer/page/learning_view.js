// Learning: how does a filter come about? Found from two pictures, in a run epoch by epoch, and at work in a generator.

import { button } from "./controls.js";
import { h } from "./dom.js";
import { mountFit } from "./fit_part.js";
import { mountHistory } from "./history_part.js";
import { mountPath } from "./path_part.js";
import { watchOf } from "./run_watch.js";

export const LEARNING_STATE = {
  "learning.part": "", // the one that there is most to see of
  "learning.picture": "shapes", "learning.truth": "binomial(2)", "learning.direction": "find", "learning.noise": 2, "learning.size": 3,
  "learning.ridge": 0, "learning.filter": "best", "learning.step": 0, "learning.rate": 0.9, "learning.position": null,
  "learning.epoch": -1, "learning.tile": 0,
  "learning.generator": "model", "learning.label": 0, "learning.seed": 0, "learning.steps": 8, "learning.guidance": 1.5, "learning.time": -1,
};

const PARTS = [
  { name: "fit", title: "One filter, from two pictures", mount: mountFit },
  { name: "run", title: "A run: networks that learn", mount: mountHistory },
  { name: "path", title: "From noise to image", mount: mountPath },
];

// What a part gets: like a view, and what goes on only while it is seen.
class PartApp {
  constructor({ host, store, announce }) {
    Object.assign(this, { host, store, announce, closers: [], hiders: [], going: [] });
  }

  untilClosed(close) {
    this.closers.push(close);
  }

  whenHidden(hide) {
    this.hiders.push(hide);
  }

  // Call `start()`, which returns how to stop: now, and again each time that the view is shown again.
  whileShown(start) {
    this.going.push({ start, stop: start() });
  }

  show() {
    for (const each of this.going) each.stop ??= each.start();
  }

  hide() {
    for (const hider of this.hiders) hider();
    for (const each of this.going) {
      each.stop?.();
      each.stop = null;
    }
  }

  close() {
    this.hide();
    for (const closer of this.closers.splice(0)) closer();
  }
}

export function mountLearning(place, app) {
  const inner = h("div", {});
  const chosen = () => {
    const name = app.store.get("learning.part") || (watchOf(app.host).exists ? "run" : "fit");
    return PARTS.find((part) => part.name === name) ?? PARTS[0];
  };
  const buttons = PARTS.map(({ name, title }) => button(title, () => app.store.set({ "learning.part": name })));
  place.append(h("div", { class: "segmented parts", role: "group", "aria-label": "What is learned" }, buttons), inner);
  let own = null; // the part's App, closed with the view, or when another part is chosen
  const show = () => {
    own?.close();
    app.announce("");
    own = new PartApp({ host: app.host, store: app.store, announce: (sentence) => app.announce(sentence) });
    const part = chosen();
    buttons.forEach((element, index) => element.setAttribute("aria-pressed", String(PARTS[index] === part)));
    inner.className = `${part.name}-part`;
    inner.replaceChildren();
    part.mount(inner, own);
  };
  show();
  app.whenHidden(() => own.hide());
  app.untilClosed(app.store.on(["view"], () => app.store.get("view") === "learning" && own.show()));
  app.untilClosed(app.store.on(["learning.part"], show));
  app.untilClosed(() => own.close());
}

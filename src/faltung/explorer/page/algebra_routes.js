// Is one kernel the same as two steps? By both routes, side by side, with the difference.

import { extent, largest, minus, offsetOf } from "./array.js";
import { OPERATIONS } from "./algebra_operations.js";
import { rangeFor } from "./colours.js";
import { checkbox } from "./controls.js";
import { format, h, number, setNumber } from "./dom.js";
import { frameAt } from "./map_view.js";
import { TapsThumb } from "./taps_thumb.js";

const REST = 300; // milliseconds after which a position is kept in the address
const ROUNDING = 1e-12;

export class RoutesPanel {
  // `viewClass()`: how the input is seen, as a picture or as a signal.
  constructor(app, viewClass) {
    Object.assign(this, { app, viewClass, views: {}, shown: null });
    this.thumb = new TapsThumb("the one kernel", 300);
    this.grid = h("div", { class: "routes" });
    this.verdict = h("p", { class: "verdict" });
    this.cells = Object.fromEntries(["one", "steps", "difference"].map((name) => [name, h("td", { "data-route": name })]));
    this.titles = { one: h("th", { scope: "row" }), steps: h("th", { scope: "row" }), difference: h("th", { scope: "row" }, "difference") };
    this.where = h("caption", {}, "");
    this.table = h("table", { class: "compared" }, this.where, h("tbody", {}, ["one", "steps", "difference"].map((name) => h("tr", {}, this.titles[name], this.cells[name]))));
    this.element = h("section", { "aria-label": "By both routes" }, h("h2", {}, "One kernel, or step by step: the same result"),
      this.grid, h("div", { class: "row" }, h("div", { class: "conclusion" }, this.verdict, checkbox(app, "algebra.enlarged", "Enlarge the difference until its rounding errors can be seen")), this.table));
  }

  async show({ x, input, operation, kernels, made, run, signal }) {
    const { steps, route, result, title } = OPERATIONS[operation];
    const one = (await run([made])).at(-1);
    const taken = await steps(run, kernels);
    signal.throwIfAborted();
    this.shown = { x, input, made, one, between: taken.between, stepped: taken.result, difference: minus(one, taken.result), names: { title, route, result } };
    this.#build(taken.between.map(([name]) => name));
    this.redraw();
    this.followState();
  }

  // Views are made anew only when there are others.
  #build(names) {
    const View = this.viewClass();
    const { title, route, result } = this.shown.names;
    const key = [View.name, title, ...names].join();
    if (key === this.key) return;
    this.key = key;
    this.#closeViews();
    const view = (label, height) => new View({ label, height, onhover: (position) => position && this.#go(position), onpick: () => this.#keep() });
    const flat = this.shown.x.ndim === 1;
    const tall = flat ? 130 : 300;
    this.views = { x: view("x", tall), one: view(`(${title}) ∗ x`, tall), steps: view(result, tall), difference: view("difference", tall), between: names.map((name) => view(name, flat ? 110 : tall)) };
    const titled = (text, element, area) => h("div", { class: `route-part ${area}` }, h("h3", {}, text), element);
    this.grid.className = `routes ${flat ? "signals" : "pictures"}`;
    this.grid.replaceChildren(
      titled(flat ? "The signal x" : "The picture x", this.views.x.element, "source"),
      h("div", { class: "route-part kernel" }, h("h3", {}, `Route 1: one kernel, ${title}`), this.thumb.element),
      titled(`(${title}) ∗ x`, this.views.one.element, "one"),
      h("div", { class: "route-part between" }, h("h3", {}, `Route 2: ${route}`),
        h("div", { class: names.length > 1 ? "between-maps several" : "between-maps" }, names.map((name, index) => h("div", {}, this.views.between[index].element, h("h4", {}, name))))),
      titled(result, this.views.steps.element, "steps"),
      titled("Route 1 minus route 2", this.views.difference.element, "apart"));
    this.titles.one.textContent = `(${title}) ∗ x`;
    this.titles.steps.textContent = result;
  }

  get conclusion() {
    return this.verdict.textContent;
  }

  redraw() {
    if (!this.shown) return;
    const { x, input, made, one, stepped, between, difference } = this.shown;
    const own = input.channels.length === 1 ? input.range : input.range && [0, 255];
    draw(this.views.x, x, own ? { scale: "gray", range: own } : scaleOf([x], 1));
    if (input.channels.length > 1) this.views.x.caption.textContent += `, the mean of ${input.channels.length} channels`;
    const share = shareOf(made);
    const scale = scaleOf([one, stepped], share, own);
    draw(this.views.one, one, scale);
    draw(this.views.steps, stepped, scale);
    between.forEach(([, picture], index) => draw(this.views.between[index], picture, scaleOf([picture], share, own)));
    this.thumb.show(made);
    const apart = largest(difference);
    const size = largest(one);
    const enlarged = this.app.store.get("algebra.enlarged") && apart > 0;
    const reach = enlarged ? apart : size || 1;
    this.views.difference.show(difference, { scale: "signed", range: [-reach, reach] });
    this.views.difference.caption.textContent = `colours from ${format(-reach)} to ${format(reach)}, ${enlarged ? "enlarged" : "as the largest output"}`;
    const zero = apart === 0 ? "Not a single digit is different." : apart <= ROUNDING * size ? "That is rounding, in the last of about 16 digits." : "That is more than rounding.";
    this.verdict.replaceChildren("Largest difference of both routes: ", number(apart, { "data-route": "largest" }), ", of outputs up to ", number(size), ". ", zero);
  }

  // The position that the state says is compared.
  followState() {
    if (!this.shown) return;
    const { shape } = this.shown.x;
    const wanted = this.app.store.get("algebra.position");
    const fits = Array.isArray(wanted) && wanted.length === shape.length && wanted.every((at, axis) => Number.isInteger(at) && at >= 0 && at < shape[axis]);
    this.position = fits ? wanted : shape.map((length) => length >> 1);
    this.#showPosition();
  }

  #go(position) {
    this.position = position;
    this.#showPosition();
    this.app.announce(`At ${position.join(", ")}: ${this.titles.one.textContent} is ${this.cells.one.textContent}, ${this.titles.steps.textContent} is ${this.cells.steps.textContent}.`);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(), REST);
  }

  #keep() {
    this.app.store.set({ "algebra.position": this.position });
  }

  #showPosition() {
    const { one, stepped, difference } = this.shown;
    const mark = [frameAt(this.position, "output")];
    for (const view of this.#all()) {
      view.mark(mark);
      view.cursor = this.position;
    }
    const place = offsetOf(one.shape, this.position);
    setNumber(this.cells.one, one.data[place]);
    setNumber(this.cells.steps, stepped.data[place]);
    setNumber(this.cells.difference, difference.data[place]);
    this.where.textContent = `At ${this.position.join(", ")}. Point at a picture, or move with the arrow keys.`;
  }

  #all() {
    const { between = [], ...others } = this.views;
    return [...Object.values(others), ...between];
  }

  #closeViews() {
    for (const view of this.#all()) view.close();
  }

  close() {
    clearTimeout(this.timer);
    this.thumb.close();
    this.#closeViews();
  }
}

// The sum of the taps as a share of the sum of their magnitudes: small for edges, 1 for what smooths.
function shareOf({ taps }) {
  const sum = taps.data.reduce((all, tap) => all + tap, 0);
  return sum / (taps.data.reduce((all, tap) => all + Math.abs(tap), 0) || 1);
}

// Signed colours for edges, gray for pictures that are still pictures.
function scaleOf(pictures, share, own) {
  const [low, high] = extent(...pictures);
  if (low < 0 && Math.abs(share) < 0.2) return { scale: "signed", range: rangeFor("signed", [low, high]) };
  const like = own && high <= 1.5 * own[1] && high > 0.25 * own[1];
  return { scale: "gray", range: like ? own : rangeFor("gray", [low, high]) };
}

function draw(view, picture, { scale, range }) {
  view.show(picture, { scale, range });
  view.caption.textContent = `${picture.ndim === 1 ? "" : `${scale} scale `}from ${format(range[0])} to ${format(range[1])}`;
}

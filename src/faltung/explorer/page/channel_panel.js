// How do channels take part? Each channel in has a map under its kernel, and their sum is one channel out.

import { button } from "./controls.js";
import { format, h } from "./dom.js";
import { chosenKernel, kernelRows } from "./filter_state.js";
import { FIRST_KERNEL } from "./kernel_descriptions.js";
import { MapView } from "./map_view.js";
import { SignalView } from "./signal_view.js";

const MOST_OUT = 8;

// Which kernel is edited: of which channel out, and, if every channel in has one of its own, of which channel in. The numbers
// of this channel in are seen.
export class BankEditor {
  // `names()`: of the channels in; `labels()`: texts of the kernels, rows for channels out.
  constructor(app, { names, labels }) {
    Object.assign(this, { app, names, labels });
    this.outs = h("div", { class: "chips", role: "group", "aria-label": "Channels out" });
    this.ins = h("div", { class: "chips", role: "group", "aria-label": "Channels in" });
    this.each = h("input", { type: "checkbox", onchange: () => this.#setEach(this.each.checked) });
    this.own = h("label", { class: "check" }, this.each, "a kernel for each channel in");
    this.element = h("div", { class: "bank-editor" }, this.outs, this.own, this.ins);
  }

  update() {
    const { rows } = this;
    const { out, channel } = chosenKernel(this.app.store, rows, this.names().length);
    const labels = this.labels();
    this.outs.replaceChildren(
      ...rows.map((_, index) => chip(`${index + 1}: ${labels[index]}`, index === out, () => this.#choose(index, 0), rows.length > 1 ? () => this.#remove(index) : null)),
      rows.length < MOST_OUT && button("+ output", () => this.#add(), { title: "Another kernel on the same input: a channel out more" }) || "");
    const several = this.names().length > 1;
    this.own.hidden = !several;
    this.each.checked = rows[0].length > 1;
    this.ins.hidden = !several;
    this.ins.replaceChildren(...this.names().map((name, index) => chip(name, index === channel, () => this.#choose(out, index))));
  }

  #choose(out, channel) {
    this.app.store.set({ "filter.chosen": [out, channel] });
  }

  get rows() {
    return kernelRows(this.app.store) ?? [[FIRST_KERNEL]];
  }

  #add() {
    const { rows } = this;
    const others = ["sobel", "sobel", "gaussian", "log", "unsharp", "laplacian", "box", "gabor"];
    const made = { source: "name", name: others[rows.length], arguments: others[rows.length] === "sobel" ? { axis: 0 } : {} };
    this.app.store.set({ "filter.kernels": [...rows, rows[0].map(() => made)], "filter.chosen": [rows.length, 0] });
  }

  #remove(index) {
    const rows = this.rows.filter((_, place) => place !== index);
    this.app.store.set({ "filter.kernels": rows, "filter.chosen": [0, 0] });
  }

  #setEach(each) {
    const { rows } = this;
    const count = each ? this.names().length : 1;
    this.app.store.set({
      "filter.kernels": rows.map((row) => Array.from({ length: count }, (_, index) => row[Math.min(index, row.length - 1)])), "filter.chosen": [chosenKernel(this.app.store, rows).out, 0],
    });
  }
}

function chip(text, pressed, onclick, remove) {
  const main = button(text, onclick, { "aria-pressed": String(pressed) });
  return remove ? h("span", { class: "chip" }, main, button("×", remove, { "aria-label": `Remove ${text}` })) : main;
}

// The maps of the channels in, and the plus signs between them; or, of several channels out, all outputs.
export class MapStrip {
  constructor() {
    this.element = h("div", { class: "map-strip" });
    this.views = [];
    this.key = "";
  }

  // `items`: [{ title, array (or arrays of colours), scale, range }]; `sign` stands between them; `onpick(index)`: one was clicked; `chosen`: the one with a frame.
  show(items, { sign, onpick, chosen = -1 }) {
    const ndim = [items[0]?.array].flat()[0]?.ndim ?? 2;
    const key = `${items.map(({ title }) => title).join()} ${ndim} ${sign}`;
    if (key !== this.key) this.#build(items, ndim, sign);
    this.key = key;
    items.forEach(({ array, title, scale, range }, index) => {
      const view = this.views[index];
      view.onpick = onpick && (() => onpick(index));
      view.show(array, { scale, range });
      view.label = `Map: ${title}`;
      view.caption.textContent = `${title} (${format(range[0])} to ${format(range[1])})`;
      view.element.classList.toggle("chosen", index === chosen);
    });
  }

  clear() {
    this.close();
    this.element.replaceChildren();
    this.key = "";
  }

  close() {
    for (const view of this.views.splice(0)) view.close();
  }

  #build(items, ndim, sign) {
    this.close();
    const View = ndim === 2 ? MapView : SignalView;
    this.views = items.map(({ title }) => new View({ label: title, onpick: () => {}, height: 130 }));
    this.element.replaceChildren(...this.views.flatMap(({ element }, index) => (index && sign ? [h("span", { class: "sign" }, sign), element] : [element])));
  }
}

// Of what is one output made? Samples under the window, times the taps laid over them, summed: with the real numbers.

import { extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { h, number } from "./dom.js";
import { NumberTable, middlePart, partOf, titledTable } from "./number_table.js";

const MOST_CELLS = 720; // that are written for one position
const MOST_OF_ALL = 25; // taps up to which the tables of all channels are shown
const MOST_TERMS = 12;
const SIGNS = { convolve: "Convolution", correlate: "Correlation" };

export class WindowPanel {
  constructor() {
    this.element = h("div", { class: "window-panel" });
    this.key = "";
    this.rows = [];
  }

  // `windows`: for each operation shown, { operation, windows: one for each channel, position, dilation, origin, bias };
  // `names`: of the channels, in the titles if they are `named`; `channel`: the one whose tables are shown if not all are; `range`: of the samples' colours.
  show(views, { names, named, channel, scale, range }) {
    const shown = views.length > 1 || views[0].windows[0].taps.data.length > MOST_OF_ALL ? [Math.min(channel, names.length - 1)] : [...names.keys()];
    const most = Math.max(5, Math.min(11, Math.floor(Math.sqrt(MOST_CELLS / (3 * views.length * shown.length)))) | 1);
    const key = views.map(({ operation, windows }) => `${operation} ${windows.length} ${windows[0].taps.shape}`).join() + most + (named ? shown.map((index) => names[index]) : shown);
    const other = key !== this.key;
    if (other) this.#build(views, names, named, shown);
    this.key = key;
    views.forEach((view, index) => this.rows[index].show(view, { names, scale, range, most }));
    if (other) for (const row of this.rows) row.begin();
  }

  #build(views, names, named, shown) {
    this.rows = views.map(({ operation, windows }) => new OperationRow(operation, names, named, shown, windows[0].taps.ndim));
    this.element.replaceChildren(...this.rows.map(({ element }) => element));
  }
}

// The tables and the equation of one operation.
class OperationRow {
  constructor(operation, names, named, shown, ndim) {
    Object.assign(this, { operation, shown });
    const laid = operation === "convolve" ? "kernel, flipped" : "kernel, as it is";
    this.channels = shown.map((index) => names[index]).map((name) => ({
      samples: new NumberTable(named ? `samples, ${name}` : "samples", "samples"),
      taps: new NumberTable(laid, `taps ${operation}`),
      products: new NumberTable("products", "products"),
    }));
    this.terms = h("p", { class: "equation" });
    this.note = h("p", { class: "hint" });
    this.element = h("section", { class: "operation-row", "aria-label": SIGNS[operation] },
      h("h3", {}, h("span", { class: `frame ${operation}`, "aria-hidden": "true" }), SIGNS[operation], h("span", { class: "formula" }, operation === "convolve" ? "y[n] = Σ k[m] x[n − m]" : "y[n] = Σ k[m] x[n + m]")),
      this.channels.map(({ samples, taps, products }) => h("div", { class: `sum-row${ndim === 1 ? " stacked" : ""}` },
        titledTable(samples), h("span", { class: "sign" }, "×"), titledTable(taps), h("span", { class: "sign" }, "="), titledTable(products))),
      this.terms, this.note);
  }

  show({ windows, position, dilation, origin }, { names, scale, range, most }) {
    const { shape } = windows[0].taps;
    const part = middlePart(shape, origin, most);
    const [rows, columns] = part;
    const at = (axis) => (index) => windows[0].start[axis] + dilation * index;
    const places = shape.length === 2 ? { rows: rows.map(at(0)), columns: columns.map(at(1)) } : { rows: ["x"], columns: columns.map(at(0)) };
    const lag = (axis) => (index) => (this.operation === "convolve" ? origin[axis] - index : index - origin[axis]);
    const lags = shape.length === 2 ? { rows: rows.map(lag(0)), columns: columns.map(lag(1)) } : { rows: ["k"], columns: columns.map(lag(0)) };
    const width = shape.at(-1);
    const roomy = shape.length === 1;
    const placeOf = (cell) => rows[Math.floor(cell / columns.length)] * width + columns[cell % columns.length];
    const middle = rows.indexOf(shape.length === 2 ? origin[0] : 0) * columns.length + columns.indexOf(origin.at(-1));
    this.shown.map((index) => windows[index]).forEach((window, index) => {
      const { samples, taps, products } = this.channels[index];
      const faint = (cell) => !window.inside[placeOf(cell)];
      samples.show(partOf(window.samples, part), { ...places, scale, range, faint, origin: middle, roomy });
      taps.show(partOf(window.taps, part), { ...lags, scale: "signed", range: rangeFor("signed", extent(window.taps)), origin: middle, roomy });
      products.show(partOf(window.products, part), { ...places, scale: "signed", range: rangeFor("signed", extent(window.products)), faint, origin: middle, roomy });
    });
    this.#writeEquation(windows, position, names);
    const hidden = rows.length < (shape.length === 2 ? shape[0] : 1) || columns.length < width;
    const others = this.shown.length < windows.length ? ` The tables show ${names[this.shown[0]]}; choose another channel at the left, under Channels.` : "";
    this.note.textContent = hidden
      ? `Shown are the ${shape.length === 2 ? `${rows.length} × ` : ""}${columns.length} taps around the origin: scroll in a table to see them; the sum counts all ${shape.join(" × ")}.${others}` : others;
  }

  #writeEquation(windows, position, names) {
    const total = windows.reduce((sum, window) => sum + window.sum, 0);
    const parts = [h("strong", {}, `y[${position.join(", ")}] = `)];
    if (windows.length > 1) parts.push(...joined(windows.map(({ sum }, index) => [bracketed(sum), h("small", {}, ` ${names[index]}`)])));
    else parts.push(...termsOf(windows[0]));
    parts.push(" = ", number(total, { class: "number result", "data-sum": this.operation }));
    this.terms.replaceChildren(...parts);
  }

  // The kernel turns, as a convolution turns it; the tables begin with their middle, and are scrolled together.
  begin() {
    const boxes = [...this.element.querySelectorAll(".scrolled")];
    for (const box of boxes) {
      box.scrollTo((box.scrollWidth - box.clientWidth) / 2, (box.scrollHeight - box.clientHeight) / 2);
      box.onscroll = () => {
        for (const other of boxes) if (other !== box) Object.assign(other, { scrollLeft: box.scrollLeft, scrollTop: box.scrollTop });
      };
    }
    if (this.operation !== "convolve") return;
    for (const { taps } of this.channels.filter(({ taps: { element } }) => !element.classList.contains("many"))) {
      taps.element.classList.remove("flipping");
      void taps.element.offsetWidth; // so that the animation begins again
      taps.element.classList.add("flipping");
    }
  }
}

// tap × sample + tap × sample + ...: of the taps that are not zero, the first ones if there are many.
function termsOf({ taps, samples }) {
  const places = [...taps.data.keys()].filter((place) => taps.data[place] !== 0);
  const shown = places.length > MOST_TERMS ? places.slice(0, MOST_TERMS - 2) : places;
  if (!shown.length) return ["0 (all taps are zero)"];
  const terms = joined(shown.map((place) => [bracketed(taps.data[place]), " × ", bracketed(samples.data[place])]));
  return shown.length < places.length ? [...terms, ` + … ${places.length - shown.length} terms more`] : terms;
}

function joined(parts) {
  return parts.flatMap((part, index) => (index ? [" + ", ...part] : part));
}

function bracketed(value) {
  return value < 0 ? h("span", {}, "(", number(value), ")") : number(value);
}

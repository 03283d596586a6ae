// How is one tap of a product made? As the sum of all f[i] g[m - i].

import { indices, offsetOf, positionOf, strongest } from "./array.js";
import { format, h, number, trueMinus } from "./dom.js";

const MOST_TERMS = 9;

export class TapSum {
  // `table`: the `NumberTable` of the product, over which one points, or moves with the arrow keys.
  constructor(table, announce) {
    Object.assign(this, { table, announce, at: null });
    this.element = h("p", { class: "tap-sum" });
    const { element } = table;
    element.setAttribute("tabindex", "0");
    element.addEventListener("pointerover", (event) => {
      const place = table.cells.indexOf(event.target);
      if (place >= 0) this.#go(place);
    });
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  // `names`: how both factors are called; null instead of kernels if no product is shown.
  show(first, second, made, names) {
    Object.assign(this, { first, second, made, names });
    this.element.hidden = !first;
    if (first) this.#write(Math.min(this.at ?? strongest(made.taps), made.taps.data.length - 1));
  }

  #go(place) {
    if (!this.first) return;
    this.#write(place);
    this.announce(this.element.textContent);
  }

  #write(place) {
    this.at = place;
    this.table.cells.forEach((cell, index) => cell.classList.toggle("looked-at", index === place));
    const { taps, origin } = this.made;
    const lag = positionOf(taps.shape, place).map((at, axis) => at - origin[axis]);
    const terms = termsOf(this.first, this.second, lag);
    const shown = terms.slice(0, MOST_TERMS).flatMap(([a, b], position) => [position ? " + " : "", `${bracketed(a)} · ${bracketed(b)}`]);
    const more = terms.length > MOST_TERMS ? ` + ${terms.length - MOST_TERMS} more` : "";
    this.element.replaceChildren(`(${this.names.join(" ∗ ")})[${trueMinus(lag.join(", "))}] = sum of ${this.names[0]}[i] · ${this.names[1]}[m − i] = `,
      ...(terms.length ? shown : ["no taps meet"]), `${more} = `, number(taps.data[place], { "data-kernel": "tap" }));
  }

  #key(event) {
    if (!this.first) return;
    const { shape } = this.made.taps;
    const width = shape.at(-1);
    const step = { ArrowUp: -width, ArrowDown: width, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = this.at + step;
    if (next >= 0 && next < this.made.taps.data.length) this.#go(next);
  }
}

// The pairs of taps, none of them zero, whose lags add up to a lag.
function termsOf(f, g, lag) {
  return indices(f.taps.shape).flatMap((at, place) => {
    const other = at.map((index, axis) => lag[axis] - (index - f.origin[axis]) + g.origin[axis]);
    if (other.some((index, axis) => index < 0 || index >= g.taps.shape[axis])) return [];
    const pair = [f.taps.data[place], g.taps.data[offsetOf(g.taps.shape, other)]];
    return pair.includes(0) ? [] : [pair];
  });
}

function bracketed(value) {
  return value < 0 ? `(${format(value)})` : format(value);
}

// What happens in a network, from the input to the output? All layers as rows of maps, in the order in which they ran.

import { h, trueMinus } from "./dom.js";
import { LayerRow } from "./network_row.js";

// Operations that change numbers position by position; they can be left out to see the others better.
const SMALL = ["pointwise", "batch norm", "layer norm", "group norm"];

export class LayerRows {
  // `handlers`: onpick(layer, channel), onhover(layer, channel, position or null).
  constructor(handlers) {
    this.handlers = handlers;
    this.rows = [];
    this.element = h("div", { class: "layers", onkeydown: (event) => this.#key(event) });
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = this.rows[Number(target.dataset.layer)];
        if (!row) continue;
        row.visible = isIntersecting;
        if (isIntersecting && !row.seen) row.fill();
      }
    }, { rootMargin: "400px" });
  }

  show(layers, data, { scaling, which }) {
    while (this.rows.length > layers.length) {
      const { element } = this.rows.pop();
      this.observer.unobserve(element);
      element.remove();
    }
    layers.forEach((layer, number) => {
      if (number === this.rows.length) this.#addRow(number);
      this.rows[number].take(layer, data, scaling);
      this.rows[number].element.hidden = which === "main" && SMALL.includes(layer.making.kind);
    });
  }

  // What of each layer in view a sample of the input reaches.
  reach(position) {
    for (const row of this.rows) row.reach(row.visible ? position : null);
  }

  // Say of each row how well it followed when the input moved.
  compare(differences) {
    this.rows.forEach((row, number) => {
      row.follows.textContent = differences ? followed(differences[number]) : "";
    });
  }

  focus(layer, channel) {
    const element = this.rows[layer]?.ensure(channel);
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.observer.disconnect();
  }

  #addRow(number) {
    const row = new LayerRow(number, {
      onpick: (channel) => this.handlers.onpick(number, channel),
      onhover: (channel, position) => this.handlers.onhover(number, channel, position),
    });
    this.rows.push(row);
    this.element.append(row.element);
    this.observer.observe(row.element);
  }

  // Arrow keys go from map to map and from layer to layer: each row is one stop of the Tab key.
  #key(event) {
    const row = this.rows.findIndex(({ element }) => element.contains(event.target));
    const at = this.rows[row]?.tiles.findIndex(({ element }) => element === event.target) ?? -1;
    if (at < 0) return;
    const visible = this.rows.filter(({ element }) => !element.hidden);
    const next = visible.indexOf(this.rows[row]);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -at], End: [0, Infinity] }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = visible[Math.min(visible.length - 1, Math.max(0, next + step[0]))];
    if (!to.tiles.length) to.fill();
    const tile = to.tiles[Math.min(to.tiles.length - 1, Math.max(0, at + step[1]))].element;
    for (const each of to.tiles) each.element.tabIndex = each.element === tile ? 0 : -1;
    tile.focus();
    tile.scrollIntoView({ block: "nearest" });
  }
}

function percent(share) {
  return share < 5e-4 ? "0 %" : `${(100 * share).toLocaleString("en", { maximumSignificantDigits: 2 })} %`;
}

function followed({ moved, difference, inside }) {
  if (difference === null) return "moved: nothing left to compare";
  if (!moved) return `no positions to follow with: changed by ${percent(difference)}`;
  const whole = moved.every(Number.isInteger);
  const by = trueMinus(moved.join(", "));
  if (!whole) return `cannot follow: its step would be (${by}), no whole number; ${percent(difference)} differ`;
  const shown = inside ?? difference;
  const border = difference < 5e-4 ? "" : inside === null ? "; all values see the border" : `; with the border ${percent(difference)}`;
  return `${shown < 1e-3 ? "follows" : "follows in part"}, by (${by}): ${percent(shown)} differ${border}`;
}

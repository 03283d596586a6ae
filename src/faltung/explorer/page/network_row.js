// What does one layer make of the input? A row: what it is, and its maps, asked for when they come into view.

import { complain, complaint, grouped, h } from "./dom.js";
import { fieldShort, reachBox, times } from "./field_words.js";
import { Tile, frame } from "./network_tile.js";

const PAGE = 16; // maps that are asked for at once; a saved page holds them in these portions

export class LayerRow {
  // `handlers`: onpick(channel), onhover(channel, position or null).
  constructor(number, handlers) {
    this.number = number;
    this.handlers = handlers;
    this.tiles = [];
    this.shown = 0;
    this.title = h("h3", {});
    this.facts = h("p", { class: "facts" });
    this.sees = h("p", { class: "facts sees" });
    this.follows = h("p", { class: "follows" });
    this.strip = h("div", { class: "tiles", role: "group" });
    this.more = h("button", { type: "button", class: "more", onclick: () => this.#add(4 * PAGE) });
    this.problem = complaint();
    this.element = h("section", { class: "layer", "data-layer": number },
      h("div", { class: "layer-head" }, this.title, this.facts, this.sees, this.follows), h("div", { class: "layer-maps" }, this.strip, this.more, this.problem));
  }

  // Take a layer of a run. Maps that are in view are painted anew.
  take(layer, data, scaling) {
    const other = !this.layer || String(this.layer.shape) !== String(layer.shape);
    Object.assign(this, { layer, data, scaling });
    this.title.replaceChildren(`${this.number + 1} `, h("b", {}, layer.kind), " ", h("span", { class: "path" }, layer.name === layer.kind ? "" : layer.name));
    this.facts.textContent = facts(layer);
    this.sees.textContent = fieldShort(layer);
    this.strip.setAttribute("aria-label", `Maps of ${layer.name}`);
    if (other) {
      this.strip.replaceChildren();
      this.tiles = [];
    }
    if (this.seen) this.fill();
  }

  // Paint the maps that are there; the first ones, if there are none yet.
  fill() {
    this.seen = true;
    if (!this.tiles.length) this.#add(PAGE);
    else for (let first = 0; first < this.tiles.length; first += PAGE) this.#paint(first);
  }

  // Make room for a map, so that it can be focused.
  ensure(channel) {
    while (this.tiles.length <= channel) this.#add(PAGE);
    return this.tiles[channel].element;
  }

  reach(position) {
    const box = position && reachBox(this.layer, position);
    frame(this.strip, this.layer.shape.length > 1 ? box : null, this.layer.shape.slice(1), "reach");
  }

  #add(count) {
    const end = Math.min(this.layer.shape[0], this.tiles.length + count);
    for (let first = this.tiles.length; first < end; first += PAGE) {
      for (let channel = first; channel < Math.min(end, first + PAGE); channel += 1) this.#tile(channel);
      this.#paint(first);
    }
    const left = this.layer.shape[0] - this.tiles.length;
    this.more.hidden = left === 0;
    this.more.textContent = `${Math.min(left, 4 * PAGE)} more of ${left}`;
  }

  #tile(channel) {
    const tile = new Tile({
      label: `${this.layer.name}, channel ${channel}`,
      onpick: () => this.handlers.onpick(channel),
      onhover: (position) => this.handlers.onhover(channel, position),
    });
    tile.element.tabIndex = channel === 0 ? 0 : -1;
    this.tiles.push(tile);
    this.strip.append(tile.element);
  }

  async #paint(first) {
    const { data, layer } = this;
    try {
      const { maps, ranges, range } = await data.maps(this.number, first, PAGE);
      if (data !== this.data) return;
      complain(this.problem, "");
      const shape = layer.shape.slice(1).every((length) => length === 1) ? [] : maps.shape.slice(1);
      const size = maps.data.length / maps.shape[0];
      for (let index = 0; index < maps.shape[0] && first + index < this.tiles.length; index += 1) {
        const [low, high] = ranges.data.subarray(2 * index, 2 * index + 2);
        const samples = Array.from(maps.data.subarray(index * size, (index + 1) * size), (byte) => low + (byte / 255) * (high - low));
        const own = this.scaling === "map" && shape.length;
        this.tiles[first + index].fill(samples, shape, own ? [low, high] : range, { full: layer.shape.slice(1) });
      }
    } catch (error) {
      if (data !== this.data) return;
      complain(this.problem, error.message);
    }
  }
}

function facts(layer) {
  const [count, ...lengths] = layer.shape;
  const maps = lengths.length ? `${grouped(count)} × ${times(lengths)}` : `${grouped(count)} numbers`;
  const parts = [maps];
  if (layer.parameters) parts.push(`${grouped(layer.parameters)} parameters`);
  if (layer.multiplyAdds) parts.push(`${short(layer.multiplyAdds)} multiply-adds`);
  return parts.join(" · ");
}

// 1.2 million reads faster than 1,204,224.
export function short(value) {
  for (const [size, name] of [[1e9, "billion"], [1e6, "million"]]) {
    if (value >= size) return `${(value / size).toLocaleString("en", { maximumSignificantDigits: 3 })} ${name}`;
  }
  return grouped(value);
}

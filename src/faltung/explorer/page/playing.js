// How does the window move by itself? A slider over all positions, with buttons to play, pause and step.

import { offsetOf, positionOf, sizeOf } from "./array.js";
import { button, choice } from "./controls.js";
import { h } from "./dom.js";

const SPEEDS = [["2", "2 / s"], ["8", "8 / s"], ["30", "30 / s"], ["row", "rows"]];

export class Player {
  // `shape()`: of the outputs; `position()`: the one that is shown; `go(position)`: show another one; `rest()`: the movement ends.
  constructor(app, { shape, position, go, rest }) {
    Object.assign(this, { app, shape, position, go, rest, timer: 0 });
    this.toggle = button("▶ Play", () => this.#toggle(), { class: "play" });
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Position of the window", oninput: () => this.#jump(Number(this.slider.value)) });
    this.element = h("div", { class: "player", role: "group", "aria-label": "Move the window" },
      button("|◀", () => this.#jump(0), { "aria-label": "First position" }), button("◀", () => this.#step(-1), { "aria-label": "One position back" }),
      this.toggle, button("▶", () => this.#step(1), { "aria-label": "One position on" }),
      button("▶|", () => this.#jump(this.#count - 1), { "aria-label": "Last position" }), this.slider, choice(app, "filter.speed", "Speed", SPEEDS));
    app.untilClosed(() => clearTimeout(this.timer));
    app.whenHidden(() => this.pause());
  }

  get playing() {
    return this.timer !== 0;
  }

  // The position changed, here or elsewhere.
  update() {
    const last = String(this.#count - 1);
    if (this.slider.max !== last) this.slider.max = last;
    this.slider.value = this.#index;
  }

  pause() {
    if (!this.playing) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.toggle.textContent = "▶ Play";
    this.rest();
  }

  get #count() {
    return sizeOf(this.shape());
  }

  get #index() {
    return offsetOf(this.shape(), this.position());
  }

  #jump(index) {
    this.go(positionOf(this.shape(), index));
  }

  #step(by) {
    this.pause();
    this.#jump((this.#index + by + this.#count) % this.#count);
    this.rest();
  }

  #toggle() {
    if (this.playing) {
      this.pause();
      return;
    }
    this.toggle.textContent = "⏸ Pause";
    this.#tick();
  }

  #tick() {
    const speed = this.app.store.get("filter.speed");
    const rows = speed === "row";
    this.#jump((this.#index + (rows ? this.shape().at(-1) : 1)) % this.#count);
    this.timer = setTimeout(() => this.#tick(), 1000 / (rows ? 8 : Number(speed) || 8));
  }
}

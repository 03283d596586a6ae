// How does one move through time? A slider over all moments, with buttons to play, pause and step.

import { button } from "./controls.js";
import { h } from "./dom.js";

export class Scrubber {
  // `label`: what a moment is, such as "Epoch"; `count()`: of the moments; `index()`: the one that is shown; `go(index)`: show
  // another one; `say(index)`: what stands beside the slider; `pace`: moments a second; `stride()`: moments at a time.
  constructor(app, { label, count, index, go, say, pace = 4, stride = () => 1 }) {
    Object.assign(this, { count, index, go, say, pace, stride, timer: 0 });
    this.toggle = button("▶ Play", () => this.#toggle(), { class: "play" });
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": label, oninput: () => this.#jump(Number(this.slider.value)) });
    this.output = h("output", {});
    this.element = h("div", { class: "scrubber", role: "group", "aria-label": label },
      button("|◀", () => this.#jump(0), { "aria-label": `${label}: the first` }), button("◀", () => this.#jump(this.index() - 1), { "aria-label": `${label}: one back` }),
      this.toggle, button("▶", () => this.#jump(this.index() + 1), { "aria-label": `${label}: one on` }),
      button("▶|", () => this.#jump(this.count() - 1), { "aria-label": `${label}: the last` }), this.slider, this.output);
    app.whenHidden(() => this.pause());
  }

  // The moment changed, here or elsewhere.
  update() {
    this.slider.max = this.count() - 1;
    this.slider.value = this.index();
    this.output.textContent = this.say(this.index());
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.toggle.textContent = "▶ Play";
  }

  #jump(index) {
    this.pause();
    this.go(Math.min(this.count() - 1, Math.max(0, index)));
  }

  #toggle() {
    if (this.timer) {
      this.pause();
      return;
    }
    if (this.index() >= this.count() - 1) this.go(0);
    this.toggle.textContent = "⏸ Pause";
    this.timer = setTimeout(() => this.#tick(), 1000 / this.pace);
  }

  #tick() {
    const next = Math.min(this.count() - 1, this.index() + this.stride());
    this.go(next);
    if (next >= this.count() - 1) this.pause();
    else this.timer = setTimeout(() => this.#tick(), 1000 / this.pace);
  }
}

// What do pictures and signals share on the page? A canvas with marks over it, a caption, and a cursor that pointer and keys move.

import { h } from "./dom.js";

// A view draws itself in `draw()`, and its marks in `drawOverlay()`.
export class SampleView {
  // `label`: what is shown, for those who do not see it. `onhover(position or null)` follows the pointer and the arrow keys;
  // `onpick(position)` a click or Enter.
  constructor({ label, onhover, onpick, height = 320 }) {
    this.base = h("canvas", { class: "map-base", "aria-hidden": "true" });
    this.overlay = h("canvas", { class: "map-overlay", role: "img", "aria-label": label, tabindex: onhover || onpick ? "0" : null });
    this.caption = h("figcaption", {});
    this.box = h("div", { class: "map-box", style: `height:${height}px` }, this.base, this.overlay);
    this.element = h("figure", { class: "map" }, this.box, this.caption);
    this.onhover = onhover;
    this.onpick = onpick;
    this.boxes = [];
    this.cursor = null;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.box);
  }

  get label() {
    return this.overlay.getAttribute("aria-label");
  }

  set label(text) {
    this.overlay.setAttribute("aria-label", text);
  }

  // Frames over the samples: [{ start, stop, kind }], in positions of the array; kind is one of the marks of the style sheet.
  mark(boxes) {
    this.boxes = boxes;
    this.drawOverlay();
  }

  move(position) {
    if (String(position) === String(this.cursor)) return;
    this.cursor = position;
    this.onhover?.(position);
  }

  // Give both canvases a pixel for each one of the screen; returns how many that are for one of the page.
  fitCanvases() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.base, this.overlay]) {
      const [width, height] = [Math.round(this.box.clientWidth * ratio), Math.round(this.box.clientHeight * ratio)];
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    return ratio;
  }

  close() {
    this.observer.disconnect();
  }
}

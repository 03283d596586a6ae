// How does one keep what is seen? As pictures, as an animation of the moving window, and as a Python program.

import { button } from "./controls.js";
import { download, h } from "./dom.js";
import { animation } from "./gif.js";

const WIDEST = 840; // pixels of an animation
const MOST_FRAMES = 40;
const GAP = 12;

export class ExportBar {
  // `views()`: { input, outputs } with the views that are seen; `path(most)`: positions for the window; `showAt(position)`: mark
  // one; `done()`: the marks go back; `program()`: the Python program.
  constructor(app, { views, path, showAt, done, program }) {
    Object.assign(this, { app, views, path, showAt, done });
    this.program = h("pre", { class: "program", tabindex: "0" });
    this.text = program;
    const code = h("details", { ontoggle: () => { this.program.textContent = this.text(); } }, h("summary", {}, "The same in Python"), this.program,
      button("Copy Python", () => this.#copy()));
    this.element = h("div", { class: "export-bar" }, h("div", { class: "row" }, h("span", { class: "label" }, "Keep: "),
      button("Input (PNG)", () => this.#samples("input", [views().input]), { title: "Its samples in the colours that are seen, one pixel each, without marks" }),
      button("Output (PNG)", () => this.#samples("output", views().outputs), { title: "Its samples in the colours that are seen, one pixel each, without marks" }),
      button("Both (PNG)", () => this.#save("filter", beside([views().input, ...views().outputs], 1)), { title: "As they stand here, with the window" }),
      button("Moving window (GIF)", () => this.#animation(), { class: "gif" })), code);
  }

  update() {
    this.program.textContent = this.text();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text());
      this.app.announce("The program was copied.");
    } catch {
      this.app.announce("The browser does not allow copying here. Select the text of the program instead.");
    }
  }

  // What each view shows, without marks; of two operations, two files.
  #samples(name, shown) {
    shown.forEach((view, index) => this.#save(index ? `${name}-${index + 1}` : name, view.unmarked()));
  }

  #save(name, canvas) {
    canvas.toBlob((blob) => download(`faltung-${name}.png`, blob), "image/png");
  }

  #animation() {
    const { input, outputs } = this.views();
    const shown = [input, ...outputs];
    const width = shown.reduce((total, { base }) => total + base.width, GAP * (shown.length - 1));
    const frames = this.path(MOST_FRAMES).map((position) => {
      this.showAt(position);
      const canvas = beside(shown, Math.min(1, WIDEST / width));
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    });
    this.done();
    download("faltung-window.gif", new Blob([animation(frames, { delay: 0.12 })], { type: "image/gif" }));
    this.app.announce(`An animation of ${frames.length} positions of the window was saved.`);
  }
}

// What several views show, one beside the other, on a canvas.
function beside(views, factor) {
  const size = ({ base }) => [Math.round(base.width * factor), Math.round(base.height * factor)];
  const width = views.reduce((total, view) => total + size(view)[0], GAP * (views.length - 1));
  const canvas = h("canvas", { width, height: Math.max(...views.map((view) => size(view)[1])) });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = getComputedStyle(views[0].box).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  let left = 0;
  for (const view of views) {
    for (const layer of [view.base, view.overlay]) context.drawImage(layer, left, 0, ...size(view));
    left += size(view)[0] + GAP;
  }
  return canvas;
}

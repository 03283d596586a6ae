// How is a feature map seen when it is small? A picture, a line or one colour, with a frame where something is marked.

import { colour, ink, paint, rangeFor } from "./colours.js";
import { format, h } from "./dom.js";

const HEIGHT = 48; // CSS pixels
const [NARROWEST, WIDEST] = [28, 144];

// The scale of numbers between two limits.
export function scaleOf([low]) {
  return low < 0 ? "signed" : "magnitude";
}

// A button with a map in it; `fill` paints it.
export class Tile {
  constructor({ onpick, onhover, label, height = HEIGHT }) {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("button", { type: "button", class: "tile", tabindex: "-1", "aria-label": label, onclick: onpick }, this.canvas);
    this.height = height;
    if (onhover) {
      this.element.addEventListener("pointermove", (event) => onhover(this.positionAt(event)));
      this.element.addEventListener("pointerleave", () => onhover(null));
    }
  }

  // `samples`: numbers of a map of this shape; `full`: the shape of the whole map, if the picture is a smaller one.
  fill(samples, shape, range, { full = shape, scale = scaleOf(range) } = {}) {
    this.shape = full;
    this.scale = scale;
    if (shape.length === 0) this.#oneNumber(samples[0], range);
    else if (shape.length === 1) this.#line(samples, range);
    else this.#picture(samples, shape, range);
  }

  #size(width) {
    this.element.style.width = `${Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)))}px`;
    this.element.style.height = `${this.height}px`;
  }

  #picture(samples, [rows, columns], range) {
    this.#size((this.height * columns) / rows);
    Object.assign(this.canvas, { width: columns, height: rows });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    paint(samples, image.data, this.scale, rangeFor(this.scale, range));
    context.putImageData(image, 0, 0);
  }

  #line(samples, [low, high]) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [WIDEST, this.height];
    this.#size(width);
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.strokeStyle = getComputedStyle(this.element).getPropertyValue("--accent") || "#1f5fbf";
    const room = high > low ? high - low : 1;
    context.beginPath();
    samples.forEach((value, place) => context.lineTo(((place + 0.5) / samples.length) * width, 3 + (height - 6) * (1 - (value - low) / room)));
    context.stroke();
  }

  #oneNumber(value, range) {
    this.#size(64);
    const back = colour(value, this.scale, rangeFor(this.scale, range));
    this.element.style.background = `rgb(${back.join(",")})`;
    this.element.style.color = ink(back);
    this.element.replaceChildren(format(value, 3));
  }

  positionAt({ clientX, clientY }) {
    const frame = this.element.getBoundingClientRect();
    const at = (part, length) => Math.min(length - 1, Math.max(0, Math.floor(part * length)));
    const [down, across] = [(clientY - frame.top) / frame.height, (clientX - frame.left) / frame.width];
    if (!this.shape?.length) return [];
    return this.shape.length === 1 ? [at(across, this.shape[0])] : [at(down, this.shape[0]), at(across, this.shape[1])];
  }
}

// Draw a frame over all tiles in an element: `box` of a map of this shape, or nothing.
export function frame(element, box, shape, kind = "window") {
  if (!box && !element.classList.contains("framed")) return;
  element.classList.toggle("framed", Boolean(box));
  if (!box) return;
  const [start, stop] = shape.length === 1 ? [[0, ...box.start], [1, ...box.stop]] : [box.start, box.stop];
  const lengths = shape.length === 1 ? [1, ...shape] : shape;
  const part = (value, axis) => `${(100 * value) / lengths[axis]}%`;
  element.style.setProperty("--frame-top", part(start[0], 0));
  element.style.setProperty("--frame-left", part(start[1], 1));
  element.style.setProperty("--frame-height", part(stop[0] - start[0], 0));
  element.style.setProperty("--frame-width", part(stop[1] - start[1], 1));
  element.style.setProperty("--frame-colour", `var(--mark-${kind})`);
}

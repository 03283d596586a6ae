// How is a two-dimensional array seen? As a picture that one can zoom into until its numbers appear, with marks over it.

import { extent } from "./array.js";
import { colour, ink, paint, paintColours, rangeFor } from "./colours.js";
import { format, h } from "./dom.js";
import { SampleView } from "./sample_view.js";

const SMALLEST_CELL_WITH_NUMBER = 44; // CSS pixels
const SMALLEST_FRAME = 14; // a frame that is smaller gets a ring around it

export class MapView extends SampleView {
  constructor(options) {
    super(options);
    this.onlook = null; // (position in the middle, zoom): the user enlarged or moved the picture
    this.zoom = 1;
    this.centre = null; // [row, column] in the middle of the box; null: the middle of the array
    this.#listen();
  }

  // Show samples: one array of rows and columns, or three of them (red, green, blue; 0 to 255 or 0 to 1 as `range` says).
  // `origin`: position of the first sample, [0, 0] unless the array is an extended one; then `inside` is { start, stop } of the
  // array itself, and the rest is dimmed.
  show(samples, { scale = "gray", range, origin = [0, 0], inside = null } = {}) {
    const channels = Array.isArray(samples) ? samples : [samples];
    const other = !this.channels || String(this.channels[0].shape) !== String(channels[0].shape) || String(origin) !== String(this.origin);
    this.channels = channels;
    this.scale = scale;
    this.range = range ?? rangeFor(scale, extent(...channels));
    this.origin = origin;
    this.inside = inside;
    if (other) {
      this.zoom = 1;
      this.centre = null;
      this.cursor = null;
    }
    this.#paintSamples();
    this.draw();
  }

  // The samples of the array itself, one pixel each, without extension, frames and zoom.
  unmarked() {
    const { start, stop } = this.inside ?? { start: this.origin, stop: this.channels[0].shape.map((length, axis) => this.origin[axis] + length) };
    const canvas = h("canvas", { width: stop[1] - start[1], height: stop[0] - start[0] });
    canvas.getContext("2d").drawImage(this.picture, this.origin[1] - start[1], this.origin[0] - start[0]);
    return canvas;
  }

  // Bring a position into the middle, at a zoom.
  look(position, zoom) {
    this.zoom = Math.max(1, zoom);
    this.centre = position;
    this.draw();
  }

  draw() {
    if (!this.channels || !this.box.clientWidth) return;
    const ratio = this.fitCanvases();
    const place = this.#place();
    const context = this.base.getContext("2d");
    context.clearRect(0, 0, this.base.width, this.base.height);
    context.imageSmoothingEnabled = place.cell < ratio; // only where several samples share a pixel
    const [rows, columns] = this.channels[0].shape;
    context.drawImage(this.picture, place.left, place.top, columns * place.cell, rows * place.cell);
    if (this.inside) this.#dimOutside(context, place);
    if (place.cell >= SMALLEST_CELL_WITH_NUMBER * ratio && this.channels.length === 1) this.#writeNumbers(context, place);
    this.drawOverlay();
  }

  // Position of the sample under a point of the page; null outside.
  positionAt(clientX, clientY) {
    if (!this.channels) return null;
    const frame = this.overlay.getBoundingClientRect();
    const ratio = this.overlay.width / frame.width;
    const { left, top, cell } = this.#place();
    const row = Math.floor(((clientY - frame.top) * ratio - top) / cell);
    const column = Math.floor(((clientX - frame.left) * ratio - left) / cell);
    const [rows, columns] = this.channels[0].shape;
    if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
    return [row + this.origin[0], column + this.origin[1]];
  }

  // Pixels of one sample when the whole picture is seen.
  get fit() {
    const [rows, columns] = this.channels[0].shape;
    return Math.min(this.overlay.width / columns, this.overlay.height / rows);
  }

  #place() {
    const [rows, columns] = this.channels[0].shape;
    const { width, height } = this.overlay;
    const cell = this.fit * this.zoom;
    const centre = this.centre ? [this.centre[0] - this.origin[0] + 0.5, this.centre[1] - this.origin[1] + 0.5] : [rows / 2, columns / 2];
    const start = (middle, length, space) => (cell * length <= space ? (space - cell * length) / 2
      : Math.min(0, Math.max(space - cell * length, space / 2 - middle * cell)));
    return { cell, left: start(centre[1], columns, width), top: start(centre[0], rows, height) };
  }

  #paintSamples() {
    const [rows, columns] = this.channels[0].shape;
    this.picture ??= h("canvas");
    Object.assign(this.picture, { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    if (this.channels.length === 1) paint(this.channels[0].data, image.data, this.scale, this.range);
    else paintColours(this.channels, image.data, this.range);
    this.picture.getContext("2d").putImageData(image, 0, 0);
  }

  #dimOutside(context, { left, top, cell }) {
    const [rows, columns] = this.channels[0].shape;
    const [x, y] = [left + (this.inside.start[1] - this.origin[1]) * cell, top + (this.inside.start[0] - this.origin[0]) * cell];
    const [width, height] = [0, 1].map((axis) => (this.inside.stop[1 - axis] - this.inside.start[1 - axis]) * cell);
    context.beginPath();
    context.rect(left, top, columns * cell, rows * cell);
    context.rect(x, y, width, height);
    context.fillStyle = getComputedStyle(this.overlay).getPropertyValue("--paper");
    context.globalAlpha = 0.6;
    context.fill("evenodd");
    context.globalAlpha = 1;
    context.lineWidth = window.devicePixelRatio || 1;
    context.strokeStyle = getComputedStyle(this.overlay).getPropertyValue("--quiet");
    context.strokeRect(x, y, width, height);
  }

  #writeNumbers(context, { left, top, cell }) {
    const [rows, columns] = this.channels[0].shape;
    const first = (start) => Math.max(0, Math.floor(-start / cell));
    context.font = `${Math.round(cell * 0.31)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = first(top); row < Math.min(rows, (this.base.height - top) / cell); row += 1) {
      for (let column = first(left); column < Math.min(columns, (this.base.width - left) / cell); column += 1) {
        const value = this.channels[0].data[row * columns + column];
        context.fillStyle = ink(colour(value, this.scale, this.range));
        context.fillText(format(value), left + (column + 0.5) * cell, top + (row + 0.5) * cell, cell * 0.92);
      }
    }
  }

  drawOverlay() {
    if (!this.channels || !this.overlay.width) return;
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.overlay.width, this.overlay.height);
    const { left, top, cell } = this.#place();
    const style = getComputedStyle(this.overlay);
    const ratio = window.devicePixelRatio || 1;
    for (const { start, stop, kind, quiet } of this.boxes) {
      const x = left + (start[1] - this.origin[1]) * cell;
      const y = top + (start[0] - this.origin[0]) * cell;
      const [width, height] = [(stop[1] - start[1]) * cell, (stop[0] - start[0]) * cell];
      const wide = Math.max(width, 3 * ratio);
      const tall = Math.max(height, 3 * ratio);
      context.lineWidth = 4 * ratio; // a light line under a dark one is seen on any picture
      context.strokeStyle = style.getPropertyValue("--mark-halo");
      context.strokeRect(x, y, wide, tall);
      context.lineWidth = 2 * ratio;
      context.strokeStyle = style.getPropertyValue(`--mark-${kind}`);
      context.strokeRect(x, y, wide, tall);
      if (!quiet && this.boxes.length <= 2 && Math.max(wide, tall) < SMALLEST_FRAME * ratio) ring(context, x + wide / 2, y + tall / 2, SMALLEST_FRAME * ratio);
    }
  }

  #listen() {
    const overlay = this.overlay;
    overlay.addEventListener("pointermove", (event) => {
      if (this.dragging && this.zoom > 1) this.#drag(event);
      else this.move(this.positionAt(event.clientX, event.clientY));
    });
    overlay.addEventListener("pointerdown", (event) => {
      this.dragging = [event.clientX, event.clientY, false];
    });
    overlay.addEventListener("pointerup", (event) => {
      const moved = this.dragging?.[2];
      this.dragging = null;
      const position = this.positionAt(event.clientX, event.clientY);
      if (position && !moved) this.onpick?.(position);
    });
    overlay.addEventListener("pointerleave", () => {
      this.dragging = null;
      this.move(null);
    });
    overlay.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && overlay.getRootNode().activeElement !== overlay) return; // the page scrolls
      event.preventDefault();
      this.#zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.positionAt(event.clientX, event.clientY));
    }, { passive: false });
    overlay.addEventListener("dblclick", (event) => this.#zoomBy(2, this.positionAt(event.clientX, event.clientY)));
    overlay.addEventListener("keydown", (event) => this.#key(event));
  }

  #drag(event) {
    const [x, y] = this.dragging;
    const cell = this.#place().cell / (window.devicePixelRatio || 1);
    const [rows, columns] = this.channels[0].shape;
    const centre = this.centre ?? [this.origin[0] + rows / 2, this.origin[1] + columns / 2];
    const between = (value, low, high) => Math.min(high, Math.max(low, value));
    this.centre = [
      between(centre[0] - (event.clientY - y) / cell, this.origin[0], this.origin[0] + rows - 1),
      between(centre[1] - (event.clientX - x) / cell, this.origin[1], this.origin[1] + columns - 1),
    ];
    this.dragging = [event.clientX, event.clientY, true];
    this.draw();
    this.onlook?.(this.centre, this.zoom);
  }

  #zoomBy(factor, position) {
    const [rows, columns] = this.channels[0].shape;
    this.zoom = Math.min(Math.max(rows, columns) / 4, Math.max(1, this.zoom * factor));
    if (this.zoom <= 1) this.zoom = 1;
    this.centre = this.zoom > 1 ? (this.centre ?? position) : null;
    if (position && factor > 1) this.centre = position;
    this.draw();
    this.onlook?.(this.centre, this.zoom);
  }

  #key(event) {
    if (!this.channels) return;
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const [rows, columns] = this.channels[0].shape;
    const middle = [this.origin[0] + (rows >> 1), this.origin[1] + (columns >> 1)];
    if (event.key in steps) {
      const by = event.shiftKey ? 10 : 1;
      const from = this.cursor ?? middle;
      const clip = (value, axis) => Math.min(this.origin[axis] + this.channels[0].shape[axis] - 1, Math.max(this.origin[axis], value));
      this.move([0, 1].map((axis) => clip(from[axis] + by * steps[event.key][axis], axis)));
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.cursor) this.onpick?.(this.cursor);
    } else if (event.key === "+" || event.key === "=") this.#zoomBy(1.5, this.cursor ?? middle);
    else if (event.key === "-") this.#zoomBy(1 / 1.5, null);
    else if (event.key === "0") this.#zoomBy(0, null);
    else return;
    event.preventDefault();
  }
}

// Drawn with the line of the frame, on a light line.
function ring(context, x, y, radius) {
  const mark = context.strokeStyle;
  for (const [style, width] of [[getComputedStyle(context.canvas).getPropertyValue("--mark-halo"), 2], [mark, 1]]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = style;
    context.lineWidth *= width;
    context.stroke();
    context.lineWidth /= width;
  }
}

// The frame of one sample.
export function frameAt(position, kind) {
  return { start: position, stop: position.map((at) => at + 1), kind };
}

// How is a signal seen? As a line for each channel, over the positions of its samples, with marks over it.

import { extent } from "./array.js";
import { format, h, trueMinus } from "./dom.js";
import { SampleView } from "./sample_view.js";

const LEFT = 52; // room for the numbers beside the lines, in CSS pixels
const BELOW = 22;

// Positions are lists of one number. A mark may have `taps`, which are drawn as stems from `start` on, `step` samples apart.
export class SignalView extends SampleView {
  constructor(options) {
    super(options);
    this.element.classList.add("signal");
    this.#listen();
  }

  // `origin`: position of the first sample; `inside`: { start, stop } of what is not an extension; `range`: of the numbers.
  // `span`: the positions at the ends of the axis, to compare signals.
  show(samples, { origin = [0], inside, range, span } = {}) {
    this.channels = Array.isArray(samples) ? samples : [samples];
    this.origin = origin;
    this.inside = inside;
    this.span = span ?? [origin[0], origin[0] + this.channels[0].data.length];
    const [low, high] = range ?? extent(...this.channels);
    const room = 0.06 * (high - low) || 1;
    this.range = [low - room, high + room];
    this.draw();
  }

  // The curve without marks.
  unmarked() {
    const { width, height } = this.base;
    const canvas = h("canvas", { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(this.box).backgroundColor;
    context.fillRect(0, 0, width, height);
    context.drawImage(this.base, 0, 0);
    return canvas;
  }

  draw() {
    if (!this.channels || !this.box.clientWidth) return;
    this.fitCanvases();
    const context = this.#context(this.base);
    this.channels.forEach((channel, index) => this.#drawChannel(context, channel.data, index));
    this.#drawAxis(context);
    this.drawOverlay();
  }

  #context(canvas) {
    const context = canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.font = "14px system-ui, sans-serif";
    return context;
  }

  #colour(name) {
    return getComputedStyle(this.overlay).getPropertyValue(`--${name}`);
  }

  get #step() {
    return (this.box.clientWidth - LEFT - 8) / (this.span[1] - this.span[0]);
  }

  // The middle of a sample, from the left.
  #x(position) {
    return LEFT + (position - this.span[0] + 0.5) * this.#step;
  }

  #lane(index) {
    const height = (this.box.clientHeight - BELOW) / this.channels.length;
    return { top: index * height + 4, height: height - 8 };
  }

  #y(value, { top, height }) {
    const [low, high] = this.range;
    return top + height * (1 - (value - low) / (high - low));
  }

  #drawChannel(context, data, index) {
    const lane = this.#lane(index);
    const [low, high] = this.range;
    context.strokeStyle = this.#colour("line");
    context.lineWidth = 1;
    const zero = this.#y(Math.min(high, Math.max(low, 0)), lane);
    line(context, [[LEFT, zero], [this.box.clientWidth, zero]]);
    const [start, stop] = this.inside ? [this.inside.start[0], this.inside.stop[0]] : [this.origin[0], this.origin[0] + data.length];
    const points = Array.from(data, (value, place) => [this.#x(place + this.origin[0]), this.#y(value, lane)]);
    const [from, to] = [start - this.origin[0], stop - this.origin[0]];
    context.strokeStyle = this.#colour("quiet");
    context.globalAlpha = 0.55;
    context.setLineDash([3, 3]);
    line(context, points.slice(0, from + 1));
    line(context, points.slice(to - 1));
    context.setLineDash([]);
    context.globalAlpha = 1;
    context.lineWidth = 1.75;
    context.strokeStyle = this.#colour(`channel-${(index % 4) + 1}`);
    line(context, points.slice(from, to));
    if (this.#step >= 7) dots(context, points.slice(from, to), this.#colour(`channel-${(index % 4) + 1}`));
    context.fillStyle = this.#colour("quiet");
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillText(format(high, 2), LEFT - 6, lane.top);
    context.textBaseline = "bottom";
    context.fillText(format(low, 2), LEFT - 6, lane.top + lane.height);
  }

  #drawAxis(context) {
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((step) => step * this.#step >= 48) ?? 5000;
    context.fillStyle = this.#colour("quiet");
    context.textAlign = "center";
    context.textBaseline = "bottom";
    const last = this.origin[0] + this.channels[0].data.length;
    for (let at = Math.ceil(this.origin[0] / every) * every; at < last; at += every) {
      context.fillText(trueMinus(at), this.#x(at), this.box.clientHeight - 2);
    }
  }

  drawOverlay() {
    if (!this.channels || !this.overlay.width) return;
    const context = this.#context(this.overlay);
    const below = this.box.clientHeight - BELOW;
    for (const { start, stop, kind, taps, step = 1, quiet } of this.boxes) {
      if (quiet) continue;
      const left = this.#x(start[0]) - this.#step / 2;
      const width = Math.max(3, (stop[0] - start[0]) * this.#step);
      context.fillStyle = context.strokeStyle = this.#colour(`mark-${kind}`);
      context.globalAlpha = 0.16;
      context.fillRect(left, 0, width, below);
      context.globalAlpha = 1;
      context.lineWidth = 2;
      context.strokeRect(left, 1, width, below - 2);
      if (taps) this.#drawTaps(context, taps, start[0], step, below);
    }
  }

  #drawTaps(context, taps, start, step, below) {
    const largest = Math.max(...Array.from(taps, Math.abs)) || 1;
    const middle = below / 2;
    taps.forEach((tap, index) => {
      const x = this.#x(start + index * step);
      const y = middle - (tap / largest) * below * 0.4;
      line(context, [[x, middle], [x, y]]);
      dots(context, [[x, y]], context.strokeStyle);
    });
  }

  positionAt(clientX) {
    if (!this.channels) return null;
    const at = Math.floor((clientX - this.overlay.getBoundingClientRect().left - LEFT) / this.#step + this.span[0]) - this.origin[0];
    return at >= 0 && at < this.channels[0].data.length ? [at + this.origin[0]] : null;
  }

  #listen() {
    this.overlay.addEventListener("pointermove", (event) => this.move(this.positionAt(event.clientX)));
    this.overlay.addEventListener("pointerleave", () => this.move(null));
    this.overlay.addEventListener("click", (event) => {
      const position = this.positionAt(event.clientX);
      if (position) this.onpick?.(position);
    });
    this.overlay.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (!this.channels) return;
    const last = this.origin[0] + this.channels[0].data.length - 1;
    const from = this.cursor?.[0] ?? (this.origin[0] + last) >> 1;
    const by = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: from - by, ArrowRight: from + by, Home: this.origin[0], End: last }[event.key];
    if (to !== undefined) this.move([Math.min(last, Math.max(this.origin[0], to))]);
    else if ((event.key === "Enter" || event.key === " ") && this.cursor) this.onpick?.(this.cursor);
    else return;
    event.preventDefault();
  }
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

function dots(context, points, fill) {
  context.fillStyle = fill;
  for (const [x, y] of points) {
    context.beginPath();
    context.arc(x, y, 2.6, 0, 2 * Math.PI);
    context.fill();
  }
}

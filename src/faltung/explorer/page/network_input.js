// What does the network get? The input, to be chosen, moved and looked at; and the classes that come out.

import { NdArray, sizeOf } from "./array.js";
import { button, field, segmented } from "./controls.js";
import { grouped, h, number } from "./dom.js";
import { MapView } from "./map_view.js";
import { Tile } from "./network_tile.js";
import { ownPixels } from "./own_pixels.js";
import { SignalView } from "./signal_view.js";

const CLASSES = 10; // at most so many are listed
const WITHOUT_PYTHON = "Other inputs need Python: this page was saved without it. Open it with `faltung explore`.";

export class InputPanel {
  // `handlers`: onhover(position or null), onpick(position), onown(pixels).
  constructor(app, overview, handlers) {
    Object.assign(this, { app, overview, handlers });
    this.lengths = overview.shape.slice(1);
    const signal = this.lengths.length === 1;
    const options = { label: "The input of the network", onhover: handlers.onhover, onpick: (position) => this.#pick(position), height: signal ? 160 : 270 };
    this.view = this.lengths.length === 0 || this.lengths.length > 3 ? null : signal ? new SignalView(options) : new MapView(options);
    this.numbers = h("div", { class: "tiles" });
    this.classes = h("div", {});
    this.note = h("p", { class: "hint" });
    this.element = h("aside", { class: "network-input", "aria-label": "Input" },
      h("h2", {}, "Input"), this.view?.element ?? this.numbers, this.#mover(), this.note, this.classes, this.#choosers());
    if (this.view && app.host.live) this.#listenForDrag();
    app.untilClosed(app.store.on(["network.shift", "network.fill"], () => this.input && this.#draw()));
  }

  get movable() {
    return Boolean(this.view && this.overview.axes && this.app.host.live);
  }

  // Show the input, (channels, ...positions), before it is moved, and what came out after that.
  show(input, probabilities, before) {
    this.input = input;
    this.#draw();
    this.#showClasses(probabilities, before);
  }

  // The moved input is drawn at once; what the network makes of it comes when Python has run it.
  #draw() {
    const input = rolled(this.input, this.shift, this.app.store.get("network.fill"));
    const [count, ...lengths] = input.shape;
    const planes = Array.from({ length: count }, (_, channel) => plane(input, channel));
    if (!this.view) this.#showNumbers(input);
    else if (lengths.length === 1) this.view.show(planes);
    else this.view.show(count === 3 ? planes : [planes[0]], { scale: "gray", range: this.range(input) });
    if (this.view) this.view.caption.textContent = caption(input);
  }

  range(input) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of input.data) [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (low >= 0 && high <= 1) return [0, 1];
    return low < high ? [low, high] : [low - 0.5, low + 0.5];
  }

  mark(boxes) {
    this.view?.mark(boxes);
  }

  say(text) {
    this.note.textContent = text;
  }

  close() {
    this.view?.close();
  }

  #showNumbers(input) {
    this.numbers.replaceChildren(...Array.from(input.data.subarray(0, 64), (value) => {
      const tile = new Tile({ label: "input" });
      tile.fill([value], [], [-1, 1]);
      return tile.element;
    }));
    if (input.data.length > 64) this.say(`The first 64 of ${grouped(input.data.length)} numbers.`);
  }

  #choosers() {
    if (!this.app.host.live) return h("p", { class: "hint" }, withCode(WITHOUT_PYTHON));
    const parts = [];
    if (this.overview.samples > 1) parts.push(this.#samples());
    if (this.overview.takesImages) parts.push(this.#own());
    if (this.overview.axes) {
      parts.push(segmented(this.app, "network.fill", "When it moves, what comes in at the border", [["zero", "Zeros"], ["wrap", "The other side"]]));
    }
    return h("div", {}, parts);
  }

  #samples() {
    const { store } = this.app;
    const { samples, labels, classes } = this.overview;
    const name = (index) => `${index}${labels ? `: ${classes[labels[index]] ?? labels[index]}` : ""}`;
    const select = h("select", { onchange: () => this.#choose(Number(select.value)) }, Array.from({ length: samples }, (_, index) => h("option", { value: index }, name(index))));
    const update = () => { select.value = store.get("network.sample"); };
    update();
    this.app.untilClosed(store.on(["network.sample"], update));
    const step = (by) => () => this.#choose((store.get("network.sample") + by + samples) % samples);
    return h("div", {}, field("Sample", h("div", { class: "stepper" }, button("‹", step(-1), { "aria-label": "Sample before" }), select, button("›", step(1), { "aria-label": "Next sample" }))), this.#thumbs());
  }

  #thumbs() {
    const { pictures } = this.overview;
    if (!pictures) return null;
    const size = sizeOf(pictures.shape.slice(1));
    const tiles = Array.from({ length: Math.min(12, pictures.shape[0]) }, (_, index) => {
      const tile = new Tile({ label: `Sample ${index}`, onpick: () => this.#choose(index), height: 40 });
      tile.fill(pictures.data.subarray(index * size, (index + 1) * size), pictures.shape.slice(1), [0, 255], { scale: "gray" });
      tile.element.tabIndex = 0;
      return tile.element;
    });
    return h("div", { class: "tiles thumbs" }, tiles);
  }

  #choose(sample) {
    this.handlers.onown(null);
    this.app.store.set({ "network.sample": sample });
  }

  #own() {
    const read = async (file) => {
      try {
        this.handlers.onown(await ownPixels(file, this.overview.shape));
      } catch (error) {
        this.app.announce(error.message);
      }
    };
    const input = h("input", { type: "file", accept: "image/*", onchange: () => input.files[0] && read(input.files[0]) });
    const place = field("Own image", input, `It is cut and scaled to ${this.lengths.join(" × ")}; or drop it on the picture.`);
    this.view.element.addEventListener("dragover", (event) => event.preventDefault());
    this.view.element.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
    });
    return place;
  }

  #mover() {
    if (!this.overview.axes || !this.app.host.live) return null;
    const two = this.overview.axes === 2;
    const arrows = two ? [["↑", -1, 0, "up"], ["↓", 1, 0, "down"], ["←", 0, -1, "left"], ["→", 0, 1, "right"]] : [["←", -1, 0, "left"], ["→", 1, 0, "right"]];
    return h("div", { class: "stepper mover", role: "group", "aria-label": "Move the input", onkeydown: (event) => {
      const arrow = arrows.find(([, , , name]) => event.key === `Arrow${name[0].toUpperCase()}${name.slice(1)}`);
      if (!arrow) return;
      event.preventDefault();
      this.#moveBy(arrow[1], arrow[2]);
    } }, h("span", { class: "hint" }, "Move"), arrows.map(([sign, down, across, name]) => button(sign, () => this.#moveBy(down, across), { "aria-label": `Move ${name}` })),
    button("Reset", () => this.app.store.set({ "network.shift": [] }), { "aria-label": "Move back to the start" }));
  }

  #moveBy(...step) {
    const axes = this.overview.axes;
    this.#moveTo(this.shift.map((value, axis) => value + step[axis]).slice(0, axes));
  }

  get shift() {
    const { axes } = this.overview;
    const kept = this.app.store.get("network.shift");
    return kept.length === axes ? kept : new Array(axes).fill(0);
  }

  #moveTo(shift) {
    const lengths = this.lengths.slice(-shift.length);
    const inside = shift.map((value, axis) => Math.min(lengths[axis] - 1, Math.max(1 - lengths[axis], value)));
    this.app.store.set({ "network.shift": inside.some(Boolean) ? inside : [] });
  }

  #listenForDrag() {
    const { overlay } = this.view;
    let begun = null;
    overlay.addEventListener("pointerdown", (event) => {
      const position = this.view.positionAt(event.clientX, event.clientY);
      if (position && this.overview.axes && (this.view.zoom ?? 1) === 1) begun = { position, shift: this.shift };
      this.dragged = false;
    });
    overlay.addEventListener("pointermove", (event) => {
      const position = begun && event.buttons === 1 && this.view.positionAt(event.clientX, event.clientY);
      if (!position || String(position) === String(begun.position)) return;
      this.dragged = true;
      this.#moveTo(begun.shift.map((value, axis) => value + position.slice(-begun.shift.length)[axis] - begun.position.slice(-begun.shift.length)[axis]));
    });
    overlay.addEventListener("pointerup", () => { begun = null; });
  }

  #pick(position) {
    if (!this.dragged) this.handlers.onpick(position);
  }

  #showClasses(probabilities, before) {
    if (!probabilities) {
      this.classes.replaceChildren();
      return;
    }
    const { classes } = this.overview;
    const order = [...probabilities.data.keys()].sort((one, other) => probabilities.data[other] - probabilities.data[one]).slice(0, CLASSES);
    const rows = order.map((index) => h("tr", { "data-class": index },
      h("th", { scope: "row" }, classes[index] ?? `class ${index}`),
      !before && h("td", { class: "bar" }, h("span", { style: `width:${100 * probabilities.data[index]}%` })),
      h("td", {}, number(probabilities.data[index])),
      before && h("td", {}, number(before.data[index]))));
    const left = probabilities.data.length - order.length;
    this.classes.replaceChildren(h("table", { class: "classes" },
      h("caption", {}, left ? `The ${order.length} most probable of ${grouped(probabilities.data.length)} classes` : "Classes and their probabilities (softmax of the output)"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "class"), h("th", { scope: "col", colspan: before ? 1 : 2 }, before ? "moved" : "probability"), before && h("th", { scope: "col" }, "before"))),
      h("tbody", {}, rows)));
  }
}

// A sentence in which what stands between backticks is to be typed.
export function withCode(sentence) {
  return sentence.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

// A tensor whose last axes are moved by so many samples; what comes in are zeros, or what left on the other side.
function rolled(tensor, shift, fill) {
  if (!shift.some(Boolean)) return tensor;
  const { shape, data } = tensor;
  const [rows, columns] = shape.slice(-2);
  const [down, across] = shift.length === 2 ? shift : [0, ...shift];
  const lines = shift.length === 2 ? rows : 1;
  const moved = new data.constructor(data.length);
  for (let place = 0; place < data.length; place += 1) {
    const column = place % columns - across;
    const row = Math.floor(place / columns) % lines - down;
    const inside = row >= 0 && row < lines && column >= 0 && column < columns;
    if (!inside && fill === "zero") continue;
    const start = place - place % (lines * columns);
    moved[place] = data[start + ((row + lines) % lines) * columns + (column + columns) % columns];
  }
  return new NdArray(shape, moved);
}

export function plane(tensor, channel) {
  const shape = tensor.shape.slice(1);
  const size = sizeOf(shape);
  const whole = tensor.data.subarray(channel * size, (channel + 1) * size);
  if (shape.length < 3) return new NdArray(shape, whole);
  const slice = sizeOf(shape.slice(-2)); // of a volume the slice in the middle
  const middle = Math.floor(size / slice / 2);
  return new NdArray(shape.slice(-2), whole.subarray(middle * slice, (middle + 1) * slice));
}

function caption(input) {
  const [count, ...lengths] = input.shape;
  const channels = count === 1 ? "1 channel" : count === 3 && lengths.length === 2 ? "red, green, blue" : `${count} channels`;
  const shown = lengths.length > 2 ? ", the slice in the middle" : lengths.length === 2 && count !== 3 && count > 1 ? ", the first is shown" : "";
  return `${lengths.join(" × ")} samples, ${channels}${shown}`;
}

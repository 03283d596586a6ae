// What did the first layer learn? Its filters after an epoch, all on one scale, so that one sees them grow.

import { NdArray, sizeOf } from "./array.js";
import { paint } from "./colours.js";
import { format, h } from "./dom.js";
import { NumberTable } from "./number_table.js";

const TILE = 64; // CSS pixels of a filter along its longer axis
const MOST_TILES = 96;

export class FilterFrames {
  // `onpick(tile)`: a filter was chosen.
  constructor({ onpick }) {
    this.onpick = onpick;
    this.grid = h("div", { class: "tiles", role: "group" });
    this.caption = h("p", { class: "hint" });
    this.table = new NumberTable("");
    this.element = h("div", { class: "filter-frames" }, h("div", {}, this.grid, this.caption), h("div", { class: "scroll" }, this.table.element));
    this.key = "";
  }

  // `frames`: the taps (filters, channels in, *spatial) by epoch; `shape`: of one frame; `epoch`: the one that is shown;
  // `tile`: the filter that is chosen.
  show({ frames, shape, epoch, tile, total }) {
    const planes = planesOf(shape);
    const kept = [...frames.keys()].filter((each) => each <= epoch);
    const now = kept.length ? kept.at(-1) : [...frames.keys()][0];
    const reach = Math.max(...[...frames.values()].map((taps) => taps.reduce((most, tap) => Math.max(most, Math.abs(tap)), 0))) || 1;
    const count = Math.min(planes.count, MOST_TILES);
    this.#resize(count, planes);
    const chosen = Math.min(Math.max(0, Math.round(tile)), count - 1);
    this.buttons.forEach((element, index) => {
      draw(element.firstChild, planes.at(frames.get(now), index), [-reach, reach]);
      element.setAttribute("aria-pressed", String(index === chosen));
    });
    const left = total > shape[0] || planes.count > count ? ` The first of ${total} are shown.` : "";
    this.caption.textContent = `The ${shape[0]} filters of the first layer ${now === 0 ? "before training: random numbers" : `after epoch ${now}`}.`
      + ` One scale for all epochs: −${format(reach)} (orange) to ${format(reach)} (purple), white is 0.${left}${planes.note}`;
    const plane = planes.at(frames.get(now), chosen);
    this.table.caption.textContent = `${planes.name(chosen)}, as laid over the input`;
    const lines = (length) => Array.from({ length }, (_, index) => index - (length >> 1));
    this.table.show(plane.data, { rows: lines(plane.shape[0]), columns: lines(plane.shape[1]), scale: "signed", range: [-reach, reach] });
  }

  #resize(count, planes) {
    const key = `${count} ${planes.shape}`;
    if (key === this.key) return;
    this.key = key;
    const [rows, columns] = planes.shape;
    const cell = TILE / Math.max(rows, columns);
    this.buttons = Array.from({ length: count }, (_, index) => {
      const canvas = h("canvas", { width: columns, height: rows, style: `width:${columns * cell}px;height:${Math.max(rows * cell, 14)}px` });
      return h("button", { type: "button", class: "tile", "aria-label": planes.name(index), title: planes.name(index), onclick: () => this.onpick(index) }, canvas);
    });
    this.grid.setAttribute("aria-label", "Filters of the first layer");
    this.grid.replaceChildren(...this.buttons);
  }
}

// A frame as planes of rows and columns: one for each filter and channel in; of a volume the middle slice.
function planesOf([filters, channels, ...spatial]) {
  const shape = spatial.length === 1 ? [1, spatial[0]] : spatial.slice(-2);
  const size = sizeOf(spatial);
  const slice = shape[0] * shape[1];
  const skip = spatial.length === 3 ? (spatial[0] >> 1) * slice : 0;
  return {
    shape, count: filters * channels, note: spatial.length === 3 ? " Of each the middle slice." : "",
    at: (taps, index) => new NdArray(shape, taps.subarray(index * size + skip, index * size + skip + slice)),
    name: (index) => `Filter ${Math.floor(index / channels) + 1}${channels > 1 ? `, channel ${(index % channels) + 1}` : ""}`,
  };
}

function draw(canvas, plane, range) {
  const image = new ImageData(plane.shape[1], plane.shape[0]);
  paint(plane.data, image.data, "signed", range);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Which patterns does a channel look for? The parts of samples that excite it most.

import { extent, NdArray, sizeOf } from "./array.js";
import { paint, rangeFor } from "./colours.js";
import { format, h } from "./dom.js";
import { plane } from "./network_input.js";
import { Tile } from "./network_tile.js";

// Patches of a channel. `onsample(sample)`: its sample is chosen as the input.
export function patchList(patches, { onsample, disabled, size = 64 }) {
  return h("ul", { class: "patches" }, patches.map(({ sample, response, values, start, stop }) => {
    const place = start.map((begin, axis) => `${begin}–${stop[axis] - 1}`).join(", ");
    const label = `Part of sample ${sample}${place && ` at ${place}`}, response ${format(response)}`;
    const picture = h("button", { type: "button", "aria-label": label, title: label, disabled, onclick: () => onsample(sample) }, drawn(values, size));
    return h("li", {}, picture, h("small", {}, format(response, 3)));
  }));
}

function drawn(values, size) {
  const [count, ...lengths] = values.shape;
  if (lengths.length !== 2 && lengths.length !== 3) {
    const tile = new Tile({ label: "" });
    const signal = lengths.length === 1 ? plane(values, 0) : new NdArray([count], values.data);
    tile.fill(signal.data, signal.shape, extent(signal));
    return tile.canvas;
  }
  const planes = Array.from({ length: count }, (_, channel) => plane(values, channel));
  const [rows, columns] = planes[0].shape;
  const canvas = h("canvas", { width: columns, height: rows, style: `height:${size}px;aspect-ratio:${columns}/${rows}` });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const range = rangeFor("gray", extent(values));
  if (count === 3) colours(planes, image.data, range);
  else paint(planes[0].data, image.data, "gray", range);
  context.putImageData(image, 0, 0);
  return canvas;
}

function colours(planes, bytes, [low, high]) {
  for (let place = 0; place < sizeOf(planes[0].shape); place += 1) {
    planes.forEach(({ data }, part) => { bytes[4 * place + part] = (255 * (data[place] - low)) / (high - low); });
    bytes[4 * place + 3] = 255;
  }
}

// How is a map made from the maps before it? Input maps, times their kernels, give partial maps; their sum is the map.

import { extent } from "./array.js";
import { button } from "./controls.js";
import { h, number } from "./dom.js";
import { plane } from "./network_input.js";
import { Tile, frame } from "./network_tile.js";
import { partialMap } from "./partial_maps.js";

const [FIRST, MORE] = [8, 24];

export class PartialList {
  // `onsource(layer, channel)`: an input map is opened; `onpart(channel)`: it is looked at in the numbers.
  constructor({ onsource, onpart }) {
    Object.assign(this, { onsource, onpart });
    this.sentence = h("p", {});
    this.list = h("div", { class: "partials" });
    this.element = h("div", {}, this.sentence, this.list);
  }

  show(layers, layer, channel, tensors, weights) {
    this.sentence.textContent = sentenceOf(layer, channel, weights);
    this.strips = [];
    const lines = layer.making.kind.endsWith("convolution") ? this.#partials(layer, tensors[0], weights) : this.#sources(layer, channel, tensors);
    this.layer = layer;
    this.list.replaceChildren();
    this.#append(lines, FIRST);
  }

  // Mark the window in the input maps, and the position in the partial ones.
  mark(position, boxes) {
    for (const { strip, shape, output } of this.strips) {
      const box = output ? position && { start: position, stop: position.map((at) => at + 1) } : boxes;
      frame(strip, box && box.start.length === shape.length ? box : null, shape, output ? "output" : "window");
    }
  }

  #append(lines, count) {
    const now = lines.splice(0, count);
    this.list.append(...now.map((make) => make()));
    if (lines.length) {
      const more = button(`${Math.min(MORE, lines.length)} more of ${lines.length}`, () => {
        more.remove();
        this.#append(lines, MORE);
      });
      this.list.append(more);
    }
  }

  #strip(tile, shape, output) {
    const strip = h("span", { class: "tiles" }, tile.element);
    this.strips.push({ strip, shape, output });
    return strip;
  }

  #input(layer, tensor, index, channel) {
    const map = plane(tensor, channel);
    const source = layer.sources[index];
    const tile = new Tile({ label: `Open input map ${channel}`, height: 72, onpick: () => this.onsource(source, channel) });
    tile.fill(map.data, map.shape, extent(map));
    tile.element.tabIndex = 0;
    tile.element.disabled = source < 0;
    return this.#strip(tile, map.shape, false);
  }

  #partials(layer, x, weights) {
    return Array.from({ length: weights.taps.shape[0] }, (_, index) => () => {
      const taps = plane(weights.taps, index);
      const kernel = new Tile({ label: `Numbers of input map ${weights.first + index}`, height: 72, onpick: () => this.onpart(weights.first + index) });
      const reach = Math.max(...Array.from(taps.data, Math.abs)) || 1;
      kernel.fill(taps.data, taps.shape.length === 1 ? [1, taps.shape[0]] : taps.shape, [-reach, reach]);
      kernel.element.tabIndex = 0;
      const map = partialMap(layer, x, weights, index);
      const partial = new Tile({ label: `Partial map ${weights.first + index}`, height: 72 });
      const [low, high] = extent(map);
      partial.fill(map.data, map.shape, [Math.min(low, -1e-12), high]);
      return h("div", { class: "partial", "data-channel": weights.first + index }, h("span", { class: "name" }, `map ${weights.first + index}`), this.#input(layer, x, 0, weights.first + index), h("span", { class: "sign" }, "⋆"),
        h("span", { class: "tiles" }, kernel.element), h("span", { class: "sign" }, "="), this.#strip(partial, map.shape, true));
    });
  }

  #sources(layer, channel, tensors) {
    const { kind } = layer.making;
    const own = (count) => Math.min(channel, count - 1);
    let pairs = tensors.map((tensor, index) => [index, own(tensor.shape[0])]);
    if (kind === "concatenation") pairs = [sourceOfJoined(layer, channel)];
    if (kind === "linear" || kind === "softmax" || kind === "layer norm") {
      const [{ shape }] = tensors;
      pairs = shape.length > 1 && shape[0] <= 64 ? Array.from({ length: shape[0] }, (_, each) => [0, each]) : [];
    }
    return pairs.map(([index, each]) => () => {
      const tensor = tensors[index];
      const whole = tensor.shape.length > 1;
      return h("div", { class: "partial" }, h("span", { class: "name" }, `map ${each}`), whole ? this.#input(layer, tensor, index, each) : number(tensor.data[each]));
    });
  }
}

function sourceOfJoined({ making }, channel) {
  let [index, own] = [0, channel];
  while (own >= making.counts[index]) own -= making.counts[index++];
  return [index, own];
}

function sentenceOf({ making, kind }, channel, weights) {
  const bias = weights?.bias === null || weights?.bias === undefined ? "" : ", plus the bias of this channel";
  const taps = making.size?.join(" × ");
  const inputs = weights?.taps?.shape[0];
  const sentences = {
    convolution: `${inputs === 1 ? "Its input map is" : `Each of ${inputs} input maps is`} correlated with a kernel of ${taps} taps (networks call this convolution; the kernel is not flipped). ${inputs === 1 ? "That" : "The sum of these partial maps"}${bias} is channel ${channel}.`,
    "transposed convolution": `Each sample of ${inputs === 1 ? "the input map" : `${inputs} input maps`} puts its kernel of ${taps} taps, times its value, into the output; the sum${bias} is channel ${channel}.`,
    pooling: `Of each window of ${taps} samples in its own input map, the ${making.how === "max" ? "largest" : "mean"} is kept.`,
    "adaptive pooling": `The input map is cut into equal parts; of each the ${making.how === "max" ? "largest sample" : "mean"} is kept.`,
    mean: "The mean over all positions of its input map: where a pattern is does not count any more.",
    linear: `Every input has a weight of its own; the sum of the products${bias} is number ${channel}.`,
    "batch norm": "Each sample, times one scale, plus one shift. Both are the same at all positions.",
    "layer norm": "Each sample, minus the mean and divided by the deviation of all channels at its position, then scaled and shifted.",
    "group norm": "Each sample, minus the mean and divided by the deviation of its group of channels, then scaled and shifted.",
    softmax: "exp of each number, divided by the sum over all channels.",
    concatenation: "The maps of several layers, one behind the other; this one is a copy.",
    padding: "The input map, extended across its border.",
    pointwise: `Each number is made of the ${making.inputs.length > 1 ? "numbers" : "number"} at the same position.`,
  };
  return sentences[making.kind] ?? `${kind} is not taken apart map by map here. Pick a position to see which numbers it depends on.`;
}

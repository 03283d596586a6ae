// How is one feature map made, down to the single number? The map, the maps before it, and the numbers under the pointer.

import { extent, sizeOf } from "./array.js";
import { rangeFor } from "./colours.js";
import { button } from "./controls.js";
import { complain, complaint, format, grouped, h, number } from "./dom.js";
import { fieldBox, fieldSentence, fieldSteps, times } from "./field_words.js";
import { explain, isKnown } from "./making_value.js";
import { MapView, frameAt } from "./map_view.js";
import { denseDrawing } from "./network_dense.js";
import { plane } from "./network_input.js";
import { NumberPanel } from "./network_number.js";
import { PartialList } from "./network_partials.js";
import { patchList } from "./network_patches.js";
import { short } from "./network_row.js";
import { scaleOf } from "./network_tile.js";
import { SignalView } from "./signal_view.js";

const PAUSE = 120; // milliseconds that a pointer rests before Python is asked

export class ChannelPanel {
  // `handlers`: open(layer, channel), pin(position), mark(boxes) on the input, choose(sample).
  constructor(app, handlers) {
    Object.assign(this, { app, handlers });
    this.title = h("h2", { tabindex: "-1" });
    this.place = h("div", { class: "map-place" });
    this.numbers = new NumberPanel({});
    this.partials = new PartialList({
      onsource: (layer, channel) => handlers.open(layer, channel),
      onpart: (channel) => this.#choosePart(channel),
    });
    this.making = h("section", {}, h("h3", {}, "How it is made"), this.partials.element);
    this.layerFacts = h("section", {});
    this.patches = h("section", {});
    this.problem = complaint();
    this.element = h("div", { class: "channel", hidden: true }, h("div", { class: "channel-head" }, this.title, this.#stepper()), this.problem,
      h("div", { class: "channel-top" }, this.place, this.numbers.element), this.making, this.layerFacts, this.patches);
  }

  // Show a channel of a layer. `scene`: { run, data, lengths } of the input.
  async show(scene, number, channel) {
    const key = [number, channel];
    const layer = scene.run.layers[number];
    Object.assign(this, { scene, number, channel, layer, key, hovered: null });
    const name = layer.shape.length === 1 && scene.classes.length === layer.shape[0] ? ` · ${scene.classes[channel]}` : "";
    this.title.textContent = `${layer.kind} · channel ${channel}${name}`;
    complain(this.problem, "");
    this.#showLayer();
    const current = () => this.key === key;
    try {
      const [weights, output, ...tensors] = await Promise.all([
        isKnown(layer) ? scene.data.weights(number, channel) : null,
        scene.data.tensor(layer.tensor),
        ...(isKnown(layer) ? layer.making.inputs.map((each) => scene.data.tensor(each)) : []),
      ]);
      if (!current()) return;
      Object.assign(this, { weights, output, tensors });
      this.#showMap(output);
      this.partials.show(scene.run.layers, layer, channel, tensors, weights);
      this.pin(this.app.store.get("network.position").filter(Number.isInteger)); // as it is now: it may have been kept meanwhile
      this.#showPatches();
    } catch (error) {
      if (current()) this.#fail(error);
    }
  }

  // Keep a position: its numbers stay. An empty one lets go.
  pin(position) {
    const fits = position.length === this.layer.shape.length - 1;
    this.pinned = fits && position.length ? position : null;
    this.#look(this.pinned ?? (this.layer.shape.length === 1 ? [] : null), true);
  }

  close() {
    this.view?.close();
  }

  #fail(error) {
    complain(this.problem, error.message);
    this.place.replaceChildren();
    this.numbers.clear("");
    this.partials.list.replaceChildren();
    this.patches.replaceChildren();
  }

  #stepper() {
    const by = (step) => () => {
      const count = this.layer.shape[0];
      this.handlers.open(this.number, (this.channel + step + count) % count);
    };
    return h("div", { class: "stepper" }, button("‹", by(-1), { "aria-label": "Channel before" }), button("›", by(1), { "aria-label": "Next channel" }));
  }

  #showMap(output) {
    const lengths = this.layer.shape.slice(1);
    const kind = lengths.length === 0 ? "number" : lengths.length === 1 ? "signal" : "map";
    if (kind !== this.shown) {
      this.view?.close();
      this.shown = kind;
      const options = { label: "", height: kind === "signal" ? 180 : 250, onhover: (position) => this.#hover(this.#whole(position)), onpick: (position) => this.handlers.pin(this.#whole(position)) };
      this.view = kind === "number" ? null : kind === "signal" ? new SignalView(options) : new MapView(options);
    }
    this.place.replaceChildren(this.view ? this.view.element : h("p", {}, "This layer has no positions: the channel is one number, ", number(output.data[this.channel]), "."));
    if (!this.view) return;
    const map = plane(output, this.channel);
    const limits = extent(map);
    const scale = scaleOf(limits);
    this.view.show(map, kind === "signal" ? {} : { scale, range: rangeFor(scale, limits) });
    this.view.label = `Channel ${this.channel} of ${this.layer.name}, ${times(lengths)}`;
    const slice = lengths.length > 2 ? ", the slice in the middle" : "";
    this.view.caption.replaceChildren(`${times(lengths)} values from ${format(limits[0])} to ${format(limits[1])}${slice}. Hover: where a value comes from. Click: keep it.`);
  }

  // A position in the slice that is shown, as one in the whole map.
  #whole(position) {
    const before = this.layer.shape.slice(1, -2);
    return position && before.length ? [...before.map((length) => length >> 1), ...position] : position;
  }

  #hover(position) {
    this.hovered = position;
    if (!this.pinned) this.#look(position, false);
  }

  #choosePart(channel) {
    this.part = channel;
    this.#look(this.pinned ?? this.hovered ?? this.layer.shape.slice(1).map((length) => length >> 1), Boolean(this.pinned));
  }

  // Show where the number at a position comes from, and what it sees of the input.
  #look(position, all) {
    const { layer } = this;
    const shown = position?.slice(-2);
    this.view?.mark(position ? [frameAt(shown, "output")] : []);
    if (!position) {
      this.numbers.clear("Point at a value of the map, or press the arrow keys on it: its samples, weights and sum appear here. Click or Enter keeps it.");
      this.partials.mark(null, null);
      this.handlers.mark([]);
      return;
    }
    this.#markField(position, all);
    if (!isKnown(layer)) this.#askContributions(position);
    else this.#explain(position, all);
  }

  #explain(position, all) {
    const { layer, channel } = this;
    const found = explain(layer, channel, position, this.tensors, this.weights);
    const torch = this.output.at(channel, ...position);
    const title = titleOf(position);
    this.numbers.show(title, found, torch, { part: this.part ?? -1, all });
    this.partials.mark(position, windowOf(found));
    this.app.announce(`${title}: ${format(torch)}. ${fieldSentence(layer, this.scene.lengths)}`);
  }

  async #askContributions(position) {
    const { number: layer, channel, key } = this;
    this.partials.mark(position, null);
    if (!this.pinned && !this.app.host.live) return;
    const wanted = () => this.key === key && String(this.pinned ?? this.hovered ?? position) === String(position);
    await new Promise((resolve) => { setTimeout(resolve, this.pinned ? 0 : PAUSE); });
    if (!wanted()) return;
    try {
      const found = await this.scene.data.contributions(layer, channel, position);
      if (!wanted()) return;
      this.numbers.show(titleOf(position), contributed(found, this.layer), found.value, { part: -1, all: false });
    } catch (error) {
      if (this.key === key) this.numbers.clear(error.message);
    }
  }

  // The receptive field: at once as a box, and for a kept position as Python follows it.
  async #markField(position, exact) {
    const { layer, number, channel, scene, key } = this;
    const box = fieldBox(layer, position, scene.lengths);
    this.handlers.mark(box ? [inSlice(box)] : []);
    this.fieldNote.textContent = "";
    if (!exact || (!scene.live && box) || scene.lengths.length === 0) return;
    try {
      const found = await scene.data.field(number, channel, position);
      if (this.key !== key || (this.pinned && String(this.pinned) !== String(position))) return;
      this.handlers.mark([inSlice(found)]);
      this.fieldNote.textContent = fieldNote(found, position);
    } catch (error) {
      if (this.key === key && !box) this.fieldNote.textContent = error.message;
    }
  }

  #showLayer() {
    const { layer, scene } = this;
    this.fieldNote = h("p", { class: "field-note" });
    const sentence = fieldSentence(layer, scene.lengths) || "What one value of this layer sees depends on its position; it is followed for a position that you keep.";
    this.layerFacts.replaceChildren(
      h("h3", {}, "The layer ", layer.kind === layer.name ? layer.kind : `${layer.kind} ${layer.name}`),
      h("p", { class: "field-sentence" }, h("b", {}, sentence), ` ${fieldSteps(layer)}`), this.fieldNote,
      h("p", {}, countsOf(layer)));
    const dense = denseDrawing(layer);
    if (dense) this.layerFacts.append(dense);
  }

  async #showPatches() {
    const { number, channel, key, app } = this;
    if (!app.host.live) {
      this.patches.replaceChildren();
      return;
    }
    this.patches.replaceChildren(h("h3", {}, "Parts of samples that excite this channel"), h("p", { class: "hint" }, "Python looks for them …"));
    try {
      const { samples, patches } = await app.host.ask("network.patches", { layer: number, channel });
      if (this.key !== key) return;
      this.patches.replaceChildren(h("h3", {}, "Parts of samples that excite this channel"),
        h("p", { class: "hint" }, `What its largest value sees, in ${samples === 1 ? "the sample" : `those of ${samples} samples where it is largest, strongest first`}. Click to open the sample.`),
        patchList(patches, { onsample: this.handlers.choose }));
    } catch (error) {
      if (this.key === key) this.patches.replaceChildren(h("p", { class: "hint" }, error.message));
    }
  }
}

// Of a volume the slice in the middle is shown.
function inSlice({ start, stop }) {
  return { start: start.slice(-2), stop: stop.slice(-2), kind: "field" };
}

function titleOf(position) {
  return position.length ? `Value at (${position.join(", ")})` : "This number";
}

function countsOf({ shape, parameters, multiplyAdds }) {
  const parts = [`${grouped(shape[0])} channels`];
  if (parameters) parts.push(`${grouped(parameters)} parameters`);
  if (multiplyAdds) parts.push(`${short(multiplyAdds)} multiply-adds (products with their additions)`);
  return `${parts.join(", ")}.`;
}

// Start and stop of the window in an input map.
function windowOf(found) {
  const cells = found.form === "windows" ? found.parts[0].cells.filter(({ inside }) => inside) : [];
  const positions = found.form === "terms" ? found.terms.slice(0, 1).map(({ source }) => source?.[2]).filter((each) => each?.length) : cells.map(({ position }) => position);
  if (!positions.length || !positions[0].length) return null;
  const axes = positions[0].map((_, axis) => positions.map((each) => each[axis]));
  return { start: axes.map((all) => Math.min(...all)), stop: axes.map((all) => Math.max(...all) + 1) };
}

function contributed(found, layer) {
  const terms = found.parts.map(({ channel, position, sample, weight }) => ({
    label: `channel ${channel}${position.length ? ` at (${position.join(", ")})` : ""}`, sample, weight, product: sample * weight,
  }));
  const rest = found.value - found.sum;
  const constant = found.affine && Math.abs(rest) > 1e-5 * Math.max(1, Math.abs(found.value)) ? rest : null;
  const formula = found.affine ? `It depends on ${found.count} numbers: these, times how much each counts, ${constant === null ? "" : "and a constant "}add up to`
    : `${layer.kind} is not a weighted sum, and not taken apart here. The weights are derivatives: how much the value changes with each number. The value is`;
  return { form: "terms", terms, bias: constant, value: found.affine ? found.sum + (constant ?? 0) : found.value, formula };
}

function fieldNote({ start, stop, count, all, status, reasons }, position) {
  if (!start.length) return "";
  const sizes = stop.map((end, axis) => end - start[axis]);
  const box = sizeOf(sizes);
  const holes = count < box ? `, ${grouped(count)} of them, with holes` : "";
  const known = status === "exact" || status === "whole input" ? "" : ` (${status}${reasons.length ? `: ${reasons.join(", ")}` : ""})`;
  const where = position.length ? `The value at (${position.join(", ")})` : "This number";
  return `${where} sees ${count === all ? "the whole input, " : ""}${times(sizes)} samples here${holes}: from (${start.join(", ")}) to (${stop.map((end) => end - 1).join(", ")})${known}.`;
}

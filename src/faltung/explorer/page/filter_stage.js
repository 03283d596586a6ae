// What is seen of a filter? The input with its extension, the output of each operation, and the window that links them.

import { NdArray, extent, minus, offsetOf, positionOf, strongest } from "./array.js";
import { extended } from "./borders.js";
import { MapStrip } from "./channel_panel.js";
import { rangeFor } from "./colours.js";
import { segmented } from "./controls.js";
import { format, h, number, trueMinus } from "./dom.js";
import { MapView, frameAt } from "./map_view.js";
import { Player } from "./playing.js";
import { ReachPanel, framesOf } from "./reach_panel.js";
import { SignalView } from "./signal_view.js";
import { WindowPanel } from "./window_panel.js";

const NAMES = { convolve: "Convolution", correlate: "Correlation" };
const REST = 300; // milliseconds after which a position is kept in the address

export class FilterStage {
  constructor(app) {
    Object.assign(this, { app, store: app.store, outputs: {}, position: null, sample: null, key: "" });
    this.maps = h("div", { class: "maps" });
    this.difference = h("p", { class: "difference", hidden: true });
    this.strip = new MapStrip();
    this.bank = new MapStrip();
    this.stripTitle = h("h3", {});
    this.window = new WindowPanel();
    this.reach = new ReachPanel();
    this.player = new Player(app, {
      shape: () => (this.#goes ? this.problem.lengths : this.problem.shape), position: () => (this.#goes ? this.sample : this.position),
      go: (position) => this.#go(position), rest: () => this.#keepSoon(),
    });
    const direction = segmented(app, "filter.direction", "Follow", [["sees", "What an output sees"], ["goes", "Where a sample goes"]]);
    this.element = h("div", { class: "stage" }, this.maps, this.difference,
      h("div", { class: "strip" }, this.stripTitle, this.strip.element), this.bank.element, h("div", { class: "moving row" }, this.player.element, direction),
      h("p", { class: "hint" }, "Point at a picture, or use the arrow keys on it: here are the numbers at that place. Ctrl and the wheel enlarge."), this.window.element, this.reach.element);
  }

  get #goes() {
    return this.store.get("filter.direction") === "goes";
  }

  get #operations() {
    return Object.keys(this.results);
  }

  // The arrays of one output: of a colour picture whose channels are filtered each by itself, one for each of them.
  #parts(operation, out = this.out) {
    const { maps, sums } = this.results[operation];
    return this.each ? maps[out] : [sums[out]];
  }

  // The array whose numbers are seen.
  #seen(operation) {
    return this.each ? this.results[operation].maps[this.out][this.channel] : this.results[operation].sums[this.out];
  }

  // A new problem with its results: everything is drawn. `each`: whether every channel is filtered by itself.
  show({ input, problem, results, out, channel, labels, each }) {
    Object.assign(this, { input, problem, results, out, channel, each });
    this.#buildViews();
    this.#showInput();
    this.scales = this.#scaleOf(this.out);
    for (const operation of this.#operations) this.#showOutput(operation);
    this.#showDifference();
    this.#showStrips(labels);
    this.followState();
  }

  // The cursor goes where the state says.
  followState() {
    this.position = within(this.store.get("filter.position"), this.problem.shape) ?? this.#strongest();
    this.sample = within(this.store.get("filter.sample"), this.problem.lengths) ?? this.#sampleUnder(this.position);
    this.showCursor();
    this.app.announce(this.#sentence());
  }

  close() {
    clearTimeout(this.timer);
    for (const view of [this.inputView, ...Object.values(this.outputs), this.strip, this.bank]) view?.close();
  }

  views() {
    return { input: this.inputView, outputs: Object.values(this.outputs) };
  }

  // Positions along the row of the window, at most so many.
  path(most) {
    const length = this.problem.shape.at(-1);
    const step = Math.ceil(length / most);
    return Array.from({ length: Math.ceil(length / step) }, (_, index) => [...this.position.slice(0, -1), index * step]);
  }

  #buildViews() {
    const key = `${this.problem.ndim} ${this.#operations}`;
    if (key === this.key) return;
    this.key = key;
    for (const view of [this.inputView, ...Object.values(this.outputs)]) view?.close();
    const View = this.problem.ndim === 2 ? MapView : SignalView;
    const height = this.problem.ndim === 2 ? 330 : 220;
    this.inputView = new View({ label: "Input", height, onhover: (position) => position && this.#overInput(position), onpick: () => this.#keep() });
    this.outputs = Object.fromEntries(this.#operations.map((operation) => [operation, new View({
      label: NAMES[operation], height, onhover: (position) => position && this.#overOutput(position), onpick: () => this.#keep(),
    })]));
    this.#linkZoom();
    const titled = (title, view) => h("div", { class: "titled" }, h("h2", {}, title), view.element);
    this.maps.className = `maps ${this.problem.ndim === 2 ? "pictures" : "signals"} of-${this.#operations.length + 1}`;
    this.maps.replaceChildren(titled("Input", this.inputView), ...this.#operations.map((operation) => titled(this.#operations.length > 1 ? NAMES[operation] : `Output: ${NAMES[operation].toLowerCase()}`, this.outputs[operation])));
  }

  // Pictures are enlarged together, around the same place, with samples of one size.
  #linkZoom() {
    if (this.problem.ndim === 1) return;
    const follow = (view, other, place) => other.look(place, view.zoom === 1 ? 1 : (view.zoom * view.fit) / other.fit);
    const outputs = Object.entries(this.outputs);
    this.inputView.onlook = (centre) => {
      for (const [operation, view] of outputs) follow(this.inputView, view, centre && this.problem.outputNear(operation, centre.map(Math.floor)));
    };
    for (const [operation, view] of outputs) {
      view.onlook = (centre) => {
        follow(view, this.inputView, centre && this.problem.centreOf(operation, centre.map(Math.floor)));
        for (const [, other] of outputs) if (other !== view) follow(view, other, centre);
      };
    }
  }

  #showInput() {
    const { problem, input } = this;
    const { mode, cval } = problem.options("convolve");
    const reach = problem.reach();
    const beyond = reach.some(([before, after]) => before + after > 0);
    const room = problem.lengths.map((length) => (beyond ? Math.ceil(0.05 * length) : 0));
    const before = reach.map(([count], axis) => Math.max(count, room[axis]));
    const after = reach.map(([, count], axis) => Math.max(count, room[axis]));
    const shown = problem.channels.map((channel) => extended(channel, before, after, mode, cval));
    const [low, high] = extent(...problem.channels);
    this.inputRange = input.range ?? [low, high];
    this.inputScale = low < 0 && problem.ndim === 2 ? "signed" : "gray";
    const range = this.inputScale === "signed" ? rangeFor("signed", [low, high]) : rangeFor("gray", this.inputRange);
    this.inputRange = range;
    const inside = { start: problem.lengths.map(() => 0), stop: problem.lengths };
    const colour = input.colour || problem.channels.length === 1 || problem.ndim === 1;
    this.inputSpan = [-before[0], problem.lengths[0] + after[0]];
    this.inputView.show(colour ? shown : shown[this.channel], { scale: this.inputScale, range, origin: before.map((count) => -count), inside });
    this.inputView.label = `Input, ${problem.lengths.join(" by ")} samples. Move the window with the arrow keys.`;
    const spread = problem.setting.kind === "transposed" && problem.setting.stride > 1 ? "; zeros between the samples" : "";
    const extension = beyond ? `; dimmed around it: how it continues (${mode === "constant" ? `constant ${format(cval)}` : mode})` : "";
    const which = colour ? "" : `, ${input.names[this.channel]} of ${problem.channels.length}`;
    const scale = input.colour ? ", red, green and blue" : problem.ndim === 1 ? " samples" : `, ${this.inputScale} scale`;
    this.inputView.caption.textContent = `${problem.lengths.join(" × ")}${which}${scale} from ${format(range[0])} to ${format(range[1])}${spread}${extension}${missing(problem.channels)}`;
  }

  // Colours and their range for all outputs of a kind: those that are compared have one scale.
  #scaleOf(out) {
    const sums = this.#operations.flatMap((operation) => this.#parts(operation, out));
    const [low, high] = extent(...sums);
    const wanted = this.store.get("filter.scale");
    const taps = this.problem.bank("convolve")[out].slice(0, this.each ? 1 : undefined).map((kernel) => kernel.taps.data);
    const total = taps.flatMap((data) => [...data]).reduce((sum, tap) => sum + tap, 0);
    const weight = taps.flatMap((data) => [...data]).reduce((sum, tap) => sum + Math.abs(tap), 0);
    const signed = low < 0 && (this.inputScale === "signed" || Math.abs(total) < 0.05 * weight);
    const scale = ["signed", "gray", "magnitude"].includes(wanted) ? wanted : signed ? "signed" : "gray";
    // A filter that keeps the mean of a picture keeps its range, too.
    const kept = scale === "gray" && this.input.range && Math.abs(total - 1) < 0.1 && (this.each || this.problem.channels.length === 1);
    const limits = scale === "signed" ? usual(sums, low, high) : [low, high];
    return { scale, range: kept ? this.input.range : rangeFor(scale, limits) };
  }

  #showOutput(operation) {
    const parts = this.#parts(operation);
    const [array] = parts;
    const { scale, range } = this.scales;
    const [low, high] = extent(...parts);
    const view = this.outputs[operation];
    view.show(this.each ? coloured(parts, scale) : array, { scale, range, span: array.ndim === 1 ? this.problem.spanOf(operation, this.inputSpan) : undefined });
    view.label = `Output of the ${NAMES[operation].toLowerCase()}, ${array.shape.join(" by ")} samples.`;
    const meaning = this.each ? { signed: "zero is gray", magnitude: "sizes" }[scale] : scale === "signed" && array.ndim === 2 ? "orange is negative, white zero, purple positive" : "";
    const colours = array.ndim === 1 ? "samples" : `${this.each ? "each colour" : `${scale} scale`} from ${format(range[0])} to ${format(range[1])}`;
    view.caption.replaceChildren([`${array.shape.join(" × ")}${array.ndim === 1 ? " " : ", "}${colours}`, meaning].filter(Boolean).join(": "), "; smallest ", number(low, { "data-output": "smallest" }), ", largest ", number(high, { "data-output": "largest" }), missing(parts));
  }

  #showDifference() {
    this.difference.hidden = this.#operations.length < 2;
    if (this.difference.hidden) return;
    const [first, second] = this.#operations.map((operation) => this.#parts(operation));
    const differences = first.map((array, index) => minus(array, second[index]));
    const sizeOfLargest = (array) => Math.abs(array.data[strongest(array)]);
    const apart = differences.reduce((largest, array) => (sizeOfLargest(array) > sizeOfLargest(largest) ? array : largest));
    const [one] = first;
    const place = strongest(apart);
    const most = Math.abs(apart.data[place]) || 0;
    const at = positionOf(one.shape, place);
    const kernel = this.problem.bank("convolve")[this.out][0];
    this.difference.replaceChildren("Largest difference between both: ", number(most, { "data-output": "difference" }), most > 0 ? ` at ${at.join(", ")}. ` : ". ", most === 0 ? "Here both agree. " : "", reasonOf(kernel, most));
  }

  #showStrips(labels) {
    const first = this.results[this.#operations[0]];
    const several = this.problem.channels.length > 1;
    this.stripTitle.parentElement.hidden = !several;
    const { scale } = this.scales;
    if (several) {
      const maps = first.maps[this.out];
      const range = rangeFor(scale, extent(...maps));
      this.stripTitle.textContent = `One map for each channel in; ${this.each ? "together they are the colours of" : "their sum is"} the output (${NAMES[this.#operations[0]].toLowerCase()})`;
      this.strip.show(maps.map((array, index) => ({ array, scale, range, title: this.input.names[index] })), { sign: this.each ? "" : "+" });
    } else this.strip.clear();
    this.bank.element.hidden = first.sums.length < 2;
    if (first.sums.length > 1) {
      const items = first.sums.map((sum, out) => ({ array: this.each ? coloured(first.maps[out], this.#scaleOf(out).scale) : sum, title: `output ${out + 1}: ${labels[out]}`, ...this.#scaleOf(out) }));
      this.bank.show(items, { chosen: this.out, onpick: (index) => this.store.set({ "filter.chosen": [index, 0] }) });
    } else this.bank.clear();
  }

  // The output that is farthest from zero.
  #strongest() {
    const output = this.#seen(this.#operations[0]);
    return positionOf(output.shape, strongest(output));
  }

  #sampleUnder(position) {
    return this.problem.centreOf(this.#operations[0], position).map((at, axis) => Math.min(this.problem.lengths[axis] - 1, Math.max(0, at)));
  }

  #overInput(sample) {
    this.player.pause();
    if (this.#goes) this.#go(sample.map((at, axis) => Math.min(this.problem.lengths[axis] - 1, Math.max(0, at))));
    else this.#go(this.problem.outputNear(this.#operations[0], sample));
    this.#keepSoon();
  }

  #overOutput(position) {
    this.player.pause();
    this.#go(this.#goes ? this.#sampleUnder(position) : position);
    this.#keepSoon();
  }

  #go(position) {
    if (this.#goes) this.sample = position;
    else this.position = position;
    this.showCursor();
    if (!this.player.playing) this.app.announce(this.#sentence());
  }

  #keepSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(), REST);
  }

  #keep() {
    if (this.player.playing) return;
    this.kept = JSON.stringify(this.#goes ? this.sample : this.position);
    this.store.set(this.#goes ? { "filter.sample": this.sample } : { "filter.position": this.position });
  }

  // Whether the state has the place that was kept last: then there is nothing to follow.
  get following() {
    return JSON.stringify(this.store.get(this.#goes ? "filter.sample" : "filter.position")) !== this.kept;
  }

  showCursor() {
    this.window.element.hidden = this.#goes;
    this.reach.element.hidden = !this.#goes;
    if (this.#goes) this.#showReach();
    else this.#showWindow();
    this.player.update();
  }

  #windowsAt(position) {
    const { dilation } = this.problem.options("convolve");
    return this.#operations.map((operation) => {
      const kernel = this.problem.bank(operation)[this.out][0];
      const windows = this.problem.windows(operation, this.out, position);
      const origin = kernel.origin.map((at, axis) => (operation === "convolve" ? kernel.taps.shape[axis] - 1 - at : at));
      return { operation, position, dilation, origin, windows: this.each ? [windows[this.channel]] : windows };
    });
  }

  // Mark a position, without its numbers.
  markAt(position) {
    const views = this.#windowsAt(position);
    const kinds = ["window", "reach"];
    const frames = views.map(({ windows: [{ start, stop, taps }], dilation }, index) => ({ start, stop, kind: kinds[index], taps: taps.ndim === 1 ? taps.data : undefined, step: dilation }));
    const apart = frames.length === 2 && String(frames[0].start) !== String(frames[1].start);
    if (!apart) frames.length = 1;
    this.window.element.classList.toggle("apart", apart);
    const centre = this.problem.centreOf(views[0].operation, position);
    this.inputView.mark([...frames, { ...frameAt(centre, "output"), quiet: true }]);
    for (const view of Object.values(this.outputs)) {
      view.mark([frameAt(position, "output")]);
      view.cursor = position;
    }
    this.inputView.cursor = centre;
    return views;
  }

  #showWindow() {
    const views = this.markAt(this.position);
    this.window.show(views, { names: this.each ? [this.input.names[this.channel]] : this.input.names, named: this.each || this.input.names.length > 1, channel: this.channel, scale: this.inputScale, range: this.inputRange });
  }

  #showReach() {
    const views = this.#operations.map((operation) => ({ operation, reached: this.problem.reached(operation, this.out, this.channel, this.sample) }));
    this.inputView.mark([frameAt(this.sample, "output")]);
    this.inputView.cursor = this.sample;
    for (const { operation, reached } of views) this.outputs[operation].mark(framesOf(reached));
    const channel = this.problem.channels[this.channel];
    const name = this.problem.channels.length > 1 ? this.input.names[this.channel] : "";
    this.reach.show(views, { value: channel.data[offsetOf(channel.shape, this.sample)], position: this.sample, channel: name });
  }

  #sentence() {
    const [operation] = this.#operations;
    if (this.#goes) {
      const count = this.problem.reached(operation, this.out, this.channel, this.sample).length;
      return `The sample at ${this.sample.join(", ")} reaches ${count} ${count === 1 ? "output" : "outputs"}.`;
    }
    const values = this.#operations.map((one) => {
      const values = this.#parts(one).map((array) => format(array.data[offsetOf(array.shape, this.position)]));
      return `${NAMES[one].toLowerCase()} is ${values.join(", ")}${this.each ? ` (${this.input.names.join(", ")})` : ""}`;
    });
    return `Output ${this.position.join(", ")}: the ${values.join(", the ")}. Its window is around sample ${trueMinus(this.problem.centreOf(operation, this.position).join(", "))}.`;
  }
}

// The legend of samples that are no numbers, if there are any.
function missing(arrays) {
  return arrays.length === 1 && arrays[0].ndim === 2 && arrays[0].data.some(Number.isNaN) ? "; pink: not a number (NaN)" : "";
}

// Colours of an output: of magnitudes, the sizes.
function coloured(parts, scale) {
  return scale === "magnitude" ? parts.map(({ shape, data }) => new NdArray(shape, data.map(Math.abs))) : parts;
}

function within(position, shape) {
  const fits = Array.isArray(position) && position.length === shape.length && position.every((at, axis) => Number.isInteger(at) && at >= 0 && at < shape[axis]);
  return fits ? position : null;
}

// Limits within which all but a few of many numbers are: a scale up to the very largest would leave a picture pale.
function usual(arrays, low, high) {
  const all = arrays.flatMap(({ data }) => [...data.filter((_, index) => index % Math.ceil(data.length / 8192) === 0)]);
  if (all.length < 4096) return [low, high];
  const sizes = Float64Array.from(all, Math.abs).sort();
  const limit = sizes[Math.floor(0.995 * sizes.length)];
  return [-limit || low, limit || high];
}

// Why both operations agree, or differ.
function reasonOf({ taps, origin }, most) {
  const centred = origin.every((at, axis) => 2 * at === taps.shape[axis] - 1);
  const { data } = taps;
  const last = data.length - 1;
  const like = (sign) => centred && data.every((tap, index) => Math.abs(tap - sign * data[last - index]) <= 1e-12 * Math.abs(tap));
  if (like(1)) return "This kernel looks the same after half a turn, so both agree. Try an edge filter or Emboss.";
  if (like(-1)) return "Convolution turns the kernel by half a turn. Turned, this one is its own negative, so both differ in sign.";
  if (most === 0) return "";
  return "Convolution turns the kernel by half a turn before it lays it over the samples; correlation does not.";
}

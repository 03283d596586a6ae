// What can be changed in the filter view? The input, the kernels, the operation, the border and the steps.

import { MODES } from "./borders.js";
import { button, choice, field, numeric, segmented } from "./controls.js";
import { BankEditor } from "./channel_panel.js";
import { h } from "./dom.js";
import { chosenKernel, kernelRows, settingOf } from "./filter_state.js";
import { FIRST_KERNEL, kernelFrom } from "./kernel_descriptions.js";
import { KernelEditor } from "./kernel_editor.js";
import { inputsOf, listenForFiles, readFile } from "./picture_source.js";
import { isSavedState, openState } from "./saved_state.js";

const MODE_TEXTS = {
  reflect: "reflect:  c b a | a b c", constant: "constant:  k k k | a b c, a number k", nearest: "nearest:  a a a | a b c",
  mirror: "mirror:  d c b | a b c", wrap: "wrap:  x y z | a b c",
};
const EMBOSS = { source: "table", table: { taps: [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], origin: [1, 1] }, line: { taps: [2, 1, 1, 0, -1], origin: [2] }, typed: true };
const TRIES = [
  ["Vertical edges", { name: "sobel", arguments: { axis: 1 } }], ["Horizontal edges", { name: "sobel", arguments: { axis: 0 } }],
  ["Blur", { name: "gaussian", arguments: { sigma: 2 } }], ["Sharpen", { name: "unsharp", arguments: { sigma: 2 } }],
  ["Spots", { name: "log", arguments: { sigma: 2 } }], ["Emboss", EMBOSS],
];

// Filters to try with one click.
export function triesBar(app, ndim) {
  const set = (description) => app.store.set({ "filter.kernels": [[{ source: "name", ...description }]], "filter.chosen": [0, 0] });
  const differ = () => {
    set(EMBOSS);
    app.store.set({ "filter.operation": "both", "filter.kind": "plain" });
  };
  const buttons = TRIES.map(([title, description]) => button(title, () => set(description)));
  const bar = h("div", { class: "tries row", role: "group", "aria-label": "Filters to try" }, h("strong", {}, "Try:"), buttons,
    button("Convolution or correlation?", differ, { class: "differ" }));
  const update = () => {
    buttons[1].hidden = buttons[5].hidden = ndim() === 1;
    buttons[0].textContent = ndim() === 1 ? "Edges" : "Vertical edges";
    const present = (kernelRows(app.store)?.flat() ?? []).map((description) => tapsOf(description, ndim()));
    buttons.forEach((one, index) => {
      const own = tapsOf({ source: "name", ...TRIES[index][1] }, ndim());
      one.setAttribute("aria-pressed", String(own !== "" && present.length > 0 && present.every((taps) => taps === own)));
    });
  };
  return { element: bar, update };
}

// The taps of a description and their origin, to compare; "" if it has none.
function tapsOf(description, ndim) {
  try {
    const { taps, origin } = kernelFrom(description, ndim);
    return `${taps.shape} ${origin} ${taps.data}`;
  } catch {
    return "";
  }
}

export class FilterControls {
  // `input()`: the present one; `labels()`: of the kernels; `dropZone`: the element on which files can be dropped.
  constructor(app, { input, labels, dropZone, onerror }) {
    Object.assign(this, { app, input, onerror });
    const ndim = () => input().ndim;
    this.editor = new KernelEditor({ ndim, read: () => this.#chosen(), write: (description) => this.#write(description) });
    this.bank = new BankEditor(app, { names: () => input().names, labels });
    this.element = h("aside", { class: "filter-controls" },
      h("section", {}, h("h2", {}, "Input"), this.#inputPart(dropZone)),
      h("section", {}, h("h2", {}, "Kernel"), this.editor.element, this.#channelsPart()),
      h("section", {}, h("h2", {}, "Operation"), segmented(app, "filter.operation", "How the kernel is laid over the samples", [["convolve", "Convolution"], ["correlate", "Correlation"], ["both", "Both"]])),
      h("section", {}, h("h2", {}, "Border and steps"), this.#bordersPart()));
    app.untilClosed(() => this.editor.close());
  }

  update(problem) {
    const setting = settingOf(this.app.store, this.input().ndim);
    this.select.replaceChildren(...this.#inputOptions());
    this.select.value = this.input().name;
    this.note.textContent = [this.input().note, this.input().name === "own" && "A link or a saved state does not hold your own file: after a reload, open it again."].filter(Boolean).join(" ");
    this.editor.update(problem);
    this.bank.update();
    this.each.hidden = !this.input().colour || kernelRows(this.app.store)?.[0].length !== 1;
    if ((kernelRows(this.app.store)?.length ?? 1) > 1 || this.input().names.length > 1) this.channels.open = true;
    const transposed = setting.kind === "transposed";
    this.mode.hidden = this.shape.hidden = transposed;
    this.cval.hidden = transposed || setting.mode !== "constant";
    this.paddings.hidden = !transposed;
    this.paddings.querySelectorAll("input")[1].value = setting.outputPadding;
    this.causal.hidden = this.input().ndim !== 1;
    this.kindHint.textContent = {
      plain: "", transposed: "With zeros between the samples, and all outputs that overlap them: each sample adds the whole kernel to the output.",
      causal: "The origin is at the end: no output needs a later sample.",
    }[setting.kind];
  }

  #chosen() {
    const rows = kernelRows(this.app.store) ?? [[FIRST_KERNEL]];
    const { out, channel } = chosenKernel(this.app.store, rows);
    return rows[out][channel];
  }

  #write(description) {
    const rows = kernelRows(this.app.store) ?? [[FIRST_KERNEL]];
    const { out, channel } = chosenKernel(this.app.store, rows);
    const changed = rows.map((row, index) => (index === out ? row.map((item, place) => (place === channel ? description : item)) : row));
    this.app.store.set({ "filter.kernels": changed });
  }

  #inputPart(dropZone) {
    this.select = h("select", { onchange: () => this.app.store.set({ "filter.input": this.select.value, "filter.position": null, "filter.sample": null }) });
    this.note = h("p", { class: "hint" });
    const file = h("input", { type: "file", hidden: true, onchange: () => { if (file.files[0]) this.#take(file.files[0]); file.value = ""; } });
    listenForFiles(this.app, dropZone, (taken) => this.#take(taken));
    return h("div", {}, field("Picture or signal", this.select), this.note, button("Open your own…", () => file.click(), { class: "open" }), file,
      h("p", { class: "hint" }, "or drop or paste one anywhere: a picture, WAV, CSV, or a saved state. It stays in this page."));
  }

  async #take(file) {
    if (isSavedState(file)) return openState(this.app, file);
    try {
      const input = await readFile(this.app.host, file);
      this.onerror("");
      this.app.announce(`${input.title} was opened: ${input.channels[0].shape.join(" × ")} samples, ${input.channels.length} ${input.channels.length === 1 ? "channel" : "channels"}. ${input.note}`);
      if (this.app.store.get("filter.input") === "own") this.app.store.set({ "filter.input": "" }); // another one of the same name
      this.app.store.set({ "filter.input": "own", "filter.position": null, "filter.sample": null });
      this.ontaken?.();
    } catch (error) {
      this.onerror(error.message);
    }
  }

  #inputOptions() {
    const groups = { "Your own": [], Pictures: [], Signals: [] };
    for (const { name, title, ndim } of inputsOf(this.app.host)) groups[name === "own" || name === "given" ? "Your own" : ndim === 2 ? "Pictures" : "Signals"].push(h("option", { value: name }, title));
    return Object.entries(groups).filter(([, options]) => options.length).map(([label, options]) => h("optgroup", { label }, options));
  }

  #channelsPart() {
    this.each = h("div", {}, segmented(this.app, "filter.channels", "One kernel for all channels", [["each", "Each by itself"], ["sum", "Summed"]]),
      h("p", { class: "hint" }, "By itself: the output is a colour picture. Summed: one map, as a layer of a network makes it."));
    this.channels = h("details", { class: "channels" }, h("summary", {}, "Channels"),
      h("p", { class: "hint" }, "Each kernel makes one output: a channel out. Click one to change it."), this.bank.element, this.each);
    return this.channels;
  }

  #bordersPart() {
    const { app } = this;
    this.mode = choice(app, "filter.mode", "Beyond the border (mode)", MODES.map((mode) => [mode, MODE_TEXTS[mode]]));
    this.cval = numeric(app, "filter.cval", "The constant", { min: -1e6, max: 1e6, step: "any" });
    this.shape = choice(app, "filter.shape", "Outputs", [["same", "same: one for each sample"], ["valid", "valid: inside of the border"], ["full", "full: wherever both overlap"]]);
    const kind = segmented(app, "filter.kind", "Kind", [["plain", "Plain"], ["transposed", "Transposed"], ["causal", "Causal"]]);
    this.causal = kind.querySelectorAll("button")[2];
    this.kindHint = h("p", { class: "hint" });
    this.paddings = h("div", { class: "row" }, numeric(app, "filter.padding", "Padding", { min: 0, max: 64 }), numeric(app, "filter.output_padding", "Padding of outputs", { min: 0, max: 7 }));
    const scale = choice(app, "filter.scale", "Colours of outputs", [["auto", "by the numbers"], ["signed", "signed: zero is white"], ["gray", "gray"], ["magnitude", "magnitude"]]);
    return h("div", {}, this.mode, this.cval, this.shape,
      h("div", { class: "row" }, numeric(app, "filter.stride", "Stride", { min: 1, max: 8 }), numeric(app, "filter.dilation", "Dilation", { min: 1, max: 8 })), kind, this.kindHint, this.paddings, scale);
  }
}

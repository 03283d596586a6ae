// Can one calculate with filters? Two kernels, what is made of them, and the same picture by both routes.

import { NdArray, sizeOf } from "./array.js";
import { BorderPanel } from "./algebra_border.js";
import { EquationPanel } from "./algebra_equation.js";
import { LawsPanel } from "./algebra_laws_panel.js";
import { OPERATIONS } from "./algebra_operations.js";
import { RoutesPanel } from "./algebra_routes.js";
import { MODES } from "./borders.js";
import { button, field } from "./controls.js";
import { complain, complaint, h } from "./dom.js";
import { askForKernel, kernelFrom } from "./kernel_descriptions.js";
import { KernelEditor, textOf } from "./kernel_editor.js";
import { sumOf } from "./convolution.js";
import { MapView } from "./map_view.js";
import { passesOnce } from "./passes.js";
import { inputNamed, inputsOf, listenForFiles, readFile } from "./picture_source.js";
import { isSavedState, openState } from "./saved_state.js";
import { SignalView } from "./signal_view.js";

export const ALGEBRA_STATE = {
  "algebra.f": { source: "name", name: "binomial", arguments: { order: 2 } },
  "algebra.g": { source: "name", name: "sobel", arguments: { axis: 1 } },
  "algebra.h": { source: "name", name: "laplacian", arguments: {} },
  "algebra.operation": "product",
  "algebra.n": 3,
  "algebra.a": 2,
  "algebra.mode": "reflect",
  "algebra.enlarged": false, // whether the difference of both routes has colours of its own
  "algebra.position": null, // of the sample that is compared; null: none yet
  "algebra.part": "", // "laws" or "border": where an address leads to
};

const MOST_WORK = 3e9; // multiplications for one picture

const TRIES = [
  ["Smooth, then find edges", "product", { name: "binomial", arguments: { order: 2 } }, { name: "sobel", arguments: { axis: 1 } }],
  ["A box, again and again", "power", { name: "box", arguments: { size: 3 } }, null],
  ["What smoothing removes", "difference", { name: "delta" }, { name: "gaussian", arguments: { sigma: 2 } }],
  ["Two blurs are one blur", "product", { name: "gaussian", arguments: { sigma: 1.5 } }, { name: "gaussian", arguments: { sigma: 2 } }],
  ["A shift, and back", "product", { source: "table", table: { taps: [[0, 0, 0], [0, 0, 0], [0, 0, 1]], origin: [1, 1] }, line: { taps: [0, 0, 1], origin: [1] } },
    { source: "table", table: { taps: [[1, 0, 0], [0, 0, 0], [0, 0, 0]], origin: [1, 1] }, line: { taps: [1, 0, 0], origin: [1] } }],
];

export function mountAlgebra(place, app) {
  new AlgebraView(place, app);
}

class AlgebraView {
  constructor(place, app) {
    Object.assign(this, { place, app, store: app.store, abort: new AbortController() });
    this.input = this.#input();
    const ndim = () => this.input.ndim;
    this.equation = new EquationPanel(app, ndim);
    this.routes = new RoutesPanel(app, () => this.#viewClass());
    this.laws = new LawsPanel(app);
    this.border = new BorderPanel(app);
    this.third = new KernelEditor({ ndim, read: () => this.store.get("algebra.h"), write: (description) => this.store.set({ "algebra.h": description }) });
    this.wrong = complaint();
    this.parts = { laws: this.#lawsSection(), border: this.border.element };
    place.append(this.#heading(), this.equation.element, this.wrong, this.routes.element, this.parts.laws, this.parts.border);
    requestAnimationFrame(() => this.#lead());
    app.untilClosed(this.store.on(["algebra.", "filter.input"], (keys) => this.#changed(keys)));
    app.untilClosed(() => this.#close());
    listenForFiles(app, place, (file) => this.#take(file));
    this.rebuild();
  }

  #input() {
    return inputNamed(this.app.host, this.store.get("filter.input"));
  }

  // A file that was dropped or pasted becomes x.
  async #take(file) {
    try {
      if (isSavedState(file)) return openState(this.app, file);
      await readFile(this.app.host, file);
    } catch (error) {
      this.#complain(error.message);
      return;
    }
    this.#listInputs();
    this.store.set({ "filter.input": "own", "algebra.position": null });
    this.rebuild(); // also where another own one was shown
  }

  #listInputs() {
    this.select.replaceChildren(...inputsOf(this.app.host).map(({ name, title }) => h("option", { value: name }, title)));
  }

  #viewClass() {
    return this.input.ndim === 2 ? MapView : SignalView;
  }

  #heading() {
    const tries = TRIES.map(([title, operation, f, g]) => button(title, () => this.store.set({
      "algebra.operation": operation, "algebra.f": { source: "name", ...f }, ...(g ? { "algebra.g": { source: "name", ...g } } : {}),
    })));
    this.select = h("select", { onchange: () => this.store.set({ "filter.input": this.select.value, "algebra.position": null }) });
    this.#listInputs();
    return h("div", { class: "algebra-head" },
      h("p", {}, "Filters can be calculated with, like numbers. The product ∗ of two kernels is their convolution: ",
        h("strong", {}, "one kernel that does what both do, one after the other.")),
      h("div", { class: "row" }, field("Picture or signal x", this.select, "or drop or paste your own"),
        h("div", { class: "tries row", role: "group", "aria-label": "Kernels to try" }, h("strong", {}, "Try:"), tries)));
  }

  #lawsSection() {
    this.thirdName = h("code", {});
    this.thirdPart = h("details", { class: "third" }, h("summary", {}, "The third kernel, h: ", this.thirdName), this.third.element);
    return h("section", { "aria-label": "Laws" }, h("h2", {}, "Laws to try: change f, g or h, and see which still hold"), this.thirdPart, this.laws.element);
  }

  #changed(keys) {
    const only = (...names) => [...keys].every((key) => names.includes(key));
    if (keys.has("algebra.part")) this.#lead();
    if (only("algebra.part")) return;
    if (only("algebra.position")) this.routes.followState();
    else if (only("algebra.enlarged", "algebra.position")) this.routes.redraw();
    else this.rebuild();
  }

  // Bring the part into view that the address leads to.
  #lead() {
    this.parts[this.store.get("algebra.part")]?.scrollIntoView();
  }

  // Read the kernels: { f, g, h, a, n }, and what is wrong with them.
  #kernels() {
    const problems = {};
    const kernels = { a: Math.min(100, Math.max(-100, this.store.get("algebra.a"))), n: Math.min(8, Math.max(1, Math.round(this.store.get("algebra.n")))) };
    for (const name of ["f", "g", "h"]) {
      try {
        kernels[name] = kernelFrom(this.store.get(`algebra.${name}`), this.input.ndim);
      } catch (error) {
        problems[name] = error.message;
        if (error.beyond) this.#askPython(this.store.get(`algebra.${name}`).text);
      }
    }
    return { kernels, problems };
  }

  // An expression that only Python can read.
  async #askPython(text) {
    try {
      if (await askForKernel(this.app.host, text, this.input.ndim)) this.rebuild();
    } catch (error) {
      this.#complain(error.message);
    }
  }

  async rebuild() {
    delete this.place.dataset.ready;
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.input = this.#input();
    this.select.value = this.input.name;
    const { kernels, problems } = this.#kernels();
    const operation = Object.hasOwn(OPERATIONS, this.store.get("algebra.operation")) ? this.store.get("algebra.operation") : "product";
    const mode = MODES.includes(this.store.get("algebra.mode")) ? this.store.get("algebra.mode") : MODES[0];
    const x = pictureOf(this.input);
    const complete = Boolean(kernels.f && kernels.g);
    const made = complete ? this.#made(operation, kernels, x) : null;
    this.equation.show(kernels, problems, operation, made);
    this.third.update(problems.h ?? "");
    this.thirdPart.open ||= Boolean(problems.h);
    this.laws.element.classList.toggle("stale", !kernels.h);
    this.thirdName.textContent = kernels.h ? textOf(kernels.h) : "?";
    this.place.classList.toggle("stale", !made);
    if (complete) this.#complain(made ? "" : this.problem);
    if (!made) return;
    try {
      const run = (chain) => passesOnce(x, chain, mode, signal);
      await this.routes.show({ x, input: this.input, operation, kernels, made, run, signal });
      if (this.seen) this.app.announce(`${OPERATIONS[operation].title} has ${made.taps.shape.join(" by ")} taps. ${this.routes.conclusion}`);
      this.seen = true; // the first time, nothing was asked for
      await this.border.show({ x, f: kernels.f, g: kernels.g, view: this.#differenceView(), mode, signal });
      if (kernels.h) await this.laws.show(kernels, run, signal);
      this.place.dataset.ready = "true"; // everything of the present state is shown
    } catch (error) {
      if (error instanceof RangeError) this.#complain(error.message); // kernels that are too large for a law
      else if (error.name !== "AbortError") throw error;
    }
  }

  // The kernel of the operation; null if there is none that can be shown, and then `problem` says why.
  #made(operation, kernels, x) {
    try {
      const made = OPERATIONS[operation].kernel(kernels);
      const taps = made.factors ? made.factors.reduce((sum, { data }) => sum + data.length, 0) : made.taps.data.length;
      if (taps * sizeOf(x.shape) > MOST_WORK) throw new RangeError(`The result has ${made.taps.shape.join(" × ")} taps, too many for this picture. Take smaller kernels.`);
      return made;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.problem = error.message;
      return null;
    }
  }

  #complain(message) {
    complain(this.wrong, message);
  }

  #differenceView() {
    const View = this.#viewClass();
    if (!(this.mapOfDifference instanceof View)) {
      this.mapOfDifference?.close();
      this.mapOfDifference = new View({ label: "The difference at the border", height: View === MapView ? 300 : 200 });
    }
    return this.mapOfDifference;
  }

  #close() {
    this.abort.abort();
    this.equation.close();
    this.routes.close();
    this.laws.close();
    this.border.close();
    this.third.close();
    this.mapOfDifference?.close();
  }
}

// One channel: of several the mean.
function pictureOf({ channels }) {
  if (channels.length === 1) return channels[0];
  const { shape, data } = sumOf(channels);
  return new NdArray(shape, data.map((value) => value / channels.length));
}

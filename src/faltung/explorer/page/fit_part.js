// Which filter leads from one picture to another? The one with the smallest risk, found at once or step by step.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { segmented } from "./controls.js";
import { DescentPanel } from "./descent_panel.js";
import { format, h } from "./dom.js";
import { fitControls } from "./fit_controls.js";
import { picturesFor } from "./fit_pictures.js";
import { FitProblem, LARGEST_IN_PAGE, MOST_STEPS } from "./fit_problem.js";
import { foundSentence, kernelTables, reportTable } from "./fit_report.js";
import { FitWindow } from "./fit_window.js";
import { largestDifference } from "./kernels.js";
import { MapView, frameAt } from "./map_view.js";

const DATA = ["learning.picture", "learning.truth", "learning.direction", "learning.noise", "learning.size"];
const PATIENCE = 250; // milliseconds without a change before Python is asked

export function mountFit(place, app) {
  new FitPart(place, app);
}

class FitPart {
  constructor(place, app) {
    Object.assign(this, { app, problem: null, waiting: false, asking: 0, timer: 0, drawn: [] });
    this.wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    this.maps = ["Before", "After (the target)", "Output of the filter", "Error: target − output"].map((title) => this.#map(title));
    this.window = new FitWindow();
    this.descent = new DescentPanel(app, () => this.#steps);
    this.kernels = h("div", { class: "kernels" });
    this.difference = h("p", {});
    this.report = h("div", {});
    const which = segmented(app, "learning.filter", "The filter that is shown", [["best", "The best one"], ["steps", "After some steps"]]);
    const controls = fitControls(app, { changed: () => this.#begin(), refused: (sentence) => this.#refuse(sentence) });
    this.found = h("div", {}, h("div", { class: "maps" }, this.maps.map(({ element }) => element)),
      this.window.element,
      h("div", { class: "columns" }, h("section", {}, which, this.kernels, this.difference, this.descent.element),
        h("section", {}, h("h3", {}, "How good the best one is"), this.report)));
    place.append(h("p", { class: "lead" }, "A filter is learned by making a risk small: the mean of the squared errors between its outputs and a target, over all windows. ",
      "For one filter the minimum can be computed; networks go down step by step."),
      h("div", { class: "with-controls" }, controls, h("div", {}, this.wrong, this.found)));
    app.untilClosed(app.store.on(DATA, () => this.#begin()));
    app.untilClosed(app.store.on(["learning.ridge"], () => this.#solve()));
    app.untilClosed(app.store.on(["learning.rate"], () => {
      this.problem?.setRate(this.#rate);
      this.#show();
    }));
    app.untilClosed(app.store.on(["learning.filter", "learning.step"], () => this.#show()));
    app.untilClosed(app.store.on(["learning.position"], () => this.#showWindow()));
    app.untilClosed(() => {
      this.abort?.abort();
      clearTimeout(this.timer);
    });
    this.#begin();
  }

  #map(title) {
    const map = new MapView({ label: title, height: 250, onhover: (position) => position && this.app.store.set({ "learning.position": position }) });
    this.app.untilClosed(() => map.close());
    return { title, map, element: h("section", {}, h("h3", {}, title), map.element) };
  }

  #state(name) {
    return this.app.store.get(`learning.${name}`);
  }

  // A number of the state; an address may hold any.
  #number(name, low, high) {
    return Math.min(high, Math.max(low, this.#state(name)));
  }

  get #steps() {
    return Math.round(this.#number("step", 0, MOST_STEPS));
  }

  get #rate() {
    return this.#number("rate", 0.02, 1.1);
  }

  #refuse(sentence) {
    this.wrong.textContent = sentence;
    this.wrong.hidden = !sentence;
  }

  // Take the pictures, and sum over their windows.
  async #begin() {
    this.abort?.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const pictures = picturesFor(this.app.host, {
        picture: this.#state("picture"), truth: this.#state("truth"), direction: this.#state("direction"), noise: this.#number("noise", 0, 100),
      });
      const size = Math.round(this.#number("size", 1, 15));
      if (size > LARGEST_IN_PAGE && !this.app.host.live) throw new RangeError(`This page finds filters of up to ${LARGEST_IN_PAGE} × ${LARGEST_IN_PAGE} taps. Python finds larger ones.`);
      const problem = await FitProblem.of(pictures, size, signal);
      if (signal.aborted) return;
      this.problem = problem;
      this.#refuse("");
      this.#solve();
    } catch (error) {
      if (signal.aborted) return;
      this.problem = null;
      this.found.hidden = true;
      this.#refuse(error.message);
    }
  }

  #solve() {
    if (!this.problem) return;
    this.problem.python = null;
    this.problem.solve(this.#number("ridge", 0, 1e6), this.#rate);
    this.waiting = this.app.host.live;
    clearTimeout(this.timer);
    if (this.app.host.live) this.timer = setTimeout(() => this.#askPython(this.problem), PATIENCE);
    this.#show();
    if (this.problem.best) this.app.announce(foundSentence(this.problem));
  }

  async #askPython(problem) {
    const turn = ++this.asking;
    const { before, target, size, ridge } = problem;
    let refusal = "";
    try {
      const answer = await this.app.host.ask("fit", { before, after: target, size, ridge });
      if (turn !== this.asking || problem !== this.problem) return;
      problem.python = { ...answer, taps: new NdArray(answer.taps.shape, Float64Array.from(answer.taps.data)) };
    } catch (error) {
      if (turn !== this.asking || problem !== this.problem) return;
      refusal = error.message;
    }
    this.waiting = false;
    this.#refuse(refusal);
    this.#show();
  }

  #show() {
    const { problem } = this;
    this.found.hidden = !problem?.best;
    if (!problem?.best) return;
    const now = problem.after(this.#steps);
    this.filter = (this.#state("filter") === "steps" && now) || problem.best;
    this.#showMaps();
    this.#showKernels();
    this.report.replaceChildren(reportTable({ problem, waiting: this.waiting }));
    this.descent.show(problem, now);
    this.#showWindow();
  }

  #showMaps() {
    const { before, target, first, ranges: [given, gray] } = this.problem;
    const { output, error } = this.filter;
    const inner = [first, first];
    const shown = [[before, "gray", given, [0, 0]], [target, "gray", gray, [0, 0]], [output, "gray", gray, inner], [error, "signed", rangeFor("signed", extent(error)), inner]];
    shown.forEach(([samples, scale, range, origin], index) => {
      const { map } = this.maps[index];
      if (this.drawn[index] === samples) return;
      this.drawn[index] = samples;
      map.show(samples, { scale, range, origin });
      map.caption.textContent = scale === "gray" ? `${format(range[0])} (black) to ${format(range[1])} (white)` : `${format(range[0])} (orange) to ${format(range[1])} (purple)`;
    });
  }

  #showKernels() {
    const { truth, best } = this.problem;
    const exact = this.filter.kernel === best.kernel || this.#state("filter") === "best";
    const tables = [{ title: exact ? "the best filter" : `after ${this.#steps} ${this.#steps === 1 ? "step" : "steps"}`, kernel: this.filter.kernel, name: "found" }];
    if (truth) tables.push({ title: `the true one: ${this.#state("truth")}`, kernel: truth, name: "true" });
    else if (!exact) tables.push({ title: "the best filter", kernel: best.kernel, name: "true" });
    this.kernels.replaceChildren(...kernelTables(tables));
    const other = tables[1]?.kernel;
    this.difference.textContent = other ? `Largest difference of a tap: ${format(largestDifference(this.filter.kernel, other))}` : "";
    this.difference.dataset.value = other ? String(largestDifference(this.filter.kernel, other)) : "";
  }

  #showWindow() {
    const { problem } = this;
    if (!problem?.best) return;
    const { first, size, windows } = problem;
    const given = this.#state("position");
    const picked = Array.isArray(given) && given.length === 2 && given.every(Number.isInteger) ? given : problem.changedMost;
    const position = picked.map((at, axis) => Math.min(first + windows[axis] - 1, Math.max(first, at)));
    const { error } = this.window.show(problem, this.filter, position);
    const start = position.map((at) => at - first);
    const output = frameAt(position, "output");
    this.maps.forEach(({ map }, index) => map.mark(index === 0 ? [{ start, stop: start.map((at) => at + size), kind: "window" }] : [output]));
    if (this.app.store.get("learning.position")) this.app.announce(`Row ${position[0]}, column ${position[1]}: error ${format(error)}.`);
  }
}

// What does a filter do? An input, its output, and the window between them: forwards and backwards.

import { complain, complaint, h } from "./dom.js";
import { ExportBar } from "./exporting.js";
import { FilterControls, triesBar } from "./filter_controls.js";
import { Problem } from "./filter_problem.js";
import { FIRST_FILTER_STATE, OPERATIONS, chosenKernel, isFilteredEach, kernelRows, settingOf } from "./filter_state.js";
import { FilterStage } from "./filter_stage.js";
import { askForKernel, forPython, kernelFrom } from "./kernel_descriptions.js";
import { inputNamed } from "./picture_source.js";
import { PlanPanel } from "./plan_panel.js";
import { pythonCall } from "./python_call.js";

export const FILTER_STATE = FIRST_FILTER_STATE;

const COMPUTED = ["input", "kernels", "operation", "kind", "mode", "cval", "shape", "stride", "dilation", "padding", "output_padding"];
const FOR_PYTHON = 4e8; // multiplications that Python does sooner

export function mountFilter(place, app) {
  new FilterView(place, app);
}

class FilterView {
  constructor(place, app) {
    Object.assign(this, { place, app, store: app.store, run: 0, problem: null, labels: [] });
    this.input = inputNamed(app.host, this.store.get("filter.input"));
    this.tries = triesBar(app, () => this.input.ndim);
    this.wrong = complaint();
    this.controls = new FilterControls(app, {
      input: () => this.input, labels: () => this.labels, dropZone: place,
      onerror: (message) => this.#complain(message),
    });
    this.controls.ontaken = () => this.rebuild();
    this.busy = h("p", { class: "busy", hidden: true }, h("progress", { max: 1, value: 0, "aria-label": "Part of the output that is computed" }), " Computing the output …");
    this.stage = new FilterStage(app);
    this.plan = new PlanPanel(app);
    this.keeping = new ExportBar(app, {
      views: () => this.stage.views(), path: (most) => this.stage.path(most), showAt: (position) => this.stage.markAt(position), done: () => this.stage.showCursor(),
      program: () => this.#program(),
    });
    place.classList.add("empty"); // until there is an output
    place.append(this.controls.element, h("div", { class: "filter-stage" }, this.tries.element, this.wrong, this.busy, this.stage.element, this.plan.element, this.keeping.element));
    app.untilClosed(this.store.on(["filter."], (keys) => this.#changed(keys)));
    app.untilClosed(() => {
      this.abort?.abort();
      this.stage.close();
    });
    this.rebuild();
  }

  #changed(keys) {
    const changed = (...names) => names.some((name) => keys.has(`filter.${name}`));
    if (changed(...COMPUTED)) this.rebuild();
    else if (changed("chosen", "scale", "channels")) this.#show();
    else if (changed("direction") || (changed("position", "sample") && this.stage.following)) this.stage.followState();
    if (changed("plan_size")) this.plan.show((lengths) => this.#planQuestion(lengths));
  }

  // Compute what the state says, and show it.
  async rebuild() {
    this.run += 1;
    const run = this.run;
    this.abort?.abort();
    this.abort = new AbortController();
    this.place.setAttribute("aria-busy", "true");
    this.input = inputNamed(this.app.host, this.store.get("filter.input"));
    try {
      this.kernels = this.#kernels();
      this.setting = settingOf(this.store, this.input.ndim);
      const problem = new Problem(this.input.channels, this.kernels, this.setting);
      const results = {};
      const operations = OPERATIONS[this.store.get("filter.operation")] ?? ["convolve"];
      for (const [index, operation] of operations.entries()) {
        results[operation] = await this.#outputs(problem, operation, (part) => this.#progress((index + part) / operations.length));
      }
      if (run !== this.run) return;
      Object.assign(this, { problem, results, kernelProblem: "" });
      this.#complain("");
      this.#show();
    } catch (error) {
      if (run !== this.run || error.name === "AbortError") return;
      this.#fail(error);
    }
    this.busy.hidden = true;
    this.place.setAttribute("aria-busy", "false");
  }

  #kernels() {
    const rows = kernelRows(this.store);
    const { ndim, channels } = this.input;
    if (!rows) throw new RangeError("This link has no usable kernels.");
    this.labels = rows.map((row) => (row.length > 1 ? "one for each channel" : row[0]?.source === "table" ? "table" : row[0]?.source === "text" ? row[0].text : row[0]?.name));
    const each = rows[0].length === channels.length;
    return rows.map((row) => (each ? row : row.slice(0, 1)).map((description) => kernelFrom(description, ndim)));
  }

  async #outputs(problem, operation, progress) {
    const large = problem.work > FOR_PYTHON && this.app.host.live && problem.channels.length === 1;
    if (large && problem.setting.kind === "plain") return this.#outputsFromPython(problem, operation);
    return problem.outputs(operation, this.abort.signal, progress);
  }

  #progress(part) {
    this.busy.hidden = false;
    this.busy.firstChild.value = part;
  }

  async #outputsFromPython(problem, operation) {
    this.busy.hidden = false;
    this.busy.firstChild.removeAttribute("value");
    const { outputs } = await this.app.host.ask("filter", { samples: problem.packed(), ...this.#question(operation) });
    const sums = problem.unpacked(outputs);
    return { sums, maps: sums.map((sum) => [sum]) };
  }

  #show() {
    this.place.classList.remove("stale", "empty");
    this.tries.update();
    this.controls.update("");
    const { out, channel } = chosenKernel(this.store, kernelRows(this.store), this.input.channels.length);
    this.stage.show({ input: this.input, problem: this.problem, results: this.results, out, channel, labels: this.labels, each: this.#each });
    this.plan.show((lengths) => this.#planQuestion(lengths));
    this.keeping.update();
  }

  // The former output stays, dimmed; the sentence is beside the kernel.
  #fail(error) {
    this.place.classList.add("stale");
    this.controls.update(error.message);
    const description = kernelRows(this.store)?.flat().find(({ source }) => source === "text");
    if (error.beyond && description) {
      askForKernel(this.app.host, description.text, this.input.ndim).then((found) => found && this.rebuild(), (refused) => this.controls.update(refused.message));
    }
  }

  #complain(message) {
    complain(this.wrong, message);
  }

  // The arguments with which Python is asked about this problem, in one order, so that a saved page finds the answer.
  #question(operation) {
    const { mode, cval, shape, stride, dilation } = this.setting;
    const each = Array(this.input.ndim).fill(0);
    const count = this.input.channels.length;
    return {
      kernels: this.kernels.map((row) => Array.from({ length: count }, (_, index) => forPython(row[Math.min(index, row.length - 1)]))),
      operation, mode, cval, shape, stride: each.map(() => stride), dilation: each.map(() => dilation),
    };
  }

  get #each() {
    return isFilteredEach(this.store, this.input);
  }

  // Of colours that are filtered each by itself, the plan is that for one.
  #planQuestion(lengths) {
    if (this.setting.kind !== "plain") return null;
    const own = this.input.channels[0].shape;
    const question = this.#question(this.#firstOperation());
    if (this.#each) question.kernels = question.kernels.map(([kernel]) => [kernel]);
    return { ...question, size: lengths?.length === own.length ? lengths : own };
  }

  #firstOperation() {
    return (OPERATIONS[this.store.get("filter.operation")] ?? ["convolve"])[0];
  }

  #program() {
    const { kernels, setting, input } = this;
    return pythonCall({ operation: this.#firstOperation(), kernels, setting, channels: input.channels.length, ndim: input.ndim, each: this.#each });
  }
}

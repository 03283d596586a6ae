// How would Python compute this? Its plan, and the other methods with their predicted times and the reasons against them.

import { button, field } from "./controls.js";
import { format, h, number } from "./dom.js";

const PAUSE = 250; // milliseconds without a change before Python is asked
const METHODS = {
  direct: "multiplies every tap with every sample", separable: "rows first, then columns", running: "running sums", fourier: "fast Fourier transform",
  passes: "the factors of a product, one by one", apart: "the kernels of the bank one by one", basis: "combinations of a few separable filters",
};

export class PlanPanel {
  constructor(app) {
    this.app = app;
    this.size = h("input", { type: "text", size: 12, onchange: () => app.store.set({ "filter.plan_size": this.size.value.trim() }) });
    this.large = button("4096 × 4096", () => app.store.set({ "filter.plan_size": "4096 x 4096" }));
    this.own = button("this input", () => app.store.set({ "filter.plan_size": "" }));
    this.answer = h("div", {});
    this.element = h("details", { class: "plan-panel", open: true, ontoggle: () => this.#later() },
      h("summary", {}, "How Python computes this: the plan"),
      h("div", { class: "row" }, field("Size to plan for", this.size), h("div", { class: "segmented" }, this.own, this.large)), this.answer);
    this.asked = "";
    app.untilClosed(() => clearTimeout(this.timer));
  }

  // `question(lengths)`: the arguments for Python for an input of other lengths (null: its own); null if there is no plan.
  show(question) {
    this.question = question;
    const args = question(null);
    this.element.hidden = args === null;
    this.#later();
  }

  #later() {
    clearTimeout(this.timer);
    if (this.element.open && this.question) this.timer = setTimeout(() => this.#ask(), PAUSE);
  }

  async #ask() {
    const text = this.app.store.get("filter.plan_size");
    const lengths = text === "" ? null : text.split(/[^\d]+/).filter(Boolean).map(Number);
    this.size.value = text;
    this.own.setAttribute("aria-pressed", String(text === ""));
    this.large.setAttribute("aria-pressed", String(text === "4096 x 4096"));
    const args = this.question(lengths);
    if (args && text === "") this.size.value = args.size.join(" x ");
    const key = JSON.stringify(args);
    if (key === this.asked) return;
    this.asked = key;
    if (!args) return;
    this.large.hidden = args.size.length !== 2;
    try {
      const plan = await this.app.host.ask("plan", args);
      if (key === this.asked) this.#showPlan(plan);
    } catch (error) {
      if (key === this.asked) this.answer.replaceChildren(h("p", { class: "hint" }, error.message));
    }
  }

  #showPlan({ candidates, rows, error, pointwise }) {
    const possible = candidates.filter(({ milliseconds }) => milliseconds !== null);
    const longest = Math.max(...possible.map(({ milliseconds }) => milliseconds));
    const lines = candidates.map(({ method, milliseconds, chosen, reason }) => h("tr", { class: chosen ? "chosen" : "" },
      h("th", { scope: "row", title: METHODS[method] ?? "" }, method),
      h("td", {}, milliseconds === null ? "–" : duration(milliseconds)),
      h("td", { class: "bar" }, milliseconds === null ? "" : h("span", { style: `width:${Math.max(1, (100 * milliseconds) / longest)}%` })),
      h("td", { class: "reason" }, chosen ? `chosen: ${METHODS[method] ?? "the least predicted time"}` : reason)));
    this.answer.replaceChildren(
      h("table", {}, h("caption", {}, "methods, the fastest first; predicted for one core of the computer that runs Python, in single precision"),
        h("thead", {}, h("tr", {}, ["method", "time", "", "why, or why not"].map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, lines)),
      h("p", {}, "Every method gives the same result. Rounding errors are at most ", number(error, { "data-plan": "error" }), ` of ${pointwise ? "the sum of |tap| × |sample| under each output" : "the sum of |tap| times the largest |sample|"}.`),
      h("details", {}, h("summary", {}, "The whole plan"), h("table", { class: "plan-rows" }, h("tbody", {}, rows.map(([word, text]) => h("tr", {}, h("th", { scope: "row" }, word), h("td", {}, text)))))));
  }
}

function duration(milliseconds) {
  const [value, unit] = milliseconds >= 1000 ? [milliseconds / 1000, "s"] : milliseconds >= 1 ? [milliseconds, "ms"] : [milliseconds * 1000, "µs"];
  return h("span", { class: "number", "data-plan": "milliseconds", "data-milliseconds": String(milliseconds) }, `${format(value, 3)} ${unit}`);
}

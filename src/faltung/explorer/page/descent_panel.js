// How does gradient descent find the filter? Step by step down the risk, with a step size that one can make too long.

import { slider } from "./controls.js";
import { h, number, setNumber } from "./dom.js";
import { MOST_STEPS } from "./fit_problem.js";
import { LineChart } from "./line_chart.js";
import { Scrubber } from "./scrubber.js";

const SHORT = 200; // steps that are drawn at least

export class DescentPanel {
  // `stepsNow()`: the number of steps that are shown.
  constructor(app, stepsNow) {
    this.stepsNow = stepsNow;
    const { store } = app;
    const go = (step) => store.set({ "learning.step": step, "learning.filter": "steps" });
    this.chart = new LineChart(app, {
      label: "Risk by step. Arrow keys move the cursor.", across: "Step", up: "Risk", height: 220, onpick: go,
    });
    this.scrubber = new Scrubber(app, {
      label: "Step", count: () => MOST_STEPS + 1, index: stepsNow, go, pace: 10,
      stride: () => Math.max(1, Math.floor(stepsNow() / 20)), say: (step) => `step ${step}`,
    });
    const rate = slider(app, "learning.rate", "Step size (1: the longest that does not lead away)", { min: 0.02, max: 1.1, step: 0.02, show: (value) => value.toFixed(2) });
    this.risk = number(0, { "data-name": "step-risk" });
    this.least = number(0, { "data-name": "least-risk" });
    this.said = h("p", {});
    this.element = h("section", { class: "descent" }, h("h3", {}, "The same by gradient descent"),
      h("p", {}, "All taps begin at 0. Each step changes every tap a little, in the direction in which the risk falls fastest. The networks of a run learn in this way, with many more taps."),
      this.scrubber.element, rate, this.chart.element,
      h("p", {}, "Risk now ", this.risk, "; that of the best filter is ", this.least, "."), this.said);
  }

  // `now`: the filter after the steps that are shown.
  show(problem, now) {
    this.element.hidden = !problem.descent;
    if (!problem.descent) return;
    const step = this.stepsNow();
    const range = [0, step <= SHORT ? SHORT : MOST_STEPS];
    problem.descent.after(range[1]);
    const every = range[1] / SHORT;
    const risks = problem.descent.risks.slice(0, range[1] + 1);
    const points = risks.map((risk, index) => [index, risk]).filter(([index, risk]) => Number.isFinite(risk) && (index % every === 0 || index === step));
    const least = problem.best.risk;
    this.chart.show({ lines: [{ name: "risk", kind: 0, points }], levels: [{ name: "of the best filter", value: least }], range, cursor: step, text: `step ${step}` });
    this.scrubber.update();
    setNumber(this.risk, now.risk);
    setNumber(this.least, least);
    this.said.textContent = this.#sentence(problem, risks);
  }

  #sentence({ minimum, descent }, risks) {
    if (descent.rate > 1) return "The steps are too long: each lands further up the other side, and the risk grows.";
    if (risks.at(-1) < risks[0] && minimum.condition < 100) return "The condition number is small: all taps are found in few steps.";
    return "The condition number is large: some combinations of taps hardly change the risk, and are found slowly.";
  }
}

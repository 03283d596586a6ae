// What does one window add to the risk? Its samples times the taps, the sum beside the target, and the squared error.

import { extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { h, number, setNumber } from "./dom.js";
import { NumberTable, middlePart, partOf } from "./number_table.js";
import { windowAt } from "./windows.js";

const MOST_LINES = 7;

export class FitWindow {
  constructor() {
    this.samples = new NumberTable("samples of Before");
    this.taps = new NumberTable("the filter, flipped");
    this.products = new NumberTable("products");
    const names = ["sum", "offset", "output", "target", "error", "squared", "count", "risk"];
    this.numbers = Object.fromEntries(names.map((name) => [name, number(0, { "data-name": name })]));
    const { sum, offset, output, target, error, squared, count, risk } = this.numbers;
    this.where = h("h3", {});
    this.element = h("section", { class: "fit-window" }, this.where,
      h("div", { class: "sum-row" }, this.samples.element, h("span", { class: "sign" }, "×"), this.taps.element, h("span", { class: "sign" }, "="), this.products.element),
      h("p", { class: "equation" }, "sum ", sum, " + offset ", offset, " = output ", output, "; target in After ", target, "; error ", error, ", squared ", squared),
      h("p", { class: "equation" }, "The ", h("b", {}, "risk"), " of this filter is the mean of the squared errors of all ", count, " windows: ", h("span", { class: "result" }, risk)));
  }

  // `filter`: { kernel, offset, risk }; `position`: [row, column] of an output.
  show(problem, filter, position) {
    const window = windowAt(problem.before, filter.kernel, {}, position);
    const middle = window.taps.shape.map((length) => length >> 1);
    const part = middlePart(window.taps.shape, middle, MOST_LINES);
    const lags = part.map((line, axis) => line.map((index) => index - problem.first + position[axis]));
    const [rows, columns] = lags;
    const signed = (array) => rangeFor("signed", extent(array));
    this.samples.show(partOf(window.samples, part), { rows, columns, scale: "gray", range: problem.ranges[0] });
    this.taps.show(partOf(window.taps, part), { rows, columns, scale: "signed", range: signed(window.taps) });
    this.products.show(partOf(window.products, part), { rows, columns, scale: "signed", range: signed(window.products) });
    const target = problem.target.at(...position);
    const output = window.sum + filter.offset;
    const error = target - output;
    const values = { sum: window.sum, offset: filter.offset, output, target, error, squared: error * error, risk: filter.risk, count: problem.windows[0] * problem.windows[1] };
    for (const [name, value] of Object.entries(values)) setNumber(this.numbers[name], value);
    this.where.textContent = `The window at row ${position[0]}, column ${position[1]}`;
    return { error, squared: error * error };
  }
}

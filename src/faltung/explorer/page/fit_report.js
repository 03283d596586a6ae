// Which filter was found, and how sure is it? Its taps beside the true ones, and the numbers of `fa.fit_filter`.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { format, h, number } from "./dom.js";
import { NumberTable } from "./number_table.js";

// The taps of kernels, side by side, on one scale: [{ title, kernel }].
export function kernelTables(kernels) {
  const reach = Math.max(...kernels.map(({ kernel }) => rangeFor("signed", extent(kernel.taps))[1]));
  return kernels.map(({ title, kernel, name }) => {
    const table = new NumberTable(title, name);
    const lags = (axis) => Array.from({ length: kernel.taps.shape[axis] }, (_, index) => index - kernel.origin[axis]);
    const origin = kernel.origin[0] * kernel.taps.shape[1] + kernel.origin[1];
    table.show(kernel.taps.data, { rows: lags(0), columns: lags(1), scale: "signed", range: [-reach, reach], origin });
    return h("div", { class: "scroll" }, table.element);
  });
}

// A kernel in a table of `size` taps along each axis; its largest difference to another one.
export function largestDifference(first, second) {
  const at = (kernel, lag) => {
    const index = lag.map((each, axis) => each + kernel.origin[axis]);
    return index.every((each, axis) => each >= 0 && each < kernel.taps.shape[axis]) ? kernel.taps.at(...index) : 0;
  };
  const reach = (axis) => [first, second].map(({ taps, origin }) => [-origin[axis], taps.shape[axis] - origin[axis]]);
  let largest = 0;
  const [rows, columns] = [reach(0), reach(1)];
  for (let row = Math.min(rows[0][0], rows[1][0]); row < Math.max(rows[0][1], rows[1][1]); row += 1) {
    for (let column = Math.min(columns[0][0], columns[1][0]); column < Math.max(columns[0][1], columns[1][1]); column += 1) {
      largest = Math.max(largest, Math.abs(at(first, [row, column]) - at(second, [row, column])));
    }
  }
  return largest;
}

// The numbers of a fit, with what they mean. `minimum`, `risk`: computed in the page; `python`: the answer of `fa.fit_filter`.
export function reportTable({ problem, waiting }) {
  const { risk, minimum, python, best } = problem;
  const share = risk ? (risk.variance > 0 ? 1 - best.risk / risk.variance : null) : python.explained;
  const rows = [
    ["risk", "Training risk", best.risk, "mean squared error, of all windows"],
    ["explained", "Explained", share, "share of the variance of After"],
    ["offset", "Offset", best.offset, "added to each output: a change of brightness"],
    ["condition", "Condition number", minimum?.condition ?? python.condition, "large: some taps hardly change the risk"],
    ["rank", "Determined", minimum?.rank ?? python.rank, `of ${problem.size ** 2} taps`],
    ["freedom", "Degrees of freedom", minimum?.freedom ?? python.degrees_of_freedom, "a ridge makes them fewer"],
  ];
  if (python) {
    rows.push(["held-out", "Held-out risk", python.held_out_risk, "on tiles that a second fit has not seen"]);
    if (python.held_out_interval) rows.push(["held-out-interval", "95 % interval", python.held_out_interval, "of the held-out risk"]);
    if (python.shift) rows.push(["shift", "Moves the picture", python.shift, "samples down and to the right"]);
    if (python.displacement) rows.push(["displacement", "Beyond the taps", python.displacement, "samples between the pictures: align them, or take more taps"]);
    if (minimum) rows.push(["agreement", "Page and Python", largestDifference(best.kernel, { taps: python.taps, origin: python.origin }), "largest difference of a tap"]);
  }
  const note = waiting ? "Python is asked …" : python ? "Page and fa.fit_filter" : "Computed in this page. With Python there is a held-out risk, too";
  return h("table", { class: "report" }, h("caption", {}, note), h("tbody", {}, rows.filter(([, , value]) => value !== null)
    .map(([name, title, value, meaning]) => h("tr", { "data-name": name }, h("th", { scope: "row" }, title), h("td", {}, numbers(value)), h("td", { class: "meaning" }, meaning)))));
}

function numbers(value) {
  const list = Array.isArray(value) ? value : value instanceof NdArray ? [...value.data] : [value];
  return list.flatMap((each, index) => [index ? ", " : "", number(each)]);
}

// A sentence about what was found, for those who listen.
export function foundSentence(problem) {
  const { best, truth } = problem;
  const near = truth ? ` Largest difference to the true filter: ${format(largestDifference(best.kernel, truth))}.` : "";
  return `The best filter has a risk of ${format(best.risk)}.${near}`;
}

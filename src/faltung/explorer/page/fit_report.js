// Which filter was found, and how sure is it? Its taps beside the true ones, and the numbers of `fa.fit_filter`.

import { NdArray, extent, offsetOf } from "./array.js";
import { rangeFor } from "./colours.js";
import { format, h, number } from "./dom.js";
import { lagsOf, largestDifference } from "./kernels.js";
import { NumberTable } from "./number_table.js";

// The taps of kernels, side by side, on one scale: [{ title, kernel }].
export function kernelTables(kernels) {
  const reach = Math.max(...kernels.map(({ kernel }) => rangeFor("signed", extent(kernel.taps))[1]));
  return kernels.map(({ title, kernel, name }) => {
    const table = new NumberTable(title, name);
    const origin = offsetOf(kernel.taps.shape, kernel.origin);
    table.show(kernel.taps.data, { rows: lagsOf(kernel, 0), columns: lagsOf(kernel, 1), scale: "signed", range: [-reach, reach], origin });
    return h("div", { class: "scroll" }, table.element);
  });
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

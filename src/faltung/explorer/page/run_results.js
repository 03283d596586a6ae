// What did the networks of a run reach, and with how many parameters? A table, with bars to compare by eye.

import { grouped, h, setNumber } from "./dom.js";

// What a column is called, where its number is, how it is written, and whether it has bars.
const COLUMNS = [
  { title: "Parameters", key: "parameters", bar: true },
  { title: "Multiply-adds for one sample", key: "multiply_adds", bar: true },
  { title: "Training", key: "training_seconds", unit: " s" },
  { title: "Test accuracy", key: "test_accuracy", percent: true, bar: true, beside: interval },
  { title: "Moved by 4 pixels", of: ({ shifted_accuracy: shifted }) => shifted?.["4"], percent: true, bar: true },
  { title: "The judge sees its class", key: "label_accuracy", percent: true, bar: true },
  { title: "Fréchet distance", key: "frechet" },
  { title: "Nearest training image", key: "nearest" },
];

export function resultsTable(watch) {
  const results = watch.run?.results ?? {};
  const names = Object.keys(results);
  if (!names.length) return h("p", {}, "Parameters and test results come when the run has finished.");
  const valueOf = ({ key, of }, facts) => (of ? of(facts) : facts[key]);
  const columns = COLUMNS.filter((column) => names.some((name) => typeof valueOf(column, results[name]) === "number"));
  const most = columns.map((column) => Math.max(...names.map((name) => valueOf(column, results[name]) ?? 0)));
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, name),
    columns.map((column, index) => cell(column, valueOf(column, results[name]), column.percent ? 1 : most[index], results[name]))));
  return h("table", { class: "results" }, h("caption", {}, "All networks had the same samples, loss and epochs"),
    h("thead", {}, h("tr", {}, h("td", {}), columns.map(({ title }) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows));
}

function cell({ percent, unit, bar, beside }, value, most, facts) {
  if (typeof value !== "number") return h("td", {}, "–");
  const number = h("span", { class: "number" });
  setNumber(number, value);
  number.textContent = percent ? `${(100 * value).toFixed(1)} %` : Number.isInteger(value) ? grouped(value) : number.textContent;
  return h("td", {}, number, unit, beside?.(facts), bar && h("div", { class: "bar", style: `width:${(100 * value) / most}%` }));
}

function interval({ test_accuracy_interval_95: limits }) {
  return limits ? h("small", {}, ` ${(100 * limits[0]).toFixed(1)}–${(100 * limits[1]).toFixed(1)}`) : null;
}

// Where does one number come from? The samples under the window, times the taps, and their sum; or the numbers put together.

import { extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { format, h, number } from "./dom.js";
import { NumberTable } from "./number_table.js";

const [MOST_CELLS, MOST_LINES] = [170, 40]; // of one table; of one for a signal
const [PARTS, TERMS] = [5, 10];

export class NumberPanel {
  // `onpart(channel)`: one input channel is chosen.
  constructor({ onpart }) {
    this.onpart = onpart;
    this.element = h("div", { class: "network-number" });
    this.tables = new Map();
  }

  clear(text) {
    this.element.replaceChildren(h("p", { class: "hint" }, text));
  }

  // `found`: what `explain` returns; `torch`: the number itself; `all`: every part, not only the strongest.
  show(title, found, torch, { part, all }) {
    const body = found.form === "windows" ? this.#windows(found, part, all) : termTable(found);
    this.element.replaceChildren(
      h("h3", {}, title, " = ", number(torch, { class: "number torch" })),
      ...body,
      h("p", { class: "result" }, ...totalText(found), " Torch has ", number(torch), "."));
  }

  #windows(found, part, all) {
    const strongest = [...found.parts].sort((one, other) => Math.abs(other.subtotal) - Math.abs(one.subtotal));
    const chosen = found.parts.filter(({ channel }) => channel === part);
    const shown = all ? [...chosen, ...strongest.filter((each) => !chosen.includes(each))].slice(0, PARTS) : (chosen.length ? chosen : strongest).slice(0, 1);
    const left = found.parts.length - shown.length;
    return [
      h("div", { class: "all-parts" }, shown.map((each, place) => this.#part(each, found, place))),
      left > 0 && h("p", { class: "hint" }, `${left} further input ${left === 1 ? "map gives" : "maps give"} `, number(found.parts.filter((each) => !shown.includes(each)).reduce((sum, { subtotal }) => sum + subtotal, 0)), shown.length === 1 ? ". This one gives the most; choose another below, or click the position to see several." : "."),
    ].filter(Boolean);
  }

  #part(part, found, place) {
    const { cells, size } = part;
    const signal = !cells.some(({ position }) => position?.length > 1);
    if (cells.length > (signal ? MOST_LINES : MOST_CELLS)) {
      return h("p", { "data-channel": part.channel }, `Input map ${part.channel}: ${cells.length} samples, too many for a table; `, found.combine === "sum" ? "times their taps " : `${words[found.combine]} `, number(part.subtotal, { class: "number subtotal" }));
    }
    const [patch, taps, products] = this.#made(place);
    if (signal) return signalPart(part, found, patch);
    const [rows, columns] = [size.length === 2 ? size[0] : 1, size.at(-1)];
    const lines = linesOf(cells, rows, columns);
    const table = (target, values, faint) => target.show(values, { ...lines, scale: values.some((value) => value < 0) || target !== patch ? "signed" : "magnitude", range: limits(values, target !== patch), faint });
    patch.caption.textContent = `samples of input map ${part.channel}`;
    const outside = (index) => !cells[index].inside;
    const short = (target) => shorten(target, cells.length);
    table(patch, cells.map(({ sample }) => sample), outside);
    short(patch);
    if (found.combine !== "sum") return h("div", { class: "parts", "data-channel": part.channel }, patch.element);
    table(taps, cells.map(({ tap }) => tap), () => false);
    table(products, cells.map(({ product }) => product), outside);
    [taps, products].forEach(short);
    products.caption.replaceChildren("products: sum ", number(part.subtotal, { class: "number subtotal" }));
    return h("div", { class: "parts", "data-channel": part.channel },
      patch.element, h("span", { class: "sign" }, "×"), taps.element, h("span", { class: "sign" }, "="), products.element    );
  }

  // Tables are made once: hovering changes only their numbers.
  #made(place) {
    if (!this.tables.has(place)) {
      this.tables.set(place, [new NumberTable("samples", "patch"), new NumberTable("taps", "taps"), new NumberTable("products", "products")]);
    }
    return this.tables.get(place);
  }
}

// Of a signal each tap is a line: position, sample, tap, product.
function signalPart({ channel, cells, subtotal }, found, table) {
  const weighted = found.combine === "sum";
  const values = cells.flatMap(({ sample, tap, product }) => (weighted ? [sample, tap, product] : [sample]));
  const columns = weighted ? ["sample", "tap", "product"] : ["sample"];
  table.show(values, { rows: cells.map(({ position }) => position?.[0] ?? "–"), columns, scale: "signed", range: limits(values, true), faint: (place) => !cells[Math.floor(place / columns.length)].inside });
  shorten(table, values.length);
  table.caption.replaceChildren(`input map ${channel}: ${weighted ? "sum" : words[found.combine]} `, number(subtotal, { class: "number subtotal" }));
  return h("div", { class: "parts of-signal", "data-channel": channel }, table.element);
}

// Three digits, so that three tables stand side by side; the full number is in the cell's tip.
function shorten({ cells }, count) {
  for (const cell of cells.slice(0, count)) cell.textContent = format(Number(cell.dataset.value), 3);
}

const words = { sum: "the sum", max: "the largest", mean: "the mean" };

function limits(values, signed) {
  const scale = signed || values.some((value) => value < 0) ? "signed" : "magnitude";
  return rangeFor(scale, extent({ data: values }));
}

// Names of the lines: positions in the input map.
function linesOf(cells, rows, columns) {
  const signal = rows === 1 && !cells.some(({ position }) => position?.length > 1);
  const name = (line, axis) => line.find(({ position }) => position)?.position.at(axis) ?? "–";
  return {
    rows: Array.from({ length: rows }, (_, row) => (signal ? "at" : name(cells.slice(row * columns, (row + 1) * columns), -2))),
    columns: Array.from({ length: columns }, (_, column) => name(cells.filter((_, place) => place % columns === column), -1)),
  };
}

function totalText(found) {
  if (found.form === "terms") return [`${found.formula}: `, number(found.value, { class: "number value" }), "."];
  const biased = found.bias !== null && found.bias !== undefined;
  if (found.combine === "sum") {
    const many = found.parts.length > 1;
    const sum = found.parts.reduce((all, { subtotal }) => all + subtotal, 0);
    return [many ? `The sum of all ${found.parts.length} input maps is ` : "The sum is ", number(sum),
      ...(biased ? [", plus the bias ", number(found.bias, { class: "number bias" }), " gives ", number(found.value, { class: "number value" })] : [h("span", { class: "number value", hidden: true, "data-value": String(found.value) })]), "."];
  }
  const how = found.combine === "max" ? "The largest of these samples is " : `The mean of these samples (their sum divided by ${found.divisor}) is `;
  return [how, number(found.value, { class: "number value" }), "."];
}

function termTable(found) {
  const strength = ({ product, sample }) => Math.abs(product ?? sample);
  const shown = [...found.terms].sort((one, other) => strength(other) - strength(one)).slice(0, TERMS);
  const rest = found.terms.length - shown.length;
  const weighted = found.terms.some(({ weight }) => weight !== null);
  const multiplied = found.terms.some(({ product }) => product !== null);
  const row = ({ label, sample, weight, product }) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, number(sample)),
    weighted && h("td", {}, number(weight)), multiplied && h("td", {}, number(product)));
  const others = found.terms.filter((each) => !shown.includes(each)).reduce((sum, { product }) => sum + (product ?? 0), 0);
  const table = h("table", { class: "terms" }, h("caption", {}, rest ? `The ${shown.length} strongest of ${found.terms.length} terms` : "What it is made of"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), h("th", { scope: "col" }, "number"), weighted && h("th", { scope: "col" }, "weight"), multiplied && h("th", { scope: "col" }, weighted ? "product" : "share"))),
    h("tbody", {}, shown.map(row),
      rest > 0 && multiplied && h("tr", {}, h("th", { scope: "row" }, `${rest} others`), h("td", {}), weighted && h("td", {}), h("td", {}, number(others))),
      found.bias !== null && found.bias !== undefined && h("tr", {}, h("th", { scope: "row" }, "plus"), h("td", {}), weighted && h("td", {}), multiplied && h("td", {}, number(found.bias, { class: "number bias" })))));
  return [table];
}

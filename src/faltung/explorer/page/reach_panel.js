// Where does one sample go? To every output whose window covers it: each gets the sample times one tap.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { h, number } from "./dom.js";
import { NumberTable, middlePart, partOf, titledTable } from "./number_table.js";

const MOST = 13;

export class ReachPanel {
  constructor() {
    this.element = h("div", { class: "reach-panel" });
    this.rows = [];
    this.key = "";
  }

  // `views`: for each operation, { operation, reached }; `sample`: its value, and where it is.
  show(views, { value, position, channel }) {
    const key = `${views.map(({ operation }) => operation)} ${position.length}`;
    if (key !== this.key) {
      this.rows = views.map(({ operation }) => new ReachRow(operation, position.length));
      this.element.replaceChildren(...this.rows.map(({ element }) => element));
      this.key = key;
    }
    views.forEach(({ reached }, index) => this.rows[index].show(reached, value, `x[${position.join(", ")}]${channel ? ` of ${channel}` : ""}`));
  }
}

class ReachRow {
  constructor(operation, ndim) {
    this.taps = new NumberTable("the tap over it, by output", "taps");
    this.added = new NumberTable("what it adds, by output", "products");
    this.sentence = h("p", {});
    this.note = h("p", { class: "hint" });
    this.tables = h("div", { class: `sum-row${ndim === 1 ? " stacked" : ""}` }, titledTable(this.taps), h("span", { class: "sign" }, "→"), titledTable(this.added));
    this.element = h("section", { class: "operation-row" }, h("h3", {}, operation === "convolve" ? "Convolution" : "Correlation"),
      this.sentence, this.tables, this.note);
  }

  show(reached, value, name) {
    const plural = reached.length === 1 ? "output" : "outputs";
    this.sentence.replaceChildren(name, " = ", number(value), ` reaches ${reached.length} ${plural}.`);
    this.tables.hidden = !reached.length;
    if (!reached.length) return;
    const { lines, taps } = asTable(reached);
    const part = middlePart(taps.shape, taps.shape.map((length) => length >> 1), MOST);
    const names = { rows: lines.length === 2 ? part[0].map((index) => lines[0][index]) : ["y"], columns: part[1].map((index) => lines.at(-1)[index]) };
    const added = new NdArray(taps.shape, taps.data.map((tap) => (tap === 0 ? 0 : tap * value)));
    for (const [table, array] of [[this.taps, taps], [this.added, added]]) {
      table.show(partOf(array, part), { ...names, scale: "signed", range: rangeFor("signed", extent(array)), roomy: lines.length === 1 });
    }
    const hidden = names.columns.length < lines.at(-1).length || (lines.length === 2 && names.rows.length < lines[0].length);
    this.note.textContent = hidden ? "Shown are the outputs in the middle." : "";
  }
}

// The outputs as a table: its lines are the rows and columns in which there are any.
function asTable(reached) {
  const lines = reached[0].position.map((_, axis) => filledIn(linesOf(reached, axis)));
  const taps = new NdArray(lines.map(({ length }) => length));
  for (const { position, tap } of reached) {
    const [row, column] = position.length === 2 ? [lines[0].indexOf(position[0]), lines[1].indexOf(position[1])] : [0, lines[0].indexOf(position[0])];
    taps.data[row * lines.at(-1).length + column] += tap;
  }
  return { lines, taps };
}

function linesOf(reached, axis) {
  return [...new Set(reached.map(({ position }) => position[axis]))].sort((one, other) => one - other);
}

// The same with those between them, unless they are far apart.
function filledIn(lines) {
  const span = lines.at(-1) - lines[0] + 1;
  return span > MOST ? lines : Array.from({ length: span }, (_, index) => lines[0] + index);
}

// Frames around the outputs: as few as there are blocks of neighbours.
export function framesOf(reached) {
  if (!reached.length) return [];
  const runs = reached[0].position.map((_, axis) => runsOf(linesOf(reached, axis)));
  const corners = runs.reduce((list, line) => list.flatMap((head) => line.map((run) => [...head, run])), [[]]);
  return corners.slice(0, 400).map((sides) => ({ start: sides.map(([start]) => start), stop: sides.map(([, stop]) => stop), kind: "reach" }));
}

function runsOf(sorted) {
  const runs = [];
  for (const at of sorted) {
    if (runs.length && runs.at(-1)[1] === at) runs.at(-1)[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  return runs;
}

// How are samples and taps read as numbers? As a table whose cells have the colours of the picture.

import { colour, ink } from "./colours.js";
import { format, h, setNumber, trueMinus } from "./dom.js";

const MOST_SIGNS = 6; // of a number in a table, without its minus sign

export class NumberTable {
  // `caption`: what the numbers are. `kind`: a class for the style sheet.
  constructor(caption, kind = "") {
    this.caption = h("caption", {}, caption);
    this.element = h("table", { class: `numbers ${kind}` }, this.caption);
    this.heads = [];
    this.sides = [];
    this.cells = [];
  }

  // Show numbers in rows, the last axis along each row. `rows`, `columns`: the names of the lines; `scale` and `range`: colours;
  // `faint(place)`: whether a number is beyond the border; `origin`: the place that gets a ring;
  // `roomy`: there is room for wide cells, however many there are.
  show(values, { rows, columns, scale, range, faint = () => false, origin = -1, roomy = false }) {
    this.#resize(rows.length, columns.length, roomy);
    columns.forEach((name, index) => setText(this.heads[index], name));
    rows.forEach((name, index) => setText(this.sides[index], name));
    for (let place = 0; place < this.cells.length; place += 1) {
      const cell = this.cells[place];
      const value = values[place];
      if (cell.dataset.value !== String(value)) {
        setNumber(cell, value);
        cell.textContent = short(value);
      }
      const back = colour(value, scale, range);
      const paint = `rgb(${back.join(",")})`;
      if (cell.painted !== paint) {
        cell.painted = paint;
        cell.style.background = paint;
        cell.style.color = ink(back);
      }
      cell.classList.toggle("faint", faint(place));
      cell.classList.toggle("origin", place === origin);
    }
  }

  #resize(rows, columns, roomy) {
    if (this.heads.length === columns && this.sides.length === rows) return;
    this.element.classList.toggle("many", columns > 3 && !roomy);
    this.heads = Array.from({ length: columns }, () => h("th", { scope: "col" }));
    this.sides = Array.from({ length: rows }, () => h("th", { scope: "row" }));
    this.cells = Array.from({ length: rows * columns }, () => h("td", {}));
    const lines = this.sides.map((side, row) => h("tr", {}, side, this.cells.slice(row * columns, (row + 1) * columns)));
    this.element.replaceChildren(this.caption,
      h("thead", {}, h("tr", {}, h("td", { class: "corner" }), this.heads)), h("tbody", {}, lines));
  }
}

// As many digits as an ordinary cell holds beside a sign, so that numbers of one size have as many; the tip has all.
function short(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || (Number.isInteger(value) && size < 1e7)) return format(value);
  const exponents = [1, 0].map((digits) => size.toExponential(digits));
  const plain = size < 1e-3 || size >= 1e6 ? [] : [3, 2, 1].map((digits) => String(Number(size.toPrecision(digits))));
  const texts = [...plain, ...exponents].map((text) => trueMinus(text).replace("e+", "e"));
  return (value < 0 ? "−" : "") + (texts.find((text) => text.length <= MOST_SIGNS) ?? texts.at(-1));
}

function setText(element, text) {
  const shown = trueMinus(text);
  if (element.textContent !== shown) element.textContent = shown;
}

// A table in a box that scrolls, under its title.
export function titledTable(table) {
  const title = table.caption.textContent;
  return h("div", { class: "titled-table" }, h("p", { class: "hint", "aria-hidden": "true" }, title),
    h("div", { class: "scrolled", tabindex: "0", role: "group", "aria-label": title }, table.element));
}

// The part of a window that is shown as numbers: at most `most` lines along each axis, around a middle.
export function middlePart(shape, middle, most) {
  const ranges = shape.map((length, axis) => {
    const count = Math.min(length, most);
    const start = Math.min(length - count, Math.max(0, middle[axis] - (count >> 1)));
    return Array.from({ length: count }, (_, index) => start + index);
  });
  return ranges.length === 2 ? ranges : [[0], ranges[0]];
}

// The numbers of an array at the lines of `middlePart`.
export function partOf(array, [rows, columns]) {
  const width = array.shape.at(-1);
  return rows.flatMap((row) => columns.map((column) => array.data[row * width + column]));
}

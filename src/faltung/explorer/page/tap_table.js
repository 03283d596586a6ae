// How are taps edited? As a table of numbers: with more or fewer lines, and an origin that can be moved.

import { extent, fromNested } from "./array.js";
import { colour, ink, rangeFor } from "./colours.js";
import { button } from "./controls.js";
import { h, trueMinus } from "./dom.js";
import { LARGEST_TABLE } from "./kernel_descriptions.js";

export class TapTable {
  // `onchange({ taps, origin })`: nested lists of numbers, and the index of the tap at lag zero.
  constructor(onchange) {
    this.onchange = onchange;
    this.caption = h("caption", {}, "taps, by lag; the ring marks the origin");
    this.table = h("table", { class: "numbers editable" }, this.caption);
    this.placing = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.#place(this.placing.getAttribute("aria-pressed") !== "true") }, "Move the origin");
    this.resizing = [["row", 0], ["column", 1]].map(([name, axis]) => h("span", { class: "resize" }, `${name}s `,
      button("−", () => this.#resize(axis, -1), { "aria-label": `One ${name} less` }), button("+", () => this.#resize(axis, 1), { "aria-label": `One ${name} more` })));
    this.hint = h("small", {}, "Type a number, such as 0.5 or 1/9. The arrow keys go from tap to tap; O makes a tap the origin.");
    this.refused = h("small", { class: "wrong", role: "alert" });
    this.element = h("div", { class: "tap-table" }, h("div", { class: "scrolled" }, this.table), this.refused, h("div", { class: "row" }, this.resizing, this.placing), this.hint);
    this.shape = "";
  }

  // Images have rows and columns, signals one row.
  show({ taps, origin }, ndim) {
    this.ndim = ndim;
    this.taps = ndim === 2 ? taps : [taps];
    this.origin = ndim === 2 ? origin : [0, origin[0]];
    const shape = `${this.taps.length} ${this.taps[0].length}`;
    if (shape !== this.shape) this.#build();
    this.shape = shape;
    this.resizing[0].hidden = ndim === 1;
    const range = rangeFor("signed", extent(fromNested(this.taps)));
    this.heads.forEach((head, column) => { head.textContent = trueMinus(column - this.origin[1]); });
    this.sides.forEach((side, row) => { side.textContent = trueMinus(row - this.origin[0]); });
    this.cells.forEach((line, row) => line.forEach((input, column) => {
      const tap = this.taps[row][column];
      if (Number(input.value) !== tap || input.value === "") input.value = String(tap);
      const back = colour(tap, "signed", range);
      Object.assign(input.style, { background: `rgb(${back.join(",")})`, color: ink(back) });
      input.setAttribute("aria-label", `tap at lag ${row - this.origin[0]}, ${column - this.origin[1]}`);
      input.parentElement.classList.toggle("origin", row === this.origin[0] && column === this.origin[1]);
    }));
  }

  #build() {
    const [rows, columns] = [this.taps.length, this.taps[0].length];
    this.cells = Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_unused, column) => this.#cell(row, column)));
    this.heads = this.cells[0].map(() => h("th", { scope: "col" }));
    this.sides = this.cells.map(() => h("th", { scope: "row" }));
    const head = h("tr", {}, h("td", { class: "corner" }), this.heads);
    const lines = this.cells.map((line, row) => h("tr", {}, this.sides[row], line.map((input) => h("td", {}, input))));
    this.table.classList.toggle("many", columns > 3);
    this.table.replaceChildren(this.caption, h("thead", {}, head), h("tbody", {}, lines));
  }

  #cell(row, column) {
    const input = h("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
    input.addEventListener("change", () => {
      const value = numberFrom(input.value);
      this.refused.textContent = value === null ? `“${input.value.slice(0, 20)}” is no number up to 1e9 in size, so the tap stays ${trueMinus(this.taps[row][column])}.` : "";
      if (value === null) input.value = String(this.taps[row][column]);
      else this.#write((taps) => { taps[row][column] = value; });
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => {
      if (this.placing.getAttribute("aria-pressed") === "true") this.#setOrigin(row, column);
    });
    input.addEventListener("keydown", (event) => this.#key(event, row, column));
    return input;
  }

  #key(event, row, column) {
    if (event.key.toLowerCase() === "o" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.#setOrigin(row, column);
    }
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const next = step && this.cells[row + step[0]]?.[column + step[1]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  #place(on) {
    this.placing.setAttribute("aria-pressed", String(on));
    this.hint.textContent = on ? "Click the tap that is to be the origin." : "Type a number, such as 0.5 or 1/9. O makes a tap the origin.";
  }

  #setOrigin(row, column) {
    this.#place(false);
    this.#write((_, origin) => origin.splice(0, 2, row, column));
  }

  // A line more, or less, at the end.
  #resize(axis, by) {
    const length = axis === 0 ? this.taps.length : this.taps[0].length;
    if (length + by < 1 || length + by > LARGEST_TABLE) return;
    this.#write((taps, origin) => {
      if (axis === 0) taps.splice(length + Math.min(by, 0), 1, ...(by > 0 ? [Array(taps[0].length).fill(0)] : []));
      else for (const row of taps) row.splice(length + Math.min(by, 0), 1, ...(by > 0 ? [0] : []));
      origin[axis] = Math.min(origin[axis], length + by - 1);
    });
  }

  #write(change) {
    const taps = this.taps.map((row) => [...row]);
    const origin = [...this.origin];
    change(taps, origin);
    this.onchange(this.ndim === 2 ? { taps, origin } : { taps: taps[0], origin: [origin[1]] });
  }
}

// A number, also as a fraction or with a true minus sign; null for other texts.
function numberFrom(text) {
  const parts = text.replace("−", "-").replace(",", ".").split("/").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const value = parts.length === 2 ? parts[0] / parts[1] : parts.length === 1 ? parts[0] : NaN;
  return Number.isFinite(value) && Math.abs(value) <= 1e9 ? value : null;
}

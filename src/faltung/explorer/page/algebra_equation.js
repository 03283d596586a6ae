// How are two kernels put together? An equation: f, g, and what is made of them, each with its numbers.

import { extent, sizeOf } from "./array.js";
import { OPERATIONS } from "./algebra_operations.js";
import { rangeFor } from "./colours.js";
import { button, numeric, segmented } from "./controls.js";
import { h, number } from "./dom.js";
import { chosenKernel, kernelRows } from "./filter_state.js";
import { pythonOf } from "./kernel_descriptions.js";
import { KernelEditor, textOf } from "./kernel_editor.js";
import { KernelPicture } from "./kernel_picture.js";
import { columnAndRow, rankOf } from "./kernel_rank.js";
import { sumOfTaps } from "./kernels.js";
import { NumberTable } from "./number_table.js";
import { TapSum } from "./tap_sum.js";

export class EquationPanel {
  // `ndim()`: axes of the picture.
  constructor(app, ndim) {
    Object.assign(this, { app, ndim });
    const editor = (name) => new KernelEditor({ ndim, read: () => app.store.get(`algebra.${name}`), write: (description) => app.store.set({ [`algebra.${name}`]: description }) });
    this.editors = { f: editor("f"), g: editor("g") };
    this.numbers = {
      n: [numeric(app, "algebra.n", "n, the number of times", { min: 1, max: 8 }), h("p", { class: "hint" }, "f ∗ f ∗ … ∗ f. Try a box: after a few times it is almost a Gaussian, whatever it was.")],
      a: [numeric(app, "algebra.a", "a, a number", { min: -100, max: 100, step: "any" }), h("p", { class: "hint" }, "Every tap times a. Kernels can be added and multiplied by numbers: they are a linear space.")],
    };
    this.first = slot("f", this.editors.f.element, button("Take the kernel of the Filter view", () => this.#takeChosen()));
    this.second = slot("g", this.editors.g.element);
    this.sign = h("span", { class: "sign" });
    this.picture = new KernelPicture({ most: 7 });
    this.tapSum = new TapSum(this.picture.table, (sentence) => app.announce(sentence));
    this.call = h("code", {});
    this.python = h("p", { class: "hint" });
    this.rules = h("ul", { class: "rules" });
    this.factors = h("div", { class: "outer-product" });
    this.result = h("section", { class: "slot result", "aria-label": "The result" }, h("h2", {}),
      h("div", { class: "row call" }, this.call, button("Take it as f", () => this.#take("f")), button("Take it as g", () => this.#take("g")), button("See it in the Filter view", () => this.#show())),
      this.python, this.picture.element, this.tapSum.element, this.rules, this.factors);
    const choices = Object.entries(OPERATIONS).map(([name, { title }]) => [name, title]);
    this.element = h("section", { "aria-label": "Kernels" }, segmented(app, "algebra.operation", "Make of f and g", choices),
      h("div", { class: "equation-row" }, this.first, this.sign, this.second, h("span", { class: "sign equals" }, "="), this.result));
  }

  // `problems`: what is wrong with f and g, by name. `made`: the kernel that was made, or null.
  show(kernels, problems, operation, made) {
    const { second, title, text } = OPERATIONS[operation];
    for (const name of ["f", "g"]) this.editors[name].update(problems[name] ?? "");
    const sign = { product: "∗", reversed: "∗", sum: "+", difference: "−", power: "∗ⁿ", multiple: "·" }[operation];
    this.sign.textContent = sign;
    this.second.replaceChildren(...(second === "g" ? [h("h2", {}, "g"), this.editors.g.element] : [h("h2", {}, second), ...this.numbers[second]]));
    this.first.style.order = operation === "reversed" || operation === "multiple" ? 2 : 0;
    this.second.style.order = this.first.style.order === "2" ? 0 : 2;
    this.sign.style.order = 1;
    this.result.classList.toggle("stale", !made);
    if (!made) return;
    this.text = text({ ...kernels, f: textOf(kernels.f), g: textOf(kernels.g) });
    this.made = made;
    this.result.querySelector("h2").textContent = title;
    this.call.textContent = this.text;
    this.python.replaceChildren("In Python: ", h("code", {}, `k = ${pythonOf({ text: this.text })}`), ", and then ", h("code", {}, "y = k(x)"));
    this.picture.show(made);
    this.#showSum(operation, kernels, made);
    this.rules.replaceChildren(...rulesFor(operation, kernels, made).map((parts) => h("li", {}, parts)));
    this.#showFactors(made);
  }

  // What a tap is made of, where two kernels are convolved and their taps are written as numbers.
  #showSum(operation, { f, g }, made) {
    const shown = (operation === "product" || operation === "reversed") && !this.picture.table.element.hidden;
    if (!shown) this.tapSum.show(null);
    else if (operation === "product") this.tapSum.show(f, g, made, ["f", "g"]);
    else this.tapSum.show(g, f, made, ["g", "f"]);
  }

  #showFactors(made) {
    this.factors.replaceChildren();
    if (made.taps.ndim !== 2) return;
    const rank = rankOf(made);
    if (rank === null) return;
    const sides = made.taps.shape;
    const said = h("p", {}, "Rank ", number(rank, { "data-kernel": "rank" }), rank === 1
      ? `: the kernel is a column times a row. Filtering the columns and then the rows takes ${sides[0]} + ${sides[1]} = ${sides[0] + sides[1]} multiplications for each output, instead of ${sides[0]} × ${sides[1]} = ${sizeOf(sides)}.`
      : rank === 0 ? ": all taps are zero." : `: it is a sum of ${rank} outer products, and of no fewer.`);
    this.factors.append(said);
    if (rank === 1 && Math.max(...sides) <= 9) this.factors.append(outerDrawing(made));
  }

  // The result becomes f or g.
  #take(name) {
    this.app.store.set({ [`algebra.${name}`]: { ...this.app.store.get(`algebra.${name}`), source: "text", text: this.text, written: true } });
    this.app.announce(`${name} is now ${this.text}.`);
  }

  // The kernel that is edited in the filter view becomes f.
  #takeChosen() {
    const rows = kernelRows(this.app.store);
    if (!rows) return;
    const { out, channel } = chosenKernel(this.app.store, rows);
    this.app.store.set({ "algebra.f": rows[out][channel] });
  }

  // The result becomes the kernel of the filter view.
  #show() {
    this.app.store.set({ "filter.kernels": [[{ source: "text", text: this.text, written: true }]], "filter.chosen": [0, 0], view: "filter" });
  }

  close() {
    this.picture.close();
    for (const editor of Object.values(this.editors)) editor.close();
  }
}

function slot(title, ...content) {
  return h("section", { class: "slot", "aria-label": `Kernel ${title}` }, h("h2", {}, title), content);
}

// What follows for size and sum of the taps.
function rulesFor(operation, { f, g, n, a }, made) {
  const total = ({ taps }) => number(sumOfTaps(taps));
  const size = ({ taps }) => taps.shape.join(" × ");
  if (operation === "product" || operation === "reversed") {
    const sides = [...new Set(made.taps.shape.map((side, axis) => `${f.taps.shape[axis]} + ${g.taps.shape[axis]} − 1 = ${side}`))];
    return [
      ["The windows add up, less one: ", sides.join(" down, and along "), sides.length < made.taps.ndim ? " along each axis." : "."],
      ["The sums of the taps multiply: ", total(f), " × ", total(g), " = ", total(made), "."],
    ];
  }
  if (operation === "power") return [[`${n} times a window of ${size(f)} reaches as far as one of ${size(made)}.`], ["The sum of the taps is ", total(f), ` to the power of ${n}: `, total(made), "."]];
  if (operation === "multiple") return [["The sum of the taps is ", number(a), " × ", total(f), " = ", total(made), "."]];
  return [["Taps of the same lag are ", operation === "sum" ? "added" : "subtracted", "; the origins lie on each other."],
    ["So do the sums: ", total(f), operation === "sum" ? " + " : " − ", total(g), " = ", total(made), "."]];
}

// The column, the row, and that they are multiplied.
function outerDrawing(kernel) {
  const [column, row] = columnAndRow(kernel);
  const table = (caption, { data }, down) => {
    const numbers = new NumberTable(caption, "taps");
    const names = Array.from(data, () => "");
    numbers.show(data, { rows: down ? names : [""], columns: down ? [""] : names, scale: "signed", range: rangeFor("signed", extent({ data })) });
    return numbers.element;
  };
  return h("div", { class: "row factors" }, table("column u", column, true), h("span", { class: "sign" }, "×"), table("row v", row, false));
}

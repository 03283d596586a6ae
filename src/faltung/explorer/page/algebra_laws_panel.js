// Do the laws hold for these kernels and this picture? A card for each, with both sides and the largest difference.

import { extent, largest, minus } from "./array.js";
import { rangeFor } from "./colours.js";
import { button } from "./controls.js";
import { h, setNumber } from "./dom.js";
import { largestDifference } from "./kernels.js";
import { LAWS } from "./algebra_laws.js";
import { TapsThumb } from "./taps_thumb.js";

const ROUNDING = 1e-12; // relative to the largest number

export class LawsPanel {
  constructor(app) {
    this.cards = LAWS.map((law) => new LawCard(app, law));
    this.element = h("div", { class: "laws" }, this.cards.map(({ element }) => element));
  }

  // `kernels`: { f, g, h, a }; `run` filters the picture; a new call ends the one before by `signal`.
  async show(kernels, run, signal) {
    for (const card of this.cards) card.showKernels(kernels);
    for (const card of this.cards) {
      await card.showPicture(kernels, run);
      signal.throwIfAborted();
    }
  }

  close() {
    for (const card of this.cards) card.close();
  }
}

class LawCard {
  constructor(app, law) {
    this.law = law;
    const tries = law.tries.map(([title, values]) => button(title, () => app.store.set(Object.fromEntries(Object.entries(values).map(([name, value]) => [`algebra.${name}`, value])))));
    this.sides = [new TapsThumb("left side"), new TapsThumb("right side")];
    this.taps = h("span", { class: "number", "data-law": `${law.name}-taps` });
    this.picture = h("span", { class: "number", "data-law": `${law.name}-picture` });
    this.verdict = h("p", { class: "verdict" });
    this.given = h("small", {});
    this.element = h("article", { class: law.fails ? "law fails" : "law", "aria-label": law.title },
      h("h3", {}, law.title), h("p", {}, h("span", { class: "formula" }, law.formula), " ", this.given),
      h("div", { class: "sides" }, this.sides[0].element, h("span", { class: "sign", "aria-hidden": "true" }, law.fails ? "≠" : "="), this.sides[1].element),
      h("p", {}, law.says),
      h("table", {}, h("caption", {}, "Largest difference of both sides"), h("tbody", {},
        h("tr", {}, h("th", { scope: "row" }, "in the taps"), h("td", {}, this.taps)),
        h("tr", {}, h("th", { scope: "row" }, "in the filtered picture"), h("td", {}, this.picture)))),
      this.verdict, h("div", { class: "row tries" }, h("span", {}, "Try:"), tries));
  }

  showKernels(kernels) {
    const [left, right] = [this.law.left(kernels), this.law.right(kernels)];
    this.range = rangeFor("signed", extent(left.taps, right.taps));
    this.sides[0].show(left, this.range);
    this.sides[1].show(right, this.range);
    this.given.textContent = this.law.given?.(kernels) ?? "";
    this.apart = largestDifference(left, right);
    setNumber(this.taps, this.apart);
    this.picture.textContent = this.verdict.textContent = "…";
    delete this.picture.dataset.value;
  }

  async showPicture(kernels, run) {
    const [left, right] = await this.law.onPicture(run, kernels);
    const apart = largest(minus(left, right));
    setNumber(this.picture, apart);
    const same = this.apart <= ROUNDING * this.range[1];
    this.element.dataset.holds = String(same);
    this.verdict.textContent = !same ? "✗ Both sides are different."
      : this.law.fails ? "Equal here: these kernels look the same after half a turn. Take an edge filter as f or g."
        : this.apart === 0 && apart === 0 ? "✓ Both sides are equal in every digit." : "✓ Equal: what is left is rounding in the last of about 16 digits.";
  }

  close() {
    for (const side of this.sides) side.close();
  }
}

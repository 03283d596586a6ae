// Where does the border matter? Filter, crop and extend again, against extending once: the difference, mode by mode.

import { MODES } from "./borders.js";
import { segmented } from "./controls.js";
import { h, number } from "./dom.js";
import { product } from "./kernels.js";
import { extensionOf, largest, minus, passesCropped, passesOnce } from "./passes.js";
import { stepsDrawing } from "./algebra_drawing.js";

const SEEN = 1e-9; // differences below this share of the largest output are rounding

export class BorderPanel {
  // `viewOf(label)` makes a view of a picture or a signal; it is asked for once the number of axes is known.
  constructor(app) {
    this.app = app;
    this.rows = Object.fromEntries(MODES.map((mode) => [mode, this.#row(mode)]));
    this.table = h("table", { class: "border-modes" },
      h("caption", {}, "Filtered with g, cropped, extended again, filtered with f: how far that is from the exact result"),
      h("thead", {}, h("tr", {}, ["mode", "largest difference", "outputs that differ", "up to how far from the border"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, Object.values(this.rows).map(({ element }) => element)));
    this.drawing = h("div", { class: "steps-drawing" });
    this.maps = h("div", { class: "border-maps" });
    this.verdict = h("p", { class: "verdict" });
    this.element = h("section", { class: "border-panel", "aria-label": "The border" },
      h("h2", {}, "Where the border matters: f ∗ (g ∗ x)"),
      h("p", {}, "At the border a kernel needs samples that do not exist, so the picture is extended by a rule, the mode. Who crops the result of g and then extends ",
        h("em", {}, "it"), " by the rule gives f made-up samples. Who extends the picture ", h("em", {}, "once"),
        ", by the support of both kernels together, has the true values of g ∗ x out there."),
      this.drawing,
      segmented(app, "algebra.mode", "Beyond the border (mode)", MODES.map((mode) => [mode, mode])),
      h("div", { class: "border-results" }, this.maps, h("div", {}, this.table, this.verdict)));
  }

  #row(mode) {
    const cells = [0, 1, 2].map(() => h("td", {}, "…"));
    const head = h("th", { scope: "row" }, mode);
    return { element: h("tr", { "data-mode": mode }, head, cells), cells };
  }

  // Compute and show. `view(title)` returns the view for the difference.
  async show({ x, f, g, view, scale, mode, signal }) {
    const kernels = [g, f];
    this.drawing.replaceChildren(stepsDrawing(x.shape.at(-1), [g, f].map((kernel) => extensionOf(1, [alongRow(kernel)]))));
    this.maps.replaceChildren(view.element);
    for (const name of MODES) {
      this.rows[name].element.classList.toggle("chosen", name === mode);
      for (const cell of this.rows[name].cells) cell.replaceChildren("…");
    }
    for (const name of [mode, ...MODES.filter((other) => other !== mode)]) {
      const exact = (await passesOnce(x, kernels, name, signal)).at(-1);
      const naive = (await passesCropped(x, kernels, name, signal)).at(-1);
      signal.throwIfAborted();
      const apart = minus(naive, exact);
      const facts = factsOf(apart, largest(exact));
      this.#write(name, facts);
      if (name === mode) this.#showMap(view, apart, facts, { f, g, mode, scale });
    }
  }

  #write(mode, { most, count, far }) {
    const [apart, differ, reach] = this.rows[mode].cells;
    apart.replaceChildren(number(most, { "data-border": "largest" }));
    differ.replaceChildren(number(count, { "data-border": "count" }));
    reach.replaceChildren(count ? number(far, { "data-border": "far" }) : "–");
  }

  #showMap(view, apart, { most, count, far }, { f, g, mode }) {
    const reach = most || 1;
    view.show(apart, { scale: "signed", range: [-reach, reach] });
    view.caption.replaceChildren("f ∗ (g ∗ x) with cropping between, minus the exact one; signed scale to ± ", number(reach));
    const support = product(f, g).taps.shape.join(" × ");
    this.verdict.textContent = count
      ? `With ${mode}, ${count} of ${apart.data.length} outputs are wrong when g ∗ x is cropped and extended again, all within ${far} ${far === 1 ? "sample" : "samples"} of the border. Extended once, by the ${support} taps of f ∗ g, every output is exact.`
      : `With ${mode} and these kernels, both ways agree. ${WHY[mode] ?? ""}`;
  }
}

const WHY = {
  wrap: "A picture that repeats has no border: what g makes of it repeats as well.",
  reflect: "g does not change when it is mirrored, so g ∗ x continues in the same mirrored way as x. Take an edge filter as g to see a difference.",
  mirror: "g does not change when it is mirrored, so g ∗ x continues in the same mirrored way as x. Take an edge filter as g to see a difference.",
};

// The largest difference, how many outputs differ, and how far from the border (1: the outermost samples).
export function factsOf(apart, size) {
  const { shape, data } = apart;
  const width = shape.at(-1);
  let [most, count, far] = [0, 0, 0];
  data.forEach((value, place) => {
    most = Math.max(most, Math.abs(value));
    if (Math.abs(value) <= SEEN * size) return;
    count += 1;
    const at = shape.length === 2 ? [Math.floor(place / width), place % width] : [place];
    far = Math.max(far, 1 + Math.min(...at.map((index, axis) => Math.min(index, shape[axis] - 1 - index))));
  });
  return { most, count, far };
}

// The taps of a kernel along the last axis only, for the drawing.
function alongRow({ taps, origin }) {
  return { taps: { shape: [taps.shape.at(-1)] }, origin: [origin.at(-1)] };
}

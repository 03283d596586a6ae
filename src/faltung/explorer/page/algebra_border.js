// Where does the border matter? Filter, crop and extend again, against extending once: the difference, mode by mode.

import { MODES, region } from "./borders.js";
import { segmented } from "./controls.js";
import { h, number } from "./dom.js";
import { product } from "./kernels.js";
import { MapView } from "./map_view.js";
import { extensionOf, passesCropped, passesOnce } from "./passes.js";
import { stepsDrawing } from "./algebra_drawing.js";
import { largest, minus, positionOf, strongest } from "./array.js";

const CLOSE = 7; // samples along each side of the closer look
const SEEN = 1e-9; // differences below this share of the largest output are rounding

export class BorderPanel {
  // `viewOf(label)` makes a view of a picture or a signal; it is asked for once the number of axes is known.
  constructor(app) {
    this.app = app;
    this.rows = Object.fromEntries(MODES.map((mode) => [mode, this.#row(mode)]));
    this.table = h("table", { class: "border-modes" },
      h("caption", {}, "Filtered with g, cropped, extended again, filtered with f: how far that is from the exact result"),
      h("thead", {}, h("tr", {}, ["mode", "largest difference", "outputs that differ", "samples from the border, at most"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, Object.values(this.rows).map(({ element }) => element)));
    this.closer = new MapView({ label: "The part with the largest difference", height: 300 });
    this.drawing = h("div", { class: "steps-drawing" });
    this.maps = h("div", { class: "border-maps" });
    this.verdict = h("p", { class: "verdict" });
    this.element = h("section", { class: "border-panel", "aria-label": "The border" },
      h("h2", {}, "Where the border matters: f ∗ (g ∗ x)"),
      h("p", {}, "At the border a kernel needs samples that do not exist, and a rule makes them up: the mode. If g ∗ x is cropped to the picture and extended again, f works with samples that were made up a second time; they are not the values of g ∗ x out there. If x is extended ",
        h("em", {}, "once"), ", by the support of both kernels together, the values out there are known, and the result is exact."),
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
  async show({ x, f, g, view, mode, signal }) {
    const kernels = [g, f];
    this.drawing.replaceChildren(stepsDrawing(x.shape.at(-1), [g, f].map((kernel) => extensionOf(1, [alongRow(kernel)]))));
    this.maps.replaceChildren(view.element, ...(x.ndim === 2 ? [this.closer.element] : []));
    for (const name of MODES) {
      this.rows[name].element.classList.toggle("chosen", name === mode);
      for (const cell of this.rows[name].cells) cell.replaceChildren("…");
    }
    for (const name of [mode, ...MODES.filter((other) => other !== mode)]) {
      const exact = (await passesOnce(x, kernels, name, signal)).at(-1);
      const naive = (await passesCropped(x, kernels, name, signal)).at(-1);
      signal.throwIfAborted();
      const apart = minus(naive, exact);
      const size = largest(exact);
      const facts = { ...factsOf(apart, size), size };
      this.#write(name, facts);
      if (name === mode) this.#showMap(view, apart, facts, { f, g, mode });
    }
  }

  #write(mode, { most, count, far }) {
    const [apart, differ, reach] = this.rows[mode].cells;
    apart.replaceChildren(number(most, { "data-border": "largest" }));
    differ.replaceChildren(number(count, { "data-border": "count" }));
    reach.replaceChildren(count ? number(far, { "data-border": "far" }) : "–");
  }

  // The samples around the largest difference, so large that they can be seen.
  #showCloser(apart, reach) {
    const at = positionOf(apart.shape, strongest(apart));
    const start = at.map((index, axis) => Math.max(0, Math.min(index - (CLOSE >> 1), apart.shape[axis] - CLOSE)));
    const stop = start.map((index, axis) => Math.min(index + CLOSE, apart.shape[axis]));
    this.closer.show(region(apart, start, stop, "nearest"), { scale: "signed", range: [-reach, reach], origin: start });
    this.closer.caption.textContent = `closer: rows ${start[0]} to ${stop[0] - 1}, columns ${start[1]} to ${stop[1] - 1}`;
  }

  close() {
    this.closer.close();
  }

  #showMap(view, apart, { most, count, far, size }, { f, g, mode }) {
    const reach = (count ? most : size) || 1;
    view.show(apart, { scale: "signed", range: [-reach, reach] });
    view.caption.replaceChildren("f ∗ (g ∗ x) with cropping between, minus the exact one; colours reach to ± ", number(reach));
    if (apart.ndim === 2) this.#showCloser(apart, reach);
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
function factsOf(apart, size) {
  const { shape, data } = apart;
  let [most, count, far] = [0, 0, 0];
  data.forEach((value, place) => {
    most = Math.max(most, Math.abs(value));
    if (Math.abs(value) <= SEEN * size) return;
    count += 1;
    const at = positionOf(shape, place);
    far = Math.max(far, 1 + Math.min(...at.map((index, axis) => Math.min(index, shape[axis] - 1 - index))));
  });
  return { most, count, far };
}

// The taps of a kernel along the last axis only, for the drawing.
function alongRow({ taps, origin }) {
  return { taps: { shape: [taps.shape.at(-1)] }, origin: [origin.at(-1)] };
}

// What does a kernel look like? Its taps as a table of numbers, or as a picture if there are many; zero is white.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { format, h, number } from "./dom.js";
import { MapView } from "./map_view.js";
import { NumberTable } from "./number_table.js";

export class KernelPicture {
  // `most`: lines that are written as numbers.
  constructor({ most = 5 } = {}) {
    this.most = most;
    this.table = new NumberTable("taps, by lag; the ring marks the origin", "taps");
    this.map = new MapView({ label: "The taps of the kernel", onhover: (position) => this.#say(position), height: 190 });
    this.facts = h("p", { class: "hint" });
    this.element = h("div", { class: "kernel-picture" }, this.table.element, this.map.element, this.facts);
  }

  show(kernel) {
    const { taps, origin } = kernel;
    const range = rangeFor("signed", extent(taps));
    const rows = taps.ndim === 2 ? taps.shape[0] : 1;
    const columns = taps.shape.at(-1);
    const small = rows <= this.most && columns <= this.most;
    this.table.element.hidden = !small;
    this.map.element.hidden = small;
    this.kernel = kernel;
    const [row, column] = taps.ndim === 2 ? origin : [0, origin[0]];
    if (small) {
      const lags = (count, middle) => Array.from({ length: count }, (_, index) => index - middle);
      this.table.show(taps.data, { rows: taps.ndim === 2 ? lags(rows, row) : ["k"], columns: lags(columns, column), scale: "signed", range, origin: row * columns + column });
    } else {
      this.map.show(new NdArray([rows, columns], taps.data), { scale: "signed", range });
      this.map.mark([{ start: [row, column], stop: [row + 1, column + 1], kind: "output" }]);
      this.map.caption.textContent = `signed scale from ${format(range[0])} to ${format(range[1])}; the frame marks the origin`;
    }
    const sum = taps.data.reduce((total, tap) => total + tap, 0);
    const clean = Math.abs(sum) < 1e-13 * taps.data.reduce((total, tap) => total + Math.abs(tap), 0) ? 0 : sum;
    this.facts.replaceChildren(`${taps.shape.join(" × ")} taps, origin ${origin.join(", ")}, their sum is `, number(clean, { "data-kernel": "sum" }), ".");
  }

  close() {
    this.map.close();
  }

  #say(position) {
    if (!position) return;
    const { taps } = this.kernel;
    const at = taps.ndim === 2 ? position : [position[1]];
    this.map.caption.textContent = `k[${at.map((index, axis) => index - this.kernel.origin[axis]).join(", ").replaceAll("-", "−")}] = ${format(taps.at(...at))}`;
  }
}

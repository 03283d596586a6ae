// What does a kernel look like? Its taps as a table of numbers, or as a picture if there are many; zero is white.

import { extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { format, h, number, trueMinus } from "./dom.js";
import { lagsOf, sumOfTaps } from "./kernels.js";
import { MapView } from "./map_view.js";
import { NumberTable } from "./number_table.js";
import { SignalView } from "./signal_view.js";

export class KernelPicture {
  // `most`: lines that are written as numbers.
  constructor({ most = 5 } = {}) {
    this.most = most;
    this.table = new NumberTable("taps, by lag; the ring marks the origin", "taps");
    this.map = new MapView({ label: "The taps of the kernel", onhover: (position) => this.#say(position), height: 190 });
    this.signal = new SignalView({ label: "The taps of the kernel", height: 150 });
    this.facts = h("p", { class: "hint" });
    this.element = h("div", { class: "kernel-picture" }, this.table.element, this.map.element, this.signal.element, this.facts);
  }

  show(kernel) {
    const { taps, origin } = kernel;
    const range = rangeFor("signed", extent(taps));
    const rows = taps.ndim === 2 ? taps.shape[0] : 1;
    const columns = taps.shape.at(-1);
    const small = rows <= this.most && columns <= this.most;
    this.table.element.hidden = !small;
    this.map.element.hidden = small || taps.ndim === 1;
    this.signal.element.hidden = small || taps.ndim === 2;
    this.kernel = kernel;
    const [row, column] = taps.ndim === 2 ? origin : [0, origin[0]];
    if (small) {
      this.table.show(taps.data, { rows: taps.ndim === 2 ? lagsOf(kernel, 0) : ["k"], columns: lagsOf(kernel, taps.ndim - 1), scale: "signed", range, origin: row * columns + column });
    } else if (taps.ndim === 1) {
      this.signal.show(taps, { origin: [-column] });
      this.signal.mark([{ start: [0], stop: [1], kind: "output" }]);
      this.signal.caption.textContent = "taps, by lag; the frame marks the origin";
    } else {
      this.map.show(taps, { scale: "signed", range });
      this.map.mark([{ start: [row, column], stop: [row + 1, column + 1], kind: "output" }]);
      this.map.caption.textContent = `signed scale from ${format(range[0])} to ${format(range[1])}; the frame marks the origin`;
    }
    this.facts.replaceChildren(`${taps.shape.join(" × ")} taps, origin ${origin.join(", ")}, their sum is `, number(sumOfTaps(taps), { "data-kernel": "sum" }), ".");
  }

  close() {
    this.map.close();
    this.signal.close();
  }

  #say(position) {
    if (!position) return;
    const { taps } = this.kernel;
    const lags = trueMinus(position.map((index, axis) => index - this.kernel.origin[axis]).join(", "));
    this.map.caption.textContent = `k[${lags}] = ${format(taps.at(...position))}`;
  }
}

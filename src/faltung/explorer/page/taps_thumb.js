// What does a kernel look like at a glance? A small picture of its taps; zero is white.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { h } from "./dom.js";
import { MapView } from "./map_view.js";

export class TapsThumb {
  constructor(title, height = 96) {
    this.title = title;
    this.map = new MapView({ label: title, height });
    this.element = h("div", { class: "taps-thumb" }, this.map.element);
  }

  show({ taps }, range = rangeFor("signed", extent(taps))) {
    const shape = taps.ndim === 2 ? taps.shape : [1, taps.shape[0]];
    this.element.classList.toggle("line", taps.ndim === 1);
    this.map.show(new NdArray(shape, taps.data), { scale: "signed", range });
    this.map.label = `${this.title}: ${taps.shape.join(" by ")} taps`;
    this.map.caption.textContent = `${taps.shape.join(" × ")} taps`;
  }

  close() {
    this.map.close();
  }
}

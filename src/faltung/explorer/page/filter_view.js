// Filter: under construction.

import { h } from "./dom.js";

export const FILTER_STATE = {};

export function mountFilter(place, app) {
  place.append(h("p", {}, "Filter"));
}

// Network: under construction.

import { h } from "./dom.js";

export const NETWORK_STATE = {};

export function mountNetwork(place, app) {
  place.append(h("p", {}, "Network"));
}

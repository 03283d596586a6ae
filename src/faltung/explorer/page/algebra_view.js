// Algebra: under construction.

import { h } from "./dom.js";

export const ALGEBRA_STATE = {};

export function mountAlgebra(place, app) {
  place.append(h("p", {}, "Algebra"));
}

// Learning: under construction.

import { h } from "./dom.js";

export const LEARNING_STATE = {};

export function mountLearning(place, app) {
  place.append(h("p", {}, "Learning"));
}

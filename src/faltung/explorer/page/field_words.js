// What does one value of a layer see of the input? The receptive field, as a box and in words.

import { trueMinus } from "./dom.js";

// [start, stop] of what the value at a position sees, along each axis, cut off at the input; null if it is not known here.
export function fieldBox(layer, position, lengths) {
  if (layer.field === "whole") return { start: lengths.map(() => 0), stop: [...lengths] };
  if (!Array.isArray(layer.field) || position.length !== lengths.length) return null;
  const start = layer.field.map(({ start: first, step }, axis) => Math.max(0, Math.min(lengths[axis] - 1, first + step * position[axis])));
  const stop = layer.field.map(({ start: first, step, size }, axis) => Math.max(1, Math.min(lengths[axis], first + step * position[axis] + size)));
  return { start, stop };
}

// [start, stop] of the values that a sample of the input reaches; null if it is not known here.
export function reachBox(layer, position) {
  const lengths = layer.shape.slice(1);
  if (layer.field === "whole") return { start: lengths.map(() => 0), stop: [...lengths] };
  if (!Array.isArray(layer.field) || layer.field.length !== position.length || lengths.length !== position.length) return null;
  const start = layer.field.map(({ start: first, step, size }, axis) => Math.max(0, Math.ceil((position[axis] - first - size + 1) / step)));
  const stop = layer.field.map(({ start: first, step }, axis) => Math.min(lengths[axis], Math.floor((position[axis] - first) / step) + 1));
  return start.every((begin, axis) => begin < stop[axis]) ? { start, stop } : null;
}

export function times(numbers) {
  return numbers.map((value) => value.toLocaleString("en")).join(" × ");
}

// A sentence for a newcomer. `lengths`: those of the input.
export function fieldSentence(layer, lengths) {
  if (layer.field === "whole") return `One value of this layer sees the whole input${lengths.length ? `, ${times(lengths)} samples` : ""}.`;
  if (layer.field === "nothing") return "This layer depends on other inputs only, not on this one.";
  if (!layer.field) return "";
  const larger = layer.field.some(({ size }, axis) => size > lengths[axis]) ? ` This input has only ${times(lengths)}.` : "";
  return `One value of this layer sees ${samplesOf(layer.field)} of the input.${larger}`;
}

function samplesOf(field) {
  const sizes = field.map(({ size }) => size);
  return sizes.every((size) => size === 1) ? "one sample" : `${times(sizes)} samples`;
}

// The same, short, for a row.
export function fieldShort(layer) {
  if (layer.field === "whole") return "one value sees the whole input";
  if (layer.field === "nothing") return "depends on other inputs only";
  return layer.field ? `one value sees ${samplesOf(layer.field)}` : "";
}

// Step and start, in a sentence.
export function fieldSteps(layer) {
  if (!Array.isArray(layer.field)) return "";
  const [steps, starts] = [layer.field.map(({ step }) => step), layer.field.map(({ start }) => start)];
  const next = new Set(steps).size === 1 ? `${steps[0]}` : `${steps.join(" and ")}`;
  const begins = trueMinus(starts.join(", "));
  return `Its neighbour sees as much, ${next} ${next === "1" ? "sample" : "samples"} further. The first value sees from (${begins}) on${starts.some((start) => start < 0) ? ", beyond the border" : ""}.`;
}

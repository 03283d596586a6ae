// What happens at one output, and what becomes of one sample? The numbers behind a convolution, forwards and backwards.

import { NdArray, indices, offsetOf } from "./array.js";
import { sourceIndex } from "./borders.js";
import { laidTaps, reading } from "./outputs.js";

// All that the output at `position` is made of, in the order of its taps as they are laid over the samples:
// positions (of the extended array), whether each is inside, sources (the samples that have the values; null for the
// constant), samples, taps, products, and their sum; start and stop of the window in positions.
export function windowAt(x, kernel, options, position) {
  const { axes, mode, cval } = reading(x.shape, kernel, options);
  const taps = laidTaps(kernel, options);
  const samples = new NdArray(taps.shape);
  const products = new NdArray(taps.shape);
  const start = axes.map((axis, index) => axis.start + axis.stride * position[index]);
  const positions = [];
  const sources = [];
  let sum = 0;
  indices(taps.shape).forEach((tap, place) => {
    const at = tap.map((index, axis) => start[axis] + axes[axis].dilation * index);
    const source = at.map((index, axis) => sourceIndex(mode[axis], index, x.shape[axis]));
    const known = !source.includes(-1);
    positions.push(at);
    sources.push(known ? source : null);
    samples.data[place] = known ? x.data[offsetOf(x.shape, source)] : cval;
    // A tap of zero takes nothing from a sample, whatever that is.
    products.data[place] = taps.data[place] === 0 ? 0 : taps.data[place] * samples.data[place];
    sum += products.data[place];
  });
  const inside = positions.map((at) => at.every((index, axis) => index >= 0 && index < x.shape[axis]));
  const stop = start.map((first, axis) => first + axes[axis].dilation * (axes[axis].size - 1) + 1);
  return { positions, inside, sources, samples, taps, products, sum, start, stop };
}

// All outputs that the sample at `position` reaches, and with which weight: [{ position, tap }]. Where the border repeats the
// sample, several taps may lie on it, and `tap` is their sum.
export function reachedFrom(lengths, kernel, options, position) {
  const { axes, mode } = reading(lengths, kernel, options);
  const taps = laidTaps(kernel, options);
  const along = axes.map((axis, index) => outputsOver(axis, mode[index], lengths[index], position[index]));
  const reached = [];
  for (const row of along.length === 2 ? along[0] : [null]) {
    for (const column of along.at(-1)) {
      const weights = (row?.taps ?? [0]).flatMap((down) => column.taps.map((right) => taps.data[down * axes.at(-1).size + right]));
      if (weights.some((weight) => weight !== 0)) {
        reached.push({ position: row ? [row.output, column.output] : [column.output], tap: weights.reduce((sum, weight) => sum + weight, 0) });
      }
    }
  }
  return reached;
}

// Along one axis: the outputs of which some taps lie on a sample, with these taps.
function outputsOver({ start, stride, dilation, size, count }, mode, length, sample) {
  const found = [];
  for (let output = 0; output < count; output += 1) {
    const taps = [];
    for (let tap = 0; tap < size; tap += 1) {
      if (sourceIndex(mode, start + stride * output + dilation * tap, length) === sample) taps.push(tap);
    }
    if (taps.length) found.push({ output, taps });
  }
  return found;
}

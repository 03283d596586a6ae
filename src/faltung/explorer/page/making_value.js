// How is one number of a feature map made? From the tensors before it, in double precision, as one sees it step by step.

import { indices, offsetOf, sizeOf } from "./array.js";
import { POINTWISE } from "./pointwise.js";

// `layer`: a layer as Python describes it; `channel` and `position`: the number; `tensors`: its inputs, (channels, ...positions);
// `weights`: the constants of this channel. Returns
//   { form: "windows", combine: "sum" | "max" | "mean", parts, bias, value, divisor }: windows over input maps; each part has
//     { channel, size, cells: [{ position, inside, sample, tap, product }], subtotal }
//   { form: "terms", terms: [{ label, sample, weight, product, source }], bias, value, formula }: numbers that are put together
export function explain(layer, channel, position, tensors, weights) {
  const rule = RULES[layer.making.kind];
  return rule ? rule(layer, channel, position, tensors, weights) : null;
}

// Whether the page computes the numbers of a layer itself.
export function isKnown(layer) {
  return layer.making.kind in RULES;
}

const RULES = {
  convolution: convolutionAt,
  "transposed convolution": transposedAt,
  pooling: poolingAt,
  "adaptive pooling": adaptiveAt,
  padding: paddingAt,
  mean: meanAt,
  linear: linearAt,
  "batch norm": batchNormAt,
  "group norm": (...given) => normAt(...given, groupOf),
  "layer norm": (...given) => normAt(...given, allChannelsAt),
  softmax: softmaxAt,
  concatenation: concatenationAt,
  pointwise: pointwiseAt,
};

function sampleAt(x, channel, position) {
  const shape = x.shape.slice(1);
  const inside = position.every((place, axis) => place >= 0 && place < shape[axis]);
  return { position, inside, sample: inside ? x.data[channel * sizeOf(shape) + offsetOf(shape, position)] : 0 };
}

function windowed(making, x, weights, positionOf) {
  const size = making.size;
  const count = sizeOf(size);
  return Array.from({ length: weights.taps.shape[0] }, (_, number) => {
    const cells = indices(size).map((place, index) => {
      const tap = weights.taps.data[number * count + index];
      const source = positionOf(place);
      const found = source ? sampleAt(x, weights.first + number, source) : { position: null, inside: false, sample: 0 };
      return { ...found, tap, product: found.inside ? found.sample * tap : 0 };
    });
    return { channel: weights.first + number, size, cells, subtotal: total(cells.map(({ product }) => product)) };
  });
}

function summed(parts, bias) {
  return { form: "windows", combine: "sum", parts, bias, value: total(parts.map(({ subtotal }) => subtotal)) + (bias ?? 0) };
}

function convolutionAt({ making }, channel, position, [x], weights) {
  const { stride, padding, dilation } = making;
  const parts = windowed(making, x, weights, (place) =>
    place.map((tap, axis) => position[axis] * stride[axis] - padding[axis] + tap * dilation[axis]));
  return summed(parts, weights.bias);
}

// Of a transposed convolution a number gets from each tap the sample that this tap brought there, if there is one.
function transposedAt({ making }, channel, position, [x], weights) {
  const { stride, padding, dilation } = making;
  const parts = windowed(making, x, weights, (place) => {
    const reached = place.map((tap, axis) => position[axis] + padding[axis] - tap * dilation[axis]);
    return reached.every((at, axis) => at % stride[axis] === 0) ? reached.map((at, axis) => at / stride[axis]) : null;
  });
  return summed(parts, weights.bias);
}

function pooled(how, x, channel, size, positions, divisor) {
  const cells = positions.map((source) => sampleAt(x, channel, source));
  const samples = cells.filter(({ inside }) => inside).map(({ sample }) => sample);
  const value = how === "max" ? samples.reduce((most, sample) => (sample > most || Number.isNaN(sample) ? sample : most), -Infinity)
    : total(samples) / (divisor ?? samples.length);
  const parts = [{ channel, size, cells, subtotal: value }];
  return { form: "windows", combine: how, parts, bias: null, value, divisor: divisor ?? samples.length };
}

function poolingAt({ making }, channel, position, [x]) {
  const { size, stride, padding, dilation, how, countsPadding } = making;
  const first = position.map((at, axis) => at * stride[axis] - padding[axis]);
  const positions = indices(size).map((place) => place.map((tap, axis) => first[axis] + tap * dilation[axis]));
  const padded = x.shape.slice(1).map((length, axis) => Math.min(first[axis] + size[axis], length + padding[axis]) - first[axis]);
  const divisor = making.divisor ?? (countsPadding ? sizeOf(padded) : null);
  return pooled(how, x, channel, size, positions, how === "mean" ? divisor : null);
}

function adaptiveAt({ making, shape }, channel, position, [x]) {
  const lengths = x.shape.slice(1);
  const first = position.map((at, axis) => Math.floor((at * lengths[axis]) / shape[axis + 1]));
  const size = position.map((at, axis) => Math.ceil(((at + 1) * lengths[axis]) / shape[axis + 1]) - first[axis]);
  return pooled(making.how, x, channel, size, indices(size).map((place) => place.map((tap, axis) => first[axis] + tap)), null);
}

function meanAt({ making }, channel, position, [x]) {
  const size = x.shape.slice(1);
  return pooled("mean", x, channel, size, indices(size), null);
}

function paddingAt({ making }, channel, position, [x]) {
  const lengths = x.shape.slice(1);
  const source = position.map((at, axis) => {
    const place = at - making.before[axis];
    const last = lengths[axis] - 1;
    if (making.mode === "mirror") return place < 0 ? -place : place > last ? 2 * last - place : place;
    return making.mode === "nearest" ? Math.min(last, Math.max(0, place)) : place;
  });
  const found = sampleAt(x, channel, source);
  const value = found.inside ? found.sample : making.value;
  const formula = found.inside ? `The sample at (${source.join(", ")}) as it is` : `Outside: always ${making.value}`;
  return terms(found.inside ? [{ label: `sample at (${source.join(", ")})`, sample: value, weight: 1, product: value, source: [0, channel, source] }] : [], found.inside ? null : value, value, formula);
}

function terms(list, bias, value, formula) {
  return { form: "terms", terms: list, bias, value, formula };
}

function linearAt({ making }, channel, position, [x], { row, bias }) {
  const step = x.data.length / row.data.length;
  const at = step > 1 ? position[0] : 0;
  const list = Array.from(row.data, (weight, number) => {
    const sample = x.data[number * step + at];
    return { label: `input ${number}`, sample, weight, product: sample * weight, source: [0, number, position] };
  });
  return terms(list, bias, total(list.map(({ product }) => product)) + (bias ?? 0), "The sum of all inputs, each times its weight, plus the bias");
}

function batchNormAt({ making }, channel, position, [x], given) {
  const { sample } = sampleAt(x, channel, position);
  const factor = (given.scale ?? 1) / Math.sqrt(given.variance + making.eps);
  const bias = (given.shift ?? 0) - given.mean * factor;
  const list = [{ label: "sample at this position", sample, weight: factor, product: sample * factor, source: [0, channel, position] }];
  return terms(list, bias, sample * factor + bias,
    "One scale and one shift for the whole channel, from the mean and the variance that were seen in training");
}

function groupOf(layer, channel, position, x) {
  const size = sizeOf(x.shape.slice(1)) * (x.shape[0] / layer.making.groups);
  const start = Math.floor(channel / (x.shape[0] / layer.making.groups)) * size;
  return x.data.subarray(start, start + size);
}

function allChannelsAt(layer, channel, position, x) {
  return Float64Array.from({ length: x.shape[0] }, (_, number) => sampleAt(x, number, position).sample);
}

function normAt(layer, channel, position, [x], given, chosen) {
  const numbers = chosen(layer, channel, position, x);
  const mean = total(numbers) / numbers.length;
  const variance = total(Array.from(numbers, (value) => (value - mean) ** 2)) / numbers.length;
  const made = batchNormAt(layer, channel, position, [x], { ...given, mean, variance });
  made.formula = `One scale and one shift, from mean and variance of ${numbers.length} numbers of this input`;
  return made;
}

function softmaxAt({ making }, channel, position, [x]) {
  const all = allChannelsAt(null, channel, position, x);
  const most = all.reduce((high, value) => Math.max(high, value), -Infinity);
  const powers = all.map((value) => Math.exp(value - most));
  const sum = total(powers);
  const share = powers[channel] / sum;
  const list = Array.from(all, (sample, number) => ({ label: `channel ${number}`, sample, weight: null, product: powers[number] / sum, source: [0, number, position] }));
  const value = making.logarithm ? all[channel] - most - Math.log(sum) : share;
  return terms(list, null, value, making.logarithm ? "The logarithm of: exp of this number, divided by the sum of exp of all" : "exp of this number, divided by the sum of exp of all: all channels add up to 1");
}

function concatenationAt({ making }, channel, position, tensors) {
  let [number, own] = [0, channel];
  while (own >= making.counts[number]) own -= making.counts[number++];
  const { sample } = sampleAt(tensors[number], own, position);
  const label = `channel ${own} of input ${number + 1}`;
  return terms([{ label, sample, weight: 1, product: sample, source: [number, own, position] }], null, sample, "Maps of several layers, one behind the other: this one is a copy");
}

function pointwiseAt({ making }, channel, position, tensors, weights) {
  let seen = 0;
  const given = {};
  const list = [];
  for (const { name, tensor, constant, value } of making.parts) {
    if (tensor !== undefined) {
      const x = tensors[seen];
      const one = sizeOf(x.shape.slice(1)) === 1; // one number for all positions, or for everything
      const own = one ? x.shape.slice(1).map(() => 0) : position;
      given[name] = x.data.length === 1 ? x.data[0] : sampleAt(x, channel, own).sample;
      list.push({ label: one ? `input ${seen + 1}, the same everywhere` : `input ${seen + 1} at this position`, sample: given[name], weight: null, product: null, source: [seen, channel, own] });
      seen += 1;
    } else if (constant) {
      given[name] = broadcast(weights[name], position);
      list.push({ label: "a constant of the network", sample: given[name], weight: null, product: null });
    } else given[name] = value;
  }
  const { formula, compute } = POINTWISE[making.function];
  return terms(list, null, compute(given), formula(given));
}

function broadcast(constant, position) {
  const place = constant.shape.map((length, axis) => (length === 1 ? 0 : position[axis + position.length - constant.shape.length]));
  return constant.data[offsetOf(constant.shape, place)];
}

function total(numbers) {
  let sum = 0;
  for (const value of numbers) sum += value;
  return sum;
}

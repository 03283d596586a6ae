// Which named kernels smooth? Those whose taps are non-negative and sum to one.

import { NdArray } from "./array.js";
import { checkedSize, integer, perAxis, real } from "./arguments.js";
import { kernelOf, outer } from "./kernels.js";

export function box(size, ndim) {
  const widths = perAxis("size", size, ndim, (name, value) => integer(name, value, 1, 2 ** 31));
  checkedSize("size", widths);
  // Lags and samples run in opposite directions, so SciPy's window has its origin at the left one of two middles.
  const origin = widths.map((width) => Math.floor((width - 1) / 2));
  return outer(widths.map((width) => Array(width).fill(1 / width)), origin);
}

export function gaussian(sigma, truncate, ndim) {
  const axes = perAxis("sigma", sigma, ndim, (name, value) => real(name, value, 0)).map((value) => gaussianTaps(value, truncate));
  checkedSize("sigma", axes.map(({ length }) => length));
  return outer(axes);
}

export function gaussianTaps(sigma, truncate) {
  const reach = real("truncate", truncate, 0) * sigma + 0.5;
  checkedSize("sigma", [2 * reach + 1]);
  if (reach < 1 || sigma <= 1e-15) return [1];
  const radius = Math.floor(reach);
  return normalised(lags(radius).map((lag) => Math.exp(-0.5 * (lag / sigma) ** 2)));
}

// Pascal's triangle of halves: the mean of two neighbours, again and again.
export function binomialKernel(order, ndim) {
  integer("order", order, 0, 1024);
  let taps = [1];
  for (let row = 0; row < order; row += 1) {
    taps = Array.from({ length: taps.length + 1 }, (_, index) => ((taps[index - 1] ?? 0) + (taps[index] ?? 0)) / 2);
  }
  return outer(Array(ndim).fill(taps), Array(ndim).fill(Math.floor(order / 2)));
}

export function disk(radius, ndim) {
  const limits = perAxis("radius", radius, ndim, (name, value) => real(name, value, 0));
  checkedSize("radius", limits.map((limit) => 2 * limit + 1));
  const largest = Math.max(...limits); // with one radius for all axes, distances are whole numbers
  const squares = limits.map((limit) => lags(Math.floor(limit)).map((lag) => (lag * (limit ? largest / limit : 0)) ** 2));
  const distances = ndim === 1 ? squares[0] : squares[0].flatMap((down) => squares[1].map((across) => down + across));
  const inside = distances.map((distance) => (distance <= largest * largest ? 1 : 0));
  return kernelOf(new NdArray(squares.map(({ length }) => length), Float64Array.from(normalised(inside))));
}

// The segment of a movement is cut where it crosses from one pixel to the next; each tap is the length inside its pixel.
export function motion(length, angle) {
  const half = real("length", length, 0, Infinity, true) / 2;
  real("angle", angle);
  checkedSize("length", [2 * half + 1, 2 * half + 1]);
  if (half <= 0.5) return outer([[1], [1]]);
  const slope = [Math.sin(angle), Math.cos(angle)];
  const cuts = [-half, half];
  for (const step of slope.filter((part) => Math.abs(part) > 1e-12)) {
    for (let line = 0; line < Math.ceil(half) * 2 + 2; line += 1) {
      const time = (line - Math.ceil(half) - 0.5) / step;
      if (Math.abs(time) < half) cuts.push(time);
    }
  }
  cuts.sort((a, b) => a - b);
  const pieces = cuts.slice(1).map((end, index) => ({ share: (end - cuts[index]) / (2 * half), middle: (end + cuts[index]) / 2 }))
    .filter(({ share }) => share > 1e-12) // at a corner of pixels, rounding can make two cuts instead of one
    .map(({ share, middle }) => ({ share, pixel: slope.map((part) => nearestEven(middle * part)) }));
  const reach = [0, 1].map((axis) => Math.max(...pieces.map(({ pixel }) => Math.abs(pixel[axis]))));
  const [rows, columns] = reach.map((most) => 2 * most + 1);
  const taps = new Float64Array(rows * columns);
  for (const { share, pixel } of pieces) taps[(pixel[0] + reach[0]) * columns + pixel[1] + reach[1]] += share;
  return kernelOf(new NdArray([rows, columns], Float64Array.from(normalised([...taps]))));
}

export function lags(radius) {
  return Array.from({ length: 2 * radius + 1 }, (_, index) => index - radius);
}

function normalised(taps) {
  const total = taps.reduce((sum, tap) => sum + tap, 0);
  return taps.map((tap) => tap / total);
}

function nearestEven(value) {
  const nearest = Math.round(value);
  return Math.abs(value % 1) === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

// What can be done with kernels? They are multiplied (convolved), added, scaled and flipped, like `fa.Kernel`.
//
// A kernel is { taps, origin }: an array, and the index of the tap at lag zero on each axis. Beside these it may have
// `factors` (the taps along each axis, where it is their outer product), `imag` (imaginary parts), and `text`.

import { NdArray, largest, minus, plus, positionOf, sizeOf } from "./array.js";
import { reversed } from "./outputs.js";

const MOST_TAPS = 2 ** 21;
const MOST_WORK = 2 ** 27; // multiplications of one product of kernels

// What a page cannot compute, but Python can.
export class BeyondPage extends RangeError {}

// A kernel from its taps; the origin is in the middle unless it is given, as in SciPy.
export function kernelOf(taps, origin = undefined) {
  return { taps, origin: origin ?? taps.shape.map((size) => Math.floor(size / 2)) };
}

// The outer product of taps along each axis.
export function outer(factors, origin = undefined) {
  const [first, second] = factors;
  checkSize(factors.map(({ length }) => length));
  const taps = factors.length === 1 ? new NdArray([first.length], Float64Array.from(first))
    : new NdArray([first.length, second.length], Float64Array.from({ length: first.length * second.length },
      (_, place) => first[Math.floor(place / second.length)] * second[place % second.length]));
  return { ...kernelOf(taps, origin), factors: factors.map((factor) => new NdArray([factor.length], Float64Array.from(factor))) };
}

export function identity(ndim) {
  return outer(Array(ndim).fill([1]));
}

// f * g: filtering with it is filtering with one and then with the other.
export function product(f, g) {
  checkAxes(f, g);
  const origin = f.origin.map((at, axis) => at + g.origin[axis]);
  if (f.factors && g.factors) {
    return outer(f.factors.map((factor, axis) => convolvedTaps(factor, g.factors[axis]).data), origin);
  }
  const first = convolvedTaps(f.taps, g.taps);
  const real = f.imag && g.imag ? minus(first, convolvedTaps(f.imag, g.imag)) : first;
  if (!f.imag && !g.imag) return { taps: real, origin };
  const parts = [[f.imag, g.taps], [f.taps, g.imag]].filter(([a, b]) => a && b).map(([a, b]) => convolvedTaps(a, b));
  return { taps: real, imag: parts.length === 2 ? plus(...parts) : parts[0], origin };
}

export function sum(f, g) {
  checkAxes(f, g);
  const origin = f.origin.map((at, axis) => Math.max(at, g.origin[axis]));
  const shape = origin.map((at, axis) =>
    at + Math.max(f.taps.shape[axis] - f.origin[axis], g.taps.shape[axis] - g.origin[axis]));
  checkSize(shape);
  const add = (name) => {
    const total = new NdArray(shape);
    for (const kernel of [f, g]) if (kernel[name]) addAt(total, kernel[name], origin.map((at, axis) => at - kernel.origin[axis]), 1);
    return total;
  };
  return f.imag || g.imag ? { taps: add("taps"), imag: add("imag"), origin } : { taps: add("taps"), origin };
}

export function scaled(f, scalar) {
  const times = (array) => array && new NdArray(array.shape, array.data.map((tap) => scalar * tap));
  return without({
    taps: times(f.taps), imag: times(f.imag), origin: f.origin,
    factors: f.factors && f.factors.map((factor, axis) => (axis === 0 ? times(factor) : factor)),
  });
}

export function difference(f, g) {
  return sum(f, scaled(g, -1));
}

// f applied n times; the identity for n = 0.
export function power(f, exponent) {
  if (exponent === 0) return identity(f.taps.ndim);
  if (f.factors?.length === 2) {
    const [down, along] = f.factors.map((taps, axis) => power(kernelOf(taps, [f.origin[axis]]), exponent));
    return outer([down.taps.data, along.taps.data], [down.origin[0], along.origin[0]]);
  }
  let result = f;
  for (let count = 1; count < exponent; count += 1) result = product(result, f);
  return result;
}

// About how many multiplications a product takes, or a power.
export function productWork(f, g) {
  const size = sizeOf(f.taps.shape.map((side, axis) => side + g.taps.shape[axis]));
  return f.factors && g.factors ? size : sizeOf(f.taps.shape) * sizeOf(g.taps.shape);
}

export function powerWork(f, exponent) {
  const size = sizeOf(f.taps.shape.map((side) => side * exponent));
  return f.factors?.length === 2 ? size : size * exponent * sizeOf(f.taps.shape);
}

// The kernel reversed about lag zero: correlation with it is convolution with the flip.
export function flipped(f) {
  return without({
    taps: reversed(f.taps), imag: f.imag && reversed(f.imag), factors: f.factors?.map(reversed),
    origin: f.origin.map((at, axis) => f.taps.shape[axis] - 1 - at),
  });
}

// The largest |f[m] - g[m]| over all lags m; zero outside of both.
export function largestDifference(f, g) {
  return largest(difference(f, g).taps);
}

// The sum of taps; zero if it is as small as the rounding errors in it.
export function sumOfTaps({ data }) {
  const total = data.reduce((sum, tap) => sum + tap, 0);
  return Math.abs(total) < 1e-13 * data.reduce((sum, tap) => sum + Math.abs(tap), 0) ? 0 : total;
}

// The lags of the taps along one axis.
export function lagsOf({ taps, origin }, axis) {
  return Array.from({ length: taps.shape[axis] }, (_, index) => index - origin[axis]);
}

// The full convolution of two arrays of taps: shifted copies of the larger one, added up.
function convolvedTaps(first, second) {
  const [small, large] = first.data.length <= second.data.length ? [first, second] : [second, first];
  if (small.data.length * large.data.length > MOST_WORK) {
    throw new BeyondPage(`product: expected kernels of fewer taps, got ${first.shape.join(" × ")} and ${second.shape.join(" × ")}.`);
  }
  const total = new NdArray(small.shape.map((size, axis) => size + large.shape[axis] - 1));
  small.data.forEach((tap, place) => {
    if (tap !== 0) addAt(total, large, positionOf(small.shape, place), tap);
  });
  return total;
}

// Add a multiple of an array into a larger one.
function addAt(total, array, at, multiple) {
  const [width, wide] = [array.shape.at(-1), total.shape.at(-1)];
  const first = array.ndim === 2 ? at[0] * wide + at[1] : at[0];
  for (let place = 0; place < array.data.length; place += 1) {
    total.data[first + Math.floor(place / width) * wide + (place % width)] += multiple * array.data[place];
  }
}

function checkSize(shape) {
  if (sizeOf(shape) > MOST_TAPS) throw new BeyondPage(`taps: the page holds kernels of at most ${MOST_TAPS} taps, got ${shape.join(" × ")}.`);
}

function checkAxes(f, g) {
  if (f.taps.ndim !== g.taps.ndim) {
    throw new RangeError(`kernels: expected the same number of axes, got ${f.taps.ndim} and ${g.taps.ndim}. Named kernels take ndim=, such as gaussian(2, ndim=1).`);
  }
}

function without(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

// Which named kernels find edges, blobs and stripes? Derivatives and bands: they hardly answer to constants, or amplify details.

import { NdArray } from "./array.js";
import { ArgumentError, checkedSize, integer, perAxis, real } from "./arguments.js";
import { difference, identity, kernelOf, outer, scaled, sum } from "./kernels.js";
import { gaussian, gaussianTaps, lags } from "./smoothing_kernels.js";

const LARGEST_SUM = 1 / 200; // of the taps of a derivative, as a share of the sum of their magnitudes

// Its convolution is y[n] = x[n + 1] - x[n - 1], which is positive where the input rises; smoothed along all other axes.
export function centralDifference(axis, ndim, smoothing) {
  const chosen = axisIndex(axis, ndim);
  return outer(range(ndim).map((index) => (index === chosen ? [1, 0, -1] : smoothing)));
}

export function laplacian(ndim) {
  return range(ndim).map((axis) => outer(range(ndim).map((index) => (index === axis ? [1, -2, 1] : [1])))).reduce(sum);
}

export function gaussianDerivative(sigma, order, axis, truncate, ndim) {
  const several = Array.isArray(order);
  if (several && axis !== undefined) throw new ArgumentError("axis", "no axis with one order for each axis", axis);
  const sigmas = perAxis("sigma", sigma, ndim, (name, value) => real(name, value, 0));
  const orders = perAxis("order", order, ndim, (name, value) => integer(name, value, 0, 16));
  const chosen = several ? null : axisIndex(axis ?? -1, ndim);
  return gaussianOuter(sigmas, orders.map((count, index) => (several || index === chosen ? count : 0)), truncate);
}

export function logKernel(sigma, truncate, ndim) {
  const sigmas = perAxis("sigma", sigma, ndim, (name, value) => real(name, value, 0));
  return range(ndim).map((axis) => gaussianOuter(sigmas, range(ndim).map((index) => (index === axis ? 2 : 0)), truncate)).reduce(sum);
}

export function dog(low, high, truncate, ndim) {
  const lows = perAxis("low", low, ndim, (name, value) => real(name, value, 0));
  const highs = high === undefined ? lows.map((value) => 1.6 * value) : perAxis("high", high, ndim, (name, value) => real(name, value, 0));
  if (highs.some((wide, axis) => wide < lows[axis])) {
    throw new ArgumentError("high", "at least low along every axis", `low=${low}, high=${high}`, "Swap low and high.");
  }
  return difference(gaussian(lows, truncate, ndim), gaussian(highs, truncate, ndim));
}

export function unsharp(sigma, amount, truncate, ndim) {
  const smooth = gaussian(sigma, truncate, ndim);
  real("amount", amount);
  return difference(scaled(identity(ndim), 1 + amount), scaled(smooth, amount));
}

// A plane wave times a Gaussian; its taps are complex.
export function gabor(args, ndim) {
  integer("ndim", ndim, 1, 2);
  const frequency = real("frequency", args.frequency, 0, 0.5, true);
  const angle = real("angle", args.angle);
  const along = args.sigma_x === undefined ? octaveSigma(frequency, args.bandwidth) : real("sigma_x", args.sigma_x, 0.01);
  const across = args.sigma_y === undefined ? octaveSigma(frequency, args.bandwidth) : real("sigma_y", args.sigma_y, 0.01);
  const truncate = real("truncate", args.truncate, 0);
  const phase = real("phase", args.phase);
  if (ndim === 1) {
    if (angle !== 0 || args.sigma_y !== undefined) throw new ArgumentError("ndim", "2 for a wave with angle or sigma_y", 1, "Omit angle and sigma_y.");
    const radius = radiusOf(truncate * along);
    return wave([2 * radius + 1], lags(radius).map((x) => ({ x, y: 0 })), { along, across: Infinity, cos: 1, sin: 0, frequency, phase },
      Math.sqrt(2 * Math.PI) * along);
  }
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)].map((part) => (Math.abs(part) < 1e-15 ? 0 : part));
  const rows = radiusOf(Math.max(Math.abs(truncate * across * cos), Math.abs(truncate * along * sin)));
  const columns = radiusOf(Math.max(Math.abs(truncate * along * cos), Math.abs(truncate * across * sin)));
  checkedSize("frequency", [2 * rows + 1, 2 * columns + 1]);
  const places = lags(rows).flatMap((y) => lags(columns).map((x) => ({ x, y })));
  return wave([2 * rows + 1, 2 * columns + 1], places, { along, across, cos, sin, frequency, phase }, 2 * Math.PI * along * across);
}

function wave(shape, places, { along, across, cos, sin, frequency, phase }, area) {
  const parts = places.map(({ x, y }) => {
    const [u, v] = [x * cos + y * sin, y * cos - x * sin];
    const envelope = Math.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2)) / area;
    const turn = 2 * Math.PI * frequency * u + phase;
    return [envelope * Math.cos(turn), envelope * Math.sin(turn)];
  });
  const [taps, imag] = [0, 1].map((part) => new NdArray(shape, Float64Array.from(parts, (pair) => pair[part])));
  return { ...kernelOf(taps), imag };
}

// The standard deviation with which the response is one half at both ends of a band of so many octaves.
function octaveSigma(frequency, bandwidth) {
  const ratio = 1 / Math.tanh((real("bandwidth", bandwidth, 0.01) * Math.log(2)) / 2);
  return (Math.sqrt(Math.log(2) / 2) / Math.PI) * ratio / frequency;
}

function radiusOf(reach) {
  checkedSize("frequency", [2 * reach + 1]);
  return Math.ceil(Math.max(reach, 1));
}

function gaussianOuter(sigmas, orders, truncate) {
  const axes = sigmas.map((sigma, axis) => gaussianDerivativeTaps(sigma, orders[axis], truncate));
  checkedSize("sigma", axes.map(({ length }) => length));
  return outer(axes);
}

function gaussianDerivativeTaps(sigma, order, truncate) {
  const taps = gaussianTaps(sigma, truncate);
  if (order === 0) return taps;
  const radius = (taps.length - 1) / 2;
  if (radius === 0 || sigma < 1e-3) {
    throw new ArgumentError("sigma", "a Gaussian of more than one tap to differentiate", `sigma=${sigma} with truncate=${truncate}`, "Use a larger sigma.");
  }
  const derivative = lags(radius).map((lag, index) => (-1 / sigma) ** order * hermite(lag / sigma, order) * taps[index]);
  const total = derivative.reduce((all, tap) => all + tap, 0);
  if (Math.abs(total) <= LARGEST_SUM * derivative.reduce((all, tap) => all + Math.abs(tap), 0)) return derivative;
  const corrected = derivative.map((tap, index) => tap - total * taps[index]);
  // The order is even. The tap in the middle cancels the others, so that no rounding errors are left.
  corrected[radius] = -2 * corrected.slice(radius + 1).reduce((all, tap) => all + tap, 0);
  return corrected;
}

// The Hermite polynomial He_n: He_(k+1)(x) = x He_k(x) - k He_(k-1)(x).
function hermite(x, degree) {
  let [before, value] = [0, 1];
  for (let k = 0; k < degree; k += 1) [before, value] = [value, x * value - k * before];
  return value;
}

function axisIndex(axis, ndim) {
  return (integer("axis", axis, -ndim, ndim - 1) + ndim) % ndim;
}

function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}

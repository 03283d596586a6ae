// Which outputs are there, and which samples does each read? The rules for shape, origin, stride and dilation.
//
// Every operation is seen as a correlation here: y[n] = sum over j of taps[j] x[start + stride n + dilation j] along each
// axis; a convolution lays its taps over the samples in reversed order.

import { NdArray } from "./array.js";
import { byAxis } from "./borders.js";

export const SHAPES = ["same", "valid", "full"];

// Options as `fa.convolve` has them, with the same defaults; stride, dilation and mode have one value for each axis.
function complete(options, ndim) {
  const { operation = "convolve", shape = "same", cval = 0 } = options;
  const mode = options.mode ?? (shape === "full" ? "constant" : "reflect");
  if (!SHAPES.includes(shape)) throw new RangeError(`shape: expected one of ${SHAPES.join(", ")}, got ${shape}.`);
  return {
    operation, shape, cval,
    mode: byAxis(mode, ndim),
    stride: byAxis(options.stride ?? 1, ndim),
    dilation: byAxis(options.dilation ?? 1, ndim),
  };
}

// What is read: for each axis { start, stride, dilation, size, count } with the number of taps and of outputs, and
// mode and constant of the border.
export function reading(lengths, kernel, options = {}) {
  if (kernel.taps.ndim !== lengths.length) {
    throw new RangeError(`kernel: expected ${axesOf(lengths.length)}, as the array has, got ${axesOf(kernel.taps.ndim)}.`);
  }
  const { operation, shape, cval, mode, stride, dilation } = complete(options, lengths.length);
  const spans = kernel.taps.shape.map((size, axis) => dilation[axis] * (size - 1) + 1);
  const beyond = shape === "valid" && spans.some((span, axis) => span > lengths[axis]);
  if (beyond && spans.some((span, axis) => span < lengths[axis])) {
    throw new RangeError("shape: expected 'same' or 'full' where the kernel is longer than the array on one axis and shorter on another.");
  }
  const axes = lengths.map((length, axis) => {
    const [size, span] = [kernel.taps.shape[axis], spans[axis]];
    const own = dilation[axis] * kernel.origin[axis];
    const origin = operation === "convolve" ? span - 1 - own : own;
    const [first, stop] = bounds(shape, length, span, origin);
    return { start: first - origin, stride: stride[axis], dilation: dilation[axis], size, count: Math.ceil((stop - first) / stride[axis]), first };
  });
  // A valid correlation with a kernel that is longer than the array has no samples beyond it.
  return { axes, mode: beyond ? mode.map(() => "constant") : mode, cval: beyond ? 0 : cval };
}

// Positions that have an output: the first one, and the one after the last.
function bounds(shape, length, span, origin) {
  if (shape === "same") return [0, length];
  const overlap = shape === "valid" ? Math.min(length, span) - 1 : 0;
  return [origin - span + 1 + overlap, length + origin - overlap];
}

// The sample, as a position of the array, that an output belongs to: its tap of lag zero lies there.
export function centreOf(lengths, kernel, options, position) {
  return reading(lengths, kernel, options).axes.map(({ first, stride }, axis) => first + stride * position[axis]);
}

// The taps as they are laid over the samples: in reversed order for a convolution.
export function laidTaps(kernel, { operation = "convolve" } = {}) {
  return operation === "convolve" ? reversed(kernel.taps) : kernel.taps;
}

export function reversed(array) {
  return new NdArray(array.shape, Float64Array.from(array.data).reverse());
}

function axesOf(count) {
  return `${count} ${count === 1 ? "axis" : "axes"}`;
}

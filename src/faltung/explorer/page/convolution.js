// What is the convolution of an array with a kernel? The array is extended once; then each tap adds its multiple of the samples.

import { NdArray, sizeOf } from "./array.js";
import { region } from "./borders.js";
import { laidTaps, reading } from "./outputs.js";
import { isPauseDue, pause } from "./pausing.js";

// The same numbers as `fa.convolve` or `fa.correlate` in float64, for one or two axes. A kernel is { taps, origin }; options
// are { operation: "convolve" or "correlate", mode, cval, shape: "same", "valid" or "full", stride, dilation }.
export function filtered(x, kernel, options = {}) {
  const work = filtering(x, kernel, options);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

// The same, without keeping the page from answering. `signal`: an AbortSignal that ends it; `progress(part)` hears of the part
// that is done.
export async function filteredInSlices(x, kernel, options = {}, signal = undefined, progress = undefined) {
  const work = filtering(x, kernel, options);
  for (let part = 0; ;) {
    if (isPauseDue()) {
      await pause(signal);
      progress?.(part);
    }
    const { done, value } = work.next();
    if (done) return value;
    part = value;
  }
}

// The kernel with its origin moved, so that y[n] is made of x[n], x[n - 1], ... only: of the past.
export function causalKernel(kernel, operation = "convolve") {
  const origin = kernel.taps.shape.map((size) => (operation === "convolve" ? 0 : size - 1));
  return { taps: kernel.taps, factors: kernel.factors, origin };
}

// Yields the part that is done after each line of outputs; returns the array.
function* filtering(x, kernel, options) {
  if (kernel.imag) throw new RangeError("kernel: expected real taps, got complex ones. Take .real or .imag.");
  const { axes, mode, cval } = reading(x.shape, kernel, options);
  const start = axes.map((axis) => axis.start);
  const stop = axes.map((axis) => axis.start + axis.stride * (axis.count - 1) + axis.dilation * (axis.size - 1) + 1);
  const source = region(x, start, stop, mode, cval);
  if (kernel.factors?.length === 2 && source.data.every(Number.isFinite)) {
    // What is not finite must not pass from one tap of zero to others, so it takes the other way.
    const [down, along] = kernel.factors.map((factor) => laidTaps({ taps: factor }, options));
    const rows = { ...axes[0], size: 1, count: source.shape[0], stride: 1 };
    const lines = yield* correlating(source, new NdArray([1, along.data.length], along.data), [rows, axes[1]], 0, 0.5);
    return yield* correlating(lines, new NdArray([down.data.length, 1], down.data), [axes[0], { ...axes[1], size: 1, stride: 1 }], 0.5, 0.5);
  }
  return yield* correlating(source, laidTaps(kernel, options), axes);
}

// A valid correlation: output n along an axis is the sum of taps[j] source[stride n + dilation j].
function* correlating(source, taps, axes, begin = 0, share = 1) {
  const out = new NdArray(axes.map(({ count }) => count));
  const columns = axes.at(-1);
  const rows = axes.length === 2 ? axes[0] : { count: 1, stride: 1, dilation: 1, size: 1 };
  const width = source.shape.at(-1);
  for (let row = 0; row < rows.count; row += 1) {
    const line = out.data.subarray(row * columns.count, (row + 1) * columns.count);
    for (let place = 0; place < sizeOf(taps.shape); place += 1) {
      const tap = taps.data[place];
      if (tap === 0) continue; // so that a sample that is not finite has no effect under it
      const down = Math.floor(place / columns.size);
      const first = (row * rows.stride + down * rows.dilation) * width + (place % columns.size) * columns.dilation;
      addMultiple(line, source.data, tap, first, columns.stride);
    }
    yield begin + (share * row) / rows.count;
  }
  return out;
}

function addMultiple(line, samples, tap, first, stride) {
  for (let column = 0, from = first; column < line.length; column += 1, from += stride) line[column] += tap * samples[from];
}

// The sum of arrays of one shape.
export function sumOf(arrays) {
  const total = new NdArray(arrays[0].shape);
  for (const { data } of arrays) {
    for (let place = 0; place < data.length; place += 1) total.data[place] += data[place];
  }
  return total;
}

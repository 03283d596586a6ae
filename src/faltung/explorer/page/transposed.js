// What is a transposed convolution? The adjoint of a strided valid correlation: each sample adds a multiple of all taps.
//
// It is `torch.nn.functional.conv_transpose1d` or `conv_transpose2d` with one channel. The origin of the kernel does not matter.

import { NdArray, offsetOf } from "./array.js";
import { byAxis } from "./borders.js";
import { indices } from "./windows.js";

function steps(ndim, { stride = 1, dilation = 1, padding = 0, outputPadding = 0 }) {
  return {
    stride: byAxis(stride, ndim), dilation: byAxis(dilation, ndim), padding: byAxis(padding, ndim), outputPadding: byAxis(outputPadding, ndim),
  };
}

export function transposedShape(lengths, kernel, options = {}) {
  const { stride, dilation, padding, outputPadding } = steps(lengths.length, options);
  const shape = lengths.map((length, axis) =>
    (length - 1) * stride[axis] - 2 * padding[axis] + dilation[axis] * (kernel.taps.shape[axis] - 1) + outputPadding[axis] + 1);
  if (outputPadding.some((count, axis) => count >= Math.max(stride[axis], dilation[axis]))) {
    throw new RangeError("outputPadding: expected a number below the stride or the dilation.");
  }
  if (shape.some((length) => length < 1)) throw new RangeError("padding: expected so little that outputs are left.");
  return shape;
}

export function transposed(x, kernel, options = {}) {
  const out = new NdArray(transposedShape(x.shape, kernel, options));
  const { stride, dilation, padding } = steps(x.ndim, options);
  const [rows, columns] = [x.ndim === 2 ? x.shape[0] : 1, x.shape.at(-1)];
  const [tall, wide] = [x.ndim === 2 ? out.shape[0] : 1, out.shape.at(-1)];
  indices(kernel.taps.shape).forEach((index, place) => {
    const tap = kernel.taps.data[place];
    if (tap === 0) return;
    const first = index.map((at, axis) => at * dilation[axis] - padding[axis]);
    for (let row = 0; row < rows; row += 1) {
      const down = x.ndim === 2 ? row * stride[0] + first[0] : 0;
      if (down < 0 || down >= tall) continue;
      for (let column = 0; column < columns; column += 1) {
        const right = column * stride.at(-1) + first.at(-1);
        if (right >= 0 && right < wide) out.data[down * wide + right] += tap * x.data[row * columns + column];
      }
    }
  });
  return out;
}

// The outputs that one sample reaches: [{ position, tap }].
export function transposedFrom(lengths, kernel, options, sample) {
  const outputs = transposedShape(lengths, kernel, options);
  const { stride, dilation, padding } = steps(lengths.length, options);
  return indices(kernel.taps.shape)
    .map((index, place) => ({
      position: index.map((tap, axis) => sample[axis] * stride[axis] - padding[axis] + tap * dilation[axis]),
      tap: kernel.taps.data[place],
    }))
    .filter(({ position, tap }) => tap !== 0 && position.every((at, axis) => at >= 0 && at < outputs[axis]));
}

// What one output is made of: for each tap the sample that it multiplies, if there is one.
export function transposedWindowAt(x, kernel, options, output) {
  const { stride, dilation, padding } = steps(x.ndim, options);
  const { shape } = kernel.taps;
  const positions = indices(shape).map((index) =>
    index.map((tap, axis) => (output[axis] + padding[axis] - tap * dilation[axis]) / stride[axis]));
  const inside = positions.map((at) => at.every((index, axis) => Number.isInteger(index) && index >= 0 && index < x.shape[axis]));
  const samples = positions.map((at, place) => (inside[place] ? x.data[offsetOf(x.shape, at)] : 0));
  const products = samples.map((sample, place) => (inside[place] && kernel.taps.data[place] !== 0 ? sample * kernel.taps.data[place] : 0));
  return {
    positions, inside, samples: new NdArray(shape, Float64Array.from(samples)), taps: kernel.taps,
    products: new NdArray(shape, Float64Array.from(products)), sum: products.reduce((total, product) => total + product, 0),
  };
}

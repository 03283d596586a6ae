// What does one input map give to an output map? The map, correlated with its kernel alone.

import { NdArray, sizeOf } from "./array.js";

// `layer`: a convolution as Python describes it; `x`: its input (channels, ...positions); `number`: which kernel of the channel.
export function partialMap(layer, x, weights, number) {
  const { making, shape } = layer;
  const count = sizeOf(making.size);
  const taps = weights.taps.data.subarray(number * count, (number + 1) * count);
  const plane = x.data.subarray((weights.first + number) * sizeOf(x.shape.slice(1)), (weights.first + number + 1) * sizeOf(x.shape.slice(1)));
  const spread = making.kind === "transposed convolution" ? scatter : gather;
  const output = new NdArray(shape.slice(1));
  spread(twoAxes(making), plane, square(x.shape.slice(1)), taps, output.data, square(shape.slice(1)));
  return output;
}

// A signal is an image of one row.
function square(shape) {
  return shape.length === 1 ? [1, shape[0]] : shape;
}

function twoAxes({ size, stride, padding, dilation }) {
  const signal = size.length === 1;
  return { size: square(size), stride: signal ? [1, ...stride] : stride, padding: signal ? [0, ...padding] : padding, dilation: signal ? [1, ...dilation] : dilation };
}

function gather({ size, stride, padding, dilation }, plane, [rows, columns], taps, output, [outRows, outColumns]) {
  for (let row = 0; row < outRows; row += 1) {
    for (let column = 0; column < outColumns; column += 1) {
      let sum = 0;
      for (let down = 0; down < size[0]; down += 1) {
        const y = row * stride[0] - padding[0] + down * dilation[0];
        if (y < 0 || y >= rows) continue;
        for (let across = 0; across < size[1]; across += 1) {
          const x = column * stride[1] - padding[1] + across * dilation[1];
          if (x >= 0 && x < columns) sum += plane[y * columns + x] * taps[down * size[1] + across];
        }
      }
      output[row * outColumns + column] = sum;
    }
  }
}

function scatter({ size, stride, padding, dilation }, plane, [rows, columns], taps, output, [outRows, outColumns]) {
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      for (let down = 0; down < size[0]; down += 1) {
        const y = row * stride[0] - padding[0] + down * dilation[0];
        if (y < 0 || y >= outRows) continue;
        for (let across = 0; across < size[1]; across += 1) {
          const x = column * stride[1] - padding[1] + across * dilation[1];
          if (x >= 0 && x < outColumns) output[y * outColumns + x] += plane[row * columns + column] * taps[down * size[1] + across];
        }
      }
    }
  }
}

// How are filters applied one after the other? The input is extended once, by the support of all; then every pass is "valid".

import { region } from "./borders.js";
import { filteredInSlices } from "./convolution.js";

// All results of filtering x with the first kernel, its result with the second, and so on, each for the samples of x. The last
// one equals one filtering with the product of the kernels, in any mode.
export async function passesOnce(x, kernels, mode, signal) {
  const { before, after } = extensionOf(x.ndim, kernels);
  let samples = region(x, before.map((count) => -count), x.shape.map((length, axis) => length + after[axis]), mode);
  const results = [];
  for (let pass = 0; pass < kernels.length; pass += 1) {
    samples = await filteredInSlices(samples, kernels[pass], { shape: "valid" }, signal);
    const around = extensionOf(x.ndim, kernels.slice(pass + 1)).before; // what later passes still need
    results.push(region(samples, around, around.map((count, axis) => count + x.shape[axis]), mode));
  }
  return results;
}

// The same in the way that comes to mind first: extend, filter and crop, again for each kernel.
export async function passesCropped(x, kernels, mode, signal) {
  const results = [];
  let samples = x;
  for (const kernel of kernels) {
    samples = await filteredInSlices(samples, kernel, { mode }, signal);
    results.push(samples);
  }
  return results;
}

// By how many samples the input is extended before and after: y[n] = sum of k[m] x[n - m].
export function extensionOf(ndim, kernels) {
  const add = (count) => Array.from({ length: ndim }, (_, axis) => kernels.reduce((sum, kernel) => sum + count(kernel, axis), 0));
  return {
    before: add((kernel, axis) => kernel.taps.shape[axis] - 1 - kernel.origin[axis]),
    after: add((kernel, axis) => kernel.origin[axis]),
  };
}

// What is computed in the filter view? Channels, a bank of kernels and options, as one problem with outputs and windows.

import { NdArray, offsetOf, sizeOf } from "./array.js";
import { causalKernel, filtered, filteredInSlices, sumOf } from "./convolution.js";
import { centreOf, reading } from "./outputs.js";
import { reachedFrom, windowAt } from "./windows.js";

const AT_ONCE = 2e7; // multiplications that are not felt
const MOST_SAMPLES = 2 ** 22;

export class Problem {
  // `kernels[out][in]`: a row may have one kernel for all channels. `setting`: kind ("plain", "transposed" or "causal"), mode,
  // cval, shape, stride, dilation, padding, outputPadding: one number for all axes.
  constructor(channels, kernels, setting) {
    const transposed = setting.kind === "transposed";
    this.setting = setting;
    this.ndim = channels[0].ndim;
    this.bare = channels;
    this.channels = transposed ? channels.map((channel) => spread(channel, setting)) : channels;
    this.kernels = kernels;
    this.crop = transposed ? setting.padding : 0;
    this.banks = {};
    this.shape = this.#axes("convolve").map(({ count }) => count - 2 * this.crop);
    if (this.shape.some((length) => length < 1)) throw new RangeError("Nothing is left of the output. Take a smaller padding.");
    if (sizeOf(this.shape) > MOST_SAMPLES) throw new RangeError(`The output would have ${this.shape.join(" × ")} samples. Take a smaller stride.`);
  }

  get lengths() {
    return this.channels[0].shape;
  }

  options(operation) {
    const { kind, mode, cval, shape, stride, dilation } = this.setting;
    return kind === "transposed" ? { operation, mode: "constant", cval: 0, shape: "full", stride: 1, dilation }
      : { operation, mode, cval, shape, stride, dilation };
  }

  // The kernels, one for each channel in. Those of one output have one shape and one origin; with valid or full outputs all have,
  // so that all have the same outputs.
  bank(operation) {
    this.banks[operation] ??= this.#madeBank(operation);
    return this.banks[operation];
  }

  #madeBank(operation) {
    const bank = this.kernels.map((row) => this.channels.map((_, index) => {
      const kernel = row[Math.min(index, row.length - 1)];
      return this.setting.kind === "causal" ? { ...kernel, ...causalKernel(kernel, operation) } : kernel;
    }));
    const alike = this.options(operation).shape === "same"; // one output for each sample, whatever the kernel
    return alike ? bank.map((row) => aligned([row])[0]) : aligned(bank);
  }

  // Multiplications for one operation.
  get work() {
    const count = ({ taps, factors }) => (factors?.length === 2 ? factors[0].data.length + factors[1].data.length : taps.data.filter((tap) => tap !== 0).length);
    return this.bank("convolve").flat().reduce((total, kernel) => total + count(kernel), 0) * sizeOf(this.shape);
  }

  // The maps of each pair of channels, and their sums for each channel out. `progress(part)` is called when this takes longer.
  async outputs(operation, signal, progress) {
    const bank = this.bank(operation);
    const options = this.options(operation);
    const slow = this.work > AT_ONCE;
    const maps = [];
    const total = bank.length * this.channels.length;
    for (const row of bank) {
      const line = [];
      for (const [index, kernel] of row.entries()) {
        const done = maps.length * row.length + line.length;
        const all = slow ? await filteredInSlices(this.channels[index], kernel, options, signal, (part) => progress?.((done + part) / total))
          : filtered(this.channels[index], kernel, options);
        line.push(this.#cropped(all));
      }
      maps.push(line);
    }
    return { maps, sums: maps.map((line) => (line.length === 1 ? line[0] : sumOf(line))) };
  }

  // All channels in one array, as Python takes them.
  packed() {
    const all = new NdArray([this.bare.length, ...this.bare[0].shape]);
    this.bare.forEach(({ data }, index) => all.data.set(data, index * data.length));
    return all;
  }

  // The outputs, from an array of all of them.
  unpacked({ data }) {
    const size = sizeOf(this.shape);
    return Array.from({ length: data.length / size }, (_, index) => new NdArray(this.shape, data.subarray(index * size, (index + 1) * size)));
  }

  // What an output is made of: for each channel in a window, as `windowAt` returns it.
  windows(operation, out, position) {
    const inFull = position.map((at) => at + this.crop);
    return this.bank(operation)[out].map((kernel, index) => windowAt(this.channels[index], kernel, this.options(operation), inFull));
  }

  // The sample that an output belongs to; it may lie beyond the border.
  centreOf(operation, position) {
    const kernel = this.bank(operation)[0][0];
    return centreOf(this.lengths, kernel, this.options(operation), position.map((at) => at + this.crop));
  }

  // The output that belongs to a sample, or the nearest one.
  outputNear(operation, sample) {
    return this.#axes(operation).map(({ first, stride }, axis) =>
      Math.min(this.shape[axis] - 1, Math.max(0, Math.round((sample[axis] - first) / stride) - this.crop)));
  }

  // The positions of outputs between which a range of samples lies, along one axis; between outputs they are fractions.
  spanOf(operation, [start, stop], axis = 0) {
    const { first, stride } = this.#axes(operation)[axis];
    const place = (sample) => (sample - first) / stride - this.crop;
    const half = 0.5 - 0.5 / stride;
    return [place(start) + half, place(stop) + half];
  }

  // The outputs that a sample reaches, and with which tap.
  reached(operation, out, channel, sample) {
    return reachedFrom(this.lengths, this.bank(operation)[out][channel], this.options(operation), sample)
      .map(({ position, tap }) => ({ position: position.map((at) => at - this.crop), tap }))
      .filter(({ position }) => position.every((at, axis) => at >= 0 && at < this.shape[axis]));
  }

  // How far windows reach beyond the border: samples before and after, along each axis.
  reach() {
    const all = ["convolve", "correlate"].flatMap((operation) => this.bank(operation).map((_, out) => this.#axes(operation, out)));
    const ranges = all.map((axes) => axes.map(({ start, stride, size, dilation, count }) =>
      [Math.max(0, -start), start + stride * (count - 1) + dilation * (size - 1) + 1]));
    return this.lengths.map((length, axis) => [
      Math.max(...ranges.map((range) => range[axis][0])), Math.max(0, ...ranges.map((range) => range[axis][1] - length)),
    ]);
  }

  #axes(operation, out = 0) {
    return reading(this.lengths, this.bank(operation)[out][0], this.options(operation)).axes;
  }

  #cropped(all) {
    if (this.crop === 0) return all;
    const part = new NdArray(this.shape);
    const width = this.shape.at(-1);
    const rows = this.ndim === 2 ? this.shape[0] : 1;
    for (let row = 0; row < rows; row += 1) {
      const start = offsetOf(all.shape, this.ndim === 2 ? [row + this.crop, this.crop] : [this.crop]);
      part.data.set(all.data.subarray(start, start + width), row * width);
    }
    return part;
  }
}

// The samples with `stride - 1` zeros between them, and `outputPadding` zeros after them: what a transposed convolution filters.
function spread(channel, { stride, outputPadding }) {
  const shape = channel.shape.map((length) => (length - 1) * stride + 1 + outputPadding);
  if (sizeOf(shape) > MOST_SAMPLES) throw new RangeError(`With zeros between, there would be ${shape.join(" × ")} samples. Take a smaller stride.`);
  const out = new NdArray(shape);
  const [width, wide] = [channel.shape.at(-1), shape.at(-1)];
  channel.data.forEach((sample, place) => {
    out.data[Math.floor(place / width) * stride * wide + (place % width) * stride] = sample;
  });
  return out;
}

// The kernels in the smallest box that holds all of them, each with its tap of lag zero at the same place.
function aligned(bank) {
  const all = bank.flat();
  const axes = all[0].taps.shape.map((_, axis) => axis);
  const before = axes.map((axis) => Math.max(...all.map((kernel) => kernel.origin[axis])));
  const after = axes.map((axis) => Math.max(...all.map((kernel) => kernel.taps.shape[axis] - kernel.origin[axis])));
  const box = axes.map((axis) => before[axis] + after[axis]);
  return bank.map((row) => row.map((kernel) => (String(kernel.taps.shape) === String(box) ? kernel : placed(kernel, box, before))));
}

function placed({ taps, origin, ...others }, box, before) {
  const out = new NdArray(box);
  const width = taps.shape.at(-1);
  const corner = offsetOf(box, before.map((lag, axis) => lag - origin[axis]));
  taps.data.forEach((tap, place) => {
    out.data[corner + Math.floor(place / width) * box.at(-1) + (place % width)] = tap;
  });
  return { ...others, factors: undefined, taps: out, origin: before };
}

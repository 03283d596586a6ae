// Which two pictures is a filter fitted to? A sample and the same filtered, or two files of the user.

import { NdArray } from "./array.js";
import { filtered } from "./convolution.js";
import { parseKernel } from "./expression.js";

const NOISE_SIDE = 96;
const LARGEST_TRUTH = 31; // taps along each axis
const own = new WeakMap(); // of each host, the user's pictures: { before, after }

// Filters that make a second picture of a sample, all of at most 5 × 5 taps.
export const TRUTHS = {
  Blurs: [["binomial(2)", "smooth, 3 × 3"], ["box(3)", "mean of 3 × 3"], ["binomial(4)", "smooth, 5 × 5"], ["motion(5, 0.785)", "moved, 5 × 5"]],
  Others: [["sobel(axis=1)", "edges: sobel"], ["laplacian()", "curvature: laplacian"], ["2*delta() - box(3)", "sharpened"]],
};

// The samples that can be chosen: [name, title]. All have one channel.
export function samplesOf(host) {
  const inputs = (host.content.filter?.inputs ?? []).filter(({ samples }) => samples.shape.length === 3 && samples.shape[0] === 1);
  return [...inputs.map(({ name, title }) => [name, title]), ["noise", `White noise, ${NOISE_SIDE} × ${NOISE_SIDE}`], ["own", "Two pictures of your own"]];
}

// Keep a picture of the user ("before" or "after"). It does not leave this page.
export function keepOwn(host, part, picture) {
  own.set(host, { ...own.get(host), [part]: picture });
}

export function ownOf(host) {
  return own.get(host) ?? {};
}

// { before, after, truth }: the kernel that leads from one to the other, if it is known. Throws an error to show.
export function picturesFor(host, { picture, truth, direction, noise }) {
  if (picture === "own") {
    const { before, after } = ownOf(host);
    if (!before || !after) throw new RangeError("Open two pictures of the same size: before, and after.");
    if (String(before.shape) !== String(after.shape)) {
      throw new RangeError(`Before has ${before.shape.join(" × ")} samples, After ${after.shape.join(" × ")}. Take two pictures of the same size.`);
    }
    return { before, after, truth: null };
  }
  const sharp = sampleNamed(host, picture);
  const kernel = parseKernel(truth, 2);
  if (Math.max(...kernel.taps.shape) > LARGEST_TRUTH) throw new RangeError(`${truth} has ${kernel.taps.shape.join(" × ")} taps. Take a smaller filter.`);
  const changed = filtered(sharp, kernel, { mode: "reflect" });
  const deviates = normal(changed.data.length, 1);
  const after = new NdArray(changed.shape, changed.data.map((sample, place) => sample + noise * deviates[place]));
  return direction === "undo" ? { before: after, after: sharp, truth: null } : { before: sharp, after, truth: kernel };
}

// One channel of a picture: its only one, or the brightness of its colours.
export function grayOf(channels) {
  if (channels.length !== 3) return channels[0];
  const [red, green, blue] = channels.map(({ data }) => data);
  return new NdArray(channels[0].shape, red.map((value, place) => 0.299 * value + 0.587 * green[place] + 0.114 * blue[place]));
}

function sampleNamed(host, name) {
  const input = (host.content.filter?.inputs ?? []).find((each) => each.name === name && each.samples.shape[0] === 1);
  if (input) return new NdArray(input.samples.shape.slice(1), Float64Array.from(input.samples.data));
  const noise = normal(NOISE_SIDE ** 2, 2);
  return new NdArray([NOISE_SIDE, NOISE_SIDE], noise.map((value) => Math.min(255, Math.max(0, Math.round(128 + 40 * value)))));
}

// Normal numbers, the same for a seed on every machine (a generator of 32 bits, and the polar method of Marsaglia).
function normal(count, seed) {
  const numbers = new Float64Array(count);
  let state = (seed * 0x9e3779b9) >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let place = 0; place < count;) {
    const [u, v] = [2 * uniform() - 1, 2 * uniform() - 1];
    const square = u * u + v * v;
    if (square === 0 || square >= 1) continue;
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    for (const value of [u * factor, v * factor]) if (place < count) numbers[place++] = value;
  }
  return numbers;
}

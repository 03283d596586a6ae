// Which filter is closest, and how close is any other? Two pictures, the risk between them, its minimum, and a descent to it.

import { NdArray, extent } from "./array.js";
import { rangeFor } from "./colours.js";
import { filtered } from "./convolution.js";
import { Descent, firstOutput, kernelFromTaps, riskOf } from "./least_squares.js";

export const LARGEST_IN_PAGE = 7; // taps along each axis; Python takes more
export const MOST_STEPS = 2000; // of a descent

export class FitProblem {
  // `before`, `target`, `truth`: the pictures, and the kernel between them if it is known; `risk`: of all filters of this size,
  // or null if it is left to Python.
  constructor({ before, after, truth }, size, risk) {
    Object.assign(this, { before, target: after, truth, size, risk, python: null, descent: null, minimum: null, found: null });
    this.ranges = [before, after].map((picture) => rangeFor("gray", extent(picture))); // of their colours
  }

  static async of(pictures, size, signal) {
    const risk = size <= LARGEST_IN_PAGE ? await riskOf(pictures.before, pictures.after, size, signal) : null;
    return new FitProblem(pictures, size, risk);
  }

  solve(ridge, rate) {
    this.ridge = ridge;
    this.found = null;
    if (!this.risk) return;
    this.minimum = this.risk.minimum(ridge);
    this.setRate(rate);
  }

  setRate(rate) {
    const descends = this.risk && this.risk.longestStep(this.ridge) < Infinity; // no tap changes the risk of a constant picture
    if (!descends) this.descent = null;
    else if (this.descent?.rate !== rate || this.descent.ridge !== this.ridge) this.descent = new Descent(this.risk, this.ridge, rate);
  }

  // The number of windows that count, and the first output.
  get windows() {
    return this.before.shape.map((length) => length - this.size + 1);
  }

  get first() {
    return firstOutput(this.size);
  }

  // The output that differs most from the sample before it: a place where one sees what the filter does.
  get changedMost() {
    const [rows, columns] = this.windows;
    const width = this.before.shape[1];
    let [most, found] = [-1, 0];
    for (let index = 0; index < rows * columns; index += 1) {
      const place = (Math.floor(index / columns) + this.first) * width + (index % columns) + this.first;
      const change = Math.abs(this.target.data[place] - this.before.data[place]);
      if (change > most) [most, found] = [change, place];
    }
    return [Math.floor(found / width), found % width];
  }

  // The filter with the smallest risk; null until Python has answered, for large sizes.
  get best() {
    if (!this.found && this.minimum) this.found = this.#applied(this.minimum.taps);
    if (!this.found && this.python) this.found = this.#measured({ taps: this.python.taps, origin: this.python.origin }, this.python.offset);
    return this.found;
  }

  // The filter after some steps down the gradient; null where there is no descent.
  after(steps) {
    return this.descent && this.#applied(this.descent.after(steps));
  }

  #applied(taps) {
    return this.#measured(kernelFromTaps(taps, this.size), this.risk.offset(taps));
  }

  // { kernel, offset, output, error, risk }: the outputs where all taps lie inside, and what is missing to the target. The risk is
  // the mean of its squares, which has fewer rounding errors than the quadratic function of the taps.
  #measured(kernel, offset) {
    const bare = filtered(this.before, kernel, { shape: "valid" });
    const output = new NdArray(bare.shape, bare.data.map((value) => value + offset));
    const error = new NdArray(bare.shape);
    const [rows, columns] = bare.shape;
    let squares = 0;
    for (let place = 0; place < rows * columns; place += 1) {
      const [row, column] = [Math.floor(place / columns) + this.first, (place % columns) + this.first];
      error.data[place] = this.target.data[row * this.target.shape[1] + column] - output.data[place];
      squares += error.data[place] ** 2;
    }
    return { kernel, offset, output, error, risk: squares / (rows * columns) };
  }
}

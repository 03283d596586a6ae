// Which filter is closest, and how close is any other? Two pictures, the risk between them, its minimum, and a descent to it.

import { NdArray } from "./array.js";
import { filtered } from "./convolution.js";
import { Descent, firstOutput, kernelFromTaps, riskOf } from "./least_squares.js";

export const LARGEST_IN_PAGE = 7; // taps along each axis; Python takes more

export class FitProblem {
  // `before`, `target`, `truth`: the pictures, and the kernel between them if it is known; `risk`: of all filters of this size,
  // or null if it is left to Python.
  constructor({ before, after, truth }, size, risk) {
    Object.assign(this, { before, target: after, truth, size, risk, python: null, descent: null, minimum: null });
  }

  static async of(pictures, size, signal) {
    const risk = size <= LARGEST_IN_PAGE ? await riskOf(pictures.before, pictures.after, size, signal) : null;
    return new FitProblem(pictures, size, risk);
  }

  solve(ridge, rate) {
    this.ridge = ridge;
    if (!this.risk) return;
    this.minimum = this.risk.minimum(ridge);
    this.setRate(rate);
  }

  setRate(rate) {
    if (!this.risk || !(this.risk.longestStep(this.ridge) < Infinity)) return;
    if (this.descent?.rate !== rate || this.descent.ridge !== this.ridge) this.descent = new Descent(this.risk, this.ridge, rate);
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

  // The filter with the smallest risk: { kernel, offset, risk }; null until Python has answered, for large sizes.
  get best() {
    if (this.minimum) return this.#filter(this.minimum.taps);
    if (!this.python) return null;
    return { kernel: { taps: this.python.taps, origin: this.python.origin }, offset: this.python.offset, risk: this.python.training_risk };
  }

  // The filter after some steps down the gradient.
  after(steps) {
    return this.descent && this.#filter(this.descent.after(steps));
  }

  // Outputs of a filter where all its taps lie inside, and what is missing to the target.
  applied({ kernel, offset }) {
    const bare = filtered(this.before, kernel, { shape: "valid" });
    const output = new NdArray(bare.shape, bare.data.map((value) => value + offset));
    const error = new NdArray(bare.shape);
    const [rows, columns] = bare.shape;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const place = row * columns + column;
        error.data[place] = this.target.data[(row + this.first) * this.target.shape[1] + column + this.first] - output.data[place];
      }
    }
    return { output, error };
  }

  #filter(taps) {
    return { kernel: kernelFromTaps(taps, this.size), offset: this.risk.offset(taps), risk: this.risk.at(taps) };
  }
}

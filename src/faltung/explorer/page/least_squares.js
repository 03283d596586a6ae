// Which filter makes the mean squared error smallest? The risk is a quadratic function of the taps, so its minimum is exact.
//
// All outputs count whose taps lie inside of the picture. With x and y about their means, the risk of taps k and of the best
// offset for them is R(k) = V - 2 <b, k> + <k, G k>: G holds the covariances of the samples of a window, b those of a sample
// with the target, V is the variance of the target. Taps are as they lie over the window: those of a correlation.

import { NdArray } from "./array.js";
import { eigen } from "./eigenvalues.js";
import { reversed } from "./outputs.js";
import { isPauseDue, pause } from "./pausing.js";

const EPSILON = 2 ** -52;

// The risk of all filters with `size` taps along each axis that lead from x to y, from sums over all windows.
export async function riskOf(x, y, size, signal = undefined) {
  const shape = x.shape.map((length) => length - size + 1);
  if (Math.min(...shape) < 1) throw new RangeError(`A picture of ${x.shape.join(" × ")} samples has no window of ${size} × ${size} taps.`);
  const sums = new WindowSums(x, y, size);
  for (let row = 0; row < shape[0]; row += 1) {
    sums.addRow(row);
    if (isPauseDue()) await pause(signal);
  }
  return sums.risk(shape[0] * shape[1]);
}

// The position of the first output that counts, along each axis; of an odd or even number of taps.
export function firstOutput(size) {
  return (size - 1) >> 1;
}

class WindowSums {
  constructor(x, y, size) {
    const taps = size * size;
    Object.assign(this, { x, y, size, taps, window: new Float64Array(taps) });
    this.levels = [mean(x.data), mean(y.data)]; // subtracted, so that sums of squares lose no digits
    this.gram = new Float64Array(taps * taps);
    this.moment = new Float64Array(taps);
    this.first = new Float64Array(taps);
    this.target = 0;
    this.square = 0;
  }

  addRow(row) {
    const { x, y, size, taps, window, gram, moment, first, levels } = this;
    const columns = x.shape[1];
    const middle = firstOutput(size);
    for (let column = 0; column + size <= columns; column += 1) {
      for (let tap = 0; tap < taps; tap += 1) {
        window[tap] = x.data[(row + Math.floor(tap / size)) * columns + column + (tap % size)] - levels[0];
      }
      const target = y.data[(row + middle) * columns + column + middle] - levels[1];
      this.target += target;
      this.square += target * target;
      for (let tap = 0; tap < taps; tap += 1) {
        const sample = window[tap];
        first[tap] += sample;
        moment[tap] += sample * target;
        for (let other = 0; other <= tap; other += 1) gram[tap * taps + other] += sample * window[other];
      }
    }
  }

  risk(count) {
    const { size, taps, levels } = this;
    const means = this.first.map((sum) => sum / count);
    const target = this.target / count;
    const gram = new NdArray([taps, taps]);
    for (let tap = 0; tap < taps; tap += 1) {
      for (let other = 0; other <= tap; other += 1) {
        const covariance = this.gram[tap * taps + other] / count - means[tap] * means[other];
        gram.data[tap * taps + other] = covariance;
        gram.data[other * taps + tap] = covariance;
      }
    }
    const moment = this.moment.map((sum, tap) => sum / count - means[tap] * target);
    return new QuadraticRisk({
      size, count, gram, moment, variance: this.square / count - target * target,
      means: means.map((value) => value + levels[0]), target: target + levels[1],
    });
  }
}

class QuadraticRisk {
  // `means`: of the sample under each tap; `target`: mean of the targets.
  constructor(parts) {
    Object.assign(this, parts);
  }

  // The mean of the squared errors over all windows, for taps with their best offset.
  at(taps) {
    const product = this.#times(taps);
    return Math.max(0, this.variance + taps.reduce((sum, tap, index) => sum + tap * (product[index] - 2 * this.moment[index]), 0));
  }

  // The direction in which the penalised risk grows fastest.
  gradient(taps, ridge) {
    const product = this.#times(taps);
    return taps.map((tap, index) => 2 * (product[index] - this.moment[index] + ridge * tap));
  }

  // The best constant to add to the outputs of taps.
  offset(taps) {
    return this.target - taps.reduce((sum, tap, index) => sum + tap * this.means[index], 0);
  }

  // The taps with the smallest R(k) + ridge <k, k>; of several, those of smallest norm. And how well the data determine them.
  minimum(ridge) {
    const { values, vectors } = this.spectrum;
    const count = values.length;
    const taps = new Float64Array(count);
    let [rank, freedom] = [0, 0];
    values.forEach((value, index) => {
      if (value + ridge <= 0) return;
      const along = vectors[index];
      const part = along.reduce((sum, entry, tap) => sum + entry * this.moment[tap], 0) / (value + ridge);
      along.forEach((entry, tap) => { taps[tap] += part * entry; });
      rank += 1;
      freedom += value / (value + ridge);
    });
    const [low, high] = [Math.min(...values) + ridge, Math.max(...values) + ridge];
    return { taps, rank, freedom, condition: low > 0 ? high / low : Infinity };
  }

  // Longer steps down the gradient than this lead away from the minimum.
  longestStep(ridge) {
    return 1 / (Math.max(...this.spectrum.values) + ridge);
  }

  // Eigenvalues and eigenvectors of G; eigenvalues of the size of rounding errors are zero.
  get spectrum() {
    if (!this.computed) {
      const { values, vectors } = eigen(this.gram);
      const least = 4 * values.length * EPSILON * Math.max(...values);
      this.computed = { values: values.map((value) => (value > least ? value : 0)), vectors };
    }
    return this.computed;
  }

  #times(taps) {
    const count = taps.length;
    const product = new Float64Array(count);
    for (let row = 0; row < count; row += 1) {
      for (let column = 0; column < count; column += 1) product[row] += this.gram.data[row * count + column] * taps[column];
    }
    return product;
  }
}

// Steps down the gradient, from taps that are all zero; each is `rate` times the longest step that does not lead away.
export class Descent {
  constructor(risk, ridge, rate) {
    Object.assign(this, { risk, ridge, rate, length: rate * risk.longestStep(ridge) });
    this.taps = [new Float64Array(risk.moment.length)];
    this.risks = [risk.at(this.taps[0])];
  }

  // The taps after some steps. All before them are kept.
  after(steps) {
    while (this.taps.length <= steps) {
      const now = this.taps.at(-1);
      const gradient = this.risk.gradient(now, this.ridge);
      this.taps.push(now.map((tap, index) => tap - this.length * gradient[index]));
      this.risks.push(this.risk.at(this.taps.at(-1)));
    }
    return this.taps[steps];
  }
}

// The kernel whose convolution is the correlation with taps, and back.
export function kernelFromTaps(taps, size) {
  const origin = size >> 1;
  return { taps: reversed(new NdArray([size, size], taps)), origin: [origin, origin] };
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

// Is a kernel separable? Its rank, and the column and the row whose outer product it is.

import { NdArray, positionOf, strongest } from "./array.js";

const LEAST_SHARE = 1e-10; // singular values below this share of the largest are rounding errors
const MOST_LINES = 64;
const MOST_SWEEPS = 40;

// The rank of a kernel with two axes; null if it has so many lines that it would take long.
export function rankOf({ taps, factors }) {
  if (factors) return factors.every(({ data }) => data.some((tap) => tap !== 0)) ? 1 : 0;
  if (Math.min(...taps.shape) > MOST_LINES || taps.data.length > 2 ** 15) return null;
  const values = singularValues(taps);
  const most = Math.max(...values);
  return values.filter((value) => value > LEAST_SHARE * most).length;
}

// The column u and the row v of a kernel of rank one: k[i, j] = u[i] v[j].
export function columnAndRow({ taps, factors }) {
  if (factors) return factors;
  const [rows, columns] = taps.shape;
  const pivot = strongest(taps);
  const [row, column] = positionOf(taps.shape, pivot);
  return [
    new NdArray([rows], Float64Array.from({ length: rows }, (_, index) => taps.data[index * columns + column] / taps.data[pivot])),
    new NdArray([columns], taps.data.slice(row * columns, (row + 1) * columns)),
  ];
}

// By Jacobi's method: pairs of lines are turned until all are at right angles; their lengths are the singular values.
function singularValues({ shape: [rows, columns], data }) {
  const tall = rows >= columns;
  const lines = Array.from({ length: tall ? columns : rows }, (_, line) =>
    Float64Array.from({ length: tall ? rows : columns }, (_unused, index) => (tall ? data[index * columns + line] : data[line * columns + index])));
  for (let sweep = 0, turned = true; turned && sweep < MOST_SWEEPS; sweep += 1) {
    turned = false;
    for (let i = 0; i < lines.length; i += 1) {
      for (let j = i + 1; j < lines.length; j += 1) turned = turn(lines[i], lines[j]) || turned;
    }
  }
  return lines.map((line) => Math.sqrt(dot(line, line)));
}

// Turn two lines within their plane; false if they were at right angles.
function turn(a, b) {
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  if (ab === 0 || Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) return false;
  const ratio = (bb - aa) / (2 * ab);
  const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(1, ratio));
  const cosine = 1 / Math.hypot(1, tangent);
  const sine = cosine * tangent;
  for (let index = 0; index < a.length; index += 1) {
    const [left, right] = [a[index], b[index]];
    a[index] = cosine * left - sine * right;
    b[index] = sine * left + cosine * right;
  }
  return true;
}

function dot(a, b) {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += a[index] * b[index];
  return sum;
}

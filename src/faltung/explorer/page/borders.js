// How does an array continue beyond its border? Each of five modes is one map from positions to samples.

import { NdArray, sizeOf } from "./array.js";

export const MODES = ["reflect", "constant", "nearest", "mirror", "wrap"];

const OUTSIDE = -1;

// The index of the sample that a position beyond the border has the value of; -1 where it is the constant.
export function sourceIndex(mode, position, length) {
  const inside = position >= 0 && position < length;
  switch (mode) {
    case "constant":
      return inside ? position : OUTSIDE;
    case "nearest":
      return Math.min(length - 1, Math.max(0, position));
    case "wrap":
      return remainder(position, length);
    case "reflect": // d c b a | a b c d | d c b a
      return inside ? position : folded(remainder(position, 2 * length), 2 * length - 1);
    case "mirror": // d c b | a b c d | c b a
      return length === 1 ? 0 : folded(remainder(position, 2 * length - 2), 2 * length - 2);
    default:
      throw new RangeError(`mode: expected one of ${MODES.join(", ")}, got ${mode}.`);
  }
}

function remainder(position, period) {
  return ((position % period) + period) % period;
}

function folded(position, last) {
  return Math.min(position, last - position);
}

// The array from a position up to another along each axis, which may lie beyond the border. `mode`: one name, or one for each axis.
export function region(x, start, stop, mode, cval = 0) {
  const modes = byAxis(mode, x.ndim);
  const maps = x.shape.map((length, axis) =>
    Int32Array.from({ length: stop[axis] - start[axis] }, (_, index) => sourceIndex(modes[axis], start[axis] + index, length)));
  const shape = maps.map((map) => map.length);
  const out = new Float64Array(sizeOf(shape));
  const columns = maps[x.ndim - 1];
  const rows = x.ndim === 2 ? maps[0] : [0];
  let place = 0;
  for (const row of rows) {
    const line = row * x.shape[x.ndim - 1];
    for (const column of columns) {
      out[place] = row === OUTSIDE || column === OUTSIDE ? cval : x.data[line + column];
      place += 1;
    }
  }
  return new NdArray(shape, out);
}

// The array with so many samples more before and after it along each axis.
export function extended(x, before, after, mode, cval = 0) {
  return region(x, before.map((count) => -count), x.shape.map((length, axis) => length + after[axis]), mode, cval);
}

// One value for each axis, of one value for all axes or of a list.
export function byAxis(value, ndim) {
  return Array.isArray(value) ? value : Array(ndim).fill(value);
}

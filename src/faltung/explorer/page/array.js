// What is an array in the page? Samples in rows, the last axis fastest, as in NumPy.

export class NdArray {
  // `data`: a typed array with as many numbers as `shape` says.
  constructor(shape, data) {
    this.shape = shape;
    this.data = data ?? new Float64Array(sizeOf(shape));
    if (this.data.length !== sizeOf(shape)) {
      throw new RangeError(`${this.data.length} numbers do not fill the shape ${shape.join(" × ")}`);
    }
  }

  get ndim() {
    return this.shape.length;
  }

  // The sample at a position, which must lie inside.
  at(...position) {
    return this.data[offsetOf(this.shape, position)];
  }
}

export function sizeOf(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

export function offsetOf(shape, position) {
  return position.reduce((offset, index, axis) => offset * shape[axis] + index, 0);
}

// The position of the sample at an offset.
export function positionOf(shape, offset) {
  const position = [];
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    position.unshift(offset % shape[axis]);
    offset = Math.floor(offset / shape[axis]);
  }
  return position;
}

// All positions of an array, in its order.
export function indices(shape) {
  return Array.from({ length: sizeOf(shape) }, (_, offset) => positionOf(shape, offset));
}

// The smallest and the largest finite sample of all arrays; [0, 0] if there is none.
export function extent(...arrays) {
  let low = Infinity;
  let high = -Infinity;
  for (const { data } of arrays) {
    for (const value of data) {
      if (Number.isFinite(value)) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  }
  return low <= high ? [low, high] : [0, 0];
}

// The largest magnitude.
export function largest({ data }) {
  return data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

// The offset of the sample that is farthest from zero.
export function strongest({ data }) {
  let [most, offset] = [-1, 0];
  for (let index = 0; index < data.length; index += 1) if (Math.abs(data[index]) > most) [most, offset] = [Math.abs(data[index]), index];
  return offset;
}

export function plus(a, b) {
  return new NdArray(a.shape, a.data.map((value, place) => value + b.data[place]));
}

export function minus(a, b) {
  return new NdArray(a.shape, a.data.map((value, place) => value - b.data[place]));
}

// An array from nested lists of numbers, such as [[0, 1], [2, 3]].
export function fromNested(rows) {
  const shape = [];
  for (let part = rows; Array.isArray(part); part = part[0]) shape.push(part.length);
  return new NdArray(shape, Float64Array.from(rows.flat(Infinity)));
}

// Nested lists of numbers from an array.
export function toNested(array, axis = 0, start = 0) {
  if (array.ndim === 0) return array.data[0];
  const step = sizeOf(array.shape.slice(axis + 1));
  return Array.from({ length: array.shape[axis] }, (_, index) => {
    const place = start + index * step;
    return axis === array.ndim - 1 ? array.data[place] : toNested(array, axis + 1, place);
  });
}

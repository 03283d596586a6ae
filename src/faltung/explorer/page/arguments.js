// Is an argument of a named kernel usable? Each check returns the number, or throws a sentence that says why not.

import { sizeOf } from "./array.js";
import { BeyondPage } from "./kernels.js";

const MOST_TAPS = 2 ** 20; // of a kernel in the page; Python allows more

export class ArgumentError extends RangeError {
  constructor(argument, expected, received, remedy = "") {
    super(`${argument}: expected ${expected}, got ${received}.${remedy && ` ${remedy}`}`);
  }
}

// A finite number from `low` to `high`; with `open`, `low` itself is excluded.
export function real(name, value, low = -Infinity, high = Infinity, open = false) {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new ArgumentError(name, "a finite number", value);
  if (value < low || value > high || (open && value === low)) {
    const upper = high < Infinity ? ` and at most ${high}` : "";
    throw new ArgumentError(name, `a number ${open ? "above" : "of at least"} ${low}${upper}`, value);
  }
  return value;
}

export function integer(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) throw new ArgumentError(name, `an integer from ${low} to ${high}`, value);
  return value;
}

// One checked number for each axis, of one number for all axes or of a list.
export function perAxis(name, value, ndim, check) {
  const values = Array.isArray(value) ? value : Array(ndim).fill(value);
  if (values.length !== ndim) throw new ArgumentError(name, `a number, or ${ndim} for ndim=${ndim}`, `${values.length} numbers`);
  return values.map((item) => check(name, item));
}

export function checkedSize(name, sides) {
  const size = sizeOf(sides);
  if (size > MOST_TAPS) throw new BeyondPage(`${name}: the page holds kernels of at most ${MOST_TAPS} taps, got about ${size.toPrecision(2)}.`);
}

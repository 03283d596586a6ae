// What can be made of two kernels? Each operation is one kernel, and the same thing done to the picture step by step.

import { NdArray, minus } from "./array.js";
import { sumOf } from "./convolution.js";
import { difference, power, product, scaled, sum } from "./kernels.js";

// `kernel`: the one kernel. `steps(run, kernels)`: the picture without it, where `run([first, second])` filters with one kernel
// after the other and resolves to all results; it resolves to { between: [[title, picture]], result }. `text`: in Python.
export const OPERATIONS = {
  product: {
    title: "f ∗ g", second: "g", name: "convolve f with g",
    kernel: ({ f, g }) => product(f, g),
    steps: (run, { f, g }) => through(run, [g, f], ["g ∗ x"]),
    route: "first g, then f", result: "f ∗ (g ∗ x)",
    text: ({ f, g }) => `${factor(f)} * ${factor(g)}`,
  },
  reversed: {
    title: "g ∗ f", second: "g", name: "convolve g with f",
    kernel: ({ f, g }) => product(g, f),
    steps: (run, { f, g }) => through(run, [f, g], ["f ∗ x"]),
    route: "first f, then g", result: "g ∗ (f ∗ x)",
    text: ({ f, g }) => `${factor(g)} * ${factor(f)}`,
  },
  sum: {
    title: "f + g", second: "g", name: "add f and g",
    kernel: ({ f, g }) => sum(f, g),
    steps: (run, { f, g }) => beside(run, f, g, (a, b) => sumOf([a, b])),
    route: "both filters, then the sum of the pictures", result: "f ∗ x + g ∗ x",
    text: ({ f, g }) => `${f} + ${g}`,
  },
  difference: {
    title: "f − g", second: "g", name: "subtract g from f",
    kernel: ({ f, g }) => difference(f, g),
    steps: (run, { f, g }) => beside(run, f, g, minus),
    route: "both filters, then the difference of the pictures", result: "f ∗ x − g ∗ x",
    text: ({ f, g }) => `${f} - ${factor(g)}`,
  },
  power: {
    title: "fⁿ", second: "n", name: "apply f n times",
    kernel: ({ f, n }) => power(f, n),
    steps: (run, { f, n }) => through(run, Array(n).fill(f), Array.from({ length: Math.max(0, n - 1) }, (_, index) => (index ? `f applied ${index + 1} times` : "f ∗ x"))),
    route: "f, again and again", result: "f ∗ (f ∗ … x)",
    text: ({ f, n }) => `${base(f)} ** ${n}`,
  },
  multiple: {
    title: "a · f", second: "a", name: "multiply f by a number",
    kernel: ({ f, a }) => scaled(f, a),
    steps: async (run, { f, a }) => {
      const [picture] = await run([f]);
      return { between: [["f ∗ x", picture]], result: scaledPicture(picture, a) };
    },
    route: "first f, then every output times a", result: "a · (f ∗ x)",
    text: ({ f, a }) => `${a} * ${factor(f)}`,
  },
};

async function through(run, kernels, titles) {
  const results = await run(kernels);
  return { between: titles.map((title, index) => [title, results[index]]), result: results.at(-1) };
}

async function beside(run, f, g, join) {
  const [[first], [second]] = [await run([f]), await run([g])];
  return { between: [["f ∗ x", first], ["g ∗ x", second]], result: join(first, second) };
}

export function scaledPicture({ shape, data }, scalar) {
  return new NdArray(shape, data.map((value) => scalar * value));
}

// A text as a part of a product, or of something that binds as tightly: with parentheses where it is a sum.
function factor(text) {
  return operators(text).some((sign) => "+-".includes(sign)) ? `(${text})` : text;
}

function base(text) {
  return operators(text).length ? `(${text})` : text;
}

// The operators of an expression that are in no brackets; the sign of an exponent, as in 1e-3, is none.
function operators(text) {
  let depth = 0;
  return [...text].filter((sign, place) => {
    depth += "([".includes(sign) ? 1 : ")]".includes(sign) ? -1 : 0;
    return depth === 0 && "+-*/".includes(sign) && !/\d[eE]$/.test(text.slice(0, place));
  });
}

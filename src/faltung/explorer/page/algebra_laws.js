// Which laws hold for kernels? Each has two sides, as kernels and as what is done to the picture; one is not a law.

import { scaledPicture } from "./algebra_operations.js";
import { sumOf } from "./convolution.js";
import { format } from "./dom.js";
import { flipped, identity, product, scaled, sum } from "./kernels.js";

const named = (name, args = {}) => ({ source: "name", name, arguments: args });
const BINOMIAL = named("binomial", { order: 2 });
const SHIFT = { source: "table", table: { taps: [[0, 0, 0, 0, 1]], origin: [0, 2] }, line: { taps: [0, 0, 0, 0, 1], origin: [2] } };

// `left` and `right` are made of the kernels { f, g, h } and the number a. `onPicture`: the same for the picture, where
// `run([first, second])` filters with one kernel after the other; it resolves to both pictures. `tries`: values of the state with which one sees what it means.
export const LAWS = [
  {
    name: "commutative", title: "The order does not matter", formula: "f ∗ g  =  g ∗ f",
    says: "Smooth first or find edges first: the result is the same.",
    left: ({ f, g }) => product(f, g), right: ({ f, g }) => product(g, f),
    tries: [["A shift and an edge", { f: SHIFT, g: named("sobel", { axis: 1 }) }]],
    onPicture: async (run, { f, g }) => [last(await run([g, f])), last(await run([f, g]))],
  },
  {
    name: "associative", title: "Brackets do not matter", formula: "(f ∗ g) ∗ h  =  f ∗ (g ∗ h)",
    says: "A chain of filters is one filter, however it is grouped.",
    left: ({ f, g, h }) => product(product(f, g), h), right: ({ f, g, h }) => product(f, product(g, h)),
    tries: [["Three boxes", { f: named("box", { size: 3 }), g: named("box", { size: 3 }), h: named("box", { size: 3 }) }]],
    onPicture: async (run, { f, g, h }) => [last(await run([h, product(f, g)])), last(await run([product(g, h), f]))],
  },
  {
    name: "distributive", title: "A sum may be filtered part by part", formula: "f ∗ (g + h)  =  f ∗ g + f ∗ h",
    says: "Two filters whose results are added are one filter: add their taps.",
    left: ({ f, g, h }) => product(f, sum(g, h)), right: ({ f, g, h }) => sum(product(f, g), product(f, h)),
    tries: [["Two directions of edges", { f: BINOMIAL, g: named("sobel", { axis: 1 }), h: named("sobel", { axis: 0 }) }]],
    onPicture: async (run, { f, g, h }) => [last(await run([sum(g, h), f])), sumOf([last(await run([g, f])), last(await run([h, f]))])],
  },
  {
    name: "scalars", title: "Numbers move freely", formula: "(a f) ∗ g  =  a (f ∗ g)",
    says: "It is the same to make the kernel, one of its factors or the filtered picture a times as bright.", given: ({ a }) => `a = ${format(a)}`,
    left: ({ f, g, a }) => product(scaled(f, a), g), right: ({ f, g, a }) => scaled(product(f, g), a),
    tries: [["a = −1: the negative", { a: -1 }], ["a = 0.1", { a: 0.1 }]],
    onPicture: async (run, { f, g, a }) => [last(await run([g, scaled(f, a)])), scaledPicture(last(await run([g, f])), a)],
  },
  {
    name: "identity", title: "One kernel changes nothing", formula: "f ∗ δ  =  f",
    says: "The impulse δ has a single tap, 1, at the origin. It is what the number 1 is for products.",
    left: ({ f }) => product(f, identity(f.taps.ndim)), right: ({ f }) => f,
    tries: [["f = δ, too", { f: named("delta") }], ["A blur", { f: named("gaussian", { sigma: 1.5 }) }]],
    onPicture: async (run, { f }) => [last(await run([identity(f.taps.ndim), f])), last(await run([f]))],
  },
  {
    name: "correlation", title: "Not a law: correlation", formula: "f ★ g  ≠  g ★ f", fails: true,
    says: "Correlation does not turn the kernel. Exchanged, the result is turned by half a turn; only for kernels that look the same turned do both agree.",
    left: ({ f, g }) => product(flipped(f), g), right: ({ f, g }) => product(flipped(g), f),
    tries: [["Symmetric kernels", { f: BINOMIAL, g: named("laplacian") }], ["An edge filter", { f: BINOMIAL, g: named("sobel", { axis: 1 }) }]],
    onPicture: async (run, { f, g }) => [last(await run([g, flipped(f)])), last(await run([f, flipped(g)]))],
  },
];

function last(results) {
  return results.at(-1);
}

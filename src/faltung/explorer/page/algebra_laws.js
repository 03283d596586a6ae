// Which laws hold for kernels? Each has two sides, as kernels and as what is done to the picture; one is not a law.

import { scaledPicture } from "./algebra_operations.js";
import { sumOf } from "./convolution.js";
import { flipped, identity, product, scaled, sum } from "./kernels.js";

// `left` and `right` are made of the kernels { f, g, h } and the number a. `onPicture`: the same for the picture, where
// `run([first, second])` filters with one kernel after the other; it resolves to both pictures.
export const LAWS = [
  {
    name: "commutative", title: "The order does not matter", formula: "f ∗ g  =  g ∗ f",
    says: "Smooth first or find edges first: the result is the same.",
    left: ({ f, g }) => product(f, g), right: ({ f, g }) => product(g, f),
    onPicture: async (run, { f, g }) => [last(await run([g, f])), last(await run([f, g]))],
  },
  {
    name: "associative", title: "Brackets do not matter", formula: "(f ∗ g) ∗ h  =  f ∗ (g ∗ h)",
    says: "A chain of filters is one filter, however it is grouped.",
    left: ({ f, g, h }) => product(product(f, g), h), right: ({ f, g, h }) => product(f, product(g, h)),
    onPicture: async (run, { f, g, h }) => [last(await run([h, product(f, g)])), last(await run([product(g, h), f]))],
  },
  {
    name: "distributive", title: "A sum may be filtered part by part", formula: "f ∗ (g + h)  =  f ∗ g + f ∗ h",
    says: "Two filters whose results are added are one filter: add their taps.",
    left: ({ f, g, h }) => product(f, sum(g, h)), right: ({ f, g, h }) => sum(product(f, g), product(f, h)),
    onPicture: async (run, { f, g, h }) => [last(await run([sum(g, h), f])), sumOf([last(await run([g, f])), last(await run([h, f]))])],
  },
  {
    name: "scalars", title: "Numbers move freely", formula: "(a f) ∗ g  =  a (f ∗ g)",
    says: "Twice the kernel is twice the picture: brightness does not care when it is changed.",
    left: ({ f, g, a }) => product(scaled(f, a), g), right: ({ f, g, a }) => scaled(product(f, g), a),
    onPicture: async (run, { f, g, a }) => [last(await run([g, scaled(f, a)])), scaledPicture(last(await run([g, f])), a)],
  },
  {
    name: "identity", title: "One kernel changes nothing", formula: "f ∗ δ  =  f",
    says: "The impulse δ has a single tap, 1, at the origin. It is what the number 1 is for products.",
    left: ({ f }) => product(f, identity(f.taps.ndim)), right: ({ f }) => f,
    onPicture: async (run, { f }) => [last(await run([identity(f.taps.ndim), f])), last(await run([f]))],
  },
  {
    name: "correlation", title: "Not a law: correlation", formula: "f ★ g  ≠  g ★ f", fails: true,
    says: "Correlation does not turn the kernel. Exchanged, the result is turned by half a turn; only for kernels that look the same turned do both agree.",
    left: ({ f, g }) => product(flipped(f), g), right: ({ f, g }) => product(flipped(g), f),
    onPicture: async (run, { f, g }) => [last(await run([g, flipped(f)])), last(await run([f, flipped(g)]))],
  },
];

function last(results) {
  return results.at(-1);
}

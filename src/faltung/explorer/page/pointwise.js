// Which functions look at one position only? Activations and arithmetic, by torch's names, in double precision.

import { format } from "./dom.js";

const other = ({ other: value }) => value;
const logistic = (x) => 1 / (1 + Math.exp(-x));
const clamp = (x, low, high) => Math.min(high ?? Infinity, Math.max(low ?? -Infinity, x));
const scaled = ({ alpha }) => (alpha === undefined || alpha === 1 ? "" : `${format(alpha)} × `);
const activation = (text, compute) => ({ formula: () => text, compute: (given) => compute(given.self, given) });

// The error function: a series without cancellation.
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [sum, part] = [x, x];
  for (let order = 1; order < 200 && Math.abs(part) > 1e-17 * Math.abs(sum); order += 1) {
    part *= (2 * x * x) / (2 * order + 1);
    sum += part;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function gelu(x, { approximate }) {
  if (approximate === "tanh") return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

function divided({ self, rounding_mode: rounding, ...given }) {
  const value = self / other(given);
  return rounding === "floor" ? Math.floor(value) : rounding === "trunc" ? Math.trunc(value) : value;
}

function elu(x, { alpha = 1, scale = 1, input_scale: inner = 1 }) {
  return x > 0 ? scale * x : scale * alpha * Math.expm1(x * inner);
}

function softplus(x, { beta = 1, threshold = 20 }) {
  return x * beta > threshold ? x : Math.log1p(Math.exp(x * beta)) / beta;
}

export const POINTWISE = {
  relu: activation("max(0, x): what is below zero becomes zero", (x) => (x < 0 ? 0 : x)),
  relu6: activation("x between 0 and 6", (x) => clamp(x, 0, 6)),
  sigmoid: activation("1 / (1 + exp(−x))", logistic),
  tanh: activation("tanh(x)", Math.tanh),
  silu: activation("x / (1 + exp(−x))", (x) => x * logistic(x)),
  gelu: activation("x times the share of a normal distribution below x", gelu),
  exp: activation("exp(x)", Math.exp),
  neg: activation("−x", (x) => -x),
  abs: activation("|x|", Math.abs),
  sqrt: activation("the square root of x", Math.sqrt),
  rsqrt: activation("1 / the square root of x", (x) => 1 / Math.sqrt(x)),
  reciprocal: activation("1 / x", (x) => 1 / x),
  log: activation("the natural logarithm of x", Math.log),
  sin: activation("sin(x)", Math.sin),
  cos: activation("cos(x)", Math.cos),
  addcmul: {
    formula: ({ self, value, tensor1, tensor2 }) => `${format(self)} + ${value === 1 ? "" : `${format(value)} × `}${format(tensor1)} × ${format(tensor2)}`,
    compute: ({ self, value, tensor1, tensor2 }) => self + value * tensor1 * tensor2,
  },
  square: activation("x × x", (x) => x * x),
  leaky_relu: { formula: ({ negative_slope: slope }) => `x above zero, ${format(slope)} × x below`, compute: ({ self, negative_slope: slope }) => (self > 0 ? self : slope * self) },
  elu: activation("x above zero, exp(x) − 1 (scaled) below", elu),
  hardtanh: { formula: ({ min_val: low, max_val: high }) => `x between ${format(low)} and ${format(high)}`, compute: ({ self, min_val: low, max_val: high }) => clamp(self, low, high) },
  hardsigmoid: activation("(x + 3) / 6 between 0 and 1", (x) => clamp(x + 3, 0, 6) / 6),
  hardswish: activation("x × ((x + 3) / 6 between 0 and 1)", (x) => (x * clamp(x + 3, 0, 6)) / 6),
  softplus: activation("log(1 + exp(x))", softplus),
  clamp: { formula: ({ min, max }) => `x between ${min ?? "−∞"} and ${max ?? "∞"}`, compute: ({ self, min, max }) => clamp(self, min, max) },
  pow: { formula: ({ exponent }) => `x to the power ${exponent}`, compute: ({ self, exponent }) => self ** exponent },
  add: { formula: (given) => `${format(given.self)} + ${scaled(given)}${format(other(given))}`, compute: (given) => given.self + (given.alpha ?? 1) * other(given) },
  sub: { formula: (given) => `${format(given.self)} − ${scaled(given)}${format(other(given))}`, compute: (given) => given.self - (given.alpha ?? 1) * other(given) },
  rsub: { formula: (given) => `${format(other(given))} − ${scaled(given)}${format(given.self)}`, compute: (given) => other(given) - (given.alpha ?? 1) * given.self },
  mul: { formula: (given) => `${format(given.self)} × ${format(other(given))}`, compute: (given) => given.self * other(given) },
  div: { formula: (given) => `${format(given.self)} / ${format(other(given))}`, compute: divided },
  maximum: { formula: () => "the larger one", compute: (given) => Math.max(given.self, other(given)) },
  minimum: { formula: () => "the smaller one", compute: (given) => Math.min(given.self, other(given)) },
};

// Which kernels have names? The same as in Python, with the same taps.

import { integer } from "./arguments.js";
import { binomialKernel, box, disk, gaussian, motion } from "./smoothing_kernels.js";
import { centralDifference, dog, gabor, gaussianDerivative, laplacian, logKernel, unsharp } from "./derivative_kernels.js";
import { BeyondPage, identity } from "./kernels.js";

// What a parameter is: its kind ("integer", "real"; "integers" and "reals" are one number or one for each axis), its value if
// none is given (undefined: one must be), and the range of a control for it. `later`: it can only be given by name.
const SIGMA = { name: "sigma", kind: "reals", min: 0.3, max: 10, step: 0.1, start: 1.5 };
const AXIS = { name: "axis", kind: "integer", default: -1, min: -2, max: 1, step: 1 };
const TRUNCATE = { name: "truncate", kind: "real", default: 4, min: 1, max: 6, step: 0.5, later: true };
const NDIM = { name: "ndim", kind: "integer", default: undefined, later: true, optional: true };

// `make(args, ndim)` returns the kernel; `does` says in a few words what it is for; `dimensions`: for which numbers of axes it
// exists. The taps of `complex` kernels are complex: a page takes their real part.
export const NAMED = {
  delta: entry("the identity: nothing changes", [NDIM], (args, ndim) => identity(ndim)),
  box: entry("the mean over a window", [{ name: "size", kind: "integers", min: 1, max: 31, step: 1, start: 3 }, NDIM], (args, ndim) => box(args.size, ndim)),
  gaussian: entry("smooths", [SIGMA, TRUNCATE, NDIM], (args, ndim) => gaussian(args.sigma, args.truncate, ndim)),
  binomial: entry("smooths with small whole numbers", [{ name: "order", kind: "integer", min: 0, max: 20, step: 1, start: 2 }, NDIM],
    (args, ndim) => binomialKernel(args.order, ndim)),
  disk: entry("the mean over a disk, as a lens out of focus", [{ name: "radius", kind: "reals", min: 0, max: 12, step: 0.5, start: 3 }, NDIM],
    (args, ndim) => disk(args.radius, ndim)),
  motion: entry("the blur of a movement",
    [{ name: "length", kind: "real", min: 1, max: 31, step: 0.5, start: 9 }, { name: "angle", kind: "real", default: 0, min: -3.2, max: 3.2, step: 0.1 }],
    (args) => motion(args.length, args.angle), [2]),
  gaussian_derivative: entry("smooths and differentiates",
    [SIGMA, { name: "order", kind: "integers", default: 1, min: 0, max: 4, step: 1 }, { ...AXIS, default: undefined, optional: true }, TRUNCATE, NDIM],
    (args, ndim) => gaussianDerivative(args.sigma, args.order, args.axis, args.truncate, ndim)),
  sobel: entry("edges across one axis", [AXIS, NDIM], (args, ndim) => centralDifference(args.axis, ndim, [1, 2, 1])),
  prewitt: entry("edges across one axis, unweighted", [AXIS, NDIM], (args, ndim) => centralDifference(args.axis, ndim, [1, 1, 1])),
  scharr: entry("edges across one axis, with accurate directions", [AXIS, NDIM],
    (args, ndim) => centralDifference(args.axis, ndim, [3 / 16, 10 / 16, 3 / 16])),
  laplacian: entry("curvature: edges of all directions", [NDIM], (args, ndim) => laplacian(ndim)),
  log: entry("blobs: the Laplacian of a Gaussian", [SIGMA, TRUNCATE, NDIM], (args, ndim) => logKernel(args.sigma, args.truncate, ndim)),
  dog: entry("details between two sizes", [{ ...SIGMA, name: "low" }, { ...SIGMA, name: "high", optional: true, start: undefined }, TRUNCATE, NDIM],
    (args, ndim) => dog(args.low, args.high, args.truncate, ndim)),
  unsharp: entry("sharpens", [{ ...SIGMA, default: 1 }, { name: "amount", kind: "real", default: 1, min: -1, max: 5, step: 0.1 }, TRUNCATE, NDIM],
    (args, ndim) => unsharp(args.sigma, args.amount, args.truncate, ndim)),
  gabor: { ...entry("stripes of one frequency and direction", [
    { name: "frequency", kind: "real", default: 0.2, min: 0.05, max: 0.5, step: 0.01 },
    { name: "angle", kind: "real", default: 0, min: -3.2, max: 3.2, step: 0.1 },
    { name: "bandwidth", kind: "real", default: 1, min: 0.3, max: 3, step: 0.1, later: true },
    { name: "sigma_x", kind: "real", min: 0.5, max: 10, step: 0.5, later: true, optional: true },
    { name: "sigma_y", kind: "real", min: 0.5, max: 10, step: 0.5, later: true, optional: true },
    { ...TRUNCATE, default: 3 },
    { name: "phase", kind: "real", default: 0, min: -3.2, max: 3.2, step: 0.1, later: true }, NDIM,
  ], gabor), complex: true },
};

function entry(does, parameters, make, dimensions = [1, 2]) {
  const made = (args, ndim = dimensionsOf(parameters, args)) => {
    if (Number.isInteger(ndim) && ndim > 2 && ndim <= 32) throw new BeyondPage(`ndim: the page shows kernels of 1 or 2 axes, got ${ndim}.`);
    return make(withDefaults(parameters, args), integer("ndim", ndim, 1, 32));
  };
  return { does, parameters, dimensions, make: made };
}

function withDefaults(parameters, args) {
  return Object.fromEntries(parameters.map(({ name, default: value }) => [name, args[name] ?? value]));
}

// As many axes as an argument has numbers; two if all have one.
function dimensionsOf(parameters, args) {
  if (args.ndim !== undefined) return args.ndim;
  const several = parameters.find(({ name, kind }) => kind.endsWith("s") && Array.isArray(args[name]));
  return several ? args[several.name].length : 2;
}

// The call as text, as Python would print the kernel; what has its default is left out.
export function callOf(name, args, ndim = 2) {
  const { parameters, complex } = NAMED[name];
  const parts = parameters.filter((parameter) => parameter.name !== "ndim" && args[parameter.name] !== undefined
    && String(args[parameter.name]) !== String(parameter.default)).map((parameter) => {
    const value = Array.isArray(args[parameter.name]) ? `(${args[parameter.name].join(", ")})` : String(args[parameter.name]);
    return parameter.default === undefined && !parameter.optional ? value : `${parameter.name}=${value}`;
  });
  if (ndim !== 2) parts.push(`ndim=${ndim}`);
  return `${name}(${parts.join(", ")})${complex ? ".real" : ""}`;
}

// Which kernel does the state describe? By a name with arguments, by an expression, or by a table of taps.

import { NdArray, fromNested, sizeOf, toNested } from "./array.js";
import { parseKernel } from "./expression.js";
import { NAMED, callOf } from "./named_kernels.js";

const SOURCES = ["name", "text", "table"];
export const FIRST_KERNEL = { source: "name", name: "sobel", arguments: { axis: 1 } };
export const LARGEST_TABLE = 15; // lines that can be edited
const MOST_TAPS = 2 ** 14;
const LARGEST_TAP = 1e9;

const beyond = new Map(); // kernels of expressions that only Python knows, by text

// A description is { source, name, arguments, text, table, line }: each source keeps its own, so that nothing is lost when
// another one is chosen. Tables of images and lines of signals are { taps: nested lists, origin }.
// Returns { taps, origin, text }; throws an error with a sentence.
export function kernelFrom(description, ndim) {
  const source = SOURCES.includes(description?.source) ? description.source : "name";
  const kernel = { name: namedKernel, text: writtenKernel, table: typedKernel }[source](description ?? {}, ndim);
  if (kernel.imag && kernel.imag.data.some((part) => part !== 0)) throw new RangeError("The taps are complex. Write .real or .imag behind the kernel.");
  if (sizeOf(kernel.taps.shape) > MOST_TAPS) throw new RangeError(`The kernel has ${kernel.taps.shape.join(" × ")} taps; the page shows at most ${MOST_TAPS}.`);
  return kernel;
}

function namedKernel({ name, arguments: args }, ndim) {
  const { known, values } = namedCall({ name, arguments: args }, ndim);
  if (!NAMED[known].dimensions.includes(ndim)) throw new RangeError(`${known} is a kernel for images. Choose another one for a signal.`);
  const { imag, ...kernel } = NAMED[known].make(values, ndim); // of complex kernels, the real part
  return { ...kernel, text: callOf(known, values, ndim) };
}

// The name and the arguments that are used: with a value for each parameter that must have one, and an axis that exists.
export function namedCall({ name, arguments: args }, ndim) {
  const known = Object.hasOwn(NAMED, name) ? name : FIRST_KERNEL.name;
  const values = {};
  for (const parameter of NAMED[known].parameters) {
    if (parameter.name === "ndim") continue;
    const value = args?.[parameter.name];
    if (isNumeric(value)) values[parameter.name] = value;
    else if (parameter.default === undefined && !parameter.optional) values[parameter.name] = parameter.start;
    if (parameter.name === "axis" && values.axis >= ndim) values.axis = ndim - 1;
    if (parameter.name === "axis" && values.axis < -ndim) values.axis = -ndim;
  }
  return { known, values };
}

function isNumeric(value) {
  return Number.isFinite(value) || (Array.isArray(value) && value.length > 0 && value.every(Number.isFinite));
}

function writtenKernel({ text }, ndim) {
  const known = beyond.get(`${ndim} ${text}`);
  return known ?? parseKernel(typeof text === "string" ? text : "", ndim);
}

function typedKernel(description, ndim) {
  const table = description[ndim === 2 ? "table" : "line"];
  if (!isTable(table, ndim)) throw new RangeError("The table has no numbers yet. Choose a kernel by name first.");
  return { taps: fromNested(table.taps), origin: table.origin };
}

function isTable(table, ndim) {
  const rows = ndim === 2 ? table?.taps : [table?.taps];
  const rectangle = Array.isArray(rows) && rows.length > 0 && Array.isArray(rows[0]) && rows[0].length > 0
    && rows.every((row) => Array.isArray(row) && row.length === rows[0].length && row.every((tap) => Math.abs(tap) <= LARGEST_TAP));
  if (!rectangle || rows.length * rows[0].length > MOST_TAPS) return false;
  const shape = ndim === 2 ? [rows.length, rows[0].length] : [rows[0].length];
  return Array.isArray(table.origin) && table.origin.length === ndim && table.origin.every((at, axis) => Number.isInteger(at) && at >= 0 && at < shape[axis]);
}

// A kernel as a table of the state.
export function tableOf({ taps, origin }) {
  return { taps: toNested(new NdArray(taps.shape, Float64Array.from(taps.data, (tap) => (tap === 0 ? 0 : tap)))), origin: [...origin] };
}

// A kernel as Python is asked about it.
export function forPython(kernel) {
  return kernel.text ? { text: kernel.text } : tableOf(kernel);
}

// Ask Python for an expression that the page cannot read. Resolves to whether there is something new.
export async function askForKernel(host, text, ndim) {
  const key = `${ndim} ${text}`;
  if (!host.live || beyond.has(key)) return false;
  const { taps, origin } = await host.ask("kernel", { text, ndim });
  beyond.set(key, { taps, origin, text });
  return true;
}

// A kernel in Python's words, for a program.
export function pythonOf(kernel) {
  if (kernel.text) return withPrefix(kernel.text);
  const { taps, origin } = tableOf(kernel);
  return `fa.Kernel(${JSON.stringify(taps).replaceAll(",", ", ")}, origin=${origin.length === 1 ? origin[0] : `(${origin.join(", ")})`})`;
}

// Lists and constants mean something else outside of an expression, so such a text is read by `parse`.
function withPrefix(text) {
  if (/[[\]]|\b(pi|kernel|Kernel|True|False)\b/.test(text)) return `fa.parse(${JSON.stringify(text)})`;
  return text.replace(/\b([A-Za-z_]\w*)\s*\(/g, (call, name) => (name === "flip" || name === "conj" ? call : `fa.${name}(`));
}

// What is shown in the filter view? Its part of the state, and how that is read.

import { MODES } from "./borders.js";
import { FIRST_KERNEL } from "./kernel_descriptions.js";
import { SHAPES } from "./outputs.js";

export const FIRST_FILTER_STATE = {
  "filter.input": "portrait",
  "filter.kernels": [[FIRST_KERNEL]], // [out][in]: descriptions; a row may have one for all channels in
  "filter.chosen": [0, 0], // the kernel that is edited: of which channel out, from which channel in
  "filter.operation": "convolve",
  "filter.channels": "each", // of a colour picture with one kernel for all channels; "sum": as a layer of a network
  "filter.kind": "plain",
  "filter.mode": "reflect",
  "filter.cval": 0,
  "filter.shape": "same",
  "filter.stride": 1,
  "filter.dilation": 1,
  "filter.padding": 0,
  "filter.output_padding": 0,
  "filter.direction": "sees",
  "filter.position": null, // of the output that is looked at; null: where it is largest
  "filter.sample": null, // of the input, when it is asked where a sample goes
  "filter.scale": "auto",
  "filter.speed": "8",
  "filter.plan_size": "",
};

export const OPERATIONS = { convolve: ["convolve"], correlate: ["correlate"], both: ["convolve", "correlate"] };
const KINDS = ["plain", "transposed", "causal"];
// The kernels of the state as rows for channels out; null if an address says something else.
export function kernelRows(store) {
  const rows = store.get("filter.kernels");
  const length = rows[0]?.length;
  const usable = rows.length > 0 && rows.length <= 8 && length > 0 && rows.every((row) => Array.isArray(row) && row.length === length
    && row.every((description) => description !== null && typeof description === "object"));
  return usable ? rows : null;
}

// The kernel that is edited, and the channel whose numbers are seen: { out, channel }, within what there is.
export function chosenKernel(store, rows, channels = rows[0].length) {
  const [out, channel] = store.get("filter.chosen");
  const within = (value, length) => (Number.isInteger(value) && value >= 0 && value < length ? value : 0);
  return { out: within(out, rows.length), channel: within(channel, channels) };
}

// Whether each colour of a picture is filtered by itself, so that the output is a colour picture, too.
export function isFilteredEach(store, input) {
  return input.colour && store.get("filter.channels") !== "sum" && kernelRows(store)?.[0].length === 1;
}

// The state as it is computed with: everything from an address is brought into its range.
export function settingOf(store, ndim) {
  const among = (key, choices) => (choices.includes(store.get(key)) ? store.get(key) : choices[0]);
  const whole = (key, low, high) => Math.min(high, Math.max(low, Math.round(store.get(key))));
  const kind = among("filter.kind", ndim === 1 ? KINDS : KINDS.slice(0, 2));
  const stride = whole("filter.stride", 1, 8);
  const dilation = whole("filter.dilation", 1, 8);
  return {
    kind, stride, dilation, mode: among("filter.mode", MODES), shape: among("filter.shape", SHAPES),
    cval: Math.min(1e6, Math.max(-1e6, store.get("filter.cval"))), padding: whole("filter.padding", 0, 64),
    outputPadding: Math.min(whole("filter.output_padding", 0, 7), Math.max(stride, dilation) - 1),
  };
}

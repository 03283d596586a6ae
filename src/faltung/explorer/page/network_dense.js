// What do shared weights save? Lines from inputs to outputs: few colours, repeated, beside one weight for every pair.

import { grouped, h, s } from "./dom.js";
import { short } from "./network_row.js";

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1"]; // told apart by everybody
const [NODES, WIDTH, HEIGHT, EDGE] = [12, 300, 130, 14];

export function denseDrawing(layer) {
  if (!layer.weights) return null;
  const shared = layer.making.kind === "convolution" || layer.making.kind === "transposed convolution";
  const all = drawing((input, output) => COLOURS[(input * 5 + output * 3) % COLOURS.length], 0.55, "Every input has a line of its own to every output");
  const dense = h("figure", {}, all, h("figcaption", {}, h("b", {}, grouped(layer.weights)), " weights: this layer is fully connected, with one for each pair of an input and an output."));
  if (!shared) return h("div", { class: "dense" }, dense);
  const size = layer.making.size.at(-1);
  const [stride, padding, dilation] = [layer.making.stride.at(-1), layer.making.padding.at(-1), layer.making.dilation.at(-1)];
  const transposed = layer.making.kind !== "convolution";
  const few = drawing((input, output) => {
    const [narrow, wide] = transposed ? [input, output] : [output, input];
    const tap = (wide - narrow * stride + padding) / dilation;
    return Number.isInteger(tap) && tap >= 0 && tap < size ? COLOURS[tap % COLOURS.length] : null;
  }, 1, `Lines of the same colour are the same weight: ${size} along an axis`);
  const ratio = layer.dense / layer.weights;
  return h("div", { class: "dense" },
    h("figure", {}, few, h("figcaption", {}, h("b", {}, grouped(layer.weights)), ` weights here, the same at every position. Same colour, same weight; drawn along one axis for ${NODES} samples.`)),
    h("figure", {}, dense.firstChild, h("figcaption", {}, h("b", {}, short(layer.dense)), ` weights if fully connected: ${ratio.toLocaleString("en", { maximumFractionDigits: ratio < 10 ? 1 : 0 })} times as many.`)));
}

function drawing(colourOf, opacity, label) {
  const x = (index) => EDGE + (index * (WIDTH - 2 * EDGE)) / (NODES - 1);
  const lines = [];
  for (let input = 0; input < NODES; input += 1) {
    for (let output = 0; output < NODES; output += 1) {
      const stroke = colourOf(input, output);
      if (stroke) lines.push(s("line", { x1: x(input), y1: EDGE, x2: x(output), y2: HEIGHT - EDGE, stroke, "stroke-width": 1.6, opacity }));
    }
  }
  const nodes = (y) => Array.from({ length: NODES }, (_, index) => s("circle", { cx: x(index), cy: y, r: 5, fill: "var(--paper)", stroke: "var(--text)" }));
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "lines" }, lines, nodes(EDGE), nodes(HEIGHT - EDGE));
}

// What is computed from what? A drawing of one line of samples on its way through two filters, in both ways.

import { h, s } from "./dom.js";

const HEIGHT = 26;
const GAP = 20;
const MARGIN = 52; // drawn width of the extension for one kernel, whatever its size
const CORE = 250; // drawn width of the picture itself

// `extensions`: of g and then of f, as `extensionOf` returns them for one axis.
export function stepsDrawing(length, extensions) {
  const [byG, byF] = extensions.map(({ before, after }) => [before[0], after[0]]);
  const both = [byG[0] + byF[0], byG[1] + byF[1]];
  const legend = (kind, text) => h("span", {}, h("i", { class: `swatch ${kind}` }), text);
  return h("div", { class: "ways" },
    h("p", { class: "hint legend" }, legend("core", "the picture"), legend("known", "made from the extended picture"), legend("made", "made up again, or made from what was")),
    way("Extended once: exact", [
      bar(`x, extended by ${both[0]} and ${both[1]}`, 2, "known"), arrow("g"), bar(`g ∗ x, still ${byF[0]} and ${byF[1]} more`, 1, "known"), arrow("f"), bar("f ∗ (g ∗ x)", 0, "known"),
    ], `${length + both[0] + both[1]} samples become ${length + byF[0] + byF[1]}, and then ${length}.`),
    way("Cropped between: wrong at the border", [
      bar(`x, extended by ${byG[0]} and ${byG[1]}`, 1, "known"), arrow("g"), bar(`g ∗ x, cropped, extended by ${byF[0]} and ${byF[1]}`, 1, "made"), arrow("f"), bar("f ∗ (g ∗ x)", 0, "spoiled"),
    ], `${length + byG[0] + byG[1]} samples become ${length}, then ${length + byF[0] + byF[1]} again, and then ${length}.`));
}

function way(title, rows, sentence) {
  let y = 0;
  const parts = rows.flatMap(({ draw, height }) => {
    const drawn = draw(y);
    y += height;
    return drawn;
  });
  const width = CORE + 4 * MARGIN;
  const picture = s("svg", { viewBox: `0 0 ${width} ${y}`, width, height: y, role: "img", "aria-label": `${title}. ${sentence}` }, parts);
  return h("figure", { class: "way" }, h("h3", {}, title), picture, h("figcaption", {}, sentence));
}

// A line of samples: the picture in the middle, with so many extensions on both sides.
function bar(label, extensions, kind) {
  const draw = (y) => {
    const left = 2 * MARGIN - extensions * MARGIN;
    const box = (x, width, name) => s("rect", { x, y: y + 18, width, height: HEIGHT, class: name });
    const parts = [box(2 * MARGIN, CORE, "core"), s("text", { x: 2 * MARGIN + CORE / 2, y: y + 13, "text-anchor": "middle" }, label)];
    if (extensions) parts.push(box(left, extensions * MARGIN, kind), box(2 * MARGIN + CORE, extensions * MARGIN, kind));
    if (kind === "spoiled") parts.push(box(2 * MARGIN, MARGIN, "made"), box(2 * MARGIN + CORE - MARGIN, MARGIN, "made"));
    return parts;
  };
  return { draw, height: HEIGHT + 22 };
}

function arrow(name) {
  const x = 2 * MARGIN + CORE / 2;
  const draw = (y) => [
    s("path", { d: `M${x} ${y}V${y + GAP - 4}m-5 -5l5 5l5 -5`, class: "arrow" }),
    s("text", { x: x + 12, y: y + 14 }, name),
  ];
  return { draw, height: GAP };
}

// What is computed from what? A drawing of one line of samples on its way through two filters, in both ways.

import { h, s } from "./dom.js";

const HEIGHT = 26;
const GAP = 20;
const MARGIN = 44; // drawn width of the extension for one kernel, whatever its size
const CORE = 200; // drawn width of the picture itself

// `extensions`: of g and then of f, as `extensionOf` returns them for one axis.
export function stepsDrawing(length, extensions) {
  const [byG, byF] = extensions.map(({ before, after }) => [before[0], after[0]]);
  const both = [byG[0] + byF[0], byG[1] + byF[1]];
  const [sidesG, sidesF] = [byG, byF].map((counts) => counts.map((count) => (count > 0 ? 1 : 0)));
  const sides = [sidesG[0] + sidesF[0], sidesG[1] + sidesF[1]];
  const legend = (kind, text) => h("span", {}, h("i", { class: `swatch ${kind}` }), text);
  return h("div", { class: "ways" },
    h("p", { class: "hint legend" }, legend("core", "the picture"), legend("known", "made from the extended picture"), legend("made", "made up again, or made from what was")),
    way("Extended once: exact", [
      bar(`x, extended by ${both[0]} and ${both[1]}`, sides, "known"), arrow("g"), bar(`g ∗ x, still ${byF[0]} and ${byF[1]} more`, sidesF, "known"), arrow("f"), bar("f ∗ (g ∗ x)", [0, 0], "known"),
    ], `${length + both[0] + both[1]} samples become ${length + byF[0] + byF[1]}, and then ${length}.`),
    way("Cropped between: wrong at the border", [
      bar(`x, extended by ${byG[0]} and ${byG[1]}`, sidesG, "known"), arrow("g"), bar(`g ∗ x, cropped, extended by ${byF[0]} and ${byF[1]}`, sidesF, "made"), arrow("f"), bar("f ∗ (g ∗ x)", [0, 0], "known", sidesF),
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

// A line of samples: the picture in the middle, with so many extensions before and after it. `spoiled`: on which sides outputs
// were made from samples that were made up again.
function bar(label, [before, after], kind, spoiled = [0, 0]) {
  const [left, right] = [2 * MARGIN, 2 * MARGIN + CORE];
  const draw = (y) => {
    const box = (x, width, name) => (width ? [s("rect", { x, y: y + 18, width, height: HEIGHT, class: name })] : []);
    return [
      s("text", { x: (left + right) / 2, y: y + 13, "text-anchor": "middle" }, label),
      ...box(left, CORE, "core"), ...box(left - before * MARGIN, before * MARGIN, kind), ...box(right, after * MARGIN, kind),
      ...box(left, spoiled[0] * MARGIN, "made"), ...box(right - spoiled[1] * MARGIN, spoiled[1] * MARGIN, "made"),
    ];
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

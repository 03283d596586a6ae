// From which pictures is a filter learned? A sample and a filter that is to be found again, or two files.

import { choice, field, numeric, segmented, slider } from "./controls.js";
import { h } from "./dom.js";
import { LARGEST_IN_PAGE } from "./fit_problem.js";
import { TRUTHS, grayOf, keepOwn, ownOf, samplesOf } from "./fit_pictures.js";
import { readInput } from "./picture_source.js";

// `changed()`: an own picture came; `refused(sentence)`: a file cannot be used.
export function fitControls(app, { changed, refused }) {
  const largest = app.host.live ? app.host.content.learning?.largest_size ?? LARGEST_IN_PAGE : LARGEST_IN_PAGE;
  const sizes = [1, 3, 5, 7, 9, 11, 13, 15].filter((size) => size <= largest).map((size) => [size, `${size} × ${size}`]);
  const made = h("div", {},
    choice(app, "learning.truth", "The sample is filtered with", TRUTHS),
    segmented(app, "learning.direction", "Learn the filter", [["find", "that did it"], ["undo", "that undoes it"]]),
    slider(app, "learning.noise", "Noise that is added", { min: 0, max: 20, step: 1, show: (value) => `deviation ${value}` }));
  const files = h("div", {}, fileField(app, "before", "Before", changed, refused), fileField(app, "after", "After", changed, refused));
  const toggle = () => {
    const own = app.store.get("learning.picture") === "own";
    made.hidden = own;
    files.hidden = !own;
  };
  toggle();
  app.untilClosed(app.store.on(["learning.picture"], toggle));
  return h("div", { class: "fit-controls" },
    choice(app, "learning.picture", "Pictures", samplesOf(app.host)), made, files,
    sizeChoice(app, sizes, largest), numeric(app, "learning.ridge", "Ridge", { min: 0, max: 1e6, step: "any", hint: "a penalty on large taps, against noise" }));
}

function sizeChoice(app, sizes, largest) {
  const select = h("select", { onchange: () => app.store.set({ "learning.size": Number(select.value) }) }, sizes.map(([value, text]) => h("option", { value }, text)));
  const update = () => { select.value = app.store.get("learning.size"); };
  update();
  app.untilClosed(app.store.on(["learning.size"], update));
  return field("Taps of the filter", select, largest > LARGEST_IN_PAGE ? "" : "Python takes up to 15 × 15");
}

function fileField(app, part, title, changed, refused) {
  const note = h("small", {}, ownOf(app.host)[part] ? "opened" : "choose or drop a file");
  const take = async (file) => {
    try {
      const input = await readInput(app.host, file);
      if (input.ndim !== 2) throw new RangeError(`${file.name} is a signal. Take a picture.`);
      keepOwn(app.host, part, grayOf(input.channels));
      note.textContent = `${input.title}. ${input.note}`;
      changed();
    } catch (error) {
      refused(error.message);
    }
  };
  const input = h("input", { type: "file", onchange: () => input.files.length && take(input.files[0]) });
  const element = field(title, input);
  element.classList.add("drop");
  element.append(note);
  listenForDrop(element, take);
  return element;
}

function listenForDrop(element, take) {
  for (const type of ["dragover", "dragleave", "drop"]) {
    element.addEventListener(type, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      element.classList.toggle("dropping", type === "dragover");
      if (type === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
}

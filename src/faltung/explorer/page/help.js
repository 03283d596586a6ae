// Which keys are there? A dialog with all of them.

import { button } from "./controls.js";
import { h } from "./dom.js";

const KEYS = {
  Everywhere: [["?", "This help"], ["Tab", "The next control"], ["Esc", "Close a dialog; in a network, back to all maps"]],
  "On the tabs": [["← →", "The view before or after"], ["Home End", "The first or the last view"]],
  "On a picture": [
    ["← → ↑ ↓", "Move by one sample, with Shift by ten"], ["Enter", "Choose the sample"],
    ["+ −", "Zoom in or out, as the wheel does with Ctrl"], ["0", "See the whole picture"],
  ],
  "On a signal or a curve": [["← →", "Move by one sample"], ["Home End", "The first or the last sample"]],
  "In a table of taps": [["← → ↑ ↓", "The next tap"], ["Enter", "The tap below"], ["O", "Make the tap the origin"]],
  "On the maps of a network": [["← → ↑ ↓", "The next map"], ["Enter", "How the map is made"]],
};

export function helpDialog(version) {
  const table = (title, keys) => h("table", {}, h("caption", {}, title),
    h("tbody", {}, keys.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, what)))));
  const dialog = h("dialog", { class: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h("div", { class: "keys" }, Object.entries(KEYS).map(([title, keys]) => table(title, keys))),
    h("p", {}, "Every picture can be read with the arrow keys: the sentence at the bottom says what is there."),
    h("p", {}, "A file that “Save state” wrote comes back when it is dropped on the page, or opened with “Open your own…”. Links and saved states hold no picture of your own."),
    h("p", { class: "hint" }, `faltung ${version}`),
    button("Close", () => dialog.close(), { class: "primary" }));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the dialog
  });
  return dialog;
}

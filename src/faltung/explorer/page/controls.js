// How does one change the state? Labelled controls, each bound to one key of the state.

import { h, trueMinus } from "./dom.js";

let made = 0;

// A label around any control, with a hint under it if there is one.
export function field(label, control, hint) {
  control.id ||= `control-${++made}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, hint && h("small", {}, hint));
}

// A list to choose from. `choices`: [value, what is shown], in groups if `groups` names them: {group: choices}.
export function choice(app, key, label, choices, hint) {
  const options = (list) => list.map(([value, text]) => h("option", { value }, text));
  const groups = Array.isArray(choices) ? options(choices)
    : Object.entries(choices).map(([name, list]) => h("optgroup", { label: name }, options(list)));
  const select = h("select", { onchange: () => app.store.set({ [key]: select.value }) }, groups);
  bind(app, key, () => { select.value = app.store.get(key); });
  return field(label, select, hint);
}

// Two or more buttons of which one is pressed.
export function segmented(app, key, label, choices) {
  const buttons = choices.map(([value, text]) =>
    h("button", { type: "button", "data-value": JSON.stringify(value), onclick: () => app.store.set({ [key]: value }) }, text));
  bind(app, key, () => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.value === JSON.stringify(app.store.get(key))));
    }
  });
  return h("div", { class: "field" }, h("span", { class: "label" }, label),
    h("div", { class: "segmented", role: "group", "aria-label": label }, buttons));
}

// A whole or real number between two limits, typed or stepped.
export function numeric(app, key, label, { min, max, step = 1, hint } = {}) {
  const input = h("input", { type: "number", min, max, step });
  const allowed = (value) => Math.min(max, Math.max(min, step === 1 ? Math.round(value) : value));
  const limits = h("small", { class: "wrong", role: "status", hidden: true }, `${step === 1 ? "A whole number" : "A number"} from ${trueMinus(min)} to ${trueMinus(max)}.`);
  input.addEventListener("change", () => {
    const typed = input.value === "" ? NaN : Number(input.value);
    const value = Number.isNaN(typed) ? allowed(app.store.get(key)) : allowed(typed);
    limits.hidden = typed === value;
    app.store.set({ [key]: value });
    input.value = value;
  });
  bind(app, key, () => { input.value = allowed(app.store.get(key)); });
  const made = field(label, input, hint);
  made.append(limits);
  return made;
}

// A number between two limits, dragged; the value stands beside it.
export function slider(app, key, label, { min, max, step = 1, show = String }) {
  const output = h("output", {});
  const input = h("input", { type: "range", min, max, step, oninput: () => app.store.set({ [key]: Number(input.value) }) });
  bind(app, key, () => {
    input.value = app.store.get(key);
    output.textContent = show(app.store.get(key));
  });
  const made = field(label, input);
  made.append(output);
  return made;
}

export function checkbox(app, key, label) {
  const input = h("input", { type: "checkbox", onchange: () => app.store.set({ [key]: input.checked }) });
  bind(app, key, () => { input.checked = app.store.get(key); });
  return h("label", { class: "check" }, input, label);
}

export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, label);
}

function bind(app, key, update) {
  update();
  app.untilClosed(app.store.on([key], update));
}

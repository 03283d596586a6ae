// How is a kernel chosen? From the named ones, as an expression, or as a table of numbers; each keeps what was put in.

import { button, field } from "./controls.js";
import { h } from "./dom.js";
import { LARGEST_TABLE, kernelFrom, namedCall, tableOf } from "./kernel_descriptions.js";
import { KernelPicture } from "./kernel_picture.js";
import { NAMED } from "./named_kernels.js";
import { TapTable } from "./tap_table.js";

const SOURCES = [["name", "By name"], ["text", "Expression"], ["table", "Table"]];
const GROUPS = {
  Edges: ["sobel", "prewitt", "scharr", "gaussian_derivative", "laplacian"],
  Smoothing: ["gaussian", "box", "binomial", "disk", "motion"],
  "Details and spots": ["unsharp", "dog", "log", "gabor"],
  Nothing: ["delta"],
};

export class KernelEditor {
  // `read()`: the description that is edited; `write(description)`: it was changed; `ndim()`: axes of the input.
  constructor({ read, write, ndim }) {
    Object.assign(this, { read, write, ndim });
    this.tabs = SOURCES.map(([source, title]) => button(title, () => this.#choose(source), { "data-source": source }));
    this.panel = h("div", { class: "kernel-source" });
    this.picture = new KernelPicture();
    this.wrong = h("p", { class: "wrong", role: "alert" });
    this.element = h("section", { class: "kernel-editor", "aria-label": "Kernel" },
      h("div", { class: "segmented", role: "group", "aria-label": "How the kernel is given" }, this.tabs), this.panel, this.wrong, this.picture.element);
    this.built = "";
  }

  // The state changed. `problem`: what is wrong with the kernel, or "".
  update(problem) {
    const description = this.read();
    const source = description.source ?? "name";
    for (const tab of this.tabs) tab.setAttribute("aria-pressed", String(tab.dataset.source === source));
    const key = `${source} ${this.ndim()} ${source === "name" ? namedCall(description, this.ndim()).known : ""}`;
    if (key !== this.built) this.#build(source);
    this.built = key;
    this.refresh(description);
    this.wrong.textContent = problem;
    this.wrong.hidden = !problem;
    this.panel.querySelector("input[type=text].expression")?.setAttribute("aria-invalid", String(Boolean(problem)));
    this.picture.element.hidden = Boolean(problem) || source === "table";
    if (!this.picture.element.hidden) this.picture.show(kernelFrom(description, this.ndim()));
  }

  close() {
    this.picture.close();
  }

  // Change the source. One that was never edited takes over the present kernel.
  #choose(source) {
    const description = { ...this.read(), source };
    const kernel = this.#kernel();
    if (kernel && source === "text" && !description.written) description.text = textOf(kernel);
    const key = this.ndim() === 2 ? "table" : "line";
    if (kernel && source === "table" && !description.typed && kernel.taps.shape.every((length) => length <= LARGEST_TABLE)) description[key] = tableOf(kernel);
    this.write(description);
  }

  #kernel() {
    try {
      return kernelFrom(this.read(), this.ndim());
    } catch {
      return null;
    }
  }

  #build(source) {
    const parts = { name: () => this.#buildName(), text: () => this.#buildText(), table: () => this.#buildTable() }[source]();
    this.panel.replaceChildren(...parts);
  }

  #buildName() {
    const options = Object.entries(GROUPS).map(([group, names]) => h("optgroup", { label: group },
      names.filter((name) => NAMED[name].dimensions.includes(this.ndim())).map((name) => h("option", { value: name }, name))));
    const select = h("select", { class: "kernel-name", onchange: () => this.write({ ...this.read(), name: select.value, arguments: {} }) }, options);
    const { known } = namedCall(this.read(), this.ndim());
    const does = h("p", { class: "hint" }, NAMED[known].does, ".");
    const visible = NAMED[known].parameters.filter(({ name }) => name !== "ndim");
    const controls = visible.map((parameter) => this.#parameter(parameter));
    const [first, later] = [controls.filter(({ later: last }) => !last), controls.filter(({ later: last }) => last)];
    const more = later.length ? h("details", {}, h("summary", {}, "More parameters"), later.map(({ element }) => element)) : null;
    const call = h("p", { class: "call" }, h("code", {}));
    this.refresh = (description) => {
      const { known: name, values } = namedCall(description, this.ndim());
      select.value = name;
      for (const control of controls) control.update(values);
      call.firstChild.textContent = this.#kernel()?.text ?? "";
    };
    return [field("Kernel", select), does, ...first.map(({ element }) => element), more, call].filter(Boolean);
  }

  // A number and a slider for one parameter.
  #parameter({ name, kind, min, max, step, later, default: usual, optional }) {
    const whole = kind.startsWith("integer");
    if (name === "axis") return this.#axisParameter(optional);
    const set = (text) => {
      const { arguments: { [name]: _, ...others } = {} } = this.read();
      const value = Number(text);
      const usable = text !== "" && Number.isFinite(value);
      this.write({ ...this.read(), arguments: usable ? { ...others, [name]: whole ? Math.round(value) : value } : others });
    };
    const typed = h("input", { type: "number", min, max, step, onchange: () => {
      set(typed.value);
      update(namedCall(this.read(), this.ndim()).values); // also where nothing changed
    } });
    const dragged = h("input", { type: "range", min, max, step, "aria-label": `${name}, dragged`, oninput: () => set(dragged.value) });
    const element = field(name, typed); // the label is that of the number
    const pair = h("div", { class: "parameter" }, dragged);
    typed.replaceWith(pair);
    pair.append(typed);
    const update = (values) => {
      const value = values[name] ?? usual;
      typed.value = value ?? "";
      typed.placeholder = optional ? "by itself" : "";
      dragged.value = value ?? min;
    };
    return { element, update, later };
  }

  // Along which axis differences are taken: in words, since numbers of axes are easily confused.
  #axisParameter(optional) {
    if (this.ndim() === 1 && !optional) return { element: h("span", { hidden: true }), update: () => {} };
    const choices = this.ndim() === 2 ? [[1, "1: across vertical edges"], [0, "0: across horizontal edges"]] : [[0, "0"]];
    if (optional) choices.unshift(["", "all axes"]);
    const select = h("select", {
      onchange: () => {
        const { arguments: { axis: _, ...others } = {} } = this.read();
        this.write({ ...this.read(), arguments: select.value === "" ? others : { ...others, axis: Number(select.value) } });
      },
    }, choices.map(([value, text]) => h("option", { value }, text)));
    const update = ({ axis }) => { select.value = axis === undefined ? (optional ? "" : this.ndim() - 1) : axis < 0 ? axis + this.ndim() : axis; };
    return { element: field("axis", select), update };
  }

  #buildText() {
    const input = h("input", {
      type: "text", class: "expression", spellcheck: "false", autocomplete: "off",
      onchange: () => this.write({ ...this.read(), text: input.value, written: true }),
    });
    const kinds = this.ndim() === 2 ? "gaussian(2) * sobel(axis=1)" : "[1, 0, -1] * gaussian(2, ndim=1)";
    this.refresh = ({ text }) => { if (input.value !== (text ?? "")) input.value = text ?? ""; };
    return [field("Kernel as an expression", input, `For example ${kinds}. The product of kernels is their convolution.`)];
  }

  #buildTable() {
    const key = this.ndim() === 2 ? "table" : "line";
    const table = new TapTable((taps) => this.write({ ...this.read(), [key]: taps, typed: true }));
    this.refresh = (description) => { if (description[key]?.taps && this.#kernel()) table.show(description[key], this.ndim()); };
    const again = button("Take the taps from the name", () => {
      const kernel = kernelFrom({ ...this.read(), source: "name" }, this.ndim());
      if (kernel.taps.shape.every((length) => length <= LARGEST_TABLE)) this.write({ ...this.read(), [key]: tableOf(kernel), typed: false });
    });
    return [table.element, again];
  }
}

// A kernel as an expression.
export function textOf(kernel) {
  if (kernel.text) return kernel.text;
  const { taps, origin } = tableOf(kernel);
  return `kernel(${JSON.stringify(taps).replaceAll(",", ", ")}, origin=${origin.length === 1 ? origin[0] : `(${origin.join(", ")})`})`;
}

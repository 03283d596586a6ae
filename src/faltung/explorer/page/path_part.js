// How does noise become a picture? Step by step along the velocity that a network has learned.

import { NdArray, sizeOf } from "./array.js";
import { choice, numeric } from "./controls.js";
import { format, h } from "./dom.js";
import { LineChart } from "./line_chart.js";
import { MapView } from "./map_view.js";
import { watchOf } from "./run_watch.js";
import { Scrubber } from "./scrubber.js";

const ASKED = ["learning.generator", "learning.label", "learning.seed", "learning.steps", "learning.guidance"];

export function mountPath(place, app) {
  const watch = watchOf(app.host);
  const shown = h("div", {});
  place.append(shown);
  const show = () => {
    if (shown.dataset.ready || !watch.generator) {
      if (!watch.generator) shown.replaceChildren(withoutGenerator(watch));
      return;
    }
    shown.dataset.ready = "yes";
    shown.replaceChildren();
    new PathPart(shown, app, watch.generator);
  };
  show();
  app.whileShown(() => watch.follow(show));
}

function withoutGenerator(watch) {
  const coming = watch.run?.task === "generate" && watch.run.status !== "finished";
  if (coming) return h("p", { class: "status" }, "The generator is still being trained. This opens when it is.");
  return h("div", { class: "empty" },
    h("p", {}, watch.run ? "This run has no generator. This makes one:" : "There is no generator yet. This makes one:"),
    h("pre", {}, "faltung learn --task generate --out runs/clothes\nfaltung explore runs/clothes"));
}

class PathPart {
  constructor(place, app, generator) {
    Object.assign(this, { app, generator, path: null, asked: "" });
    const { store } = app;
    const Panel = generator.shape.length === 2 ? SeriesPanel : PicturePanel;
    this.panels = ["The point on its path", "Where it is heading: the end of a straight line"].map((title) => new Panel(app, title));
    this.strip = h("div", { class: "strip", role: "group", "aria-label": "All steps" });
    this.problem = h("p", { class: "wrong", role: "alert", hidden: true });
    this.scrubber = new Scrubber(app, {
      label: "Step", count: () => this.#count, index: () => this.step, pace: 3, go: (step) => store.set({ "learning.time": step }),
      say: (step) => `step ${step} of ${this.#count - 1}: time ${(step / Math.max(1, this.#count - 1)).toFixed(2)}`,
    });
    place.append(
      h("p", { class: "lead" }, "The network has learned a velocity for each picture, time and class. Noise follows it from time 0 to 1, and becomes a picture of the class. ",
        "At first it heads for a blurred mean; details come with the steps."),
      h("div", { class: "row controls" }, this.#controls()), this.problem, this.scrubber.element,
      h("div", { class: "pair" }, this.panels.map(({ element }) => element)), this.strip);
    app.untilClosed(store.on(ASKED, () => this.#ask()));
    app.untilClosed(store.on(["learning.time"], () => this.show()));
    this.#ask();
  }

  #controls() {
    const { app, generator } = this;
    const names = generator.networks.map((name) => [name, name === "model" ? "convolutional (the model)" : name]);
    const live = app.host.live;
    return [
      choice(app, "learning.label", "Class", generator.classes.map((name, index) => [index, name])),
      names.length > 1 && choice(app, "learning.generator", "Network", names),
      live && numeric(app, "learning.seed", "Seed of the noise", { min: 0, max: 2 ** 32 - 1 }),
      live && numeric(app, "learning.steps", "Steps", { min: 1, max: 64 }),
      live && numeric(app, "learning.guidance", "Guidance", { min: 0, max: 10, step: 0.1, hint: "more: more typical" }),
      !live && h("p", { class: "hint" }, `Saved with seed ${generator.seed} and ${generator.steps} steps. With Python, all can be changed.`),
    ].filter(Boolean);
  }

  get #count() {
    return this.path ? this.path.points.shape[0] : 1;
  }

  // The step that is shown: the last one, until another one is picked.
  get step() {
    const picked = this.app.store.get("learning.time");
    return picked < 0 ? this.#count - 1 : Math.min(Math.round(picked), this.#count - 1);
  }

  async #ask() {
    const { store, host } = this.app;
    const [network, label, seed, steps, guidance] = ASKED.map((key) => store.get(key));
    const question = { network, label: Number(label), seed, steps, guidance };
    this.asked = JSON.stringify(question);
    const mine = this.asked;
    let problem = "";
    try {
      const path = await host.ask("path", question);
      if (mine !== this.asked) return; // another one was asked since
      this.path = path;
    } catch (error) {
      if (mine !== this.asked) return;
      problem = error.message;
    }
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
    if (problem || !this.path) return;
    this.#drawStrip();
    this.show();
  }

  show() {
    if (!this.path) return;
    const step = this.step;
    this.scrubber.update();
    [this.path.points, this.path.ends].forEach((points, index) => this.panels[index].show(points, step));
    [...this.strip.children].forEach((element, index) => element.setAttribute("aria-pressed", String(index === step)));
    const name = this.generator.classes[this.app.store.get("learning.label")] ?? "";
    this.app.announce(step === 0 ? `Noise: every sample is drawn at random.` : `Step ${step} of ${this.#count - 1} from noise to: ${name}.`);
  }

  #drawStrip() {
    this.strip.replaceChildren(...Array.from({ length: this.#count }, (_, step) => {
      const [plane] = planesAt(this.path.points, step);
      const canvas = h("canvas", { width: plane.shape[1], height: plane.shape[0] });
      const context = canvas.getContext("2d");
      context.putImageData(picture(planesAt(this.path.points, step), rangeOf(this.path.points)), 0, 0);
      return h("button", { type: "button", class: "tile", "aria-label": `Step ${step}`, onclick: () => this.app.store.set({ "learning.time": step }) },
        canvas, h("small", {}, step));
    }));
  }
}

// A point that is a picture.
class PicturePanel {
  constructor(app, title) {
    this.title = title;
    this.map = new MapView({ label: title, height: 300 });
    this.element = h("section", {}, h("h3", {}, title), this.map.element);
    app.untilClosed(() => this.map.close());
  }

  show(points, step) {
    const channels = planesAt(points, step);
    const range = rangeOf(points);
    this.map.show(channels.length === 3 ? channels : channels[0], { scale: "gray", range });
    this.map.label = `${this.title}, step ${step} of ${points.shape[0] - 1}`;
    this.map.caption.textContent = `${channels.length === 3 ? "Each colour" : "Gray"}: ${range.map((limit) => format(limit)).join(" to ")}`;
  }
}

// A point that is a series.
class SeriesPanel {
  constructor(app, title) {
    this.chart = new LineChart(app, { label: title, across: "Sample", up: "Value", logarithmic: false });
    this.element = h("section", {}, h("h3", {}, title), this.chart.element);
  }

  show(points, step) {
    const [, channels, length] = points.shape;
    const lines = Array.from({ length: channels }, (_, channel) => ({
      name: `channel ${channel + 1}`, kind: channel,
      points: Array.from({ length }, (_unused, place) => [place, points.data[(step * channels + channel) * length + place]]),
    }));
    this.chart.show({ lines, range: [0, length - 1], text: `step ${step} of ${points.shape[0] - 1}` });
  }
}

// The channels of one point, as arrays of rows and columns; of a volume the middle slice, of a series one row.
function planesAt(points, step) {
  const [, channels, ...spatial] = points.shape;
  const size = sizeOf(spatial);
  const shape = spatial.length === 1 ? [1, spatial[0]] : spatial.slice(-2);
  const skip = spatial.length === 3 ? (spatial[0] >> 1) * shape[0] * shape[1] : 0;
  return Array.from({ length: channels === 3 ? 3 : 1 }, (_, channel) => {
    const start = (step * channels + channel) * size + skip;
    return new NdArray(shape, Float64Array.from(points.data.subarray(start, start + shape[0] * shape[1])));
  });
}

// Intensities go from 0 to 255; other samples as far as those of the last point do.
function rangeOf(points) {
  if (points.data instanceof Uint8Array) return [0, 255];
  const last = points.data.subarray(points.data.length - points.data.length / points.shape[0]);
  return [last.reduce((a, b) => Math.min(a, b)), last.reduce((a, b) => Math.max(a, b))];
}

function picture(planes, [low, high]) {
  const [rows, columns] = planes[0].shape;
  const image = new ImageData(columns, rows);
  for (let place = 0; place < rows * columns; place += 1) {
    for (let part = 0; part < 3; part += 1) {
      image.data[4 * place + part] = (255 * (planes[part % planes.length].data[place] - low)) / (high - low || 1);
    }
    image.data[4 * place + 3] = 255;
  }
  return image;
}

// How does a network learn? The curves of a run, its filters epoch by epoch, and what all networks reached.

import { complain, complaint, format, h, setNumber } from "./dom.js";
import { FilterFrames } from "./filter_frames.js";
import { LineChart } from "./line_chart.js";
import { resultsTable } from "./run_results.js";
import { watchOf } from "./run_watch.js";
import { Scrubber } from "./scrubber.js";

const MEASURES = [["training_risk", "Training risk"], ["validation_risk", "Validation risk"], ["training_accuracy", "Training accuracy"], ["validation_accuracy", "Validation accuracy"]];

export function mountHistory(place, app) {
  const watch = watchOf(app.host);
  if (!watch.exists) place.append(withoutRun());
  else new HistoryPart(place, app, watch);
}

function withoutRun() {
  return h("div", { class: "empty" },
    h("p", {}, "There is no run yet. This makes one in about a minute, and shows it while it learns:"),
    h("pre", {}, "faltung learn --out runs/first &\nfaltung explore runs/first"),
    h("p", {}, "With pictures of your own in a folder for each class: ", h("code", {}, "faltung learn photos/ --out runs/photos"), "."));
}

class HistoryPart {
  constructor(place, app, watch) {
    Object.assign(this, { app, watch });
    this.status = h("p", { class: "status", role: "status" });
    this.problem = complaint();
    this.progress = h("div", { class: "progress-list" });
    const pick = (epoch) => app.store.set({ "learning.epoch": epoch });
    this.charts = [["risk", "Risk (mean loss)", false], ["accuracy", "Accuracy", true]].map(([measure, up, percent]) => ({
      measure, chart: new LineChart(app, {
        label: `${up} by epoch. Arrow keys move the cursor.`, across: "Epoch", up, percent,
        logarithmic: percent ? false : undefined, note: "solid: validation, dashed: training", onpick: pick,
      }),
    }));
    this.scrubber = new Scrubber(app, {
      label: "Epoch", count: () => this.last + 1, index: () => this.epoch, go: pick,
      say: (epoch) => (epoch === 0 ? "before training" : `epoch ${epoch} of ${this.last}`),
    });
    this.readout = h("div", { class: "scroll" });
    this.frames = new FilterFrames({ onpick: (tile) => app.store.set({ "learning.tile": tile }) });
    this.framesPlace = h("div", {});
    this.results = h("div", { class: "scroll" });
    place.append(this.status, this.problem, this.progress,
      h("p", { class: "lead" }, "Training makes the risk small: the mean loss over the training samples. Validation samples were not trained on. ",
        "Move along the curves, or press Play: filters and numbers follow."),
      h("div", { class: "charts" }, this.charts.map(({ chart }) => chart.element)), this.scrubber.element,
      h("div", { class: "columns" }, h("section", {}, h("h3", {}, "The filters of the first layer"), this.framesPlace),
        h("section", {}, h("h3", {}, "The networks at this epoch"), this.readout)),
      h("section", {}, h("h3", {}, "What they reached, and with how many parameters"), this.results));
    app.untilClosed(app.store.on(["learning.epoch", "learning.tile"], () => this.#showEpoch()));
    this.show();
    app.whileShown(() => watch.follow(() => this.show()));
  }

  // The last epoch that any network has come to.
  get last() {
    return Math.max(0, ...this.watch.records.map(({ epoch }) => epoch), ...(this.watch.filters?.epochs ?? []));
  }

  // The epoch that is shown: the last one, until another one is picked.
  get epoch() {
    const picked = this.app.store.get("learning.epoch");
    return picked < 0 ? this.last : Math.min(Math.round(picked), this.last);
  }

  show() {
    const { run, problem } = this.watch;
    complain(this.problem, problem);
    this.status.textContent = run ? sentence(run, this.watch) : "";
    this.progress.replaceChildren(...(run && run.status !== "finished" ? this.#bars() : []));
    this.results.replaceChildren(resultsTable(this.watch));
    this.#showEpoch();
  }

  #bars() {
    return this.watch.networks.map((network) => {
      const done = this.watch.of(network).at(-1)?.epoch ?? 0;
      const all = this.watch.run.planned[network] ?? done;
      return h("label", { class: "progress" }, h("span", {}, network), h("progress", { max: all || 1, value: done }), h("span", {}, `${done} of ${all} epochs`));
    });
  }

  #showEpoch() {
    const epoch = this.epoch;
    for (const { measure, chart } of this.charts) {
      const lines = this.#lines(measure);
      chart.element.hidden = lines.length === 0;
      const said = lines.map(({ name, part, points }) => [`${name}, ${part}`, points.find(([x]) => x === epoch)]).filter(([, point]) => point)
        .map(([name, [, value]]) => `${name} ${format(value)}`);
      chart.show({ lines, range: [1, Math.max(2, this.last, ...Object.values(this.watch.run?.planned ?? {}))], cursor: epoch || null, text: `epoch ${epoch}: ${said.join(", ")}` });
    }
    this.scrubber.update();
    this.#showReadout(epoch);
    this.#showFilters(epoch);
  }

  #lines(measure) {
    return this.watch.networks.flatMap((network, kind) => ["training", "validation"].map((part) => ({
      name: network, part, kind, dashed: part === "training",
      points: this.watch.of(network).filter(({ measures }) => `${part}_${measure}` in measures).map(({ epoch, measures }) => [epoch, measures[`${part}_${measure}`]]),
    }))).filter(({ points }) => points.length);
  }

  #showReadout(epoch) {
    const known = MEASURES.filter(([key]) => this.watch.records.some(({ measures }) => key in measures));
    const rows = this.watch.networks.map((network) => {
      const record = this.watch.of(network).find((each) => each.epoch === epoch);
      return h("tr", {}, h("th", { scope: "row" }, network), known.map(([key]) => cell(record?.measures[key], key.endsWith("accuracy"))));
    });
    this.readout.replaceChildren(h("table", { class: "readout" }, h("caption", {}, epoch ? `Epoch ${epoch}` : "Before training nothing was measured"),
      h("thead", {}, h("tr", {}, h("td", {}), known.map(([, title]) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows)));
    this.app.announce(epoch ? `Epoch ${epoch}. ${this.#said(epoch)}` : "Before training.");
  }

  #said(epoch) {
    return this.watch.networks.map((network) => [network, this.watch.of(network).find((each) => each.epoch === epoch)?.measures])
      .filter(([, measures]) => measures)
      .map(([network, measures]) => `${network}: ${"validation_accuracy" in measures ? `${format(100 * measures.validation_accuracy)} % of the validation samples` : `validation risk ${format(measures.validation_risk)}`}`)
      .join("; ");
  }

  #showFilters(epoch) {
    const { filters, frames, shape, run } = this.watch;
    if (filters?.epochs && frames.size) {
      this.frames.show({ frames, shape, epoch, tile: this.app.store.get("learning.tile"), total: filters.total });
      if (this.framesPlace.firstChild !== this.frames.element) this.framesPlace.replaceChildren(this.frames.element);
      return;
    }
    const why = filters?.problem ?? (run?.status === "running" ? "They come with the first epoch."
      : "This run has not kept its filters of each epoch. Runs of this version of faltung do.");
    this.framesPlace.replaceChildren(h("p", { class: filters?.problem ? "wrong" : "" }, why));
  }
}

function cell(value, percent) {
  const element = h("td", {}, "–");
  if (value === undefined) return element;
  setNumber(element, value);
  if (percent) element.textContent = `${(100 * value).toFixed(1)} %`;
  return element;
}

function sentence(run, watch) {
  const { network, epoch } = watch.records.at(-1) ?? {};
  const come = network ? `${network}, epoch ${epoch} of ${run.planned[network] ?? epoch}` : "no epoch yet";
  if (run.status === "finished") return `${run.name} has finished.`;
  if (run.status === "running") return `${run.name} is learning: ${come}${run.left ? `; about ${run.left} left` : ""}. This page follows.`;
  return `${run.name} was stopped: ${come}. Continue it in a terminal with faltung learn --resume and its folder.`;
}

// How far has a run come? What Python reads from its folder, asked again while the run goes on and someone looks.

import { sizeOf } from "./array.js";

const SOON = 1000; // milliseconds to the next question while a run goes on
const LATER = 2000; // while it does not: it may be continued

const watches = new WeakMap(); // of each host, so that nothing is asked twice

export function watchOf(host) {
  if (!watches.has(host)) watches.set(host, new RunWatch(host));
  return watches.get(host);
}

class RunWatch {
  constructor(host) {
    this.host = host;
    this.records = [];
    this.frames = new Map(); // the first filters, by epoch
    this.filters = null; // what is known of them: network, layer, total, epochs, or a problem
    this.run = null;
    this.generator = null;
    this.problem = "";
    this.#take(host.content.learning ?? {});
  }

  // Whether the page shows a run at all.
  get exists() {
    return Boolean(this.run || this.problem);
  }

  // The records of a network, by epoch.
  of(network) {
    return this.records.filter((record) => record.network === network);
  }

  get networks() {
    return [...new Set([...Object.keys(this.run?.planned ?? {}), ...this.records.map(({ network }) => network)])];
  }

  // Ask until the run has finished; `changed()` is called after each answer. Returns how to stop.
  follow(changed) {
    let timer = 0;
    let stopped = false;
    const next = () => {
      clearTimeout(timer);
      if (stopped || document.hidden || this.run?.status === "finished") return;
      timer = setTimeout(ask, this.run?.status === "running" && !this.problem ? SOON : LATER);
    };
    const ask = async () => {
      const before = this.#state();
      try {
        const answer = await this.host.ask("history", { rows: this.records.length, epoch: this.filters?.epochs?.at(-1) ?? -1 });
        this.#take(answer);
      } catch (error) {
        this.problem = error.message;
      }
      if (!stopped && before !== this.#state()) changed();
      next();
    };
    const look = () => (document.hidden ? clearTimeout(timer) : next());
    if (this.host.live && this.exists) {
      document.addEventListener("visibilitychange", look);
      next();
    }
    return () => {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }

  #state() {
    return JSON.stringify([this.run, this.problem, this.generator, this.records.length, this.filters?.problem, this.filters?.epochs]);
  }

  #take({ run, generator, problem }) {
    this.problem = problem ?? "";
    this.generator = generator ?? null;
    if (!run) return;
    const { records, first, filters, ...others } = run;
    this.run = others;
    this.records.splice(first, Infinity, ...records);
    this.filters = filters;
    if (!filters?.epochs) return;
    const { taps } = filters;
    const size = sizeOf(taps.shape.slice(1));
    filters.new.forEach((epoch, index) => this.frames.set(epoch, taps.data.subarray(index * size, (index + 1) * size)));
    this.shape = taps.shape.slice(1);
    for (const epoch of [...this.frames.keys()]) if (!filters.epochs.includes(epoch)) this.frames.delete(epoch);
  }
}

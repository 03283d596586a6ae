// Network: what does a network do with an input? Its layers, one map, one number: three levels, and no place is lost.

import { choice, segmented } from "./controls.js";
import { format, grouped, h, trueMinus } from "./dom.js";
import { fieldBox, fieldSentence, reachBox, times } from "./field_words.js";
import { frameAt } from "./map_view.js";
import { ChannelPanel } from "./network_channel.js";
import { NetworkData } from "./network_data.js";
import { InputPanel, withCode } from "./network_input.js";
import { patchList } from "./network_patches.js";
import { LayerRows } from "./network_rows.js";

export const NETWORK_STATE = {
  "network.sample": 0,
  "network.shift": [],
  "network.fill": "zero",
  "network.layer": -1, // -1: all layers
  "network.channel": 0,
  "network.position": [], // [] : none is kept
  "network.which": "all",
  "network.scale": "map",
};

const LATER = 3000; // milliseconds to the next question about a network that is not there yet
const INPUT_KEYS = ["network.sample", "network.shift", "network.fill"];
const MISSING = "Networks need torch, which is not installed. Install it with `pip install \"faltung[learn]\"`, and open this page again.";

export function mountNetwork(place, app) {
  if (app.host.content.network?.missing) place.append(h("p", {}, withCode(MISSING)));
  else new NetworkView(place, app).start();
}

class NetworkView {
  constructor(place, app) {
    Object.assign(this, { place, app, own: null, forward: null, last: null });
    this.status = h("p", { class: "hint", role: "status" }, "The network is loaded …");
    place.append(this.status);
    app.untilClosed(() => { this.closed = true; });
  }

  async start() {
    const { app, place } = this;
    if (!await this.#ready()) return;
    this.lengths = this.overview.shape.slice(1);
    this.input = new InputPanel(app, this.overview, {
      onhover: (position) => this.#hoverInput(position), onpick: (position) => this.#pickInput(position), onown: (pixels) => this.#takeOwn(pixels),
    });
    this.rows = new LayerRows({ onpick: (layer, channel) => this.open(layer, channel), onhover: (...given) => this.#hoverMap(...given) });
    this.channel = new ChannelPanel(app, {
      open: (layer, channel) => this.open(layer, channel), pin: (position) => app.store.set({ "network.position": position }),
      mark: (boxes) => this.input.mark(boxes), choose: (sample) => this.#choose(sample),
    });
    this.#build(place);
    for (const part of [this.input, this.rows, this.channel]) app.untilClosed(() => part.close());
    app.untilClosed(app.store.on(["view"], () => this.run && app.store.get("view") === "network" && this.#follow()));
    app.untilClosed(app.store.on(["network."], (changed) => this.#change(changed)));
    await this.#load();
  }

  // Wait for what Python says of the network; of a run, which may go on, ask until it is there.
  async #ready() {
    const { host } = this.app;
    const patient = host.live && host.content.network?.kind === "run";
    do {
      if (this.#isSeen()) {
        try {
          const found = await host.ask("network.overview", {});
          if (!found.waiting) this.overview = found;
          this.status.textContent = found.waiting ?? "The network is loaded …";
          this.status.classList.remove("wrong");
        } catch (error) {
          this.#fail(error);
        }
      }
      if (!this.overview && patient) await new Promise((resolve) => { setTimeout(resolve, LATER); });
    } while (!this.overview && patient && !this.closed);
    return this.overview && !this.closed;
  }

  #isSeen() {
    return !document.hidden && this.place.offsetParent !== null;
  }

  // Go to a map.
  open(layer, channel) {
    if (layer < 0) return;
    this.forward = null;
    this.app.store.set({ "network.layer": layer, "network.channel": channel, "network.position": [] });
  }

  // Take a sample as the input, as it is.
  #choose(sample) {
    this.#takeOwn(null);
    this.app.store.set({ "network.sample": sample, "network.shift": [] });
  }

  #build(place) {
    this.crumbs = h("nav", { "aria-label": "Where you are", class: "crumbs" });
    this.depth = h("details", { class: "depth" }, h("summary", {}, "Patterns by depth: which parts of samples excite the layers"), h("div", {}));
    this.depth.addEventListener("toggle", () => this.depth.open && this.#showDepth());
    this.whole = h("div", {}, this.#heading(), this.depth, this.rows.element);
    place.replaceChildren(h("div", { class: "network" }, this.input.element,
      h("div", { class: "network-main" }, this.crumbs, this.status, this.whole, this.channel.element)));
    place.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.app.store.get("network.layer") >= 0) {
        event.preventDefault();
        this.#back();
      }
    });
  }

  #heading() {
    this.total = h("p", {});
    return h("div", {}, h("h2", {}, this.overview.title), this.overview.note && h("p", { class: "hint" }, withCode(this.overview.note)), this.total,
      h("div", { class: "row" }, choice(this.app, "network.which", "Layers", [["all", "All operations"], ["main", "Without norms and activations"]]),
        segmented(this.app, "network.scale", "Colours of maps", [["map", "Each map its own range"], ["layer", "One range for a layer"]])));
  }

  #state() {
    const { store } = this.app;
    const shift = store.get("network.shift");
    const fits = shift.length === this.overview.axes && shift.every(Number.isInteger);
    return { sample: store.get("network.sample"), shift: fits ? shift : new Array(this.overview.axes).fill(0), fill: store.get("network.fill") };
  }

  // Run the network on the input that the state names. What is slow is left behind by what was asked later.
  async #load() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.#runOnce();
      } while (this.again);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.busy = false;
    }
  }

  async #runOnce() {
    const input = this.#state();
    const moved = input.shift.some(Boolean);
    const data = new NetworkData(this.app.host, moved ? input : { ...input, fill: "zero" }, this.own);
    const [run, compared] = await Promise.all([data.run, moved ? data.compared : null]);
    this.data = data;
    this.run = run;
    this.status.textContent = run.notes.join(" ");
    this.status.classList.remove("wrong");
    this.input.show(compared?.still ?? run.input, run.probabilities, compared?.before);
    this.#showRows();
    this.rows.compare(compared?.layers ?? null);
    if (compared) this.#tellMoved(input, compared);
    else if (this.input.view) this.input.say(`Point at a sample: frames show which values it reaches. Click: they are counted.${this.input.movable ? " Drag the input, or press the arrow keys on one of the buttons above, to move it." : ""}`);
    this.#showLevel();
  }

  #fail(error) {
    this.status.textContent = error.message;
    this.status.classList.add("wrong");
  }

  #tellMoved({ shift }, { layers, before, after }) {
    const spatial = layers.filter(({ moved, difference }) => moved && difference !== null);
    const following = spatial.filter(({ difference, inside }) => (inside ?? difference) < 1e-3).length;
    const change = before && after ? ` The probability of the top class went from ${format(Math.max(...before.data))} to ${format(after.data[before.data.indexOf(Math.max(...before.data))])}.` : "";
    this.input.say(`Moved by (${trueMinus(shift.join(", "))}). ${following} of ${spatial.length} layers with positions follow, away from the border.${change}`);
  }

  #showRows() {
    const { layers } = this.run;
    const { parameters, multiplyAdds: work } = this.run;
    const last = [...layers].reverse().find(({ shape, field }) => field && field !== "nothing" && shape.slice(1).some((length) => length > 1));
    this.total.textContent = `${layers.length} operations, ${grouped(parameters)} parameters, ${grouped(work)} multiply-adds. ${last ? `Layer ${layers.indexOf(last) + 1} is the last one with positions: ${fieldSentence(last, this.lengths).replace("of this layer", "of it").replace("One", "one")}` : ""} Click a map to see how it is made.`;
    this.rows.show(layers, this.data, { scaling: this.app.store.get("network.scale"), which: this.app.store.get("network.which") });
  }

  #change(changed) {
    const any = (keys) => keys.some((key) => changed.has(key));
    if (any(INPUT_KEYS)) {
      if (changed.has("network.sample")) this.own = null;
      this.#load();
    }
    if (!this.run) return;
    if (any(["network.which", "network.scale"])) this.#showRows();
    if (any(["network.layer", "network.channel"])) {
      this.#showLevel();
      this.#follow();
    } else if (changed.has("network.position")) {
      this.#showCrumbs();
      this.channel.pin(this.app.store.get("network.position"));
    }
  }

  // A network that learned since it ran is run again.
  async #follow() {
    if (!this.app.host.live) return;
    const { bits } = await this.app.host.ask("network.overview", {}).catch(() => this.run);
    if (bits && bits !== this.run.bits) this.#load();
  }

  get #at() {
    const { store } = this.app;
    const layer = Math.min(store.get("network.layer"), this.run.layers.length - 1);
    const channel = layer < 0 ? 0 : Math.min(Math.max(0, store.get("network.channel")), this.run.layers[layer].shape[0] - 1);
    return { layer, channel, position: store.get("network.position") };
  }

  #showLevel() {
    const { layer, channel } = this.#at;
    const inside = layer >= 0;
    if (!inside && this.last) this.#returnTo(this.last);
    else if (inside && !this.whole.hidden) this.scroll = this.place.ownerDocument.scrollingElement?.scrollTop;
    this.whole.hidden = inside;
    this.channel.element.hidden = !inside;
    this.#showCrumbs();
    if (!inside) return;
    const entered = !this.last;
    this.last = { layer, channel };
    this.channel.show({ run: this.run, data: this.data, lengths: this.lengths, classes: this.overview.classes, live: this.app.host.live }, layer, channel);
    if (entered) {
      if (this.place.getBoundingClientRect().top < 0) this.place.scrollIntoView({ block: "start" });
      this.channel.title.focus({ preventScroll: true });
    }
  }

  // Back at all layers, one is where one left.
  #returnTo({ layer, channel }) {
    this.last = null;
    this.whole.hidden = false;
    this.channel.element.hidden = true;
    this.input.mark([]);
    if (this.scroll !== undefined) this.place.ownerDocument.scrollingElement.scrollTop = this.scroll;
    this.rows.focus(layer, channel);
  }

  #back() {
    const { layer, channel, position } = this.#at;
    this.forward = { "network.layer": layer, "network.channel": channel, "network.position": position };
    this.app.store.set(position.length ? { "network.position": [] } : { "network.layer": -1 });
  }

  #showCrumbs() {
    const { layer, channel, position } = this.#at;
    const to = (text, patch, current) => h("button", { type: "button", disabled: current, "aria-current": current ? "page" : null, onclick: () => {
      this.forward = { "network.layer": layer, "network.channel": channel, "network.position": position };
      this.app.store.set(patch);
    } }, text);
    const parts = [to("Network", { "network.layer": -1, "network.position": [] }, layer < 0)];
    if (layer >= 0) parts.push(to(`${layer + 1} ${named(this.run.layers[layer])}, channel ${channel}`, { "network.position": [] }, !position.length));
    if (layer >= 0 && position.length) parts.push(to(`(${position.join(", ")})`, {}, true));
    const forward = h("button", { type: "button", disabled: !this.forward, onclick: () => {
      this.app.store.set(this.forward);
      this.forward = null;
    } }, "Forward");
    const back = h("button", { type: "button", disabled: layer < 0, onclick: () => this.#back(), title: "Escape" }, "Back");
    this.crumbs.replaceChildren(...parts.flatMap((part, index) => (index ? [h("span", { "aria-hidden": "true" }, "›"), part] : [part])), h("span", { class: "gap" }), back, forward);
  }

  #hoverMap(layer, channel, position) {
    const found = this.run.layers[layer];
    const box = position && fieldBox(found, position, this.lengths);
    this.input.mark(box ? [{ start: box.start.slice(-2), stop: box.stop.slice(-2), kind: "field" }] : []);
    if (position) this.app.announce(fieldSentence(found, this.lengths) || `${found.kind}: click, and the field of a value is followed.`);
  }

  #hoverInput(position) {
    if (!this.run) return;
    this.rows.reach(position);
    if (!position) return;
    this.input.mark([frameAt(position, "reach")]);
    const { layer } = this.#at;
    const found = layer >= 0 && reachBox(this.run.layers[layer], position);
    const here = found ? ` In this layer it reaches ${times(found.stop.map((end, axis) => end - found.start[axis]))} values.` : " The frames show which values it reaches in each layer.";
    this.app.announce(`The sample at (${position.join(", ")}).${here}`);
  }

  async #pickInput(position) {
    if (!this.app.host.live) return;
    try {
      const reached = await this.data.reach(position);
      this.rows.rows.forEach((row, number) => {
        const { count, all } = reached[number];
        row.follows.textContent = `the sample (${position.join(", ")}) reaches ${grouped(count)} of ${grouped(all)} ${row.layer.shape.length > 1 ? "positions" : "numbers"}`;
      });
      const { layer } = this.#at;
      const where = layer >= 0 ? `${reached[layer].count} of ${reached[layer].all} positions of this layer` : "the values that each row says now";
      this.input.say(`The sample at (${position.join(", ")}) reaches ${where}.`);
    } catch (error) {
      this.input.say(error.message);
    }
  }

  async #takeOwn(pixels) {
    if (!pixels) {
      if (this.own) {
        this.own = null;
        this.#load();
      }
      return;
    }
    try {
      this.own = await this.app.host.ask("network.own", { pixels });
      await this.#load();
      this.app.announce("The network ran on your image.");
    } catch (error) {
      this.app.announce(error.message);
    }
  }

  async #showDepth() {
    const body = this.depth.lastChild;
    if (body.childNodes.length) return;
    body.replaceChildren(h("p", { class: "hint" }, "Python looks for them …"));
    try {
      const rows = await this.app.host.ask("network.depth", {});
      body.replaceChildren(h("table", { class: "by-depth" }, h("caption", {}, "For layers of every depth, the channels that vary most; each with the parts of samples that excite it most"),
        h("tbody", {}, rows.map(({ layer, channels }) => h("tr", {}, h("th", { scope: "row" }, `${layer + 1} ${this.run.layers[layer].kind}`, h("br"), h("small", {}, fieldSentence(this.run.layers[layer], this.lengths))),
          channels.map(({ channel, patches }) => h("td", {}, h("button", { type: "button", onclick: () => this.open(layer, channel) }, `channel ${channel}`),
            patchList(patches, { onsample: (sample) => this.#choose(sample), disabled: !this.app.host.live, size: 44 }))))))));
    } catch (error) {
      body.replaceChildren(h("p", { class: "wrong" }, error.message));
    }
  }
}

function named({ kind, name }) {
  return name === kind ? kind : `${kind} ${name}`;
}

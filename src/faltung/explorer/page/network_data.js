// What is known of a network and of its run on one input? Asked once, kept, and given again.

// Answers by what was asked. Arguments stand in the order in which a saved page has them.
export class NetworkData {
  constructor(host, input, own) {
    this.host = host;
    this.input = { sample: input.sample, own: own ?? "", shift: input.shift, fill: input.fill };
    this.kept = new Map();
  }

  get run() {
    return this.#ask("network.run", { input: this.input });
  }

  get compared() {
    return this.#ask("network.compared", { input: this.input });
  }

  maps(layer, first, count) {
    return this.#ask("network.maps", { input: this.input, layer, first, count });
  }

  tensor(tensor) {
    return this.#ask("network.tensor", { input: this.input, tensor });
  }

  weights(layer, channel) {
    return this.#ask("network.weights", { input: this.input, layer, channel });
  }

  contributions(layer, channel, position) {
    return this.#ask("network.contributions", { input: this.input, layer, channel, position });
  }

  field(layer, channel, position) {
    return this.#ask("network.field", { input: this.input, layer, channel, position });
  }

  reach(position) {
    return this.#ask("network.reach", { input: this.input, position });
  }

  #ask(question, args) {
    const key = `${question} ${JSON.stringify(args)}`;
    if (!this.kept.has(key)) {
      const promise = this.host.ask(question, args);
      promise.catch(() => this.kept.delete(key));
      this.kept.set(key, promise);
    }
    return this.kept.get(key);
  }
}

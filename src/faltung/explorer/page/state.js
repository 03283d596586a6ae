// What does the page show? One flat state, in the page's address, that every view reads and writes.

export class Store {
  // `defaults`: every key there is, such as "filter.mode", with its first value. Values are JSON.
  constructor(defaults) {
    this.kinds = defaults;
    this.first = defaults;
    this.state = structuredClone(defaults);
    this.listeners = new Set();
    this.changed = new Set();
    this.frame = 0;
    this.failed = (error) => reportError(error); // what is done about an error of a listener; the others still hear of the change
  }

  get(key) {
    if (!(key in this.state)) throw new RangeError(`no state is called ${key}`);
    return this.state[key];
  }

  // Begin with some values in place of the defaults, and then with those of a text as `fromText` takes it: a link says
  // what differs from them. What is refused is returned by name.
  begin(values, text = "") {
    this.set(values);
    this.first = structuredClone(this.state);
    const refused = this.fromText(text);
    this.flush();
    this.first = structuredClone(this.state);
    return refused;
  }

  // Change some values; those who listen hear of it in the next frame, once.
  set(patch) {
    for (const [key, value] of Object.entries(patch)) {
      if (!(key in this.state)) throw new RangeError(`no state is called ${key}`);
      if (JSON.stringify(this.state[key]) !== JSON.stringify(value)) {
        this.state[key] = value;
        this.changed.add(key);
      }
    }
    if (this.changed.size && !this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  // Call `listener(changed keys)` after changes of the keys that begin with one of `prefixes`. Returns how to stop.
  on(prefixes, listener) {
    const entry = { prefixes, listener };
    this.listeners.add(entry);
    return () => this.listeners.delete(entry);
  }

  // Tell the listeners now.
  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const changed = this.changed;
    this.changed = new Set();
    for (const { prefixes, listener } of [...this.listeners]) {
      const heard = new Set([...changed].filter((key) => prefixes.some((prefix) => key.startsWith(prefix))));
      try {
        if (heard.size) listener(heard);
      } catch (error) {
        this.failed(error);
      }
    }
  }

  // What differs from the first values, as text for an address.
  toText() {
    const parts = [];
    for (const [key, value] of Object.entries(this.state)) {
      if (JSON.stringify(value) !== JSON.stringify(this.first[key])) {
        parts.push(`${key}=${encodeURIComponent(typeof value === "string" ? value : JSON.stringify(value))}`);
      }
    }
    return parts.join("&");
  }

  // Take over what `toText` wrote. What is not a state, or of another type, is left out and returned by name.
  fromText(text) {
    return this.#take(text.split("&").filter(Boolean).map((part) => {
      const [key, raw] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
      return [key || part, Object.hasOwn(this.kinds, key) ? readLike(this.kinds[key], raw) : undefined];
    }));
  }

  // Take over values by name, such as those of a saved state; like `fromText`.
  fromValues(values) {
    return this.#take(Object.entries(values).map(([key, value]) => [key, Object.hasOwn(this.kinds, key) && isLike(this.kinds[key], value) ? value : undefined]));
  }

  #take(entries) {
    const state = structuredClone(this.first);
    for (const [key, value] of entries) if (value !== undefined) state[key] = value;
    this.set(state);
    return entries.filter(([, value]) => value === undefined).map(([key]) => key);
  }
}

// The value that `raw` says, if it is of the same type as `example`; undefined otherwise. A default of null allows any.
function readLike(example, raw) {
  let text;
  try {
    text = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  if (typeof example === "string") return text;
  try {
    const value = JSON.parse(text);
    return isLike(example, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLike(example, value) {
  return example === null || (value !== null && typeof value === typeof example && Array.isArray(value) === Array.isArray(example));
}

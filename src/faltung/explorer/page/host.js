// Who answers what the page cannot compute? Python, behind anywidget's model: in a notebook, over a local server, or stored in a file.

import { pack, unpack } from "./packed.js";

export class Host {
  // `model`: get, set, save_changes, send, on and off, as anywidget gives it. Its traits `content` and `data` hold what
  // Python was given, and `host` is "notebook", "server" or "file".
  constructor(model) {
    this.model = model;
    this.kind = model.get("host");
    this.version = model.get("version");
    this.name = Math.random().toString(36).slice(2); // all views of one widget hear all answers
    this.content = unpack(model.get("content"), model.get("data"));
    this.waiting = new Map();
    this.last = 0;
    this.receive = (message, buffers) => this.#settle(message, buffers);
    model.on("msg:custom", this.receive);
  }

  // Whether Python is there to compute; a file has only stored answers.
  get live() {
    return this.kind !== "file";
  }

  // The answer to a question (its name and its arguments, as Python's `PageSubject.questions` has them). Rejects with an
  // error whose message can be shown.
  ask(question, args = {}) {
    const id = `${this.name}-${++this.last}`;
    const [packed, bytes] = pack(args);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      try {
        this.model.send({ ask: id, question, arguments: packed }, undefined, [bytes]);
      } catch { // a notebook whose kernel was started again
        this.waiting.delete(id);
        reject(new Error("Python does not answer. Run the cell again."));
      }
    });
  }

  close() {
    this.model.off("msg:custom", this.receive);
    for (const { reject } of this.waiting.values()) reject(new Error("The explorer was closed."));
    this.waiting.clear();
  }

  #settle(message, buffers) {
    const promise = this.waiting.get(message?.answer);
    if (!promise) return; // another view of the same widget asked
    this.waiting.delete(message.answer);
    if ("error" in message) promise.reject(new Error(message.error));
    else promise.resolve(unpack(message.value, buffers?.[0] ?? new DataView(new ArrayBuffer(0))));
  }
}

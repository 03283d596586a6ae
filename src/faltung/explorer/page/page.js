// How does a page of its own start? With a model that asks the local server, or that finds the answers in the page itself.

import explorer from "./main.js";

class PageModel {
  constructor(traits) {
    this.traits = traits;
    this.listeners = new Set();
  }

  get(name) {
    return this.traits[name];
  }

  set(name, value) {
    this.traits[name] = value;
  }

  save_changes() {}

  on(_event, listener) {
    this.listeners.add(listener);
  }

  off(_event, listener) {
    this.listeners.delete(listener);
  }

  async send(message, _callbacks, buffers) {
    let reply;
    try {
      reply = await this.answer(message, buffers?.[0] ?? new Uint8Array(0));
    } catch (error) {
      reply = [{ error: error.message }, null];
    }
    for (const listener of this.listeners) listener({ answer: message.ask, ...reply[0] }, reply[1] ? [reply[1]] : []);
  }
}

// Asks the server that the page came from. A message is: the length of the JSON text (4 bytes, little end first), the
// text, and the bytes of the arrays.
class ServerModel extends PageModel {
  async answer({ question, arguments: args }, bytes) {
    const text = new TextEncoder().encode(JSON.stringify({ question, arguments: args }));
    const length = new Uint8Array(new Uint32Array([text.length]).buffer);
    let response;
    try {
      response = await fetch("ask", {
        method: "POST",
        headers: { "content-type": "application/octet-stream", "x-faltung-token": this.traits.token },
        body: new Blob([length, text, bytes]),
      });
    } catch {
      throw new Error("Python does not answer. Is it still running?");
    }
    if (!response.ok) throw new Error(`Python refused: ${await response.text()}`);
    const [reply, data] = taken(await response.arrayBuffer());
    return [reply, data];
  }
}

// Finds what was asked before the page was saved.
class FileModel extends PageModel {
  constructor(traits) {
    super(traits);
    // Python writes some numbers in another way, such as 1.0.
    this.answers = new Map(Object.entries(traits.answers).map(([key, answer]) => [JSON.stringify(JSON.parse(key)), answer]));
  }

  async answer({ question, arguments: args }) {
    const stored = this.answers.get(JSON.stringify([question, args]));
    if (!stored) throw new Error("This page was saved without Python, and holds no answer to that. Open it with `faltung explore`.");
    return [stored.reply, fromBase64(stored.data)];
  }
}

function taken(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), new DataView(buffer, 4 + length)];
}

function fromBase64(text) {
  const raw = atob(text);
  const bytes = Uint8Array.from({ length: raw.length }, (_, index) => raw.charCodeAt(index));
  return new DataView(bytes.buffer);
}

const traits = JSON.parse(document.getElementById("traits").textContent);
traits.data = fromBase64(traits.data);
const model = traits.host === "server" ? new ServerModel(traits) : new FileModel(traits);
explorer.render({ model, el: document.getElementById("explorer") });

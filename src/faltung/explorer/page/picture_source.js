// What is filtered? A picture or a signal of the page, or the user's own: dropped, pasted or opened.

import { NdArray, sizeOf } from "./array.js";
import { isSavedState } from "./saved_state.js";
import { readNumbers, readSound } from "./signal_files.js";

const LONGEST = 512; // pixels along each side of an own picture
const MOST_BYTES = 64 * 2 ** 20;
const own = new WeakMap(); // of each host, what the user gave; it does not leave this page

const COLOURS = ["red", "green", "blue"];

// An input: { name, title, note, channels, ndim, colour, names, range }. Everything is in double precision, as the results are.
function inputFrom({ name, title, note, samples, names }) {
  const shape = samples.shape.slice(1);
  const size = sizeOf(shape);
  const channels = Array.from({ length: samples.shape[0] }, (_, index) =>
    new NdArray(shape, Float64Array.from(samples.data.subarray(index * size, (index + 1) * size))));
  const colour = channels.length === 3 && shape.length === 2;
  return {
    name, title, note, channels, colour, ndim: shape.length, range: samples.data instanceof Uint8Array ? [0, 255] : undefined,
    names: names ?? (colour ? COLOURS : channels.map((_, index) => `channel ${index + 1}`)),
  };
}

const made = new WeakMap();

// All inputs of a host, the user's own one first.
export function inputsOf(host) {
  if (!made.has(host)) made.set(host, (host.content.filter?.inputs ?? []).map(inputFrom));
  const given = own.get(host);
  return given ? [given, ...made.get(host)] : made.get(host);
}

// The input that the state names; the first one if there is no such input (an own picture is in no link).
export function inputNamed(host, name) {
  const inputs = inputsOf(host);
  return inputs.find((input) => input.name === name) ?? made.get(host)[0];
}

// Read a file of the user into an input named "own". Rejects with a sentence that can be shown.
export async function readFile(host, file) {
  const input = await readInput(host, file);
  own.set(host, input);
  return input;
}

// The same, without making it the filter view's own input.
export async function readInput(host, file) {
  if (file.size > MOST_BYTES) throw new RangeError(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB. Take a file of at most 64 MB.`);
  const name = file.name || "the pasted picture";
  return inputFrom({ name: "own", title: name, ...(await (host.live ? readThere(host, file, name) : readHere(file, name))) });
}

// Python reads what it can, so that the samples are those of its commands; the browser reads the rest.
async function readThere(host, file, name) {
  try {
    const { name: title, samples, note } = await host.ask("open", { name, file: new NdArray([file.size], new Uint8Array(await file.arrayBuffer())) });
    return { title, samples, note };
  } catch (refused) {
    const found = (await readPicture(file)) ?? (await readSignal(file, name));
    if (!found) throw refused;
    return found;
  }
}

async function readHere(file, name) {
  const found = (await readPicture(file)) ?? (await readSignal(file, name));
  if (!found) throw new RangeError(`This page cannot read ${name}. It reads PNG, JPEG, WebP, GIF, WAV, and CSV files of numbers.`);
  return found;
}

async function readPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    return null; // not a picture that a browser knows
  }
  const { width, height } = bitmap;
  const factor = Math.min(1, LONGEST / Math.max(width, height));
  const [wide, tall] = [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor))];
  const canvas = new OffscreenCanvas(wide, tall);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, wide, tall);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, wide, tall);
  bitmap.close();
  const { data } = context.getImageData(0, 0, wide, tall);
  const notes = [factor < 1 && `Scaled down from ${height} × ${width} pixels, so that every number can be shown.`, ...(await changesOf(file))];
  return { samples: channelsOf(data, [tall, wide]), note: notes.filter(Boolean).join(" ") };
}

// What the browser changed in the samples of a PNG file; its header says how they are.
async function changesOf(file) {
  const header = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  if (header.length < 26 || String.fromCharCode(...header.subarray(1, 4)) !== "PNG") return [];
  return [header[24] === 16 && "The browser made 8 bits of the 16 bits of each sample.", header[25] & 4 && "What is transparent stands on white."];
}

// One channel if every pixel is gray, otherwise red, green and blue.
function channelsOf(pixels, [rows, columns]) {
  const count = rows * columns;
  let gray = true;
  for (let place = 0; gray && place < pixels.length; place += 4) gray = pixels[place] === pixels[place + 1] && pixels[place] === pixels[place + 2];
  const samples = new Uint8Array(count * (gray ? 1 : 3));
  for (let place = 0; place < samples.length; place += 1) samples[place] = pixels[4 * (place % count) + Math.floor(place / count)];
  return new NdArray([gray ? 1 : 3, rows, columns], samples);
}

async function readSignal(file, name) {
  const bytes = await file.arrayBuffer();
  return readSound(bytes) ?? (/\.(csv|txt|tsv)$/i.test(name) || file.type.startsWith("text/") ? readNumbers(new TextDecoder().decode(bytes)) : null);
}

// Listen for files that are dropped on an element or pasted into the page.
export function listenForFiles(app, element, take) {
  const stop = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    element.classList.toggle("dropping", event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave"]) element.addEventListener(type, stop);
  element.addEventListener("drop", (event) => {
    stop(event);
    const [file] = event.dataTransfer.files;
    if (file && !isSavedState(file)) take(file); // the page itself takes states
  });
  const paste = (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file && !element.hidden) take(file);
  };
  document.addEventListener("paste", paste);
  app.untilClosed(() => document.removeEventListener("paste", paste));
}

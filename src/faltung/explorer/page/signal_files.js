// How are signals read from files? Sound from WAV, numbers from CSV and text.

import { NdArray } from "./array.js";

const LONGEST = 4096; // samples of a sound that are taken
const MOST_CHANNELS = 8;
const LARGEST_TABLE = 1024;

// { samples, note } of a WAV file of whole numbers (8 to 32 bits) or floats; null for other bytes.
export function readSound(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < 12 || word(view, 0) !== "RIFF" || word(view, 8) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)) {
    const length = Math.min(view.getUint32(at + 4, true), view.byteLength - at - 8);
    if (word(view, at) === "fmt " && length >= 16) format = formatOf(view, at + 8, length);
    if (word(view, at) === "data" && format) return soundFrom(view, at + 8, length, format);
  }
  throw new RangeError("This WAV file has no samples that the page can read.");
}

function word(view, at) {
  return String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
}

function formatOf(view, at, length) {
  let kind = view.getUint16(at, true);
  if (kind === 0xfffe && length >= 26) kind = view.getUint16(at + 24, true);
  return { kind, channels: view.getUint16(at + 2, true), rate: view.getUint32(at + 4, true), bits: view.getUint16(at + 14, true) };
}

function soundFrom(view, start, length, { kind, channels, rate, bits }) {
  const read = readerOf(kind, bits);
  if (!read || channels < 1) throw new RangeError(`This WAV file has format ${kind} with ${bits} bits, which the page cannot read.`);
  const bytes = bits / 8;
  const total = Math.floor(length / (bytes * channels));
  if (total === 0) throw new RangeError("This WAV file has no samples.");
  const [count, kept] = [Math.min(total, LONGEST), Math.min(channels, MOST_CHANNELS)];
  const first = total > count ? loudest(view, start, total, count, bytes * channels, read) : 0;
  const samples = new NdArray([kept, count]);
  for (let channel = 0; channel < kept; channel += 1) {
    for (let index = 0; index < count; index += 1) {
      samples.data[channel * count + index] = read(view, start + ((first + index) * channels + channel) * bytes);
    }
  }
  const part = count < total ? ` Shown are ${count} of ${total} samples, from sample ${first} on.` : "";
  return { samples, note: `${rate} samples a second.${part}` };
}

function readerOf(kind, bits) {
  if (kind === 3) return { 32: (view, at) => view.getFloat32(at, true), 64: (view, at) => view.getFloat64(at, true) }[bits];
  return kind !== 1 ? undefined : {
    8: (view, at) => (view.getUint8(at) - 128) / 128,
    16: (view, at) => view.getInt16(at, true) / 2 ** 15,
    24: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23,
    32: (view, at) => view.getInt32(at, true) / 2 ** 31,
  }[bits];
}

// The start of the block with the largest samples: recordings begin with silence.
function loudest(view, start, total, count, frame, read) {
  let [best, most] = [0, -1];
  for (let first = 0; first + count <= total; first += count) {
    let size = 0;
    for (let index = 0; index < count; index += 8) size += Math.abs(read(view, start + (first + index) * frame));
    if (size > most) [best, most] = [first, size];
  }
  return best;
}

// { samples, note } of numbers in lines: up to 8 columns are channels of a signal, more are an image.
export function readNumbers(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean).map((line) => line.split(/[\s,;]+/).filter(Boolean).map(Number));
  if (lines.length > 1 && lines[0].some(Number.isNaN)) lines.shift(); // the names of the columns
  const width = lines[0]?.length ?? 0;
  const bad = lines.findIndex((line) => line.length !== width || !line.every(Number.isFinite));
  if (width === 0 || bad >= 0) throw new RangeError(`Line ${bad + 1} of the text is not ${width || "a line of"} numbers. Take one number, or as many in every line.`);
  if (lines.length === 1) return signalOf([lines[0]]);
  if (width <= MOST_CHANNELS) return signalOf(lines[0].map((_, column) => lines.map((line) => line[column])));
  const rows = lines.slice(0, LARGEST_TABLE).map((line) => line.slice(0, LARGEST_TABLE));
  const shape = [1, rows.length, rows[0].length];
  const whole = rows.length === lines.length && rows[0].length === width;
  return { samples: new NdArray(shape, Float64Array.from(rows.flat())), note: whole ? "" : `Shown are the first ${shape[1]} × ${shape[2]} of ${lines.length} × ${width} numbers.` };
}

function signalOf(channels) {
  const count = Math.min(channels[0].length, LONGEST);
  const samples = new NdArray([channels.length, count], Float64Array.from(channels.flatMap((channel) => channel.slice(0, count))));
  return { samples, note: count < channels[0].length ? `Shown are the first ${count} of ${channels[0].length} samples.` : "" };
}

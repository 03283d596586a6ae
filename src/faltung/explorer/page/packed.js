// How do arrays travel between Python and the page? As one block of bytes beside a JSON value that says where each one is.

import { NdArray, sizeOf } from "./array.js";

const TYPES = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  int32: Int32Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array,
};

// `value` with every {"$array": [offset, shape, dtype]} in it replaced by an array on `bytes` (a DataView).
export function unpack(value, bytes) {
  if (Array.isArray(value)) return value.map((item) => unpack(item, bytes));
  if (value === null || typeof value !== "object") return value;
  if ("$array" in value) {
    const [offset, shape, dtype] = value.$array;
    const Type = TYPES[dtype];
    const length = sizeOf(shape);
    // A copy: a view must start at a multiple of the item size, and hosts place their buffers anywhere.
    const start = bytes.byteOffset + offset;
    return new NdArray(shape, new Type(bytes.buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT)));
  }
  if ("$number" in value) return Number(value.$number); // JSON has no word for what is not finite
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, bytes)]));
}

// The opposite for what the page asks: [a JSON value, bytes].
export function pack(value) {
  const parts = [];
  let offset = 0;
  const place = (item) => {
    if (item instanceof NdArray) {
      const dtype = Object.keys(TYPES).find((name) => item.data instanceof TYPES[name]);
      const bytes = new Uint8Array(item.data.buffer, item.data.byteOffset, item.data.byteLength);
      const reference = { $array: [offset, item.shape, dtype] };
      parts.push(bytes);
      offset += bytes.length;
      return reference;
    }
    if (typeof item === "number" && !Number.isFinite(item)) return { $number: String(item) };
    if (Array.isArray(item)) return item.map(place);
    if (item === null || typeof item !== "object") return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, place(inner)]));
  };
  const packed = place(value);
  const bytes = new Uint8Array(offset);
  let start = 0;
  for (const part of parts) {
    bytes.set(part, start);
    start += part.length;
  }
  return [packed, bytes];
}

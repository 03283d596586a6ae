// How is an animation written? As a GIF (version 89a): one palette for all frames, each frame packed by Lempel, Ziv and Welch.

const MOST_COLOURS = 256;

// The bytes of an animation. `frames`: ImageData of one size; `delay`: seconds for each; `last`: seconds for the last one.
export function animation(frames, { delay = 0.1, last = 1 } = {}) {
  const { width, height } = frames[0];
  const { palette, indexOf } = coloursOf(frames);
  const bytes = [];
  text(bytes, "GIF89a");
  words(bytes, width, height);
  bytes.push(0xf7, 0, 0); // a palette of 256 colours for all frames
  for (let index = 0; index < 3 * MOST_COLOURS; index += 1) bytes.push(palette[index] ?? 0);
  bytes.push(0x21, 0xff, 11);
  text(bytes, "NETSCAPE2.0");
  bytes.push(3, 1, 0, 0, 0); // again and again
  frames.forEach((frame, index) => {
    bytes.push(0x21, 0xf9, 4, 0);
    words(bytes, Math.round(100 * (index === frames.length - 1 ? last : delay)));
    bytes.push(0, 0, 0x2c);
    words(bytes, 0, 0, width, height);
    bytes.push(0, 8);
    pushBlocks(bytes, packed(indicesOf(frame, indexOf)));
  });
  bytes.push(0x3b);
  return Uint8Array.from(bytes);
}

function text(bytes, letters) {
  for (const letter of letters) bytes.push(letter.charCodeAt(0));
}

function words(bytes, ...numbers) {
  for (const value of numbers) bytes.push(value & 255, value >> 8);
}

function pushBlocks(bytes, data) {
  for (let start = 0; start < data.length; start += 255) {
    const block = data.slice(start, start + 255);
    bytes.push(block.length, ...block);
  }
  bytes.push(0);
}

// The palette, and the index of a colour in it. If there are at most 256 colours, each is kept; otherwise the most frequent
// colours of a coarser grid are, and every other one becomes its neighbour.
function coloursOf(frames) {
  const counts = new Map();
  for (const frame of frames) {
    for (const key of keysOf(frame)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const exact = counts.size <= MOST_COLOURS;
  const kept = exact ? [...counts.keys()] : frequent(counts);
  const palette = kept.flatMap((key) => [key >> 16, (key >> 8) & 255, key & 255]);
  const known = new Map(kept.map((key, index) => [key, index]));
  const indexOf = (key) => {
    let index = known.get(key);
    if (index === undefined) {
      index = nearest(key, palette);
      known.set(key, index);
    }
    return index;
  };
  return { palette, indexOf };
}

function* keysOf({ data }) {
  for (let place = 0; place < data.length; place += 4) yield (data[place] << 16) | (data[place + 1] << 8) | data[place + 2];
}

function frequent(counts) {
  const cells = new Map(); // of 16 x 16 x 16 colours, each with its most frequent one
  for (const [key, count] of counts) {
    const cell = key & 0xf0f0f0;
    const known = cells.get(cell) ?? { total: 0, most: 0, key };
    known.total += count;
    if (count > known.most) Object.assign(known, { most: count, key });
    cells.set(cell, known);
  }
  return [...cells.values()].sort((one, other) => other.total - one.total).slice(0, MOST_COLOURS).map(({ key }) => key);
}

function nearest(key, palette) {
  const [red, green, blue] = [key >> 16, (key >> 8) & 255, key & 255];
  let [best, least] = [0, Infinity];
  for (let place = 0; place < palette.length; place += 3) {
    const distance = (palette[place] - red) ** 2 + (palette[place + 1] - green) ** 2 + (palette[place + 2] - blue) ** 2;
    if (distance < least) [best, least] = [place / 3, distance];
  }
  return best;
}

function indicesOf(frame, indexOf) {
  const indices = new Uint8Array(frame.width * frame.height);
  let place = 0;
  for (const key of keysOf(frame)) indices[place++] = indexOf(key);
  return indices;
}

// Codes for ever longer sequences that were seen before, of 9 to 12 bits.
function packed(indices) {
  const [clear, end] = [256, 257];
  const out = [];
  let [held, bits, size, next, codes] = [0, 0, 9, 258, new Map()];
  const write = (code) => {
    held |= code << bits;
    for (bits += size; bits >= 8; bits -= 8, held >>>= 8) out.push(held & 255);
  };
  write(clear);
  let before = indices[0];
  for (let place = 1; place < indices.length; place += 1) {
    const longer = (before << 8) | indices[place];
    const code = codes.get(longer);
    if (code !== undefined) {
      before = code;
      continue;
    }
    write(before);
    before = indices[place];
    if (next === 4096) {
      write(clear);
      [size, next, codes] = [9, 258, new Map()];
    } else {
      if (next === 1 << size) size += 1;
      codes.set(longer, next);
      next += 1;
    }
  }
  write(before);
  write(end);
  if (bits > 0) out.push(held & 255);
  return out;
}

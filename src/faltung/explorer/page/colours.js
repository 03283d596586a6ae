// Which colour has a number? Three scales that do not depend on telling red from green.

// Colours between which one blends, evenly spaced.
const STOPS = {
  gray: [[0, 0, 0], [255, 255, 255]],
  // Orange below zero, white at zero, purple above: safe for all common kinds of colour blindness.
  signed: [[127, 59, 8], [224, 130, 20], [253, 184, 99], [247, 247, 247], [178, 171, 210], [128, 115, 172], [45, 0, 75]],
  magnitude: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
};

const MISSING = [214, 39, 139]; // what is not a number

const TABLES = Object.fromEntries(Object.entries(STOPS).map(([name, stops]) => [name, tableOf(stops)]));

function tableOf(stops) {
  const table = new Uint8Array(256 * 3);
  for (let index = 0; index < 256; index += 1) {
    const place = (index / 255) * (stops.length - 1);
    const lower = Math.min(Math.floor(place), stops.length - 2);
    for (let part = 0; part < 3; part += 1) {
      table[3 * index + part] = Math.round(stops[lower][part] + (place - lower) * (stops[lower + 1][part] - stops[lower][part]));
    }
  }
  return table;
}

// [red, green, blue] of a value on a scale that goes from low to high.
export function colour(value, scale, [low, high]) {
  if (Number.isNaN(value)) return MISSING;
  const index = indexOf(value, low, high);
  return [...TABLES[scale].subarray(3 * index, 3 * index + 3)];
}

// Black or white, whichever can be read on a colour.
export function ink([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
}

// The range of a scale for samples between two limits: a signed scale has its zero in the middle.
export function rangeFor(scale, [low, high]) {
  if (scale === "signed") {
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-reach, reach];
  }
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

// Write the colours of all samples into the bytes of an ImageData.
export function paint(samples, bytes, scale, [low, high]) {
  const table = TABLES[scale];
  for (let place = 0; place < samples.length; place += 1) {
    const value = samples[place];
    const index = 3 * indexOf(value, low, high);
    const missing = Number.isNaN(value);
    bytes[4 * place] = missing ? MISSING[0] : table[index];
    bytes[4 * place + 1] = missing ? MISSING[1] : table[index + 1];
    bytes[4 * place + 2] = missing ? MISSING[2] : table[index + 2];
    bytes[4 * place + 3] = 255;
  }
}

function indexOf(value, low, high) {
  const part = Math.round((255 * (value - low)) / (high - low));
  return part >= 255 ? 255 : part > 0 ? part : 0;
}

// Write red, green and blue samples into RGBA pixels.
export function paintColours(channels, pixels, [low, high]) {
  channels.slice(0, 3).forEach(({ data }, part) => {
    for (let place = 0; place < data.length; place += 1) pixels[4 * place + part] = (255 * (data[place] - low)) / (high - low || 1);
  });
  for (let place = 3; place < pixels.length; place += 4) pixels[place] = 255;
}

// How does an image file become the input of a network? Its middle is cut out and scaled, in the browser.

import { NdArray } from "./array.js";

const LARGEST = 50_000_000; // bytes of a file

// Whole numbers from 0 to 255, (channels, rows, columns).
export async function ownPixels(file, [channels, rows, columns]) {
  if (file.size > LARGEST) throw new Error(`${file.name} is larger than 50 MB.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is not an image that the browser can read.`);
  }
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillRect(0, 0, columns, rows);
  const factor = Math.max(columns / bitmap.width, rows / bitmap.height);
  const [width, height] = [bitmap.width * factor, bitmap.height * factor];
  context.drawImage(bitmap, (columns - width) / 2, (rows - height) / 2, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, columns, rows);
  const pixels = new Uint8Array(channels * rows * columns);
  for (let place = 0; place < rows * columns; place += 1) {
    const [red, green, blue] = data.subarray(4 * place, 4 * place + 3);
    if (channels === 3) [red, green, blue].forEach((value, channel) => { pixels[channel * rows * columns + place] = value; });
    else pixels[place] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  return new NdArray([channels, rows, columns], pixels);
}

// When does long work let the page answer? After every slice of a few milliseconds, whoever computes.

const SLICE = 12; // milliseconds of work between two looks at the page

let pausedAt = 0;

export function isPauseDue() {
  return performance.now() - pausedAt > SLICE;
}

// `signal`: an AbortSignal that ends the work.
export async function pause(signal) {
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal?.throwIfAborted();
  pausedAt = performance.now();
}

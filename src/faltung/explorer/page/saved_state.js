// How does a saved state come back? A file that "Save state" wrote is read, and what it says is checked.

const MOST_BYTES = 2 ** 24;

export function isSavedState(file) {
  return /\.json$/i.test(file.name) || file.type === "application/json";
}

// Show what a saved state says; sentences above the views name what was left out.
export async function openState(app, file) {
  const values = file.size <= MOST_BYTES ? valuesOf(await file.text()) : null;
  if (!values) {
    app.warn(`${file.name} is no saved state: it is not what "Save state" writes.`);
    return;
  }
  const refused = app.store.fromValues(values);
  app.announce(`The state in ${file.name} is shown.`);
  if (refused.length) app.warn(`${file.name} says what this page does not know, and that was left out: ${refused.join(", ")}.`);
  if (values["filter.input"] === "own") app.warn("The state was saved with a picture of your own, which it does not hold. Open the picture again.");
}

function valuesOf(text) {
  try {
    const values = JSON.parse(text);
    return values !== null && typeof values === "object" && !Array.isArray(values) ? values : null;
  } catch {
    return null;
  }
}

// A saved state can be dropped anywhere, and no dropped file takes the place of the page.
export function listenForStates(app, page) {
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  page.addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
  page.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file && isSavedState(file)) openState(app, file);
  });
}

// How is a piece of the page made? Elements from names, attributes and children, and numbers written so that they can be read.

// An element. Attributes that begin with "on" are listeners; false, null and undefined leave an attribute out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// An element of SVG.
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// A number, short, with a true minus sign: a whole number as it is, others with at most four significant digits.
export function format(value, digits) {
  if (digits) value = Number(value.toPrecision(digits));
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = Number.isInteger(value) && size < 1e15 ? String(value) : size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return trueMinus(text.replace(/\.?0*e\+?/, "e"));
}

// A count, with its digits in groups of three.
export function grouped(count) {
  return count.toLocaleString("en");
}

export function trueMinus(text) {
  return String(text).replaceAll("-", "−");
}

// A number on the page. Its full value is in `data-value`, and appears as a tip.
export function number(value, attributes = {}) {
  return h("span", { class: "number", ...numberAttributes(value), ...attributes }, format(value));
}

// Write another number into an element made by `number`, or into a cell of a table.
export function setNumber(element, value) {
  for (const [name, text] of Object.entries(numberAttributes(value))) element.setAttribute(name, text);
  element.textContent = format(value);
}

function numberAttributes(value) {
  return { "data-value": Object.is(value, -0) ? "0" : String(value), title: String(value) };
}

// A place for a sentence about what is wrong.
export function complaint() {
  return h("p", { class: "wrong", role: "alert", hidden: true });
}

// Say what is wrong; nothing, if the sentence is empty.
export function complain(element, sentence) {
  element.textContent = sentence;
  element.hidden = !sentence;
}

// Hand a file to the user.
export function download(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

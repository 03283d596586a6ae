// Which kernel is a text? The grammar of `fa.parse`, read in the page, for real kernels of one or two axes.
//
//     expression := term (('+' | '-') term)*
//     term       := unary (('*' | '/') unary)*
//     unary      := ('+' | '-') unary | power
//     power      := postfix ('**' unary)?
//     postfix    := atom ('.flip()' | '.conj()' | '.real' | '.imag')*
//     atom       := number | constant | name '(' arguments ')' | list | tuple | '(' expression ')'

import { NdArray } from "./array.js";
import { BeyondPage, flipped, identity, kernelOf, power, powerWork, product, productWork, scaled, sum } from "./kernels.js";
import { NAMED } from "./named_kernels.js";

const LONGEST_TEXT = 4096;
const DEEPEST = 40;
const LARGEST_EXPONENT = 64;
const MOST_TAPS = 2 ** 21; // in all kernels of a text together
const MOST_WORK = 2 ** 28; // multiplications for all of them
const TOKEN = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?j?)|([A-Za-z_]\w*)|(\*\*|[-+*/()[\],.=])|($)|(.))/gsu;
const KINDS = ["number", "name", "sign", "end", "other"];
const CONSTANTS = { pi: { number: Math.PI, kind: "real" }, True: { number: 1, kind: "boolean" }, False: { number: 0, kind: "boolean" } };
const CALLS = [...Object.keys(NAMED), "kernel", "Kernel"];

// What is wrong with a text, and at which index. `beyond`: Python may be able to read it all the same.
class ExpressionError extends Error {
  constructor(message, position, beyond = false) {
    super(`${message} (at column ${position + 1})`);
    this.position = position;
    this.beyond = beyond;
  }
}

// The kernel that a text such as "gaussian(2) * sobel(axis=1)" describes. With `ndim`, it must have so many axes.
export function parseKernel(text, ndim = undefined) {
  if (text.length > LONGEST_TEXT) throw new ExpressionError(`expected at most ${LONGEST_TEXT} characters, got ${text.length}`, 0);
  const kernel = new Parser(text).whole();
  if (ndim !== undefined && kernel.taps.ndim !== ndim) {
    const remedy = ndim === 1 ? "Named kernels take ndim=1, such as gaussian(2, ndim=1); taps are written [1, 2, 1]." : "Taps of an image are written [[1, 2], [3, 4]].";
    throw new ExpressionError(`expected a kernel with ${ndim} ${ndim === 1 ? "axis" : "axes"}, got one with ${kernel.taps.ndim}. ${remedy}`, 0);
  }
  return { ...kernel, text };
}

// A value while it is read is a number { number, kind: "integer", "real" or "boolean" }, a list { items, tuple }, or { kernel }.
class Parser {
  constructor(text) {
    this.tokens = [...text.matchAll(TOKEN)].map((match) => {
      const index = match.slice(1).findIndex((group) => group !== undefined);
      return { kind: KINDS[index], text: match[index + 1], position: match.index + match[0].length - match[index + 1].length };
    });
    this.index = 0;
    this.depth = 0;
    this.taps = 0;
    this.work = 0;
  }

  get token() {
    return this.tokens[this.index];
  }

  fail(message, position, beyond = false) {
    throw new ExpressionError(message, position, beyond);
  }

  unexpected(expected) {
    this.fail(`expected ${expected}, got ${this.token.kind === "end" ? "the end" : `'${this.token.text}'`}`, this.token.position);
  }

  take() {
    this.index += 1;
    return this.tokens[this.index - 1];
  }

  accept(...signs) {
    return this.token.kind === "sign" && signs.includes(this.token.text) ? this.take() : null;
  }

  expect(sign) {
    if (!this.accept(sign)) this.unexpected(`'${sign}'`);
  }

  whole() {
    const value = this.promoted(this.expression(), 0);
    if (this.token.kind !== "end") this.unexpected("an operator or the end");
    if (!value.kernel) this.fail(`expected a kernel, got the number ${value.number}: multiply delta() by it`, 0);
    if (value.kernel.imag) this.fail("expected real taps, got complex ones: add .real or .imag", 0);
    return value.kernel;
  }

  expression() {
    return this.#operations(["+", "-"], () => this.term());
  }

  term() {
    return this.#operations(["*", "/"], () => this.unary());
  }

  #operations(signs, operand) {
    let value = operand();
    for (let sign = this.accept(...signs); sign; sign = this.accept(...signs)) {
      value = this.combined(sign.text, sign.position, value, operand());
    }
    return value;
  }

  unary() {
    // Every recursion passes through this method, so all are bounded.
    this.depth += 1;
    if (this.depth > DEEPEST) this.fail(`expected at most ${DEEPEST} levels of nesting`, this.token.position);
    const sign = this.accept("+", "-");
    const value = sign ? this.combined("*", sign.position, { number: sign.text === "-" ? -1 : 1, kind: "integer" }, this.unary()) : this.power();
    this.depth -= 1;
    return value;
  }

  power() {
    const base = this.postfix();
    const sign = this.accept("**");
    if (!sign) return base;
    const exponent = this.unary();
    if (exponent.number === undefined || !(Math.abs(exponent.number) <= LARGEST_EXPONENT)) {
      this.fail(`expected a number up to ${LARGEST_EXPONENT} as exponent`, sign.position);
    }
    return this.combined("**", sign.position, base, exponent);
  }

  postfix() {
    const start = this.token.position;
    let value = this.atom();
    while (this.accept(".")) {
      value = this.promoted(value, start);
      const name = this.token.text;
      if (!value.kernel || !Object.hasOwn(PARTS, name)) this.unexpected(".flip(), .conj(), .real or .imag after a kernel");
      this.take();
      if (name === "flip" || name === "conj") {
        this.expect("(");
        this.expect(")");
      }
      value = { kernel: PARTS[name](value.kernel) };
    }
    return value;
  }

  atom() {
    if (this.token.kind === "number") return this.number(this.take());
    if (this.token.kind === "name") return this.name();
    if (this.accept("[")) return { items: this.items(), tuple: false };
    if (this.accept("(")) return this.parenthesis();
    return this.unexpected("a number, a kernel or '('");
  }

  number({ text, position }) {
    if (text.endsWith("j")) this.fail("the page reads real numbers only; Python reads complex ones, too", position, true);
    return { number: Number(text), kind: /^\d+$/.test(text) ? "integer" : "real" };
  }

  name() {
    const token = this.take();
    if (Object.hasOwn(CONSTANTS, token.text)) return CONSTANTS[token.text];
    if (!CALLS.includes(token.text)) {
      const near = nearest(token.text, [...CALLS, ...Object.keys(CONSTANTS)]);
      this.fail(`unknown name '${token.text}': ${near ? `did you mean ${near}?` : `the known names are ${CALLS.join(", ")}`}`, token.position);
    }
    if (!this.accept("(")) this.fail(`${token.text} needs arguments in parentheses`, token.position);
    return this.call(token);
  }

  call({ text: name, position }) {
    const parameters = NAMED[name]?.parameters ?? KERNEL_PARAMETERS;
    const args = this.bound(name, position, parameters, ...this.arguments());
    return this.attempt(position, () => this.spend(NAMED[name] ? NAMED[name].make(args) : kernelFrom(args.taps, args.origin), position), `${name}: `);
  }

  arguments() {
    const byPlace = [];
    const byName = new Map();
    while (!this.accept(")")) {
      const start = this.token;
      const named = start.kind === "name" && this.tokens[this.index + 1].text === "=";
      if (named) this.index += 2;
      const value = this.numberOrItems();
      if (named && !byName.has(start.text)) byName.set(start.text, value);
      else if (named || byName.size) this.fail("expected each argument once, and arguments with names last", start.position);
      else byPlace.push(value);
      if (this.token.text !== ")") this.expect(",");
    }
    return [byPlace, byName];
  }

  // Arguments by the name of their parameter, as plain numbers and lists.
  bound(name, position, parameters, byPlace, byName) {
    const signature = `${name}(${parameters.map((parameter) => parameter.name).join(", ")})`;
    const places = parameters.filter(({ later }) => !later);
    if (byPlace.length > places.length) this.fail(`${signature}: too many arguments without a name`, position);
    const given = new Map(byPlace.map((value, index) => [places[index].name, value]));
    for (const [key, value] of byName) {
      if (!parameters.some((parameter) => parameter.name === key)) this.fail(`${signature}: no argument is called '${key}'`, position);
      if (given.has(key)) this.fail(`${signature}: got '${key}' twice`, position);
      given.set(key, value);
    }
    const missing = parameters.find((parameter) => parameter.default === undefined && !parameter.optional && !given.has(parameter.name));
    if (missing) this.fail(`${signature}: '${missing.name}' is missing`, position);
    return Object.fromEntries(parameters.filter((parameter) => given.has(parameter.name)).map((parameter) =>
      [parameter.name, this.attempt(position, () => argument(parameter, given.get(parameter.name)), `${name}: `)]));
  }

  items() {
    const items = [];
    while (!this.accept("]")) {
      items.push(this.numberOrItems());
      if (this.token.text !== "]") this.expect(",");
    }
    return items;
  }

  parenthesis() {
    const values = [this.expression()];
    if (this.accept(")")) return values[0];
    while (this.accept(",") && this.token.text !== ")") values.push(this.numberOrItems());
    this.expect(")");
    return { items: values, tuple: true };
  }

  numberOrItems() {
    const start = this.token.position;
    const value = this.expression();
    if (value.kernel) this.fail("expected a number or a list of numbers, got a kernel", start);
    return value;
  }

  // A list becomes a kernel where one is needed.
  promoted(value, position) {
    if (value.tuple) this.fail("expected a number or a kernel; taps are written in square brackets", position);
    return value.items ? this.attempt(position, () => ({ kernel: kernelFrom(value) })) : value;
  }

  combined(sign, position, left, right) {
    const [a, b] = [this.promoted(left, position), this.promoted(right, position)];
    if (!a.kernel && !b.kernel) return this.attempt(position, () => arithmetic(sign, a, b));
    if (a.kernel && b.kernel && sign === "*") this.work += productWork(a.kernel, b.kernel);
    if (sign === "**" && b.number > 1) this.work += powerWork(a.kernel, b.number);
    if (this.work > MOST_WORK) this.fail("the page computes kernels of fewer taps; Python can do more", position, true);
    return this.attempt(position, () => this.spend(kernelArithmetic(sign, a, b), position));
  }

  spend(kernel, position) {
    this.taps += kernel.taps.data.length;
    if (this.taps > MOST_TAPS) this.fail(`the page holds at most ${MOST_TAPS} taps in all kernels together`, position, true);
    const wrong = kernel.taps.data.findIndex((tap) => !Number.isFinite(tap));
    if (wrong >= 0) this.fail(`taps: expected finite numbers, got ${kernel.taps.data[wrong]}`, position);
    return { kernel };
  }

  // What is refused while `make` works is refused at this position of the text.
  attempt(position, make, prefix = "") {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.fail(prefix + error.message, position, error instanceof BeyondPage);
    }
  }
}

const PARTS = {
  flip: flipped,
  conj: (kernel) => (kernel.imag ? { ...kernel, imag: scaled({ taps: kernel.imag, origin: kernel.origin }, -1).taps } : kernel),
  real: ({ taps, origin, factors, imag }) => (imag ? { taps, origin } : { taps, origin, factors }),
  imag: (kernel) => ({ taps: kernel.imag ?? new NdArray(kernel.taps.shape), origin: kernel.origin }),
};

const KERNEL_PARAMETERS = [{ name: "taps", kind: "list" }, { name: "origin", kind: "integers", optional: true }];

function argument({ name, kind }, value) {
  if (kind === "list") return value;
  if (value.items) {
    if (!kind.endsWith("s")) throw new RangeError(`${name}: expected one number, got ${value.items.length}.`);
    return value.items.map((item) => plain(name, kind, item));
  }
  return plain(name, kind, value);
}

function plain(name, kind, value) {
  if (value.items) throw new RangeError(`${name}: expected a number for each axis, got lists of numbers.`);
  const whole = kind.startsWith("integer");
  if (value.kind === "boolean") throw new RangeError(`${name}: expected ${whole ? "an integer" : "a number"}, got True or False.`);
  if (whole && value.kind !== "integer") throw new RangeError(`${name}: expected an integer, got ${value.number}.`);
  return value.number;
}

function kernelFrom(list, origin = undefined) {
  if (!list.items) throw new RangeError("taps: expected an array with at least one axis, got a single number. Multiply delta() by the number.");
  const shape = [];
  for (let part = list; part?.items; part = part.items[0]) shape.push(part.items.length);
  if (shape.includes(0)) throw new RangeError("taps: expected at least one tap. The zero kernel is [0].");
  const flat = flattened(list, shape);
  if (shape.length > 2) throw new BeyondPage(`taps: the page shows kernels of 1 or 2 axes, got ${shape.length}.`);
  const wrong = flat.find((tap) => !Number.isFinite(tap));
  if (wrong !== undefined) throw new RangeError(`taps: expected finite numbers, got ${wrong}. Taps must be finite.`);
  const at = origin === undefined || Array.isArray(origin) ? origin : [origin];
  if (at && at.length !== shape.length) throw new RangeError(`origin: expected ${shape.length} integers, one per axis, got ${at.length}.`);
  return kernelOf(new NdArray(shape, Float64Array.from(flat)), at);
}

function flattened(value, shape) {
  if (value.items?.length !== shape[0]) throw new RangeError("taps: expected an array of numbers. Nested lists must have equal lengths.");
  return shape.length ? value.items.flatMap((item) => flattened(item, shape.slice(1))) : [value.number];
}

function arithmetic(sign, a, b) {
  const [x, y] = [a.number, b.number];
  const value = { "+": x + y, "-": x - y, "*": x * y, "/": x / y, "**": x ** y }[sign];
  if ((sign === "/" && y === 0) || (sign === "**" && !Number.isFinite(value) && Number.isFinite(x))) throw new RangeError("the result is not a finite number");
  if (sign === "**" && Number.isNaN(value) && !Number.isNaN(x)) throw new BeyondPage("the page reads real numbers only");
  const whole = a.kind !== "real" && b.kind !== "real" && sign !== "/" && !(sign === "**" && y < 0) && Math.abs(value) <= 2 ** 53;
  return { number: value, kind: whole ? "integer" : "real" };
}

function kernelArithmetic(sign, a, b) {
  const [f, g] = [a.kernel, b.kernel];
  if (sign === "**") {
    if (b.kind !== "integer" || b.number < 0) throw new RangeError(`exponent: expected an integer of at least 0, got ${b.kind === "boolean" ? "True or False" : b.number}.`);
    return b.number === 0 ? identity(f.taps.ndim) : power(f, b.number);
  }
  if (sign === "*" && f && g) return product(f, g);
  if (sign === "*") return scaled(f ?? g, scalar("scalar", f ? b : a));
  if (sign === "/") {
    if (g) throw new RangeError("divisor: expected a number, got a kernel.");
    if (scalar("divisor", b) === 0) throw new RangeError("divisor: expected a number other than zero, got 0.");
    return scaled(f, 1 / b.number);
  }
  if (!f || !g) {
    const { number } = f ? b : a;
    throw new RangeError(`sum: expected two kernels, got a kernel and the number ${number}. Write ${number} * delta(${(f ?? g).taps.ndim === 1 ? "ndim=1" : ""}).`);
  }
  return sum(f, sign === "-" ? scaled(g, -1) : g);
}

function scalar(name, { number, kind }) {
  if (kind === "boolean" || !Number.isFinite(number)) throw new RangeError(`${name}: expected a finite number, got ${kind === "boolean" ? "True or False" : number}.`);
  return number;
}

// The name with the fewest letters to change, if these are few.
function nearest(word, names) {
  const near = names.map((name) => [changes(word.toLowerCase(), name.toLowerCase()), name]).sort((a, b) => a[0] - b[0])[0];
  return near[0] <= Math.max(1, Math.floor(near[1].length / 3)) ? near[1] : null;
}

function changes(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length];
}

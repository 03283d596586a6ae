// How do numbers change from step to step? Lines over axes, with a cursor that follows the pointer and the arrow keys.

import { format, h, s } from "./dom.js";

const MARGIN = { left: 76, right: 14, top: 12, bottom: 44 };
const DECADES = 8; // of a risk, at most: smaller parts of it are rounding errors

export class LineChart {
  // `label`: what is drawn, for those who do not see it; `across`, `up`: names of the axes; `logarithmic`: of the vertical
  // axis: true, false, or undefined for where the numbers need it; `note`: what dashed lines are; `onpick(x)`: the
  // cursor was moved.
  constructor(app, { label, across, up, logarithmic, percent = false, height = 280, note = "", onpick }) {
    Object.assign(this, { across, up, logarithmic, percent, height, note, onpick, lines: [], levels: [], cursor: null });
    this.svg = s("svg", { class: "chart", height, tabindex: "0", role: "slider", "aria-label": label, focusable: "true" });
    this.legend = h("ul", { class: "legend" });
    this.element = h("figure", { class: "chart-box" }, this.legend, this.svg);
    this.#listen();
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(this.element);
    app.untilClosed(() => observer.disconnect());
  }

  // `lines`: [{ name, kind: a number that chooses the colour, dashed, points: [[x, y], ...] }]; `levels`: [{ name, value }],
  // lines across; `range`: first and last x; `cursor`: the x that is marked, with `text` for those who do not see it.
  show({ lines, levels = [], range, cursor = null, text = "" }) {
    Object.assign(this, { lines, levels, range, cursor });
    this.svg.setAttribute("aria-valuemin", range[0]);
    this.svg.setAttribute("aria-valuemax", range[1]);
    this.svg.setAttribute("aria-valuenow", cursor ?? range[1]);
    this.svg.setAttribute("aria-valuetext", text);
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width || !this.range) return;
    this.svg.setAttribute("width", width);
    const values = [...this.lines.flatMap(({ points }) => points.map(([, y]) => y)), ...this.levels.map(({ value }) => value)];
    this.axes = axesFor(values, this, width);
    this.svg.replaceChildren(...this.#grid(width), ...this.#levels(width), ...this.lines.flatMap((line) => this.#line(line)), ...this.#cursorLine());
    this.#writeLegend();
  }

  #grid(width) {
    const { x, y, ticks } = this.axes;
    const bottom = this.height - MARGIN.bottom;
    const across = wholeTicks(this.range, width).flatMap((value) => [
      s("line", { class: "tick", x1: x(value), x2: x(value), y1: bottom, y2: bottom + 5 }),
      s("text", { x: x(value), y: bottom + 20, "text-anchor": "middle" }, format(value))]);
    const up = ticks.flatMap((value) => [
      s("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      s("text", { x: MARGIN.left - 8, y: y(value) + 5, "text-anchor": "end" }, this.percent ? `${format(100 * value)} %` : format(value))]);
    return [...up, ...across,
      s("line", { class: "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom }),
      s("text", { class: "name", x: (MARGIN.left + width - MARGIN.right) / 2, y: this.height - 6, "text-anchor": "middle" }, this.across),
      s("text", { class: "name", x: 0, y: 0, "text-anchor": "middle", transform: `translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)` },
        this.axes.logarithmic ? `${this.up}, logarithmic` : this.up)];
  }

  #levels(width) {
    return this.levels.map(({ value }) =>
      s("line", { class: "level", x1: MARGIN.left, x2: width - MARGIN.right, y1: this.axes.y(value), y2: this.axes.y(value) }));
  }

  #line({ kind, dashed, points }) {
    const { x, y } = this.axes;
    const places = points.map(([across, up]) => `${x(across).toFixed(1)},${y(up).toFixed(1)}`);
    const dots = points.length > 40 ? [] : points.map(([across, up]) => s("circle", { class: `dot kind-${kind % 4}`, cx: x(across), cy: y(up), r: dashed ? 1.5 : 3 }));
    return [s("polyline", { class: `line kind-${kind % 4}${dashed ? " dashed" : ""}`, points: places.join(" ") }), ...dots];
  }

  #cursorLine() {
    if (this.cursor === null) return [];
    const place = this.axes.x(this.cursor);
    const dots = this.lines.map(({ kind, points }) => ({ kind, point: points.find(([x]) => x === this.cursor) })).filter(({ point }) => point)
      .map(({ kind, point }) => s("circle", { class: `dot picked kind-${kind % 4}`, cx: place, cy: this.axes.y(point[1]), r: 5 }));
    return [s("line", { class: "cursor", x1: place, x2: place, y1: MARGIN.top, y2: this.height - MARGIN.bottom }), ...dots];
  }

  #writeLegend() {
    const solid = this.lines.filter(({ dashed }) => !dashed);
    const names = [...solid.map(({ name, kind }) => [name, `line kind-${kind % 4}`]), ...this.levels.map(({ name }) => [name, "level"])];
    if (JSON.stringify(names) === this.written) return;
    this.written = JSON.stringify(names);
    this.legend.replaceChildren(...names.map(([name, kind]) => h("li", {},
      s("svg", { width: 30, height: 12, "aria-hidden": "true" }, s("line", { class: kind, x1: 0, x2: 30, y1: 6, y2: 6 })), name)), this.note ? h("li", {}, this.note) : "");
  }

  #listen() {
    const pick = (event) => {
      if (!this.axes || !this.onpick) return;
      const frame = this.svg.getBoundingClientRect();
      this.#pick(Math.round(this.axes.back(event.clientX - frame.left)));
    };
    this.svg.addEventListener("pointermove", pick);
    this.svg.addEventListener("pointerdown", pick);
    this.svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
      if (!by || !this.range) return;
      event.preventDefault();
      this.#pick((this.cursor ?? this.range[1]) + by);
    });
  }

  #pick(value) {
    this.onpick?.(Math.min(this.range[1], Math.max(this.range[0], value)));
  }
}

function axesFor(values, { logarithmic, percent, height, range }, width) {
  const finite = values.filter(Number.isFinite);
  let [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  const log = logarithmic ?? (low > 0 && high / low > 4);
  if (log) {
    high = Math.max(high, Number.MIN_VALUE);
    low = Math.max(low, high / 10 ** DECADES);
  }
  if (percent) [low, high] = [Math.min(low, 0.5), 1];
  const ticks = log ? decadeTicks(low, high) : evenTicks(low, high);
  [low, high] = [Math.min(low, ticks[0]), Math.max(high, ticks.at(-1))];
  const [from, to] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  const [left, right] = [MARGIN.left + 8, width - MARGIN.right - 8];
  const span = range[1] - range[0] || 1;
  const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
  return {
    logarithmic: log, ticks,
    x: (value) => left + ((value - range[0]) / span) * (right - left),
    back: (place) => range[0] + ((place - left) / (right - left)) * span,
    y: (value) => bottom - (((log ? Math.log10(Math.max(value, low)) : value) - from) / (to - from || 1)) * (bottom - top),
  };
}

// Round numbers around two limits, about five.
function evenTicks(low, high) {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => span / each <= 5);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

// Powers of ten around two limits; between them 2 and 5 of each, if there are few.
function decadeTicks(low, high) {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const by = Math.ceil((last - first) / 6);
  const powers = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index)).filter((_, index) => index % by === 0);
  const all = last - first <= 3 ? powers.flatMap((power) => [power, 2 * power, 5 * power]) : powers;
  const below = all.filter((value) => value <= low * 1.000001).at(-1) ?? all[0];
  const above = all.find((value) => value >= high * 0.999999) ?? all.at(-1);
  return all.filter((value) => value >= below && value <= above).map((value) => Number(value.toPrecision(6)));
}

// Whole numbers along the horizontal axis.
function wholeTicks([first, last], width) {
  const most = Math.max(2, Math.floor((width - MARGIN.left) / 70));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((each) => (last - first) / each <= most) ?? last - first;
  const begin = Math.ceil(first / step) * step;
  return Array.from({ length: Math.floor((last - begin) / step) + 1 }, (_, index) => begin + index * step);
}

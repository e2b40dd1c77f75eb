// Charts of the whole game, drawn from the history that the server keeps; and the way of D(x) and D(G(z)) as a trail.
import { colours } from "./colours.js";
import { brief, describe, element, grouped } from "./elements.js";
import { prepare } from "./stage.js";
import { curve, numeral, scale, ticks } from "./strokes.js";

/** @typedef {{name: string, label: string, colour: string}} Series `colour` is a name in style.css */

const height = 108;
const pause = 100; // milliseconds between two drawings

const losses = [{ name: "d_loss", label: "D", colour: "d" }, { name: "g_loss", label: "G", colour: "g" }];
const opinions = [
  { name: "d_real", label: "D(x)", colour: "real" }, { name: "d_fake", label: "D(G(z))", colour: "fake" },
];
const norms = [{ name: "d_grad_norm", label: "D", colour: "d" }, { name: "g_grad_norm", label: "G", colour: "g" }];
const penalty = [{ name: "d_penalty", label: "of D", colour: "d" }];
const accuracy = [
  { name: "d_accuracy_real", label: "real", colour: "real" },
  { name: "d_accuracy_fake", label: "fake", colour: "fake" },
];
const spare = ["accent", "other", "quiet"]; // colours of what the world measures

/** @param {(number | null)[]} values @returns {number | null | undefined} the newest: a row may not be complete yet */
const newest = (values) => values.findLast((value) => value !== null);

/** @param {string[]} columns @param {Object} grid (points, columns) @returns {Map<string, (number | null)[]>} */
function split(columns, { data, shape: [points, width] }) {
  const found = new Map(columns.map((name) => [name, new Array(points)]));
  columns.forEach((name, column) => {
    const values = found.get(name);
    for (let i = 0; i < points; i++) {
      const v = data[i * width + column];
      values[i] = Number.isFinite(v) ? v : null; // a gap
    }
  });
  return found;
}

/** A chart of some columns, with a key above that tells values: the newest, or those below the mouse. */
class Chart {
  /**
   * @param {HTMLElement} place @param {string} title @param {Series[]} series
   * @param {{apart?: boolean}} [how] apart: every series has a scale of its own; the axes are those of the first two
   * @param {Node | string} [head] in place of the title
   */
  constructor(place, title, series, { apart = false } = {}, head = title) {
    this.series = series;
    this.equilibrium = {};
    this.keys = series.map(({ label, colour }) => {
      const key = element("span", { className: "key" }, label);
      key.style.setProperty("--key", `var(--${colour})`);
      return key;
    });
    this.when = element("span", { className: "when" });
    this.element = element("div", { className: "chart" }, element("h2", {}, head, ...this.keys, this.when));
    this.canvasPlace = element("div");
    this.element.append(this.canvasPlace);
    place.append(this.element);
    const axis = (more) => ({
      stroke: () => colours().quiet, grid: { stroke: () => colours().rule, width: 1 }, ticks: { show: false },
      font: "11px system-ui, sans-serif", ...more,
    });
    const scaleOf = (i) => (apart ? `y${i}` : "y");
    const sides = apart ? series.slice(0, 2) : series.slice(0, 1);
    const label = (_, splits) => splits.map((v) => (v === null ? "" : numeral(v)));
    this.plot = new window.uPlot({
      width: 300, height, legend: { show: false }, padding: [6, apart && series.length > 1 ? 0 : 16, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
      scales: { x: { time: false, range: (_, low, high) => (low === null ? [0, 20] : [low, Math.max(high, low + 1)]) },
        ...Object.fromEntries(series.map((_, i) => [scaleOf(i), { range: this.range.bind(this) }])) },
      axes: [
        axis({ size: 22, gap: 3, space: 60, values: (_, splits) => splits.map((v) => grouped(v)) }),
        ...sides.map((one, i) => axis({
          scale: scaleOf(i), side: i ? 1 : 3, size: 42, gap: 4, space: 20, values: label,
          ...(apart ? { stroke: () => colours()[one.colour] } : {}), ...(i ? { grid: { show: false } } : {}),
        })),
      ],
      series: [{}, ...series.map(({ colour }, i) => ({
        scale: scaleOf(i), stroke: () => colours()[colour], width: 1.5, points: { show: false }, spanGaps: false,
      }))],
      hooks: { draw: [(plot) => this.drawEquilibrium(plot)], setCursor: [() => this.tell()] },
    }, [[], ...series.map(() => [])], this.canvasPlace);
    this.canvas = this.plot.root.querySelector("canvas");
    this.canvas.setAttribute("role", "img");
    this.title = title;
    new ResizeObserver(() => this.fit()).observe(this.canvasPlace);
    this.fit();
  }

  fit() {
    const width = this.canvasPlace.clientWidth;
    if (width && width !== this.plot.width) this.plot.setSize({ width, height });
  }

  /** Room above and below; the equilibrium is in view, so that one sees how far away the game is. */
  range(_, low, high, key) {
    if (low === null) return [0, 1];
    const lines = key === "y" ? this.series.map(({ name }) => this.equilibrium[name]).filter(Number.isFinite) : [];
    const [from, to] = [Math.min(low, ...lines), Math.max(high, ...lines)];
    const room = 0.06 * (to - from) || 0.1 * Math.abs(to) || 0.5;
    return [from - room, to + room];
  }

  drawEquilibrium(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([6 * devicePixelRatio, 5 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    const levels = new Map();
    for (const { name, colour } of this.series) {
      const value = this.equilibrium[name];
      if (Number.isFinite(value)) levels.set(value, levels.has(value) ? "quiet" : colour); // a line of both is neither's
    }
    for (const [value, colour] of levels) {
      const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
      ctx.strokeStyle = colours()[colour];
      curve(ctx, 2, (i) => bbox.left + i * bbox.width, () => y);
    }
    ctx.restore();
  }

  /** The key's values. */
  tell() {
    const { idx } = this.plot.cursor;
    const [steps, ...rows] = this.plot.data;
    const value = (row) => (idx === null || idx === undefined ? newest(row) : row[idx]);
    this.series.forEach(({ label }, i) => { this.keys[i].textContent = `${label} ${brief(value(rows[i]))}`; });
    this.when.textContent = idx === null || idx === undefined ? "" : `step ${grouped(steps[idx] ?? 0)}`;
  }

  /** @param {Map<string, number[]>} columns @param {Object<string, number>} equilibrium */
  update(columns, equilibrium) {
    this.equilibrium = equilibrium;
    this.plot.setData([columns.get("step"), ...this.series.map(({ name }) => columns.get(name))]);
    this.tell();
    describe(this.canvas, () => {
      const last = this.series.map(({ name, label }) => `${label} ${brief(newest(columns.get(name)))}`);
      return `${this.title} over ${columns.get("step").at(-1) ?? 0} steps; at the end ${last.join(", ")}.`;
    });
  }

  remove() {
    this.plot.destroy();
    this.element.remove();
  }
}

/** The charts of a game, and the trail. Which there are follows from the columns of the history. */
export class Charts {
  /** @param {HTMLElement} place @param {HTMLCanvasElement} trail */
  constructor(place, trail) {
    this.place = place;
    this.trail = trail;
    /** @type {Chart[]} */
    this.charts = [];
    this.shape = "";
    this.third = ""; // the title of what the last chart shows
    this.drawn = -Infinity;
    this.timer = 0;
  }

  /** Draw soon: at once, if the last drawing is long enough ago. @param {import("./wire.js").Frame} frame */
  update(frame) {
    this.frame = frame;
    if (this.timer) return;
    const rest = this.drawn + pause - performance.now();
    if (rest <= 0) this.draw();
    else this.timer = setTimeout(() => this.draw(), rest);
  }

  draw() {
    this.timer = 0;
    this.drawn = performance.now();
    const { header, arrays } = this.frame;
    if (!arrays.history) return;
    const names = header.history;
    const shape = JSON.stringify([header.game, names]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.furnish(names, Boolean(header.run));
    }
    const columns = split(names, arrays.history);
    for (const chart of this.charts) chart.update(columns, header.equilibrium);
    this.drawTrail(columns, header.equilibrium);
  }

  /**
   * Two charts that every game has, and a third for one of several things.
   * @param {string[]} names of columns
   * @param {boolean} opened a run's: its columns are metrics of a recipe, of which little is known here
   */
  furnish(names, opened) {
    for (const chart of this.charts) chart.remove();
    const there = (series) => series.filter(({ name }) => names.includes(name));
    const usual = [losses, opinions, norms, penalty, accuracy].flat().map(({ name }) => name);
    const known = new Set(["step", "d_updates", ...usual]);
    const others = names.filter((name) => !known.has(name));
    const named = (name, i) => ({ name, label: name.replaceAll("_", " "), colour: spare[i] });
    const measured = opened ? [] : others.slice(0, spare.length).map(named);
    const alone = opened ? others.map((name) => [named(name, 0).label, [named(name, 0)]]) : [];
    const filled = (groups) => groups.filter(([, series]) => series.length);
    this.charts = filled([["Losses", there(losses)], ["What D says", there(opinions)]])
      .map(([title, series]) => new Chart(this.place, title, series));
    const groups = filled([
      ["How near", measured, { apart: true }], ["Gradient norms", there(norms)], ["Penalty", there(penalty)],
      ["Accuracy of D", there(accuracy)], ...alone,
    ]);
    if (!groups.length) return;
    const [title, series, how] = groups.find(([name]) => name === this.third) ?? groups[0];
    const options = groups.map(([name]) => element("option", {}, name));
    const choice = element("select", { "aria-label": "The third chart" }, ...options);
    choice.value = title;
    choice.addEventListener("change", () => {
      this.third = choice.value;
      this.furnish(names, opened);
      this.draw();
      this.place.querySelector("select").focus();
    });
    this.charts.push(new Chart(this.place, title, series, how, choice));
  }

  drawTrail(columns, equilibrium) {
    const [xs, ys] = ["d_real", "d_fake"].map((name) => columns.get(name));
    this.trail.hidden = !xs || !ys;
    if (this.trail.hidden) return;
    const { ctx, width, height: tall } = prepare(this.trail);
    const ink = colours();
    const chances = Number.isFinite(equilibrium.d_real);
    const span = (values) => {
      const known = values.filter((v) => v !== null);
      const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
      const room = 0.08 * (high - low) || 0.5;
      return [low - room, high + room];
    };
    const view = chances ? { x: [0, 1], y: [0, 1] } : { x: span(xs), y: span(ys) };
    const box = { left: 24, top: 6, width: width - 32, height: tall - 32 };
    const to = scale(view, box);
    [ctx.strokeStyle, ctx.lineWidth] = [ink.rule, 1];
    ctx.strokeRect(box.left, box.top, box.width, box.height);
    ctx.font = "11px system-ui, sans-serif";
    [ctx.fillStyle, ctx.textBaseline, ctx.textAlign] = [ink.quiet, "top", "center"];
    const halves = [[0, "0"], [0.5, "½"], [1, "1"]];
    const round = (values) => (chances ? halves : ticks(...values, 2).map((v) => [v, numeral(v)]));
    for (const [v, name] of round(view.x)) ctx.fillText(name, to.x(v), box.top + box.height + 4);
    [ctx.textBaseline, ctx.textAlign] = ["middle", "right"];
    for (const [v, name] of round(view.y)) ctx.fillText(name, box.left - 4, to.y(v));
    [ctx.textAlign, ctx.textBaseline, ctx.fillStyle] = ["center", "bottom", ink.real];
    ctx.fillText("D(x)", box.left + 0.75 * box.width, tall);
    ctx.fillStyle = ink.fake;
    ctx.save();
    ctx.translate(0, box.top + 0.25 * box.height);
    ctx.rotate(-Math.PI / 2);
    ctx.textBaseline = "top";
    ctx.fillText("D(G(z))", 0, 1);
    ctx.restore();
    if (chances) {
      ctx.setLineDash([3, 4]);
      curve(ctx, 2, () => to.x(equilibrium.d_real), (i) => box.top + i * box.height);
      curve(ctx, 2, (i) => box.left + i * box.width, () => to.y(equilibrium.d_fake ?? equilibrium.d_real));
      ctx.setLineDash([]);
    }
    const first = Math.max(0, xs.length - 240); // the whole way would be a ball of wool
    const pieces = 12;
    const many = xs.length - first - 1;
    [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin] = [ink.ink, 1.2, "round"];
    for (let k = 0; k < pieces && many > 0; k++) {
      const [from, until] = [k, k + 1].map((i) => first + Math.floor((i * many) / pieces));
      ctx.globalAlpha = 0.08 + 0.8 * ((k + 1) / pieces) ** 2;
      curve(ctx, until - from + 1, (i) => to.x(xs[from + i]), (i) => to.y(ys[from + i]));
    }
    ctx.globalAlpha = 1;
    const [x, y] = [xs.at(-1), ys.at(-1)];
    if (x !== null && x !== undefined && y !== null) {
      ctx.beginPath();
      ctx.arc(to.x(x), to.y(y), 3.5, 0, 2 * Math.PI);
      ctx.fillStyle = ink.ink;
      ctx.fill();
    }
    describe(this.trail, () => `The way of D's two opinions: D(x) is ${brief(x)}, D(G(z)) is ${brief(y)}.`);
  }
}

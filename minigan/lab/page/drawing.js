// Points of one's own: with mouse or finger, with the keyboard, or from a .csv file.
import { colours } from "./colours.js";
import { dots, scale } from "./strokes.js";
import { say, tell } from "./voice.js";

const most = 2000;
const largest = 16 * 2 ** 20; // bytes of a .csv
const gap = 5; // pixels between two points of a stroke

const byId = (id) => document.getElementById(id);
/** @type {HTMLCanvasElement} */
const pad = byId("pad");

/** A pad above the picture. It has the coordinates of the picture's view. */
export class Drawing {
  /**
   * @param {() => {x: number[], y: number[]}} view
   * @param {(points: number[][]) => Promise<boolean>} learn whether they were taken
   * @param {(name: string, text: string) => void} csv
   */
  constructor(view, learn, csv) {
    this.view = view;
    /** Strokes of points; undo takes away the last. @type {number[][][]} */
    this.strokes = [];
    this.cross = [0.5, 0.5]; // in shares of the view, y upwards
    this.byKeys = false;
    byId("draw").addEventListener("click", () => this.open(!this.on));
    byId("undo").addEventListener("click", () => this.change(() => this.strokes.pop(), "taken away"));
    byId("clear").addEventListener("click", () => this.change(() => { this.strokes = []; }, "all cleared"));
    byId("learn").addEventListener("click", async () => { if (await learn(this.points)) this.open(false); });
    pad.addEventListener("pointerdown", (event) => this.down(event));
    pad.addEventListener("pointermove", (event) => this.move(event));
    pad.addEventListener("keydown", (event) => this.key(event));
    pad.addEventListener("focus", () => this.draw());
    pad.addEventListener("blur", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(pad);
    byId("csv").addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (file) this.read(file, csv);
      event.target.value = ""; // the same file may be chosen again, after a change
    });
    this.listenToDrops(csv);
  }

  get on() {
    return !pad.hidden;
  }

  get points() {
    return this.strokes.flat();
  }

  /** @param {boolean} on */
  open(on) {
    if (on === this.on) return;
    pad.hidden = !on;
    byId("drawing").hidden = !on;
    byId("draw").setAttribute("aria-pressed", `${on}`);
    if (!on) return;
    this.draw();
    pad.focus({ preventScroll: true });
    say("Draw on the picture; or move the cross with the arrow keys and set points with Enter or Space.");
  }

  change(what, words) {
    what();
    this.draw();
    tell(`${words}; ${this.points.length} points`);
  }

  /** @param {number[]} point in the view's coordinates @returns {boolean} whether there was room */
  add(point) {
    if (this.points.length >= most) {
      say(`There is room for ${most} points.`);
      return false;
    }
    this.strokes.at(-1).push(point);
    this.draw();
    return true;
  }

  /** @param {number[]} share of the view @returns {number[]} */
  place([u, v]) {
    const { x, y } = this.view();
    return [x[0] + u * (x[1] - x[0]), y[0] + v * (y[1] - y[0])].map((c) => +c.toPrecision(6));
  }

  /** @param {PointerEvent} event @returns {number[]} shares of the view */
  share(event) {
    const { left, top, width, height } = pad.getBoundingClientRect();
    const within = (t) => Math.min(1, Math.max(0, t));
    return [within((event.clientX - left) / width), within(1 - (event.clientY - top) / height)];
  }

  down(event) {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    this.byKeys = false;
    this.last = [event.clientX, event.clientY];
    this.strokes.push([]);
    this.add(this.place(this.share(event)));
  }

  move(event) {
    if (!pad.hasPointerCapture(event.pointerId)) return;
    // A quick hand moves far between two frames; the browser keeps the places between.
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) {
      if (Math.hypot(one.clientX - this.last[0], one.clientY - this.last[1]) < gap) continue;
      this.last = [one.clientX, one.clientY];
      if (!this.add(this.place(this.share(one)))) return;
    }
  }

  key(event) {
    const by = event.shiftKey ? 0.1 : 0.02;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] };
    if (event.key in moves) {
      this.cross = this.cross.map((c, i) => Math.min(1, Math.max(0, c + moves[event.key][i])));
      this.byKeys = true;
      this.draw();
      tell(this.place(this.cross).map((c) => c.toFixed(2)).join(", "));
    } else if (event.key === "Enter" || event.key === " ") {
      this.byKeys = true;
      this.strokes.push([]);
      if (this.add(this.place(this.cross))) tell(`point ${this.points.length} set`);
    } else if (event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))) {
      this.change(() => this.strokes.pop(), "taken away");
    } else if (event.key === "Escape") {
      this.open(false);
      byId("draw").focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const n = this.points.length;
    byId("drawn").textContent = n === 1 ? "1 point" : `${n} points`;
    byId("learn").disabled = byId("undo").disabled = byId("clear").disabled = !n;
    if (!this.on) return;
    const { clientWidth: width, clientHeight: height } = pad;
    const ratio = window.devicePixelRatio || 1;
    [pad.width, pad.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const ctx = pad.getContext("2d");
    ctx.scale(ratio, ratio);
    const { paper, ink, real, halo } = colours();
    [ctx.fillStyle, ctx.globalAlpha] = [paper, 0.55]; // the game below is still there, but no longer in front
    ctx.fillRect(0, 0, width, height);
    ctx.globalAlpha = 1;
    const to = scale(this.view(), { left: 0, top: 0, width, height });
    dots(ctx, this.points.flat(), to, { radius: 2.6, fill: real, halo });
    if (!this.byKeys && n) return;
    const [x, y] = [this.cross[0] * width, (1 - this.cross[1]) * height];
    [ctx.strokeStyle, ctx.lineWidth] = [ink, 1.5];
    ctx.beginPath();
    for (const [dx, dy] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
      ctx.moveTo(x + 3 * dx, y + 3 * dy);
      ctx.lineTo(x + 11 * dx, y + 11 * dy);
    }
    ctx.stroke();
  }

  /** @param {File} file */
  async read(file, csv) {
    const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(0);
    if (file.size > largest) {
      return say(`${file.name} has ${mebibytes(file.size)} MiB; at most ${mebibytes(largest)} are read.`);
    }
    return csv(file.name, await file.text());
  }

  listenToDrops(csv) {
    const box = byId("frame");
    const files = (event) => this.allowed && [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      box.classList.add("over");
    });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) box.classList.remove("over"); });
    addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault(); // else the browser leaves the page for the file
      box.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) this.read(file, csv);
    });
  }

  /** @param {boolean} allowed own points can be given to this game */
  allow(allowed) {
    this.allowed = allowed;
    byId("own").hidden = !allowed;
    if (!allowed) this.open(false);
  }
}

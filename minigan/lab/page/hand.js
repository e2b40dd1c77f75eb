// A hand on G: strokes on a picture are wishes, and G answers with a picture of its own that comes near them.
import { colours } from "./colours.js";
import { describe, element, grouped } from "./elements.js";
import { cellAt, tiles } from "./pictures.js";
import { canvas as stage, prepare } from "./stage.js";
import { say, tell } from "./voice.js";
import * as wire from "./wire.js";

/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {{light: boolean, size: number, places: number[][]}} Stroke places and size are shares of the picture */

const byId = (id) => document.getElementById(id);
/** @type {HTMLCanvasElement} */
const sheet = byId("sheet");
const ever = [3, 10, 30]; // steps of the answers to the same strokes: quickly, then better; many more spoil pictures
const [little, much] = [0.04, 0.16]; // what an arrow key goes, without and with Shift
const gap = 0.01; // between two places of a stroke
const [mostStrokes, mostPlaces] = [100, 2000]; // as the server takes them

/** What stands below the walk. Until somebody opens it nothing is asked. */
export class Hand {
  /** @param {() => Object} pad where the walk is, as the server is asked for it */
  constructor(pad) {
    this.pad = pad;
    /** @type {Stroke[]} */
    this.strokes = [];
    /** Answers by the number of strokes: the way back asks nobody. @type {{frame: Frame, best: boolean}[]} */
    this.answers = [];
    this.light = true;
    this.brush = [0.5, 0.5]; // of the keyboard, from the upper left
    this.byKeys = false;
    this.drawing = false; // a stroke is not ended yet
    this.version = 0; // of what is asked
    this.asking = false;
    this.anew = true;
    this.game = null;
    byId("paint").addEventListener("click", () => this.open(!this.on));
    byId("subject").addEventListener("change", () => this.begin(true));
    byId("newest").addEventListener("click", () => this.begin(true));
    for (const id of ["light", "dark"]) byId(id).addEventListener("click", () => this.take(id === "light"));
    byId("take-back").addEventListener("click", () => this.takeBack());
    byId("wipe").addEventListener("click", () => this.wipe());
    sheet.addEventListener("pointerdown", (event) => this.down(event));
    sheet.addEventListener("pointermove", (event) => this.move(event));
    sheet.addEventListener("pointerup", () => this.end());
    sheet.addEventListener("pointercancel", () => this.end());
    sheet.addEventListener("keydown", (event) => this.key(event));
    for (const what of ["focus", "blur"]) sheet.addEventListener(what, () => this.draw());
    stage.addEventListener("click", (event) => this.choose(event));
    new ResizeObserver(() => this.draw()).observe(byId("easel"));
  }

  get on() {
    return !byId("easel").hidden;
  }

  /** @returns {Object} the picture that is painted on, as the server is asked for it */
  get subject() {
    const value = byId("subject").value;
    const { pad, seed, label } = this.pad();
    return value === "" ? { pad, seed, label } : { sample: +value, label };
  }

  /** @param {Frame} frame the newest of the game */
  show({ header, arrays: { samples } }) {
    const there = header.world === "pictures" && header.paints;
    byId("hand").hidden = !there;
    if (!there) return this.open(false);
    this.samples = samples.shape;
    byId("newest").hidden = Boolean(header.run); // it learns no more
    const select = byId("subject");
    if (select.options.length !== samples.shape[0] + 1) {
      const option = (_, i) => element("option", { value: i }, `sample ${i + 1}`);
      const options = Array.from({ length: samples.shape[0] }, option);
      select.replaceChildren(element("option", { value: "" }, "the place on the pad"), ...options);
    }
    if (!this.on) return undefined;
    if (header.game !== this.game) {
      this.game = header.game;
      return this.begin(true);
    }
    if (!this.strokes.length && JSON.stringify(this.subject) !== this.begun) this.begin(false);
    return undefined;
  }

  /** @param {boolean} on */
  open(on) {
    if (on === this.on) return;
    byId("easel").hidden = !on;
    byId("paint").setAttribute("aria-expanded", `${on}`);
    byId("paint").textContent = on ? "Put away" : "Paint";
    stage.style.cursor = on ? "pointer" : "";
    this.version++;
    if (!on) return;
    this.game = window.lab.frame.game;
    this.begin(true);
    sheet.focus({ preventScroll: true });
    byId("hand").scrollIntoView({ block: "nearest" });
    say("Paint on the left picture; or the arrow keys move the brush, and Enter or Space begins and ends a stroke.");
  }

  /** A clean sheet. @param {boolean} anew of G as it is now */
  begin(anew) {
    this.anew ||= anew;
    this.begun = JSON.stringify(this.subject);
    this.strokes = [];
    this.answers = [];
    this.drawing = false;
    this.changed();
  }

  /** A sample on the stage was clicked. @param {MouseEvent} event */
  choose(event) {
    if (!this.on) return;
    const { left, top, width, height } = stage.getBoundingClientRect();
    const at = cellAt({ width, height }, this.samples, [event.clientX - left, event.clientY - top]);
    if (at === null) return;
    byId("subject").value = `${at}`;
    this.begin(true);
    tell(`painting on sample ${at + 1}`);
  }

  /** @param {boolean} light */
  take(light) {
    this.light = light;
    byId("light").setAttribute("aria-pressed", `${light}`);
    byId("dark").setAttribute("aria-pressed", `${!light}`);
  }

  takeBack() {
    if (!this.strokes.length) return;
    this.strokes.pop();
    this.drawing = false;
    this.changed();
    tell(`taken away; ${this.count}`);
  }

  wipe() {
    this.strokes = [];
    this.drawing = false;
    this.changed();
    tell("all cleared");
  }

  get count() {
    return this.strokes.length === 1 ? "1 stroke" : `${this.strokes.length} strokes`;
  }

  // Strokes

  /** @param {number[]} place @returns {boolean} whether there was room */
  start(place) {
    if (this.strokes.length >= mostStrokes || this.room < 1) {
      say("There is no room for another stroke; take some away.");
      return false;
    }
    this.answers.length = Math.min(this.answers.length, this.strokes.length + 1);
    this.strokes.push({ light: this.light, size: +byId("brush").value / 100, places: [place] });
    this.drawing = true;
    this.changed();
    return true;
  }

  get room() {
    return mostPlaces - this.strokes.reduce((sum, { places }) => sum + places.length, 0);
  }

  /** @param {number[]} place */
  go(place) {
    const { places } = this.strokes.at(-1);
    const [x, y] = places.at(-1);
    if (Math.hypot(place[0] - x, place[1] - y) < gap || this.room < 1) return;
    places.push(place);
    this.changed();
  }

  end() {
    if (!this.drawing) return;
    this.drawing = false;
    this.changed();
  }

  /** @param {PointerEvent} event @returns {number[]} */
  share(event) {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height].map(within);
  }

  down(event) {
    if (event.button) return;
    this.byKeys = false;
    this.end();
    if (this.start(this.share(event))) sheet.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.drawing || !sheet.hasPointerCapture(event.pointerId)) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const one of between.length ? between : [event]) this.go(this.share(one));
  }

  key(event) {
    const by = event.shiftKey ? much : little;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    if (event.key in moves) {
      this.byKeys = true;
      this.brush = this.brush.map((c, i) => within(c + moves[event.key][i]));
      if (this.drawing) this.go(this.brush);
      this.draw();
      tell(`${Math.round(100 * this.brush[0])} across, ${Math.round(100 * this.brush[1])} down`);
    } else if (event.key === "Enter" || event.key === " ") {
      this.byKeys = true;
      if (this.drawing) {
        this.end();
        tell(`brush up; ${this.count}`);
      } else if (this.start(this.brush)) tell("brush down");
    } else if (event.key === "Backspace" || (event.key === "z" && (event.ctrlKey || event.metaKey))) {
      this.takeBack();
    } else if (event.key === "Escape") {
      this.open(false);
      byId("paint").focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // Answers

  changed() {
    this.version++;
    this.draw();
    this.ask();
  }

  /** What G makes of the strokes as they are, one question at a time; newer strokes come before better answers. */
  async ask() {
    if (this.asking) return;
    this.asking = true;
    let wrong = "";
    for (let i = 0, version = -1; this.on && !wrong; i++) {
      if (version !== this.version) [version, i] = [this.version, 0];
      const n = this.strokes.length;
      const last = i === (n ? ever.length - 1 : 0);
      if (!this.anew && !this.drawing && this.answers[n]?.best) {
        this.draw();
        break;
      }
      const { anew } = this;
      this.anew = false;
      try {
        const frame = await wire.hand({ of: JSON.parse(this.begun), strokes: this.strokes, steps: ever[i], anew });
        if (version === this.version) this.answers[n] = { frame, best: last && !this.drawing };
      } catch (error) {
        wrong = error.message;
      }
      this.draw();
      if (version !== this.version) continue;
      if (last) {
        if (n && !this.drawing) tell(this.words);
        break;
      }
    }
    this.asking = false;
    if (wrong) say(wrong);
  }

  /** @returns {Frame | null} the answer that is shown: to these strokes, or else to those before */
  get answer() {
    return this.answers.slice(0, this.strokes.length + 1).findLast(Boolean)?.frame ?? null;
  }

  /** @returns {string} */
  get words() {
    const { step, agreed } = this.answer.header;
    const way = agreed === null ? "no strokes yet" : `${percent(agreed)} of the way to the strokes`;
    return `G of step ${grouped(step)}: ${way}`;
  }

  draw() {
    if (!this.on) return;
    byId("take-back").disabled = byId("wipe").disabled = !this.strokes.length;
    const { answer } = this;
    if (!answer) return;
    const { was, made, way } = answer.arrays;
    const { step, agreed } = answer.header;
    byId("painted").textContent = `your strokes, on step ${grouped(step)}`;
    byId("agreed").textContent = agreed === null ? "what G makes of them" : `G's answer: ${percent(agreed)} of the way`;
    for (const [canvas, images, words] of [
      [sheet, was, null],
      [byId("answer"), made, () => `What G makes of ${this.count}. ${this.words}.`],
      [byId("way-to"), way, () => `${way.shape[0]} pictures on the way from the picture to G's answer.`],
    ]) {
      const [n, h, w] = images.shape;
      canvas.style.aspectRatio = `${n * w} / ${h}`;
      const { ctx, width, height } = prepare(canvas);
      if (!width) continue;
      tiles(ctx, { width, height }, images, n);
      if (words) describe(canvas, words);
      else this.drawStrokes(ctx, width, height);
    }
  }

  /** @param {CanvasRenderingContext2D} ctx @param {number} width @param {number} height */
  drawStrokes(ctx, width, height) {
    const { accent, fake } = colours();
    [ctx.lineCap, ctx.lineJoin] = ["round", "round"];
    for (const { light, size, places } of this.strokes) {
      const thick = Math.max(size * width, 2);
      for (const [colour, more] of [[accent, 2], [light ? "#fff" : "#000", 0]]) {
        [ctx.strokeStyle, ctx.lineWidth] = [colour, thick + more];
        ctx.beginPath();
        for (const [x, y] of [places[0], ...places]) ctx.lineTo(x * width, y * height);
        ctx.stroke();
      }
    }
    if (document.activeElement !== sheet || !this.byKeys) return;
    [ctx.strokeStyle, ctx.lineWidth] = [fake, this.drawing ? 3 : 1.5];
    ctx.beginPath();
    const radius = Math.max(5, (+byId("brush").value / 200) * width);
    ctx.arc(this.brush[0] * width, this.brush[1] * height, radius, 0, 2 * Math.PI);
    ctx.stroke();
  }
}

/** @param {number} share @returns {string} */
const percent = (share) => `${Math.round(100 * share)} %`;

/** @param {number} t @returns {number} a share */
const within = (t) => +Math.min(1, Math.max(0, t)).toFixed(4);

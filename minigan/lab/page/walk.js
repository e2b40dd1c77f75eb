// A walk among what G makes: a pad whose places are latents, the picture there, and the data that come nearest to it.
import { describe, element } from "./elements.js";
import { tiles } from "./pictures.js";
import { prepare } from "./stage.js";
import { tell } from "./voice.js";

/** @typedef {import("./wire.js").Frame} Frame */

const byId = (id) => document.getElementById(id);
const place = byId("place");
const sliders = [byId("across"), byId("up")];
const [little, much] = [0.05, 0.25]; // what an arrow key goes, without and with Shift
const round = 40000; // milliseconds of a wander, until it is back
const slack = 700; // milliseconds in which it comes near its curve, from wherever it begins

/** @param {number} t turns @param {number} reach @returns {number[]} a closed curve that comes by everywhere */
const curve = (t, reach) => [2, 3].map((times) => 0.85 * reach * Math.sin(2 * Math.PI * times * t));

/** @param {number[]} pad @returns {string} the latent there, up to its length */
function formula(pad) {
  const terms = pad.map((v, i) => `${v < 0 ? "−" : "+"} ${Math.abs(v).toFixed(2)} ${"bc"[i]}`);
  return `a ${terms.join(" ")}`;
}

/** What stands beside the samples. */
export class Walk {
  /** @param {() => void} moved called when there is something else to be seen */
  constructor(moved) {
    this.moved = moved;
    this.pad = [0, 0]; // y points upwards
    this.seed = 1;
    this.reach = 2;
    this.wandering = false;
    this.turns = 0;
    /** @type {Frame | null} */
    this.last = null;
    place.addEventListener("pointerdown", (event) => this.down(event));
    place.addEventListener("pointermove", (event) => {
      if (place.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    sliders.forEach((slider, axis) => {
      slider.addEventListener("keydown", (event) => this.key(event));
      // Home, Page Up and the gestures of a screen reader, which know nothing of two axes.
      slider.addEventListener("input", () => this.walk(this.pad.map((v, i) => (i === axis ? +slider.value : v))));
    });
    byId("asked").addEventListener("change", () => this.moved());
    byId("corner").addEventListener("click", () => {
      this.seed++;
      this.moved();
      tell("three other latents");
    });
    byId("wander").addEventListener("click", () => this.wander(!this.wandering));
    new ResizeObserver(() => this.draw()).observe(byId("walk"));
  }

  /** @returns {Object} what is asked of the server, once the game is one of pictures */
  view() {
    if (byId("walk").hidden) return {};
    const asked = byId("asked").value;
    return { pad: this.pad.map((v) => +v.toFixed(3)), label: asked === "" ? null : +asked, seed: this.seed };
  }

  /** @param {Frame} frame */
  show(frame) {
    const there = frame.header.world === "pictures";
    byId("scene").classList.toggle("walked", there);
    byId("walk").hidden = !there;
    this.last = there ? frame : null;
    if (!there) return this.wander(false);
    const { labels = [], reach, of } = frame.header;
    if (this.reach !== reach || !byId("way").hasAttribute("d")) this.measure(reach);
    this.offer(labels);
    byId("of").textContent = of;
    byId("near").hidden = !frame.arrays.neighbours;
    return this.draw();
  }

  /** @param {number} reach how far the pad goes to each side */
  measure(reach) {
    this.reach = reach;
    const points = Array.from({ length: 180 }, (_, i) => curve(i / 180, 1));
    byId("way").setAttribute("d", `M${points.map(([x, y]) => `${x.toFixed(3)} ${(-y).toFixed(3)}`).join("L")}Z`);
    for (const slider of sliders) [slider.min, slider.max, slider.step] = [`${-reach}`, `${reach}`, `${little}`];
    this.put(this.pad);
  }

  /** @param {string[]} labels what G can be asked for */
  offer(labels) {
    const select = byId("asked");
    const written = JSON.stringify(labels);
    if (select.dataset.written === written) return;
    select.dataset.written = written;
    const options = labels.map((label, i) => element("option", { value: `${i}` }, label));
    select.replaceChildren(element("option", { value: "" }, "any"), ...options);
    select.parentElement.hidden = !labels.length;
  }

  draw() {
    if (!this.last) return;
    const { picked, neighbours, strip } = this.last.arrays;
    for (const [id, images, words] of [
      ["picked", picked, () => `What G makes of ${formula(this.pad)}.`],
      ["neighbours", neighbours, () => `${byId("of").textContent}.`],
      ["strip", strip, () => `${strip.shape[0]} pictures on the way from a to b.`],
    ]) {
      if (!images) continue;
      const [n, h, w] = images.shape;
      const canvas = byId(id);
      canvas.style.aspectRatio = `${n * w} / ${h}`;
      const { ctx, width, height } = prepare(canvas);
      if (width) tiles(ctx, { width, height }, images, n);
      describe(canvas, words);
    }
  }

  /** Where the handle is drawn. @param {number[]} to */
  put(to) {
    this.pad = to.map((v) => Math.min(this.reach, Math.max(-this.reach, v)));
    const words = formula(this.pad);
    byId("latent").textContent = words;
    const [x, y] = this.pad.map((v) => v / this.reach);
    byId("handle").setAttribute("cx", `${x}`);
    byId("handle").setAttribute("cy", `${-y}`);
    sliders.forEach((slider, axis) => {
      slider.value = `${this.pad[axis]}`;
      slider.setAttribute("aria-valuetext", words);
    });
  }

  /** A hand goes there; it is not led any more. @param {number[]} to */
  walk(to) {
    this.wander(false);
    this.put(to);
    this.moved();
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button) return;
    event.preventDefault(); // no selecting of text; so the focus must be set
    sliders[0].focus({ preventScroll: true });
    place.setPointerCapture(event.pointerId);
    this.follow(event);
  }

  /** @param {PointerEvent} event */
  follow(event) {
    const { left, top, width, height } = place.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    this.walk([(2 * x - 1) * this.reach, (1 - 2 * y) * this.reach]);
  }

  /** All four arrows go their way whichever slider has the focus, and take it along: what changes is read out. */
  key(event) {
    const by = event.shiftKey ? much : little;
    const ways = { ArrowLeft: [0, -by], ArrowRight: [0, by], ArrowUp: [1, by], ArrowDown: [1, -by] };
    if (!(event.key in ways)) return;
    event.preventDefault();
    const [axis, step] = ways[event.key];
    sliders[axis].focus({ preventScroll: true });
    this.walk(this.pad.map((v, i) => (i === axis ? v + step : v)));
  }

  /** @param {boolean} on */
  wander(on) {
    if (on === this.wandering) return;
    this.wandering = on;
    byId("wander").setAttribute("aria-pressed", `${on}`);
    place.classList.toggle("led", on);
    if (!on) return;
    let then = performance.now();
    const go = (now) => {
      if (!this.wandering) return;
      const passed = Math.min(100, Math.max(0, now - then)); // a page that was hidden goes on where it was
      then = now;
      this.turns += passed / round;
      const near = 1 - Math.exp(-passed / slack);
      const goal = curve(this.turns, this.reach);
      this.put(this.pad.map((v, i) => v + near * (goal[i] - v)));
      this.moved();
      requestAnimationFrame(go);
    };
    requestAnimationFrame(go);
  }
}

// The main canvas: its size, its layers and their switches, its description.
import { colours } from "./colours.js";
import { describe, element, glyph } from "./elements.js";
import { worlds } from "./worlds.js";

const frameBox = document.getElementById("frame");
/** @type {HTMLCanvasElement} */
export const canvas = document.getElementById("plane");
const switches = document.getElementById("layers");
const caption = document.getElementById("caption");

/** What is shown, for each world; it stays so while others are visited. @type {Object<string, Set<string>>} */
const shown = Object.fromEntries(
  Object.entries(worlds).map(([name, { layers }]) => [name, new Set(layers.filter((l) => l.on).map((l) => l.name))]),
);
let current = null;
/** @type {import("./wire.js").Frame | null} */
let last = null;

/** @returns {Object} what the server may leave out: arrays of layers that are hidden are not needed */
export function view() {
  if (!(current in worlds)) return {};
  const wanted = worlds[current].layers.filter((layer) => shown[current].has(layer.name));
  return { layers: [...new Set(wanted.map((layer) => layer.array ?? layer.name))] };
}

/** @param {string} world @param {() => void} changed called when a layer was switched */
function furnish(world, changed) {
  current = world;
  frameBox.style.setProperty("--aspect", worlds[world]?.aspect ?? 1);
  switches.replaceChildren(...(worlds[world]?.layers ?? []).map(({ name, label, mark, colour, help = "" }) => {
    const box = element("input", { type: "checkbox", id: `layer-${name}`, checked: shown[world].has(name) });
    box.addEventListener("change", () => {
      shown[world][box.checked ? "add" : "delete"](name);
      changed();
    });
    return element("label", { className: "tick", title: help }, box, glyph(mark, colour), label);
  }));
}

/**
 * Make a canvas as sharp as the screen.
 * @param {HTMLCanvasElement} target
 * @returns {{ctx: CanvasRenderingContext2D, width: number, height: number}} on clean ground, in CSS pixels
 */
export function prepare(target) {
  const { clientWidth: width, clientHeight: height } = target;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (target.width !== w || target.height !== h) [target.width, target.height] = [w, h];
  const ctx = target.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;
  ctx.setLineDash([]);
  ctx.fillStyle = colours().paper;
  ctx.fillRect(0, 0, width, height);
  return { ctx, width, height };
}

/**
 * @param {import("./wire.js").Frame} frame
 * @param {() => void} changed called when a layer was switched
 */
export function draw(frame, changed) {
  const { header } = frame;
  last = frame;
  if (header.world !== current) furnish(header.world, changed);
  const world = worlds[header.world];
  const { ctx, width, height } = prepare(canvas);
  const words = world ? world.caption(frame) : `This page has no picture for games of the kind “${header.world}”.`;
  if (caption.textContent !== words) caption.textContent = words;
  if (!world || !width) return;
  world.draw(ctx, { width, height }, frame, shown[header.world], colours());
  describe(canvas, () => {
    const figures = (header.figures ?? []).map(({ name, value }) => `${name} ${value}`).join(", ");
    return `Step ${header.step}. ${world.describe(frame)}${figures ? ` ${figures}.` : ""}`;
  });
}

new ResizeObserver(() => last && draw(last)).observe(frameBox);

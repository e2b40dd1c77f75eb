// Colours of canvases and charts, read from style.css, so that light and dark are told in one place.

/**
 * @typedef {Object} Colours
 * @property {string} paper @property {string} ink @property {string} quiet @property {string} rule
 * @property {string} edge
 * @property {string} real @property {string} fake @property {string} d @property {string} g @property {string} other
 * @property {string} accent @property {string} halo
 * @property {Uint32Array} surface pixels (RGBA), from 0 (fake) over 1/2 (pale) to 1 (real)
 */

const names = ["paper", "ink", "quiet", "rule", "edge", "real", "fake", "d", "g", "other", "accent", "halo"];
const dark = matchMedia("(prefers-color-scheme: dark)");
/** @type {Colours | null} */
let known = null;

/** @param {string} hex "#rrggbb" @returns {number[]} */
const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

const LEVELS = 4096;

/**
 * A D near equilibrium hardly leaves 1/2, and that is where one wants to see which way it leans: so colours grow with
 * the square root of the distance from 1/2.
 * @param {string[]} ends fake, half, real @returns {Uint32Array}
 */
function ramp(ends) {
  const [fake, half, real] = ends.map(channels);
  const pixels = new Uint8ClampedArray(4 * LEVELS);
  for (let i = 0; i < LEVELS; i++) {
    const t = (i / (LEVELS - 1)) * 2 - 1;
    const end = t < 0 ? fake : real;
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = half[c] + (end[c] - half[c]) * Math.sqrt(Math.abs(t));
    pixels[4 * i + 3] = 255;
  }
  return new Uint32Array(pixels.buffer);
}

/** @returns {Colours} */
export function colours() {
  if (known) return known;
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  known = Object.fromEntries(names.map((name) => [name, value(name)]));
  known.surface = ramp(["surface-fake", "surface-half", "surface-real"].map(value));
  return known;
}

/** @param {() => void} told called after a change from light to dark or back */
export function whenColoursChange(told) {
  dark.addEventListener("change", () => {
    known = null;
    told();
  });
}

// Which picture belongs to which game. A new world is a module like these, and one line here.
import { dirac } from "./dirac.js";
import { line } from "./line.js";
import { pictures } from "./pictures.js";
import { plane } from "./plane.js";

/**
 * @typedef {Object} Layer
 * @property {string} name
 * @property {string} label
 * @property {"ramp"|"dot"|"line"|"dots"|"dash"|"arrow"} mark how the key shows it
 * @property {string} [help] what it is, where the label is short
 * @property {string} [colour] a name in style.css
 * @property {boolean} on whether it is shown at first
 * @property {string} [array] the array that it needs, where that has another name
 */

/**
 * @typedef {Object} World
 * @property {number} aspect width by height
 * @property {Layer[]} layers
 * @property {(ctx: CanvasRenderingContext2D, size: {width: number, height: number}, frame: import("./wire.js").Frame,
 *   shown: Set<string>, colours: import("./colours.js").Colours) => void} draw on paper of that size in CSS pixels
 * @property {(frame: import("./wire.js").Frame) => string} caption the words below the picture
 * @property {(frame: import("./wire.js").Frame) => string} describe what there is to see, for those who don't
 */

/** @type {Object<string, World>} */
export const worlds = { plane, line, dirac, pictures };

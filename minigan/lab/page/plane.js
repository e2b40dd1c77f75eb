// A game of points in the plane: what D says everywhere, where G's samples are, and where D sends them.
import { arrows, dots, scale } from "./strokes.js";

/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./colours.js").Colours} Colours */

const small = document.createElement("canvas"); // the surface, one pixel a value; the browser enlarges it smoothly

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("./wire.js").Grid} surface
 * @param {number} side of the picture, in pixels
 * @param {Colours} colours
 */
function paint(ctx, { data, shape }, side, { surface }) {
  const [[rows, columns], top] = [shape, surface.length - 1];
  if (small.width !== columns || small.height !== rows) [small.width, small.height] = [columns, rows];
  const brush = small.getContext("2d");
  const image = brush.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    const from = (rows - 1 - row) * columns; // row 0 is the lowest y, and the picture's first row is the highest
    for (let column = 0; column < columns; column++) {
      const value = data[from + column];
      pixels[row * columns + column] = surface[Math.round(top * Math.max(0, Math.min(1, value))) || 0];
    }
  }
  brush.putImageData(image, 0, 0);
  // Values are those at the nodes of a grid that reaches from edge to edge: half a pixel lies beyond each edge.
  const [cx, cy] = [side / (columns - 1), side / (rows - 1)];
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(small, -cx / 2, -cy / 2, columns * cx, rows * cy);
}

// Marching squares: which edges of a cell the line joins, by which of its corners (1, 2, 4, 8: counter-clockwise from
// the lowest left) lie above. Edges: 0 lowest, 1 right, 2 highest, 3 left. In two saddles the cell's middle decides.
const joins = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], null, [[0, 2]], [[3, 2]],
  [[2, 3]], [[0, 2]], null, [[1, 2]], [[3, 1]], [[0, 1]], [[3, 0]], [],
];

/**
 * The line along which a surface has a value.
 * @param {import("./wire.js").Grid} surface row 0 is the lowest y
 * @param {number} level
 * @returns {number[][]} pieces [x, y, x, y], in cells from the lowest left
 */
export function contour({ data, shape }, level) {
  const [rows, columns] = shape;
  const pieces = [];
  for (let r = 0; r + 1 < rows; r++) {
    for (let c = 0; c + 1 < columns; c++) {
      const at = r * columns + c;
      const corner = [data[at], data[at + 1], data[at + columns + 1], data[at + columns]].map((v) => v - level);
      const above = corner.reduce((bits, v, i) => bits | (v > 0 ? 1 << i : 0), 0);
      if (above === 0 || above === 15) continue;
      const middle = corner[0] + corner[1] + corner[2] + corner[3] > 0;
      const saddle = (above === 5) === middle ? [[3, 2], [0, 1]] : [[3, 0], [1, 2]];
      const share = (a, b) => corner[a] / (corner[a] - corner[b]);
      const place = [
        () => [c + share(0, 1), r],
        () => [c + 1, r + share(1, 2)],
        () => [c + share(3, 2), r + 1],
        () => [c, r + share(0, 3)],
      ];
      for (const [from, to] of joins[above] ?? saddle) pieces.push([...place[from](), ...place[to]()]);
    }
  }
  return pieces;
}

/** @param {CanvasRenderingContext2D} ctx @param {import("./wire.js").Grid} surface @param {number} side */
function drawContour(ctx, surface, side) {
  const [ky, kx] = surface.shape.map((n) => side / (n - 1));
  ctx.beginPath();
  for (const [x0, y0, x1, y1] of contour(surface, 0.5)) {
    ctx.moveTo(x0 * kx, side - y0 * ky);
    ctx.lineTo(x1 * kx, side - y1 * ky);
  }
  ctx.stroke();
}

/** G's image of a regular grid of noise, as a net. */
function drawNet(ctx, { data, shape }, to) {
  const [rows, columns] = shape;
  const point = (r, c) => [to.x(data[2 * (r * columns + c)]), to.y(data[2 * (r * columns + c) + 1])];
  ctx.beginPath();
  const go = (on, place) => (on ? ctx.lineTo(...place) : ctx.moveTo(...place));
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) go(c, point(r, c));
  for (let c = 0; c < columns; c++) for (let r = 0; r < rows; r++) go(r, point(r, c));
  ctx.stroke();
}

/** @param {Object} header @returns {string} what the colours mean */
export function meaning({ surface }) {
  const text = surface?.text ?? surface ?? "";
  return text === "D(x)" ? "Blue where D says real, orange where it says fake" : text;
}

/** @type {import("./worlds.js").World} */
export const plane = {
  aspect: 1,
  layers: [
    { name: "surface", label: "D", mark: "ramp", on: true },
    { name: "contour", label: "D = ½", mark: "line", colour: "ink", on: true, array: "surface" },
    { name: "real", label: "real", mark: "dot", colour: "real", on: true },
    { name: "fakes", label: "fakes", mark: "dot", colour: "fake", on: true },
    { name: "arrows", label: "push", mark: "arrow", colour: "ink", on: true, help: "Where G's loss would move a fake" },
    { name: "field", label: "field", mark: "arrow", colour: "quiet", on: false, help: "The push on a fake at any place" },
    { name: "grid", label: "net", mark: "line", colour: "fake", on: false, help: "G's image of a grid of noise" },
  ],

  draw(ctx, { width: side, height }, { header, arrays }, shown, colours) {
    const to = scale(header.view, { left: 0, top: 0, width: side, height });
    const { surface, field, grid, real, fakes } = arrays;
    if (surface && shown.has("surface")) paint(ctx, surface, side, colours);
    if (surface && shown.has("contour")) {
      [ctx.strokeStyle, ctx.lineWidth] = [colours.ink, 1.5];
      drawContour(ctx, surface, side);
    }
    if (field && shown.has("field")) {
      const [rows, columns] = field.shape;
      const { x, y } = header.view;
      const at = (i) => [
        to.x(x[0] + ((x[1] - x[0]) * (i % columns)) / (columns - 1)),
        to.y(y[0] + ((y[1] - y[0]) * Math.floor(i / columns)) / (rows - 1)),
      ];
      [ctx.strokeStyle, ctx.lineWidth] = [colours.quiet, 1];
      arrows(ctx, rows * columns, at, field.data, Math.min(34, (0.9 * side) / columns));
    }
    if (grid && shown.has("grid")) {
      [ctx.strokeStyle, ctx.lineWidth] = [colours.fake, 0.8];
      drawNet(ctx, grid, to);
    }
    if (real && shown.has("real")) dots(ctx, real.data, to, { radius: 2.1, fill: colours.real, halo: colours.halo });
    if (fakes && shown.has("fakes")) dots(ctx, fakes.data, to, { radius: 2.3, fill: colours.fake, halo: colours.halo });
    if (arrays.arrows && fakes && shown.has("arrows")) {
      const at = (i) => [to.x(fakes.data[2 * i]), to.y(fakes.data[2 * i + 1])];
      [ctx.strokeStyle, ctx.lineWidth] = [colours.ink, 1.1];
      arrows(ctx, arrays.arrows.shape[0], at, arrays.arrows.data, 34);
    }
  },

  caption: ({ header }) => meaning(header),

  describe({ header, arrays }) {
    const { x, y } = header.view;
    const inside = (points) => {
      let n = 0;
      for (let i = 0; i < points.length; i += 2) {
        n += points[i] >= x[0] && points[i] <= x[1] && points[i + 1] >= y[0] && points[i + 1] <= y[1];
      }
      return n;
    };
    const fakes = arrays.fakes && `${arrays.fakes.shape[0]} fakes, ${inside(arrays.fakes.data)} of them in view`;
    const real = arrays.real && `${arrays.real.shape[0]} real points`;
    return `The plane: ${[real, fakes].filter(Boolean).join(", ")}.`;
  },
};

// Strokes that several pictures share: places, arrows, dots, ticks.

/**
 * From the coordinates of a view to pixels; y points upwards.
 * @param {{x: number[], y: number[]}} view
 * @param {{left: number, top: number, width: number, height: number}} box
 * @returns {{x: (v: number) => number, y: (v: number) => number}}
 */
export function scale(view, box) {
  const kx = box.width / (view.x[1] - view.x[0]);
  const ky = box.height / (view.y[1] - view.y[0]);
  return { x: (v) => box.left + (v - view.x[0]) * kx, y: (v) => box.top + box.height - (v - view.y[0]) * ky };
}

/**
 * Arrows from points along vectors, as one path. A vector of length g is drawn `longest` g/(g + 1) pixels long: those
 * that vanish are seen to vanish, and large ones do not fill the picture.
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} n
 * @param {(i: number) => number[]} at where arrow i begins, in pixels
 * @param {ArrayLike<number>} vectors (n, 2), y upwards
 * @param {number} longest
 */
export function arrows(ctx, n, at, vectors, longest) {
  ctx.beginPath();
  for (let i = 0; i < n; i++) {
    const [vx, vy] = [vectors[2 * i], -vectors[2 * i + 1]];
    const g = Math.hypot(vx, vy);
    const length = (longest * g) / (g + 1);
    if (!(length > 1.5)) continue; // a dot would hide it
    const [x, y] = at(i);
    const [ux, uy] = [vx / g, vy / g];
    const head = Math.min(4.5, 0.45 * length);
    const [ex, ey] = [x + ux * length, y + uy * length];
    ctx.moveTo(x, y);
    ctx.lineTo(ex, ey);
    ctx.moveTo(ex - head * (ux + 0.55 * uy), ey - head * (uy - 0.55 * ux));
    ctx.lineTo(ex, ey);
    ctx.lineTo(ex - head * (ux - 0.55 * uy), ey - head * (uy + 0.55 * ux));
  }
  ctx.stroke();
}

/**
 * Points as dots with a halo that holds them apart from whatever lies below.
 * @param {CanvasRenderingContext2D} ctx
 * @param {ArrayLike<number>} points (n, 2)
 * @param {{x: (v: number) => number, y: (v: number) => number}} to
 * @param {{radius: number, fill: string, halo: string}} look
 */
export function dots(ctx, points, to, { radius, fill, halo }) {
  ctx.beginPath();
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [to.x(points[i]), to.y(points[i + 1])];
    ctx.moveTo(x + radius, y);
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
  }
  ctx.lineWidth = 1.4;
  ctx.strokeStyle = halo;
  ctx.stroke();
  ctx.fillStyle = fill;
  ctx.fill();
}

/**
 * Round numbers in a range.
 * @param {number} low @param {number} high @param {number} about how many
 * @returns {number[]}
 */
export function ticks(low, high, about) {
  const rough = (high - low) / about;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const gap = ten * ([1, 2, 5, 10].find((m) => m * ten >= rough) ?? 10);
  const found = [];
  for (let i = Math.ceil(low / gap - 1e-9); i * gap <= high + 1e-9 * gap; i++) found.push(+(i * gap).toPrecision(12));
  return found;
}

/** @param {number} value @returns {string} a tick's number, with a minus that is as wide as a plus */
export const numeral = (value) => `${+value.toPrecision(6)}`.replace("-", "−");

/**
 * One line through n places.
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} n
 * @param {(i: number) => number} x in pixels
 * @param {(i: number) => number} y in pixels
 */
export function curve(ctx, n, x, y) {
  ctx.beginPath();
  for (let i = 0; i < n; i++) ctx.lineTo(x(i), y(i));
  ctx.stroke();
}

// A game of pictures: samples of the same latents at every step, so that one sees each of them grow.

const sheet = document.createElement("canvas"); // images one below the other, one pixel a pixel

/** How n images are arranged in a room: how often they are enlarged, from one to the next, and where the first is. */
function arranged({ width, height }, [n, h, w], columns) {
  const rows = Math.ceil(n / columns);
  const gap = columns > 1 ? Math.max(2, Math.round(width / (40 * columns))) : 0;
  const times = Math.min((width - gap * (columns - 1)) / (columns * w), (height - gap * (rows - 1)) / (rows * h));
  const [dx, dy] = [times * w + gap, times * h + gap];
  return { times, dx, dy, left: (width - columns * dx + gap) / 2, top: (height - rows * dy + gap) / 2 };
}

/** @param {number} n @returns {number} columns of samples: as many as rows */
const square = (n) => Math.ceil(Math.sqrt(n));

/**
 * @param {{width: number, height: number}} size of the room of the samples
 * @param {number[]} shape theirs
 * @param {number[]} at in the room
 * @returns {number | null} which sample is there
 */
export function cellAt(size, shape, [x, y]) {
  const columns = square(shape[0]);
  const { dx, dy, left, top } = arranged(size, shape, columns);
  const [column, row] = [Math.floor((x - left) / dx), Math.floor((y - top) / dy)];
  const i = row * columns + column;
  return column >= 0 && column < columns && row >= 0 && i < shape[0] ? i : null;
}

/**
 * Images side by side, as large as the room allows and in its middle. Pixels stay squares with hard edges.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{width: number, height: number}} size of the room, in CSS pixels
 * @param {import("./wire.js").Grid} images (n, H, W, C) bytes, C = 1 or 3
 * @param {number} columns
 */
export function tiles(ctx, { width, height }, { data, shape: [n, h, w, channels] }, columns) {
  [sheet.width, sheet.height] = [w, n * h]; // the order of the bytes is that of one tall image
  const brush = sheet.getContext("2d");
  const image = brush.createImageData(w, n * h);
  for (let i = 0; i < n * h * w; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  brush.putImageData(image, 0, 0);

  const { times, dx, dy, left, top } = arranged({ width, height }, [n, h, w], columns);
  const ratio = ctx.getTransform().a;
  const snap = (v) => Math.round(v * ratio) / ratio; // to a pixel of the screen: an edge between two is blurred
  ctx.imageSmoothingEnabled = times * ratio < 1; // only what is made smaller
  for (let i = 0; i < n; i++) {
    const [x, y] = [left + (i % columns) * dx, top + Math.floor(i / columns) * dy];
    const [x0, y0, x1, y1] = [x, y, x + times * w, y + times * h].map(snap);
    ctx.drawImage(sheet, 0, i * h, w, h, x0, y0, x1 - x0, y1 - y0);
  }
}

/** @type {import("./worlds.js").World} */
export const pictures = {
  aspect: 1,
  layers: [],

  draw(ctx, size, { arrays: { samples } }) {
    if (samples) tiles(ctx, size, samples, square(samples.shape[0]));
  },

  caption: ({ header, arrays: { samples } }) => (
    header.run ? `${samples.shape[0]} samples` : `${samples.shape[0]} samples, of the same latents at every step`
  ),

  describe: ({ arrays: { samples } }) => `${samples.shape[0]} samples of G, side by side.`,
};

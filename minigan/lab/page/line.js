// A game on the line, drawn as Figure 1 of Goodfellow et al. (2014): densities and D above, the map from z to x below.
import { curve, numeral, scale, ticks } from "./strokes.js";

/** @param {Iterable<number>} values @returns {number[]} */
const ends = (values) => [Math.min(...values), Math.max(...values)];

/** @type {import("./worlds.js").World} */
export const line = {
  aspect: 4 / 3,
  layers: [
    { name: "p_data", label: "p_data", mark: "dots", colour: "ink", on: true },
    { name: "p_g", label: "p_G", mark: "line", colour: "g", on: true },
    { name: "d", label: "D", mark: "dash", colour: "real", on: true },
    { name: "d_best", label: "D* = p_data ⁄ (p_data + p_G)", mark: "line", colour: "edge", on: true },
    { name: "map", label: "z → x", mark: "arrow", colour: "ink", on: true, array: "gz" },
  ],

  draw(ctx, { width, height }, { header, arrays }, shown, colours) {
    const { view } = header;
    const box = { left: 40, top: 24, width: width - 80, height: 0.68 * height - 24 };
    const density = scale({ x: view.x, y: [0, view.top] }, box);
    const chance = scale({ x: view.x, y: [0, 1.03] }, box); // D = 1 stays apart from the frame
    const floor = box.top + box.height;

    ctx.font = "12px system-ui, sans-serif";
    [ctx.strokeStyle, ctx.fillStyle, ctx.lineWidth] = [colours.rule, colours.quiet, 1];
    ctx.strokeRect(box.left, box.top, box.width, box.height);
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (const v of ticks(0, view.top, 4)) ctx.fillText(numeral(v), box.left - 6, density.y(v));
    ctx.textAlign = "left";
    for (const [v, name] of [[0, "0"], [0.5, "½"], [1, "1"]]) ctx.fillText(name, box.left + box.width + 6, chance.y(v));
    ctx.fillText("density", box.left, box.top - 10);
    ctx.textAlign = "right";
    ctx.fillText("D", box.left + box.width, box.top - 10);
    ctx.setLineDash([2, 4]);
    curve(ctx, 2, (i) => box.left + i * box.width, () => chance.y(0.5));

    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, box.top - 2, box.width, box.height + 3);
    ctx.clip();
    const { x } = arrays;
    const plot = (name, to, colour, thick, dash) => {
      if (!shown.has(name) || !arrays[name]) return;
      [ctx.strokeStyle, ctx.lineWidth] = [colour, thick];
      ctx.setLineDash(dash);
      curve(ctx, x.shape[0], (i) => to.x(x.data[i]), (i) => to.y(arrays[name].data[i]));
    };
    ctx.lineJoin = "round";
    plot("d_best", chance, colours.edge, 1.2, []);
    plot("p_data", density, colours.ink, 2, [2, 4]);
    plot("p_g", density, colours.g, 2.2, []);
    plot("d", chance, colours.real, 2, [8, 5]);
    ctx.restore();
    ctx.setLineDash([]);

    // Below: where G sends noise. z has a range of its own, so it gets a scale of its own.
    const [xLine, zLine] = [floor + 0.1 * height, height - 0.07 * height];
    [ctx.strokeStyle, ctx.fillStyle, ctx.lineWidth, ctx.textAlign] = [colours.ink, colours.ink, 1.2, "center"];
    for (const [y, name] of [[xLine, "x"], [zLine, "z"]]) {
      curve(ctx, 2, (i) => box.left + i * box.width, () => y);
      ctx.font = "italic 15px ui-serif, Georgia, serif";
      ctx.fillText(name, box.left - 18, y);
    }
    ctx.font = "12px system-ui, sans-serif";
    ctx.fillStyle = colours.quiet;
    for (const v of ticks(...view.x, 8)) {
      curve(ctx, 2, () => density.x(v), (i) => floor + i * 4);
      ctx.fillText(numeral(v), density.x(v), floor + 13);
    }
    const { z, gz } = arrays;
    if (!z || !gz || !shown.has("map")) return;
    const [low, high] = view.z ?? ends(z.data);
    const from = scale({ x: [low, high], y: [0, 1] }, box);
    [ctx.strokeStyle, ctx.lineWidth, ctx.globalAlpha] = [colours.ink, 0.9, 0.75];
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left - 1, floor, box.width + 2, height - floor);
    ctx.clip();
    ctx.beginPath();
    for (let i = 0; i < z.shape[0]; i++) {
      const [x0, y0, x1, y1] = [from.x(z.data[i]), zLine, density.x(gz.data[i]), xLine];
      const length = Math.hypot(x1 - x0, y1 - y0);
      const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
      ctx.moveTo(x0, y0);
      ctx.lineTo(x1, y1);
      ctx.moveTo(x1 - 5 * (ux + 0.45 * uy), y1 - 5 * (uy - 0.45 * ux));
      ctx.lineTo(x1, y1);
      ctx.lineTo(x1 - 5 * (ux - 0.45 * uy), y1 - 5 * (uy + 0.45 * ux));
    }
    ctx.stroke();
    ctx.restore();
    ctx.globalAlpha = 1;
  },

  // Of a critic, D is a score: that must be said. Else the letter says all.
  caption: ({ header: { surface } }) => (surface && surface !== "D(x)" ? `D: ${surface}` : ""),

  describe({ arrays: { x, p_data, p_g, d } }) {
    const cell = x.data[1] - x.data[0];
    const apart = 0.5 * cell * p_data.data.reduce((sum, p, i) => sum + Math.abs(p - p_g.data[i]), 0);
    const [low, high] = ends(d.data).map((v) => v.toFixed(2));
    return `The line: densities of data and of G; ${Math.round(100 * apart)} % of G's lies where the data's does not. `
      + `D is between ${low} and ${high}.`;
  },
};

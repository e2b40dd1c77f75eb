// The Dirac-GAN of Mescheder et al. (2018): G is a point θ, D a slope ψ, and the game is a path in their plane.
import { arrows, curve, numeral, scale, ticks } from "./strokes.js";

/** @type {import("./worlds.js").World} */
export const dirac = {
  aspect: 1,
  layers: [
    { name: "field", label: "where the players are sent", mark: "arrow", colour: "quiet", on: true },
    { name: "path", label: "path", mark: "line", colour: "real", on: true },
  ],

  draw(ctx, { width, height }, { header, arrays }, shown, colours) {
    const { x, y } = header.view;
    const to = scale(header.view, { left: 0, top: 0, width, height });
    ctx.font = "12px system-ui, sans-serif";
    [ctx.strokeStyle, ctx.fillStyle, ctx.lineWidth] = [colours.rule, colours.quiet, 1];
    curve(ctx, 2, (i) => i * width, () => to.y(0));
    curve(ctx, 2, () => to.x(0), (i) => i * height);
    [ctx.textAlign, ctx.textBaseline] = ["center", "top"];
    const within = (at, side) => at > 12 && at < side - 12;
    for (const v of ticks(...x, 6)) if (v && within(to.x(v), width)) ctx.fillText(numeral(v), to.x(v), to.y(0) + 4);
    [ctx.textAlign, ctx.textBaseline] = ["right", "middle"];
    for (const v of ticks(...y, 6)) if (v && within(to.y(v), height)) ctx.fillText(numeral(v), to.x(0) - 5, to.y(v));

    const { field, path } = arrays;
    if (field && shown.has("field")) {
      const [rows, columns] = field.shape;
      const at = (i) => [
        to.x(x[0] + ((x[1] - x[0]) * (i % columns)) / (columns - 1)),
        to.y(y[0] + ((y[1] - y[0]) * Math.floor(i / columns)) / (rows - 1)),
      ];
      [ctx.strokeStyle, ctx.lineWidth] = [colours.quiet, 1];
      arrows(ctx, rows * columns, at, field.data, (0.9 * width) / columns);
    }
    if (path && shown.has("path")) {
      // The past fades: a few strokes of rising opacity, each a stretch of the path.
      const n = path.shape[0];
      const pieces = Math.min(24, n - 1);
      [ctx.strokeStyle, ctx.lineWidth, ctx.lineJoin] = [colours.real, 1.8, "round"];
      for (let k = 0; k < pieces; k++) {
        const [first, last] = [Math.floor((k * (n - 1)) / pieces), Math.floor(((k + 1) * (n - 1)) / pieces)];
        ctx.globalAlpha = 0.12 + 0.88 * ((k + 1) / pieces) ** 1.6;
        const at = (i) => 2 * (first + i);
        curve(ctx, last - first + 1, (i) => to.x(path.data[at(i)]), (i) => to.y(path.data[at(i) + 1]));
      }
      ctx.globalAlpha = 1;
    }
    [ctx.strokeStyle, ctx.lineWidth] = [colours.g, 2];
    ctx.beginPath();
    ctx.arc(to.x(0), to.y(0), 6, 0, 2 * Math.PI);
    ctx.stroke();
    if (header.point) {
      ctx.beginPath();
      ctx.arc(to.x(header.point[0]), to.y(header.point[1]), 5.5, 0, 2 * Math.PI);
      [ctx.fillStyle, ctx.strokeStyle, ctx.lineWidth] = [colours.fake, colours.halo, 1.6];
      ctx.fill();
      ctx.stroke();
    }
    ctx.font = "italic 16px ui-serif, Georgia, serif";
    [ctx.fillStyle, ctx.textAlign, ctx.textBaseline] = [colours.ink, "right", "bottom"];
    ctx.fillText("θ", width - 8, to.y(0) - 4);
    [ctx.textAlign, ctx.textBaseline] = ["left", "top"];
    ctx.fillText("ψ", to.x(0) + 7, 6);
  },

  caption: ({ header }) => header.text ?? "",

  describe({ header: { point, text } }) {
    const [theta, psi] = point.map((v) => v.toFixed(2));
    const far = Math.hypot(...point).toFixed(2);
    return `The Dirac-GAN: θ is ${theta}, ψ is ${psi}, ${far} away from the equilibrium. ${text ?? ""}`;
  },
};

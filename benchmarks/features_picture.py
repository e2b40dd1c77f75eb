"""What D has learned, as a picture: by layer, and along the game.

    python benchmarks/features_picture.py     from results/features.json to pictures/features.png

A row for each data set. On the left the linear probe with 1,000 labels on the output of each hidden layer of D, on the
right on D as it was on the way, beside a D of the same layers that has not played, and pixels; with 95 % intervals
over the draws of labels. Below stands how often D was right just before it was kept: half of the time it would be right
at the equilibrium of the game, where it has nothing left to tell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trials
from features import GAME, LAYERS

from minigan.runs.pictures import default_style, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).resolve().parent / "pictures" / "features.png"
D, ALL, UNPLAYED, PIXELS = "#6a45a0", "#b08ad6", "#6d727a", "#c98a3c"
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}


def errors(rows: Sequence[trials.Row]) -> tuple[list[float], list[float]]:
    """Means, and how far an interval goes to each side, in per cent."""
    found = [row["intervals"]["probe"] for row in rows]
    return [100 * one["mean"] for one in found], [100 * (one["half"] or 0) for one in found]


def of(name: str, found: Sequence[trials.Row]) -> list[trials.Row]:
    """The row of this name at each layer, or each step."""
    return [next(row for row in one["rows"] if row["name"] == name) for one in found]


def line(ax: Axes, x: Sequence[float], rows: Sequence[trials.Row], colour: str, label: str, **style: Any) -> None:
    means, halves = errors(rows)
    ax.errorbar(x, means, halves, color=colour, label=label, capsize=4, linewidth=2, markersize=7, **style)


def level(ax: Axes, row: trials.Row, colour: str, label: str) -> None:
    """The same at all steps, with its interval."""
    (mean,), (half,) = errors([row])
    ax.axhline(mean, color=colour, linewidth=1.6, linestyle="--", label=label)
    ax.axhspan(mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)


def by_layer(ax: Axes, found: Sequence[trials.Row]) -> None:
    x = list(range(len(found)))
    line(ax, x, of("D", found), D, "D", marker="o")
    line(ax, x, of("unplayed D", found), UNPLAYED, "a D that never played", marker="s", linestyle="--")
    level(ax, of("pixels", found[:1])[0], PIXELS, "pixels")
    ax.set_xticks(x, [f"{one['layer'].partition('.')[0]}\n{one['rows'][-1]['columns']:,}" for one in found])
    ax.set_xlim(-0.3, len(found) - 0.7)
    ax.set_xlabel("hidden layer, and numbers of a picture there")


def along(ax: Axes, below: Axes, found: Sequence[trials.Row]) -> None:
    steps, last = [one["step"] for one in found], [one["last"] for one in found]
    line(ax, steps, of("D", last), D, "D, last hidden layer", marker="o")
    line(ax, steps, of("D", found), ALL, "D, all convolutions", marker="D")
    level(ax, of("unplayed D", found)[0], UNPLAYED, "all convolutions of a D that never played")
    level(ax, of("pixels", found)[0], PIXELS, "pixels")
    below.plot(steps, [100 * one["right"] for one in found], color=D, marker="o", linewidth=2, markersize=5)
    below.axhline(50, color="black", linewidth=1, linestyle=":")
    below.text(steps[-1], 52, "equilibrium", fontsize=9, ha="right", va="bottom")
    below.set(xscale="log", ylim=(45, 102), ylabel="D is right, %", xlabel="steps of the game")
    ax.set_xscale("log")
    ax.set_xticks(steps)
    ax.minorticks_off()
    below.set_xticks(steps, [f"{step:,}" for step in steps])
    below.minorticks_off()
    ax.tick_params(labelbottom=False)


@default_style()
def draw(runs: Sequence[trials.Row]) -> Any:
    """A figure of those data sets of which both rows are there."""
    rows = {(run["data"], run["row"]): run for run in runs if run["data"] == run["on"]}
    names = [data for data, row in rows if row == GAME and (data, LAYERS) in rows]
    figure = new_figure((12, 4.6 * len(names)))
    for part, data in zip(figure.subfigures(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        axes = part.subplot_mosaic([["layers", "game"], ["layers", "right"]], height_ratios=(3, 1), width_ratios=(2, 3))
        by_layer(axes["layers"], rows[data, LAYERS]["found"])
        along(axes["game"], axes["right"], rows[data, GAME]["found"])
        axes["game"].sharey(axes["layers"])
        axes["layers"].set_ylabel("probe with 1,000 labels, %")
        about = rows[data, GAME]
        title = f"{TITLES.get(data, data)}: what D has learned in {about['steps']:,} steps of {about['recipe']}"
        part.suptitle(title, fontsize=14, weight="bold")
        axes["layers"].set_title("layer by layer", fontsize=11)
        axes["game"].set_title("along the game", fontsize=11)
        for ax in axes.values():
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(axis="y", color="0.93")
            ax.set_axisbelow(True)
        for name in ("layers", "game"):
            axes[name].legend(fontsize=9, frameon=False, loc="best")
    return figure


if __name__ == "__main__":
    found = json.loads((trials.RESULTS / "features.json").read_text(encoding="utf-8"))
    save_figure(PICTURE, draw(found["runs"]))
    print(PICTURE)

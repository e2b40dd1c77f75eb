"""sweep.png: the metrics over the steps, one colour a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files import Target
from ..runs import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_sweep"]

_PARTS = 100  # of a run, each of which is a point
Tables = Sequence[Mapping[str, NDArray[Any]]]


@pictures.default_style()
def plot_sweep(path: Target, runs: Mapping[str, Tables], metrics: Mapping[str, str]) -> None:
    """Draw as PNG, for each setting, the median over its seeds and the band from the lowest seed to the highest.

    runs: the tables of the finished runs by the name of their setting, columns of equal length with `step` among them.
    metrics: those that have a panel, and what they are called.
    """
    figure = pictures.new_figure((10, 1 + 2.5 * len(metrics)))
    rows = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (metric, label) in zip(rows, metrics.items(), strict=True):
        for i, (name, tables) in enumerate(runs.items()):
            if those := [table for table in tables if metric in table]:  # a game with labels has metrics of its own
                _band(axes, those, metric, f"C{i % 10}", f"{name} ({len(those)})")
        axes.set_ylabel(label)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    if rows[0].get_legend_handles_labels()[0]:
        rows[0].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, title="setting (seeds)")
    rows[0].set_title("Median over the seeds; the band holds all of them", loc="left")
    rows[-1].set_xlabel("step")
    pictures.save_figure(path, figure)


def _band(axes: Axes, tables: Tables, metric: str, colour: str, label: str) -> None:
    steps = parts(tables[0]["step"])
    seeds = np.stack([parts(table[metric]) for table in tables])
    axes.fill_between(steps, seeds.min(axis=0), seeds.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    marker = "o" if len(steps) == 1 else None
    axes.plot(steps, np.median(seeds, axis=0), color=colour, linewidth=1.8, marker=marker, label=label)


def parts(column: NDArray[Any]) -> NDArray[np.float64]:
    """The means of a column over parts of about one length, in their order.

    >>> parts(np.arange(300.0))[:2].tolist()
    [1.0, 4.0]
    """
    return np.array([part.mean() for part in np.array_split(column, min(_PARTS, len(column)))], np.float64)

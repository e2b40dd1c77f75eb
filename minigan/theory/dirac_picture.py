"""The picture of dirac.py: the plane of each game, its eigenvalues, and how far from the equilibrium it is."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from .dirac_linear import Eigenvalues, eigenvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .dirac_game import Floats, Played

COLOURS = {"simultaneous": "#c8501e", "g_first": "#1f5fa8"}
TITLES = {"simultaneous": "simultaneous", "g_first": "alternating, G first"}
GREY = "#8a8a8a"
WIDEST = 6.0  # |θ| and |ψ| that a panel shows at most
ARRIVED = 1e-3  # a norm below which a game has found its equilibrium


def portrait(figure: Figure, rows: list[Played], drawn: dict[str, Floats]) -> None:
    """A panel for each row, then the eigenvalues of all, and their norms in two orders.

    drawn: walks under instance noise that is drawn.
    """
    from matplotlib.lines import Line2D

    axes = figure.subplots(3, 4).ravel()
    steps = len(next(iter(rows[0].walks.values()))) - 1
    figure.suptitle(
        f"The Dirac-GAN, data at θ = 0: who has come to rest after {steps} steps?", fontsize=20, weight="bold"
    )
    for ax, played in zip(axes, rows, strict=False):
        phases(ax, played)
    plane, *others = axes[len(rows) :]
    spectrum(plane, rows)
    for ax, order in zip(others, COLOURS, strict=False):
        distances(ax, rows, drawn[order], order)
    handles = [Line2D([], [], color=COLOURS[order], linewidth=3, label=TITLES[order]) for order in COLOURS]
    handles.append(Line2D([], [], color="white", marker="o", markeredgecolor="black", markersize=9, label="start"))
    handles.append(Line2D([], [], color="white", marker="o", markerfacecolor=GREY, markersize=10, label="end"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=14, frameon=False)


def phases(ax: Axes, played: Played) -> None:
    """The plane of a game: the field, both walks, and in the corners the norms at their ends."""
    walks = {order: played.walks[order] for order in COLOURS}
    size = min(WIDEST, 1.4 * max(np.abs(points).max() for points in walks.values()))
    at = np.linspace(-size, size, 15)
    field = np.array([[played.game.field((x, y)) for x in at] for y in at])
    field /= np.maximum(np.linalg.norm(field, axis=2, keepdims=True), np.finfo(float).tiny)  # its direction
    ax.quiver(at, at, *np.moveaxis(field, 2, 0), color="#cccccc", angles="xy", scale=20, width=0.005, zorder=1)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    for (order, points), side, dot in zip(walks.items(), ("left", "right"), (14, 8), strict=True):
        ax.plot(*points.T, color=COLOURS[order], linewidth=1.1, alpha=0.9, zorder=2)
        ax.plot(*points[-1], "o", color=COLOURS[order], markersize=dot, markeredgecolor="white", zorder=4)
        x = 0.02 if side == "left" else 0.98
        ax.text(x, 0.98, _short(played.norms[order][-1]), color=COLOURS[order], transform=ax.transAxes, fontsize=14,
                weight="bold", va="top", ha=side, bbox=box, zorder=6)  # fmt: skip
    start = next(iter(walks.values()))[0]
    ax.plot(*start, "o", color="white", markersize=9, markeredgecolor="black", zorder=5)
    ax.plot(0, 0, "+", color="black", markersize=11, zorder=3)
    found = "no equilibrium" if played.jacobians is None else f"λ = {written(eigenvalues(played.jacobians[0]))}"
    ax.text(0.5, 0.02, found, transform=ax.transAxes, fontsize=13, va="bottom", ha="center", bbox=box, zorder=6)
    ax.set_title(played.row.name, fontsize=15, weight="bold")
    ax.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
    ax.set_xlabel("θ", fontsize=13, labelpad=0)
    ax.set_ylabel("ψ", fontsize=13, labelpad=-4)
    ax.locator_params(nbins=5)


def spectrum(ax: Axes, rows: list[Played]) -> None:
    """The eigenvalues of the fields: dots where differences find them, in rings where they should be."""
    names: dict[tuple[float, float], list[str]] = {}
    ax.axvspan(0, 2, color="#f4e3da", zorder=0)
    ax.axvline(0, color="black", linewidth=1)
    ax.axhline(0, color=GREY, linewidth=0.6)
    for played in rows:
        if played.row.linear is None or played.jacobians is None:
            continue
        for found, closed in zip(eigenvalues(played.jacobians[0]), played.row.linear.field, strict=True):
            ax.plot(closed.real, closed.imag, "o", markersize=12, color="none", markeredgecolor=GREY, zorder=2)
            ax.plot(found.real, found.imag, "o", markersize=5, color="black", zorder=3)
        upper = played.row.linear.field[0]
        names.setdefault((round(upper.real, 6), round(upper.imag, 6)), []).append(_name(played))
    higher = cycle([0.18, -0.22, 0.42])  # of labels off the axes, from left to right: neighbours keep out of the way
    for (x, y), which in sorted(names.items()):
        text = "\n".join(which)
        if x == 0:
            ax.annotate(text, (x, y), (0.06, y), fontsize=9.5, va="center")
        elif y == 0:
            ax.annotate(text, (x, y), (x, -0.2), fontsize=9.5, ha="center")
        else:
            line = {"arrowstyle": "-", "color": GREY, "shrinkB": 6, "relpos": (1, 0.5)}
            ax.annotate(
                text, (x, y), (x - 0.06, y + next(higher)), fontsize=9.5, ha="right", va="center", arrowprops=line
            )
    ax.set(xlim=(-1.75, 1.75), ylim=(-1.3, 1.3), xticks=(-0.5, 0), box_aspect=1)
    ax.set_title("eigenvalues λ of the field", fontsize=15, weight="bold")
    ax.set_xlabel("real part: it converges left of 0", fontsize=12)
    ax.set_ylabel("imaginary part", fontsize=12, labelpad=-4)
    ax.locator_params(axis="y", nbins=5)


def distances(ax: Axes, rows: list[Played], drawn: Floats, order: str) -> None:
    """|(θ, ψ)| of all games along their walks; those that have not arrived are grey."""
    away = 0
    for played in rows:
        norm = played.norms[order]
        if norm[-1] < ARRIVED:
            ax.semilogy(norm, color=COLOURS[order], linewidth=1.8)
            ax.annotate(_name(played), (1.03 * len(norm), norm[-1]), fontsize=10, va="center")
        else:
            away += 1
            ax.semilogy(norm, color=GREY, linewidth=0.9)
    noisy = np.linalg.norm(drawn, axis=1)
    ax.semilogy(noisy, color="black", linewidth=0.8)
    ax.annotate("noise drawn", (1.03 * len(noisy), noisy[-1]), fontsize=10, va="center")
    ax.text(20, 12, f"{away} games have not arrived", color=GREY, fontsize=12, va="bottom")
    ax.set(
        xlim=(0, 2.25 * len(noisy)), ylim=(1e-23, 1e3), box_aspect=1, xticks=range(0, len(noisy), (len(noisy) - 1) // 2)
    )
    ax.set_title("norm, " + TITLES[order], fontsize=15, weight="bold", color=COLOURS[order])
    ax.set_xlabel("step", fontsize=12)


def written(pair: Eigenvalues) -> str:
    """Two eigenvalues as people write them."""
    a, b = pair
    small = 1e-6
    if abs(a.imag) > small:
        text = f"{a.real:.4g} ± {a.imag:.4g}i" if abs(a.real) > small else f"±{a.imag:.4g}i"
    else:
        text = f"{a.real:.4g} twice" if abs(a - b) < small else f"{a.real:.4g} and {b.real:.4g}"
    return text.replace("-", "−")


def _name(played: Played) -> str:
    return played.row.name.partition(" (")[0]


def _short(x: float) -> str:
    """Two digits: 1.4, or 2.6 · 10⁻⁶."""
    if x > ARRIVED:
        return f"{x:#.3g}"
    digits, power = f"{x:.1e}".split("e")
    return rf"${digits}\cdot 10^{{{int(power)}}}$"

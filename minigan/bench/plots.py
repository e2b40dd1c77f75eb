"""The results as pictures: time against batch, a roofline, and growth.

Matplotlib comes with the extra `cli` and is imported only where there will be pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runs.pictures import default_style, new_figure, require, save_figure
from .growth import crossover, curves, fixed
from .report import Figure, Report
from .step import STEP
from .subject import precision
from .tables import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX*"
STYLE = {"cpu": "-", "gpu": "--"}
GREY = "0.35"


def unavailable() -> str | None:
    """Why nothing can be drawn, or None; it loads what is needed."""
    try:
        require("Matplotlib")
    except ImportError as error:
        return str(error)
    return None


@default_style()
def draw(report: Report, folder: str | os.PathLike[str], what: str = STEP.what) -> list[Path]:
    """Write time.png, roofline.png and, where sizes differ, growth.png into a folder; returns their paths.

    what: was measured, as of a `Subject`.
    """
    pictures: dict[str, Callable[[Report], Any]] = {"time.png": partial(_time, what)}
    if _exact(report):
        pictures["roofline.png"] = _roofline
    if any(len({getattr(f, over) for f in fixed(report, over)}) > 1 for over in ("batch", "width")):
        pictures["growth.png"] = _growth
    paths = []
    for name, paint in pictures.items():
        figure = paint(report)
        paths.append(Path(folder) / name)
        save_figure(paths[-1], figure)
    return paths


def _exact(report: Report) -> list[Figure]:
    """The steps in float32."""
    return [f for f in report.steps() if precision(f.who) == "fp32"]


def _canvas(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    canvas = new_figure(size)
    return canvas, canvas.subplots(rows, columns, squeeze=False)


def _machine(report: Report) -> str:
    facts = report.environment
    gpu = "" if facts["GPU"].startswith("none") else f"; {facts['GPU'].split(',')[0]}"
    return f"{facts['CPU']}, {facts['cores']} cores{gpu}"


def _colours(report: Report) -> dict[tuple[str, str], str]:
    """A colour for each contestant, the same in every picture."""
    who = dict.fromkeys((f.who, f.device) for f in report.figures)
    return {key: f"C{i % 10}" for i, key in enumerate(who)}


def _name(who: str, device: str) -> str:
    return f"{label(who)}, {device.upper()}"


def _curve(axes: Axes, figures: list[Figure], over: str, scale: Any, colour: str, name: str) -> None:
    """Medians with a band from quartile to quartile. scale(figure): what a second is multiplied with."""
    x = [getattr(f, over) for f in figures]
    low, middle, high = ([getattr(f.timing, which) * scale(f) for f in figures] for which in ("low", "median", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, middle, STYLE[figures[0].device], marker="o", markersize=4, color=colour, label=name)


def _logarithmic(axes: Axes, ticks: list[float], xlabel: str, ylabel: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    _plain_numbers(axes)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _plain_numbers(axes: Axes) -> None:
    """1, 2, 5, 10, ... on a logarithmic ordinate, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _time(what: str, report: Report) -> Any:
    """Milliseconds of a step against the batch, with the place where the GPU overtakes the CPU."""
    canvas, ((axes,),) = _canvas(1, 1, (9.5, 5.2))
    figures, colours = fixed(report, "batch"), _colours(report)
    for key, points in curves(figures, "batch").items():
        _curve(axes, points, "batch", lambda f: 1e3, colours[key], _name(*key))
    _logarithmic(axes, sorted({f.batch for f in figures}), "batch (images in a step)", "milliseconds per step")
    meeting = crossover(report)
    if meeting is not None:
        first = meeting <= min(f.batch for f in figures)
        text = "GPU faster at every batch" if first else f"GPU faster from batch {meeting:.0f}"
        axes.axvline(meeting, color=GREY, linestyle=":", linewidth=1.2)
        axes.annotate(text, (meeting, 0.98), xycoords=("data", "axes fraction"), xytext=(5, 0),
                      textcoords="offset points", va="top", color=GREY)  # fmt: skip
    width = "" if figures[0].width == 1 else f", width {figures[0].width:g}"
    axes.set_title(f"One {what}: median and quartiles{width}\n{_machine(report)}", loc="left", fontsize=11)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return canvas


def _roofline(report: Report) -> Any:
    """GFLOP/s against FLOP/byte: a panel for each device, the parts of the middle batch and the step at each.

    In float32, as the ceilings are.
    """
    devices = [d for d in report.ceilings if any(f.device == d for f in _exact(report))]
    canvas, (row,) = _canvas(1, len(devices), (3.2 + 6.3 * len(devices), 5.6))
    for axes, device in zip(row, devices, strict=True):
        _roof(axes, report, device)
        axes.set_title(f"Roofline, {device.upper()}: how near each part comes to what this machine can do\n"
                       f"{_machine(report)}", loc="left", fontsize=11)  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8.5)
    return canvas


def _roof(axes: Axes, report: Report, device: str) -> None:
    ceilings = report.ceilings[device]
    steps = [f for f in fixed(report, "batch") if f.device == device and precision(f.who) == "fp32"]
    batches = sorted({f.batch for f in steps})
    middle = batches[len(batches) // 2]
    parts = [f for f in report.parts() if (f.device, f.batch, f.width) == (device, middle, steps[0].width)]
    parts = [f for f in parts if precision(f.who) == "fp32"]
    x = np.geomspace(0.1, 1000, 200)
    best = max(rate for _, rate in ceilings.copies)
    for rate, style, where in ((best, ":", "in cache"), (ceilings.memory, "-", "in memory")):
        axes.plot(x, np.minimum(ceilings.gemm, x * rate) / 1e9, style, color=GREY, linewidth=1.5,
                  label=f"copy {where}: {rate / 1e9:,.0f} GB/s")  # fmt: skip
    axes.annotate(f"fastest product: {ceilings.gemm / 1e9:,.0f} GFLOP/s", (1000, ceilings.gemm / 1e9), va="bottom",
                  xytext=(0, 3), textcoords="offset points", ha="right", color=GREY)  # fmt: skip
    who = list(dict.fromkeys(f.who for f in [*parts, *steps]))
    markers = {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(who)}
    colours = {subject: f"C{i}" for i, subject in enumerate(dict.fromkeys(f.subject for f in parts))}
    for f in parts:
        axes.plot(f.work.intensity, f.work.flops / f.timing.median / 1e9, markers[f.who], color=colours[f.subject],
                  markersize=8, alpha=0.85)  # fmt: skip
    for (contestant, _), points in curves(steps, "batch").items():
        axes.plot([f.work.intensity for f in points], [f.work.flops / f.timing.median / 1e9 for f in points],
                  f"-{markers[contestant]}", color="black", markersize=5, linewidth=0.6, alpha=0.75)  # fmt: skip
    axes.plot([], [], "-", color="black", label=f"the step, batch {batches[0]} to {batches[-1]}")
    for subject, colour in colours.items():
        axes.plot([], [], "s", color=colour, label=f"{subject}, batch {middle}")
    for contestant, marker in markers.items():
        axes.plot([], [], marker, color="white", markeredgecolor="black", label=label(contestant))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_ylim(top=2 * ceilings.gemm / 1e9)
    _plain_numbers(axes)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("FLOPs per byte that has to move")
    axes.set_ylabel("GFLOP/s (median)")
    axes.grid(color="0.93")
    axes.spines[["top", "right"]].set_visible(False)


def _growth(report: Report) -> Any:
    """Time per sample and per FLOP, against the batch and against the width, whichever varies."""
    axis = {over: fixed(report, over) for over in ("batch", "width")}
    varying = [over for over, figures in axis.items() if len({getattr(f, over) for f in figures}) > 1]
    canvas, grid = _canvas(2, len(varying), (4 + 5 * len(varying), 8))
    colours = _colours(report)
    for column, over in enumerate(varying):
        figures, sample, flop = axis[over], grid[0][column], grid[1][column]
        for key, points in curves(figures, over).items():
            _curve(sample, points, over, lambda f: 1e6 / f.batch, colours[key], _name(*key))
            _curve(flop, points, over, lambda f: 1e12 / f.work.flops, colours[key], _name(*key))
        for device in dict.fromkeys(f.device for f in figures):
            flop.axhline(1e12 / report.ceilings[device].gemm, color=GREY, linestyle=STYLE[device], linewidth=1,
                         label=f"fastest product, {device.upper()}")  # fmt: skip
        ticks: list[float] = sorted({getattr(f, over) for f in figures})
        at = f"width {figures[0].width:g}" if over == "batch" else f"batch {figures[0].batch}"
        what = "batch (images in a step)" if over == "batch" else "width (times the hidden sizes)"
        _logarithmic(sample, ticks, what, "microseconds per image")
        _logarithmic(flop, ticks, what, "picoseconds per FLOP")
        sample.set_title(f"Time per image against {over}, {at}", loc="left", fontsize=11)
        flop.set_title(f"Time per FLOP against {over}, {at}", loc="left", fontsize=11)
    canvas.legend(*grid[1][0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    canvas.suptitle(f"What a step costs as its work grows: {_machine(report)}", x=0.01, ha="left", fontsize=12)
    return canvas

"""The results as text: GitHub's Markdown, aligned so that a terminal shows them as well."""

from __future__ import annotations

from collections.abc import Sequence

from ..console import table
from .growth import cliffs, crossover
from .report import Figure, Report
from .step import STEP
from .subject import is_ours, precision

PLAIN = {"cpu": "reference", "gpu": "cupy-plain"}  # the backend in plain array code, which the others are held against


def text(report: Report, width: int | None = None, title: str = STEP.title) -> str:
    """Everything a report has to say, for people. width: of the terminal, which no table should exceed.

    title: says what was measured, as of a `Subject`.
    """
    blocks = [
        "\n".join(f"{name:14}{fact}" for name, fact in report.environment.items()),
        bounds(report),
        title,
        step_table(report, width),
    ]
    if report.parts():
        blocks += ["Its parts, alone: all operations of one kind that a step needs", part_table(report, width)]
    one_kind = len({f.subject for f in report.steps()}) == 1
    growth = [*cliffs(report), *_crossover(report)] if one_kind else []
    if notes := [*unstable(report.figures), *low_ceilings(report), *growth]:
        blocks.append("\n".join(notes))
    if absences := [f"{who}: {why}" for who, why in (*report.absent.items(), *report.wrong.items())]:
        blocks.append("Not measured:\n" + "\n".join(absences))
    blocks.append("\n".join(f"{who}: {about}" for who, about in report.about.items()))
    return "\n\n".join(blocks)


def _crossover(report: Report) -> list[str]:
    meeting = crossover(report)
    return [] if meeting is None else [f"the GPU is faster than the CPU from batch {meeting:.0f}"]


def bounds(report: Report) -> str:
    """Peaks and ceilings of each device, one line each."""
    lines = []
    for device, ceilings in report.ceilings.items():
        copies = ", ".join(f"{rate / 1e9:,.0f} ({_size(moved)})" for moved, rate in ceilings.copies)
        lines += [
            f"{device.upper()} ceilings   GEMM {ceilings.gemm / 1e9:,.0f} GFLOP/s; copy, GB/s (bytes moved): {copies}",
            *(
                f"{device.upper()} peak       {peak.flops / 1e9:,.0f} GFLOP/s = {peak.how}; nothing above it is printed"
                for name, peak in report.peaks.items()
                if name.partition(",")[0] == device
            ),
        ]
    return "\n".join(lines)


def step_table(report: Report, width: int | None = None) -> str:
    """A row for each contestant at each size: medians, and ratios to minigan's fastest on its device, as `fastest`."""
    rows, order = [], {subject: i for i, subject in enumerate(dict.fromkeys(f.subject for f in report.steps()))}
    several = len(order) > 1  # then a column says which it is
    for figure in sorted(report.steps(), key=lambda f: (f.width, f.batch, order[f.subject], f.device)):
        best = fastest(report, figure)
        ratio = f"{figure.timing.median / best.timing.median:.2f}" if best else "–"
        seconds, work = figure.timing.median, figure.work
        rows.append([
            f"{figure.batch}", f"{figure.width:g}", figure.device.upper(), *([figure.subject] if several else []),
            label(figure.who), _ms(figure), _quartiles(figure), f"{1e6 * figure.timing.median / figure.batch:.1f}",
            f"{work.flops / seconds / 1e9:.1f}", f"{work.bytes / seconds / 1e9:.1f}", *_shares(report, figure), ratio,
        ])  # fmt: skip
    head = ["batch", "width", "device", *(["what"] if several else []), "who", "ms/step", "quartiles", "µs/image",
            "GFLOP/s", "GB/s", "of GEMM ceiling", "of copy ceiling", "× minigan's best"]  # fmt: skip
    return table(head, rows, (2, 3, 4) if several else (2, 3), width)


def part_table(report: Report, width: int | None = None) -> str:
    """A row for each part and backend at each size, plain array code and the others side by side.

    "plain / this" is the time of the plain array code divided by that of this backend.
    """
    rows = []
    order = {part: i for i, part in enumerate(dict.fromkeys(f.subject for f in report.parts()))}
    for figure in sorted(report.parts(), key=lambda f: (f.width, f.batch, order[f.subject], f.device)):
        plain = next((f for f in report.parts() if f.who == PLAIN[f.device] and _place(f) == _place(figure)), None)
        ratio = f"{plain.timing.median / figure.timing.median:.1f}" if plain else "–"
        seconds, work = figure.timing.median, figure.work
        rows.append([
            f"{figure.batch}", f"{figure.width:g}", figure.subject, figure.who, _ms(figure), _quartiles(figure),
            f"{work.flops / 1e6:.3g}", f"{work.bytes / 1e6:.3g}", f"{work.intensity:.2g}",
            f"{work.flops / seconds / 1e9:.3g}", f"{work.bytes / seconds / 1e9:.3g}",
            *_shares(report, figure), ratio,
        ])  # fmt: skip
    head = ["batch", "width", "part", "who", "ms", "quartiles", "MFLOP", "MB", "FLOP/byte", "GFLOP/s", "GB/s",
            "of GEMM ceiling", "of copy ceiling", "plain / this"]  # fmt: skip
    return table(head, rows, (2, 3), width)


def fastest(report: Report, figure: Figure) -> Figure | None:
    """The fastest step of minigan at the size, on the device and in the precision of `figure`."""
    alike = [f for f in report.steps() if (_place(f), precision(f.who)) == (_place(figure), precision(figure.who))]
    ours = [f for f in alike if is_ours(f.who)]
    return min(ours, key=lambda f: f.timing.median, default=None)


def unstable(figures: Sequence[Figure]) -> list[str]:
    """A line for each figure that should not be believed; the tables mark them with *."""
    return [f"* unstable: {f.name}: {f.timing.unstable}" for f in figures if f.timing.unstable]


def low_ceilings(report: Report) -> list[str]:
    """A line if some figure is above its measured ceiling by more than noise, so that the shares say little."""
    lines = []
    for figure in report.figures:
        if precision(figure.who) != "fp32":
            continue  # its ceiling is another one
        if report.ceilings[figure.device].share(figure.work, figure.timing.median)[0] > 1.1:
            lines.append(f"{figure.name} is above the GEMM ceiling: the machine was busy when that was measured")
    return lines[:1]


def brief(figure: Figure, other: Figure) -> str:
    """The time of a step in a few words: median, quartiles, and how many times that of another one."""
    ratio = figure.timing.median / other.timing.median
    unstable = ", unstable" if figure.timing.unstable else ""
    return f"{1e3 * figure.timing.median:.4g} ms ({_quartiles(figure)}), {ratio:.2f} × {other.who}{unstable}"


def label(who: str) -> str:
    """How a contestant is called: minigan's backends by its name."""
    return f"minigan {who}" if is_ours(who) else who


def _place(figure: Figure) -> tuple[str, str, int, float]:
    return figure.subject, figure.device, figure.batch, figure.width


def _shares(report: Report, figure: Figure) -> list[str]:
    """Which parts of the ceilings are reached, of products and copies; that of products is known in float32 only."""
    products, copies = report.ceilings[figure.device].share(figure.work, figure.timing.median)
    return [f"{100 * products:.0f} %" if precision(figure.who) == "fp32" else "–", f"{100 * copies:.0f} %"]


def _ms(figure: Figure) -> str:
    return f"{1e3 * figure.timing.median:.4g}{'*' if figure.timing.unstable else ''}"


def _quartiles(figure: Figure) -> str:
    return f"{1e3 * figure.timing.low:.4g} to {1e3 * figure.timing.high:.4g}"


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:g} {unit}"
        size /= 1024
    return f"{size:g} GiB"

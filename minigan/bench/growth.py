"""How the step's time grows with its work: the crossover of two devices, and cliffs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

from .report import Figure, Report
from .subject import is_ours, precision

CLIFF = 1.2  # a larger step that takes so much longer per FLOP than the next smaller one is called a cliff


def curves(figures: Iterable[Figure], over: str) -> dict[tuple[str, str], list[Figure]]:
    """The figures of each (who, device), in the order of `over`: "batch" or "width"."""
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in sorted(figures, key=lambda f: getattr(f, over)):
        found.setdefault((figure.who, figure.device), []).append(figure)
    return found


def fixed(report: Report, over: str) -> list[Figure]:
    """The steps along one axis: against "batch" at the width that most of them have, against "width" likewise."""
    other = "width" if over == "batch" else "batch"
    steps = report.steps()
    values = [getattr(f, other) for f in steps]
    spread = {v: len({getattr(f, over) for f in steps if getattr(f, other) == v}) for v in values}
    most = max(spread, key=lambda v: (spread[v], v == 1 or v == 128), default=None)
    return [f for f in steps if getattr(f, other) == most]


def crossover(report: Report) -> float | None:
    """The batch from which minigan's fastest backend on the GPU overtakes its fastest on the CPU, both in float32.

    Interpolated between two batches, linearly in the logarithms; the first batch if the GPU is faster throughout,
    None if it never is, or if one of the two is missing.
    """
    best: dict[str, dict[int, float]] = {"cpu": {}, "gpu": {}}
    for figure in fixed(report, "batch"):
        if is_ours(figure.who) and precision(figure.who) == "fp32":
            times = best[figure.device]
            times[figure.batch] = min(figure.timing.median, times.get(figure.batch, math.inf))
    batches = sorted(best["cpu"].keys() & best["gpu"].keys())
    lead = {batch: math.log(best["gpu"][batch] / best["cpu"][batch]) for batch in batches}  # below 0: the GPU leads
    if not batches or lead[batches[-1]] > 0:
        return None
    for low, high in reversed(list(itertools.pairwise(batches))):
        if lead[low] > 0 >= lead[high]:
            share = lead[low] / (lead[low] - lead[high])
            return math.exp(math.log(low) + share * math.log(high / low))
    return float(batches[0])


def cliffs(report: Report) -> list[str]:
    """A line for each place where more work makes every FLOP of minigan's step dearer: it asks for an explanation."""
    lines = []
    for over in ("batch", "width"):
        for (who, device), figures in curves(fixed(report, over), over).items():
            for small, large in itertools.pairwise(figures):
                ratio = _per_flop(large) / _per_flop(small)
                if is_ours(who) and ratio > CLIFF:
                    lines.append(
                        f"cliff: minigan {who} on the {device.upper()} takes {100 * (ratio - 1):.0f} % longer per FLOP "
                        f"at {over} {getattr(large, over):g} than at {getattr(small, over):g}"
                    )
    return lines


def _per_flop(figure: Figure) -> float:
    return figure.timing.median / figure.work.flops

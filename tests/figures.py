"""Made-up figures, and reports of them."""

from __future__ import annotations

from typing import Any

from minigan.bench import parts, peak, report, step
from minigan.bench.ceilings import Ceilings
from minigan.bench.report import Figure, Report
from minigan.bench.statistics import Timing


def figure(who: str, batch: int = 32, seconds: float = 0.01, subject: str = "step", **more: Any) -> Figure:
    width = more.pop("width", 1.0)
    counted = step.step_work(batch, width) if subject == "step" else parts.part_work(subject, batch, width)
    timing = Timing(seconds, 0.9 * seconds, 1.2 * seconds, 30, more.pop("unstable", ""))
    return Figure(subject, who, more.pop("device", "cpu"), batch, width, counted, timing)


def sample(*figures: Figure) -> Report:
    facts = {
        "CPU": "Made-up (R) CPU @ 3 GHz",
        "cores": "2",
        "GPU": "none: there is no CuPy",
        "numpy": "2.4",
        "python": "3.11 (C)",
    }
    bounds = {"cpu": peak.cpu_peak(2, {"FMA3"}, 3e9), "gpu": peak.gpu_peak({"multiProcessorCount": 132})}
    ceilings = {"cpu": Ceilings(1.5e11, ((2**16, 9e10), (2**26, 2e10))), "gpu": Ceilings(4e13, ((2**20, 3e12),))}
    found = Report(report.SCHEMA, "2026-01-02 03:04", facts, bounds, ceilings, absent={"jax": "JAX is not installed"})
    for one in figures:
        found.add(one)
    return found


def full() -> Report:
    step_figures = [
        figure(who, batch, seconds * (1 + batch / 64), width=width, unstable="quartiles 30 % apart" * (batch == 32))
        for batch, width in [(32, 1.0), (128, 1.0), (512, 1.0), (128, 2.0)]
        for who, seconds in (("numpy", 0.02), ("reference", 0.04), ("torch-best", 0.015))
    ]
    part_figures = [figure(who, 128, 0.02, part) for part in parts.PARTS for who in ("numpy", "reference")]
    return sample(*step_figures, *part_figures)

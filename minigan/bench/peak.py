"""What the hardware cannot exceed.

A measured rate above these bounds does not mean that the code is fast; it means that the clock was read before the
work was done (a missing synchronise), or that the work was counted wrong. Such a figure is refused, not printed.
The bounds are generous: they are above every real machine of the kind, not the specification of this one.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .work import Work

MAX_CLOCK = 6e9  # Hz, where the system does not tell: no processor in shops runs all its cores faster
MIN_TICKS = 20  # a time must be this many ticks of the clock
FEATURE_WORK = {  # instruction set, by NumPy's names: float32 FLOPs and bytes to or from the first cache, per cycle
    "AVX512F": (64, 192),  # 2 units × 16 floats × 2; two loads and a store of 64 bytes
    "X86_V4": (64, 192),
    "SVE": (64, 192),
    "FMA3": (32, 96),  # 2 units × 8 floats × 2
    "X86_V3": (32, 96),
    "ASIMD": (32, 96),  # up to 4 units of 4 floats × 2
    "NEON": (32, 96),
}
OTHER_WORK = (16, 64)
APPLE_WORK = (512, 192)  # its matrix units, which Accelerate uses, seen per core


@dataclass(frozen=True)
class Peak:
    """Upper bounds of a device: FLOPs and bytes per second, and what they are made of."""

    flops: float
    bytes: float
    how: str


def cpu_peak(cores: int, features: Collection[str], clock: float | None) -> Peak:
    """The bound of a CPU: cores × work per cycle × the highest clock (Hz; 6 GHz if it is not known).

    >>> cpu_peak(2, {"FMA3"}, 3e9).flops / 1e9
    192.0
    """
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    name, work = next(((n, w) for n, w in FEATURE_WORK.items() if n in features), ("no wide vectors", OTHER_WORK))
    name, work = ("Apple's matrix units", APPLE_WORK) if apple else (name, work)
    hertz = clock or MAX_CLOCK
    how = f"{cores} cores x {work[0]} FLOPs a cycle ({name}) x {hertz / 1e9:.1f} GHz{'' if clock else ' (assumed)'}"
    return Peak(cores * work[0] * hertz, cores * work[1] * hertz, how)


def gpu_peak(properties: dict[str, Any], precisions: Collection[str] = ()) -> Peak:
    """The bound of an NVIDIA GPU from CUDA's device properties: multiprocessors × 128 lanes × 2 × clock.

    precisions: of the products that are measured. With "tf32" or "bf16" among them the tensor cores count, 8 or 16
    times as much; so does TF32 by decree (CUPY_TF32=1 or NVIDIA_TF32_OVERRIDE=1).
    Bytes: each multiprocessor moves at most 256 a cycle between its lanes and its cache.
    """
    processors, hertz = int(properties["multiProcessorCount"]), 1e3 * float(properties.get("clockRate") or 3e6)
    decreed = "1" in (os.environ.get("CUPY_TF32"), os.environ.get("NVIDIA_TF32_OVERRIDE"))
    used = {"fp32", *precisions, *(["tf32"] if decreed else [])}
    name, factor = max(((p, f) for p, f in {"fp32": 1, "tf32": 8, "bf16": 16}.items() if p in used), key=lambda x: x[1])
    how = f"{processors} multiprocessors x {256 * factor} FLOPs a cycle ({name}) x {hertz / 1e9:.2f} GHz"
    return Peak(256.0 * factor * processors * hertz, 256.0 * processors * hertz, how)


def cpu_features() -> set[str]:
    """The instruction sets that NumPy has found, by its names."""
    try:
        features = import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):  # a private name: some NumPy may lack it
        return set()
    return {name for name, present in features.items() if present}


def highest_clock() -> float | None:
    """The highest clock of any core in Hz, where the system tells (Linux)."""
    clocks = []
    for core in range(os.cpu_count() or 1):
        with suppress(OSError, ValueError), open(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq") as file:
            clocks.append(1e3 * int(file.read()))
    return max(clocks, default=None)


def check(what: str, work: Work, seconds: float, peak: Peak) -> None:
    """Refuse a time that no hardware of this kind can reach.

    Raises RuntimeError with the figure, the rate and the bound.
    """
    for count, bound, unit in ((work.flops, peak.flops, "GFLOP/s"), (work.bytes, peak.bytes, "GB/s")):
        if not seconds > 0 or count / seconds > bound:
            rate = f"{count / seconds / 1e9:,.0f} {unit}" if seconds > 0 else "without taking any time"
            raise RuntimeError(
                f"{what}: {rate} is above what this hardware can do, {bound / 1e9:,.0f} {unit} ({peak.how}); "
                "the clock was read too early, or the work is counted wrong"
            )


def check_clock(what: str, seconds: float, tick: float) -> None:
    """Refuse a time that is too short for the clock.

    Raises RuntimeError if `seconds` is less than 20 ticks.
    """
    if seconds < MIN_TICKS * tick:
        raise RuntimeError(
            f"{what}: {seconds * 1e9:.0f} ns were measured with a clock that ticks every {tick * 1e9:.0f} ns; "
            f"times of at least {MIN_TICKS} ticks are needed"
        )

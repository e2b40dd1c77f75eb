"""Several processes that play one game: what a step costs, and what of it the sums.

    python benchmarks/processes.py                    1 and 2 processes, one thread each, on this machine
    python benchmarks/processes.py --processes 1 2 4

Needs the extra [mpi]: `mpiexec` begins this program anew with so many processes. They play steps of the recipe `gan`
at several batches, which they share, and are timed, as is what of a step is between asking for a sum and having it,
waiting for the others included. Then arrays of several sizes are summed with nothing else to do: a line through these
times, by a latency and a rate, is the model of a sum; a step of one process with its share of the batch, and the sums,
that of a step. One process with as many threads is the rival on one machine.

Last, the same model far beyond it: GPUs with the step of a GPU as `minigan bench` has measured it, and with latencies
and rates as makers of GPUs and networks publish them (NETWORK below). Nothing of that table is measured.
Figures go to benchmarks/results/processes.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from readme_tables import steps_of
from record import record

from minigan import console
from minigan.backend import get_backend
from minigan.backend.mpi import MPIGroup, world
from minigan.game import Play
from minigan.recipes import gan
from minigan.sweeps.processes import ONE_THREAD

RESULTS = Path(__file__).resolve().parent / "results"
BATCHES = (32, 128, 512)
STEPS, BLOCKS = 10, 9
SIZES = tuple(4**k for k in range(1, 11))  # numbers in an array that is summed: 16 bytes to 4 MB
NETWORK = {  # seconds that a message takes at least, bytes per second in each direction, of a GPU
    "NVLink in a node of 8": (2e-6, 450e9),  # NVIDIA H100/H200 data sheets: 900 GB/s in both directions together
    "InfiniBand between nodes": (5e-6, 50e9),  # NDR, 400 Gbit/s
}
NODE = 8
GPUS = (8, 64, 1024)


class Timed(MPIGroup):
    """Processes of MPI that know how long they have exchanged, how often, and how much."""

    def __init__(self, comm: Any) -> None:
        super().__init__(comm)
        self.forget()

    def forget(self) -> None:
        self.seconds, self.exchanges, self.bytes = 0.0, 0, 0

    def total(self, array: Any) -> Any:
        return self._timed(super().total, array)

    def gathered(self, array: Any) -> Any:
        return self._timed(super().gathered, array)

    def _timed(self, exchange: Any, array: Any) -> Any:
        begun = time.perf_counter()
        found = exchange(array)
        self.seconds += time.perf_counter() - begun
        self.exchanges += 1
        self.bytes += array.nbytes
        return found


def measure(threads: int) -> None:
    """In each process: times of steps and sums, as JSON by the first of them."""
    alone = world()
    group = Timed(alone.comm) if isinstance(alone, MPIGroup) else alone
    be = get_backend("numpy", threads, group)
    images = np.random.default_rng(0).integers(0, 256, (4096, 28, 28), np.uint8)
    found: dict[str, Any] = {"steps": {}, "sums": {}}
    for batch in BATCHES:
        play, steps, sums = Play(gan.build((28, 28), backend=be, seed=0), images, batch), [], []
        play.play(STEPS)
        for _ in range(BLOCKS):
            if isinstance(group, Timed):
                group.any(False)
                group.forget()
            begun = time.perf_counter()
            for _ in range(STEPS):
                play.play(1)
            steps.append((time.perf_counter() - begun) / STEPS)
            if isinstance(group, Timed):
                sums.append(group.seconds / STEPS)
        found["steps"][batch] = {"seconds": steps, "in_sums": sums}
        if isinstance(group, Timed):
            found["exchanges"], found["bytes"] = group.exchanges / STEPS, group.bytes / STEPS
    for size in SIZES if isinstance(group, Timed) else ():
        array, times = np.zeros(size, np.float32), []
        for _ in range(30):
            group.any(False)
            begun = time.perf_counter()
            group.total(array)
            times.append(time.perf_counter() - begun)
        found["sums"][4 * size] = statistics.median(times)
    if group.rank == 0:
        print(json.dumps(found))


def measured(processes: int, threads: int = 1) -> dict[str, Any]:
    """What so many processes with so many threads each have measured."""
    mpiexec = shutil.which("mpiexec") or str(Path(sys.executable).with_name("mpiexec"))
    env = os.environ | dict.fromkeys(ONE_THREAD, str(threads))
    words = [sys.executable, __file__, "--measure", str(threads)]
    if processes > 1:
        words = [mpiexec, "-n", str(processes), *words]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, env=env, stdout=subprocess.PIPE).stdout)
    return found


def model_of(sums: dict[str, float]) -> tuple[float, float]:
    """Latency in seconds, and seconds for each byte: of sums of so many bytes, relative errors being least."""
    n, t = np.array([float(size) for size in sums]), np.array(list(sums.values()))
    (latency, rate), *_ = np.linalg.lstsq(np.stack([1 / t, n / t], axis=1), np.ones(len(t)), rcond=None)
    return max(float(latency), 0.0), float(rate)


def table(found: dict[str, Any], processes: list[int]) -> str:
    """Of the measured steps."""
    rows = []
    for count in (count for count in processes if count > 1):
        latency, rate = model_of(found[f"{count}"]["sums"])
        for batch in BATCHES:
            here, alone = found[f"{count}"]["steps"][f"{batch}"], found["1"]["steps"]
            step, in_sums = (1000 * statistics.median(here[name]) for name in ("seconds", "in_sums"))
            share = batch / count
            sums = found[f"{count}"]["exchanges"] * latency + found[f"{count}"]["bytes"] * rate
            expected = 1000 * (at(share, alone) + sums)
            threads = 1000 * statistics.median(found[f"{count} threads"]["steps"][f"{batch}"]["seconds"])
            one = 1000 * statistics.median(alone[f"{batch}"]["seconds"])
            rows.append([f"{count}", f"{batch}", f"{one:.1f}", f"{threads:.1f}", f"{step:.1f}", f"{in_sums:.1f}",
                         f"{expected:.1f}", f"{1000 * sums:.1f}"])  # fmt: skip
    columns = ["processes", "batch", "one alone, ms/step", "with as many threads", "together", "of it in sums",
               "together by the model", "of it in sums by the model"]  # fmt: skip
    return console.table(columns, rows)


def at(batch: float, alone: dict[str, Any]) -> float:
    """Seconds of a step of one process at this batch, on a line through what was measured."""
    batches = [float(b) for b in alone]
    seconds = [statistics.median(one["seconds"]) for one in alone.values()]
    slope, begin = np.polyfit(batches, seconds, 1, w=1 / np.array(seconds))
    return float(begin + slope * batch)


def far(found: dict[str, Any], step: float, card: str) -> str:
    """A table of the same game on many GPUs, each with a batch of 32: nothing of it is measured."""
    size, sums = found["bytes"], found["exchanges"]
    (near, fast), (wide, slow) = NETWORK.values()
    rows = []
    for gpus in GPUS:
        nodes = max(1, gpus // NODE)
        reach, width = (wide, slow) if nodes > 1 else (near, fast)
        ring = sums * 2 * (gpus - 1) * reach + 2 * size * (gpus - 1) / gpus / width
        tree = sums * 2 * math.log2(gpus) * reach + 2 * size / width
        inside = sums * 2 * math.log2(NODE) * near + 2 * size * (NODE - 1) / NODE / fast
        across = sums * 2 * math.log2(nodes) * wide + 2 * size / NODE / slow if nodes > 1 else 0.0
        hidden = max(0.0, (inside + across) - step / 2)  # behind half of a step
        each = [1000 * t for t in (step, step + ring, step + tree, step + inside + across, step + hidden)]
        rows.append([f"{gpus:,}", f"{32 * gpus:,}", *(f"{ms:.2f}" for ms in each), f"{step / (step + hidden):.0%}"])
    columns = ["GPUs", "batch", "step alone, ms", "ring", "tree", "by nodes, then between", "and behind half a step",
               "of linear"]  # fmt: skip
    title = f"By the model, nothing measured but the step alone ({card}, batch 32, as one graph):"
    return f"{title}\n\n{console.table(columns, rows)}"


def step_of_a_gpu() -> tuple[float, str]:
    """Seconds of the canonical step at a batch of 32 on a GPU, and which, from benchmarks/results."""
    for report in steps_of(RESULTS):
        for figure in report.figures:
            if (figure.subject, figure.who, figure.batch, figure.width) == ("step", "cupy", 32, 1):
                return figure.timing.median, report.environment["GPU"]
    raise SystemExit("benchmarks/results has no step of a GPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        measure(args.measure)
        return
    processes = sorted({1, *args.processes})
    found: dict[str, Any] = {}
    for count in processes:
        found[f"{count}"] = measured(count)
        if count > 1:
            found[f"{count} threads"] = measured(1, count)
    last = found[f"{processes[-1]}"]
    latency, rate = model_of(last["sums"])
    text = (
        f"{table(found, processes)}\n\n{last['bytes'] / 1e6:.2f} MB go into {last['exchanges']:.0f} sums a step; a sum "
        f"takes {1e6 * latency:.0f} µs and {1e9 * rate:.2f} ms for each MB.\n\n{far(last, *step_of_a_gpu())}"
    )
    about = {
        "note": f"Medians over {BLOCKS} blocks of {STEPS} steps.", "table": text,
    }  # fmt: skip
    record(RESULTS / "processes.json", about | {"runs": found})
    print(text)


if __name__ == "__main__":
    main()

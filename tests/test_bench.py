"""`minigan bench`: counts, statistics, refusals, contestants and processes. No test depends on how long things take."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from figures import figure, full, sample
from scripts import script

from minigan import environment
from minigan.backend import Backend, get_backend
from minigan.backend.numpy_backend import NumpyBackend
from minigan.bench import ceilings, command, growth, parts, peak, plots, profile, report, step, tables, turns, work
from minigan.bench.ceilings import Ceilings
from minigan.bench.measure import Guest, Plan, measure
from minigan.bench.report import Report
from minigan.bench.statistics import Timing, summarise
from minigan.bench.step import STEP
from minigan.bench.turns import Pace, WorkerError, WorkerProcess, take_turns
from minigan.bench.work import Work
from minigan.bench.worker import Worker
from minigan.cli import main

ROOT = Path(__file__).parent.parent
SMALL = 1 / 256  # G 100-1-2-4-784, D 784-2-1-1: small enough to count by hand


# --- counts ----------------------------------------------------------------------------------------------------


def test_the_work_of_a_tiny_step_by_hand() -> None:
    """Batch 2: every product's m k n, summed with a pencil."""
    assert step.sizes(SMALL) == ((100, 1, 2, 4, 784), (784, 2, 1, 1))
    g_forward = 200 + 4 + 16 + 6272  # 2·100·1 + 2·1·2 + 2·2·4 + 2·4·784
    d_forward_on_both = 6272 + 8 + 4  # 4·784·2 + 4·2·1 + 4·1·1
    d_backward = (4 + 4) + (8 + 8) + 6272  # weights and input of each layer; no input of the first
    d_forward, d_to_its_input = 3136 + 4 + 2, 2 + 4 + 3136
    g_backward = (6272 + 6272) + (16 + 16) + (4 + 4) + 200
    products = g_forward + d_forward_on_both + d_backward + d_forward + d_to_its_input + g_backward
    assert products == 38_140
    counted = step.step_work(2, SMALL)
    assert counted.gemm_flops == 2 * 38_140
    assert len(step.products(step.operations(2, SMALL))) == 4 + 3 + 5 + 3 + 3 + 7

    adam = parts.part_work("optimizer", 2, SMALL)
    G = (100 + 1) + (2 + 2) + (8 + 4) + (3136 + 784) + 2 * (1 + 2 + 4)
    D = (1568 + 2) + (2 + 1) + (1 + 1)
    assert adam == Work(0, 10 * (G + D), 7 * 4 * (G + D), 4 * 4 * G)

    leaky = 2 * (1 + 2 + 4) + 4 * (2 + 1) + 2 * (2 + 1)  # elements of G's hidden layers, of D's on 4 and on 2
    tanh, logits = 2 * 784, 4 + 2
    forward = 3 * leaky + 2 * tanh + logits
    backward = 2 * leaky + 3 * tanh
    sums = 2 * (1 + 2 + 4 + 784) + 4 * (2 + 1 + 1)  # of the gradients of biases: G's, and D's in its own update
    assert parts.part_work("elementwise", 2, SMALL).other_flops == forward + backward + sums


def test_the_canonical_sizes() -> None:
    assert step.sizes() == ((100, 256, 512, 1024, 784), (784, 512, 256, 1))
    gan = step.build()
    assert (gan.G.size, gan.D.size) == (1_489_936, 533_505)
    assert [op.shape for op in step.operations(32) if op.name == "adam"] == [(533_505,), (1_489_936,)]
    for width in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive number"):
            step.sizes(width)


def test_a_list_of_products_is_counted_like_single_ones() -> None:
    a, b, out = np.ones((3, 4)), np.ones((4, 5)), np.ones((3, 5))
    one = work.of_call("gemm", (a, b), {"out": out})
    assert one == Work(2 * 3 * 4 * 5, 0, 4 * (12 + 20 + 15))
    assert work.of_call("gemms", ([(a, b, out, False), (a, b, out, True)],), {}) == work.total([one, one])
    assert work.of_call("something_new", (a,), {}) is None


def test_parts_cover_the_operations_of_the_step() -> None:
    counted = Counter(op for part in parts.PARTS if part != "gather" for op in parts.part_operations(part, 4, 0.1))
    assert counted == Counter(step.operations(4, 0.1))
    with pytest.raises(ValueError, match="unknown part 'nothing': choose one of gemm"):
        parts.part_operations("nothing", 4)


@pytest.mark.parametrize("part", parts.PARTS)
def test_every_part_agrees_with_the_reference(part: str, backend: Backend) -> None:
    run = parts.prepare(part, backend, 4, 0.1)
    run()
    run()  # a second time, on what the first has left


@pytest.mark.parametrize(
    ("part", "operation"),
    [(part, name) for part, names in parts.PARTS.items() for name in names],
)
def test_a_part_that_computes_something_else_is_not_timed(part: str, operation: str) -> None:
    broken = NumpyBackend()
    right = getattr(broken, operation)

    def wrong(*args: Any, **kwargs: Any) -> Any:
        right(*args, **kwargs)
        products = args[0] if operation == "gemms" else [(*args, *kwargs.values())]
        for a in itertools.chain.from_iterable(products):
            if isinstance(a, np.ndarray) and a.flags.writeable:
                a += np.ones((), a.dtype)

    vars(broken)[operation] = wrong
    with pytest.raises(
        ArithmeticError,
        match=rf"{'gemm' if operation == 'gemms' else operation}.* of backend 'numpy' is wrong.*not timed",
    ):
        parts.prepare(part, broken, 4, 0.1)


# --- statistics and refusals -----------------------------------------------------------------------------------


def test_median_and_quartiles() -> None:
    timing = summarise([1.02, 1.0, 0.99, 1.01, 1.0])
    assert (timing.median, timing.low, timing.high, timing.samples) == (1.0, 1.0, 1.01, 5)
    assert timing.unstable == ""
    with pytest.raises(ValueError, match="at least one time"):
        summarise([])


def test_an_unstable_figure_is_flagged() -> None:
    assert "quartiles 50 % apart" in summarise([1.0, 1.5] * 10 + [1.0]).unstable
    assert summarise([1.0] * 8 + [30.0]).unstable == ""  # one outlier in nine is what medians are for
    slower = summarise([1.0] * 10 + [1.1] * 10 + [1.3] * 10)
    assert "30 % slower towards the end" in slower.unstable or "27 % slower towards the end" in slower.unstable
    assert "faster towards the end" in summarise([1.3] * 10 + [1.1] * 10 + [1.0] * 10).unstable


def test_what_is_above_the_peak_is_refused() -> None:
    bound = peak.Peak(1e9, 1e9, "a made-up machine")
    peak.check("fine", Work(10**9, 0, 10**9), 1.0, bound)
    with pytest.raises(RuntimeError, match=r"gemm: 2 GFLOP/s is above .*1 GFLOP/s \(a made-up machine\)"):
        peak.check("gemm", Work(2 * 10**9, 0, 0), 1.0, bound)
    with pytest.raises(RuntimeError, match=r"copy: 3 GB/s is above"):
        peak.check("copy", Work(0, 0, 3 * 10**9), 1.0, bound)
    with pytest.raises(RuntimeError, match="without taking any time"):
        peak.check("nothing", Work(1, 1, 1), 0.0, bound)
    found = sample()
    with pytest.raises(RuntimeError, match=r"step of numpy on the CPU at batch 64: .* above what this hardware can do"):
        found.add(figure("numpy", batch=64, seconds=1e-6))
    assert found == sample()


def test_a_time_too_short_for_the_clock_is_refused() -> None:
    peak.check_clock("fine", 1e-3, 1e-7)
    with pytest.raises(RuntimeError, match="random: 1000 ns were measured with a clock that ticks every 100 ns"):
        peak.check_clock("random", 1e-6, 1e-7)
    with pytest.raises(RuntimeError, match=r"stub: .* a clock that ticks every 1000000 ns"):
        take_turns({"a": Stub([5e-9], tick=1e-3)}, Pace(1, 1e-9))


def test_bounds_of_hardware() -> None:
    assert peak.cpu_peak(4, {"AVX512F", "FMA3"}, 3e9).flops == 4 * 64 * 3e9
    assert peak.cpu_peak(1, {"X86_V3"}, None).flops == 32 * 6e9
    assert "6.0 GHz (assumed)" in peak.cpu_peak(1, set(), None).how
    gpu = peak.gpu_peak({"multiProcessorCount": 132, "clockRate": 1_980_000})
    assert gpu.flops == 132 * 128 * 2 * 1.98e9  # an H200: 66.9 TFLOP/s in float32
    assert peak.gpu_peak({"multiProcessorCount": 1}).flops > 0  # CUDA 13 does not tell the clock


# --- reports ---------------------------------------------------------------------------------------------------


def test_a_report_survives_its_file(tmp_path: Path) -> None:
    report.save(tmp_path / "bench.json", full())
    assert report.load(tmp_path / "bench.json") == full()


def damage(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        data = json.loads(text)
        change(data)
        return json.dumps(data)

    return changed


DAMAGES: dict[str, Callable[[str], str]] = {
    "half of it": lambda text: text[: len(text) // 2],
    "not an object": lambda text: "[]",
    "another schema": damage(lambda d: d.update(schema=99)),
    "a field too few": damage(lambda d: d["figures"][0].pop("who")),
    "a field too many": damage(lambda d: d["figures"][0].update(host="name")),
    "text for a number": damage(lambda d: d["figures"][0]["timing"].update(median="fast")),
    "true for a number": damage(lambda d: d["figures"][0].update(batch=True)),
    "a fraction of an image": damage(lambda d: d["figures"][0].update(batch=1.5)),
    "no number": lambda text: text.replace('"gemm": 150000000000.0', '"gemm": NaN'),
    "quartiles out of order": damage(lambda d: d["figures"][0]["timing"].update(low=9.0)),
    "negative time": damage(lambda d: d["figures"][0]["timing"].update(low=-1.0)),
    "a negative ceiling": damage(lambda d: d["ceilings"]["cpu"].update(gemm=-1.0)),
    "a pair of three": damage(lambda d: d["ceilings"]["cpu"].update(copies=[[1, 2.0, 3]])),
    "above the peak": damage(lambda d: d["figures"][0]["timing"].update(low=1e-9)),
    "an unknown device": damage(lambda d: d["figures"][0].update(device="abacus")),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_report_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    report.save(path, full())
    text = path.read_text(encoding="utf-8")
    assert DAMAGES[kind](text) != text
    path.write_text(DAMAGES[kind](text), encoding="utf-8")
    with pytest.raises(ValueError, match="is no report of minigan bench: ") as caught:
        report.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*; minigan bench writes one"):
        report.load(tmp_path / "bench.json")


def test_the_tables_say_what_was_measured() -> None:
    text = tables.text(full())
    row = next(line for line in text.splitlines() if "torch-best" in line and "|    32 |" in line)
    assert [cell.strip() for cell in row.split("|")][4:7] == ["torch-best", "22.5*", "20.25 to 27"]
    assert row.rstrip(" |").endswith("0.75")  # times minigan's best, which is numpy at 30
    assert "* unstable: step of numpy on the CPU at batch 32: quartiles 30 % apart" in text
    assert "jax: JAX is not installed" in text
    assert "GEMM 150 GFLOP/s" in text
    assert all(part in text for part in parts.PARTS)
    assert len({len(line) for line in tables.part_table(full()).splitlines()}) == 1  # aligned


def test_ceilings() -> None:
    one, other = Ceilings(2e9, ((100, 5e9), (10_000, 3e9))), Ceilings(1e9, ((100, 6e9), (10_000, 2e9)))
    assert one.best(other) == Ceilings(2e9, ((100, 6e9), (10_000, 3e9)))
    with pytest.raises(ValueError, match="expected ceilings of the same copies"):
        one.best(Ceilings(1e9, ((200, 6e9), (10_000, 2e9))))
    assert one.share(Work(10**9, 0, 1000), 1.0) == (0.5, 1000 / 5e9)  # as far from 100 as from 10,000: the first
    assert one.share(Work(0, 0, 1000, 9999), 1.0)[1] == 1000 / 3e9  # it streams through arrays of 9999 bytes
    assert one.memory == 3e9
    fast = sample(figure("numpy", seconds=step.step_work(32).flops / 1.7e11))  # the sample's ceiling is 1.5e11
    assert "is above the GEMM ceiling" in tables.text(fast)


def test_the_crossover_of_cpu_and_gpu() -> None:
    def times(cpu: dict[int, float], gpu: dict[int, float]) -> Report:
        return sample(
            *(figure("numpy", batch, seconds) for batch, seconds in cpu.items()),
            *(figure("reference", batch, 5 * seconds) for batch, seconds in cpu.items()),  # not the fastest: no matter
            *(figure("cupy", batch, seconds, device="gpu") for batch, seconds in gpu.items()),
        )

    flat = dict.fromkeys((8, 32, 128), 0.02)
    assert growth.crossover(times({8: 0.01, 32: 0.04, 128: 0.16}, flat)) == pytest.approx(16)
    assert growth.crossover(times({8: 0.04, 32: 0.05, 128: 0.16}, flat)) == 8  # everywhere
    assert growth.crossover(times({8: 0.01, 32: 0.01, 128: 0.015}, flat)) is None
    assert growth.crossover(times({8: 0.01}, {})) is None


def test_a_cliff_is_pointed_at() -> None:
    smooth = sample(*(figure("numpy", batch, 1e-3 * batch) for batch in (32, 64, 128)))
    assert growth.cliffs(smooth) == []
    steep = sample(*(figure("numpy", batch, 1e-3 * batch * (1 + (batch > 64))) for batch in (32, 64, 128)))
    (line,) = growth.cliffs(steep)
    assert "numpy on the CPU" in line
    assert "at batch 128 than at 64" in line


def test_the_pictures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    gpu = [figure("cupy", batch, 0.01, device="gpu") for batch in (32, 512)]
    found = dataclasses.replace(full(), figures=[*full().figures, *gpu])
    assert [path.name for path in plots.draw(found, tmp_path)] == ["time.png", "roofline.png", "growth.png"]
    assert [path.name for path in plots.draw(sample(figure("numpy")), tmp_path)] == ["time.png", "roofline.png"]
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_machine_has_a_name_that_is_not_the_hosts() -> None:
    facts = environment.facts()
    name = environment.slug(facts)
    assert name == name.strip("-").lower()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert (
        environment.slug(
            {"CPU": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cores": "4 available of 8", "GPU": "Tesla T4, 15 GiB"}
        )
        == "intel-xeon-4-cores-tesla-t4"
    )
    assert isinstance(peak.cpu_features(), set)


# --- precision -------------------------------------------------------------------------------------------------


def test_only_what_is_as_precise_is_compared() -> None:
    """TF32 is no way for minigan to be faster than somebody's float32."""
    seconds = {"cupy": 0.010, "cupy-tf32": 0.005, "torch-best": 0.011, "torch-tf32": 0.006}
    found = sample(figure("numpy", seconds=0.009), *(figure(n, seconds=s, device="gpu") for n, s in seconds.items()))
    table = [[cell.strip() for cell in line.split("|")] for line in tables.step_table(found).splitlines()]
    ratios = {row[4]: row[-2] for row in table[2:]}
    assert ratios == {"minigan numpy": "1.00", "minigan cupy": "1.00", "torch-best": "1.10",
                      "minigan cupy-tf32": "1.00", "torch-tf32": "1.20"}  # fmt: skip
    products = {row[4]: row[-4] for row in table[2:]}
    assert products["torch-tf32"] == products["minigan cupy-tf32"] == "–"  # the ceiling is one of float32
    assert products["torch-best"] != "–"
    assert growth.crossover(found) is None


def test_each_precision_has_a_peak_of_its_own() -> None:
    bound = peak.gpu_peak({"multiProcessorCount": 132})
    report_ = sample()
    report_.peaks["gpu, tf32"] = peak.gpu_peak({"multiProcessorCount": 132}, ["tf32"])
    soon = step.step_work(32).flops / (2 * bound.flops)
    report_.add(dataclasses.replace(figure("cupy-tf32", device="gpu"), work=Work(step.step_work(32).flops, 0, 0),
                                    timing=Timing(soon, soon, soon, 9)))  # fmt: skip
    with pytest.raises(RuntimeError, match="above what this hardware can do"):
        report_.add(dataclasses.replace(report_.figures[0], who="cupy"))
    assert "(tf32)" in tables.bounds(report_)


def test_what_fails_in_a_worker_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("numpy", "cpu")
    answer = worker.answer({"do": "part", "part": "nothing", "batch": 2, "width": 1})
    assert answer["error"].startswith("unknown part 'nothing'")
    assert not answer["wrong"]
    monkeypatch.setitem(parts.TOLERANCES, "fp32", -1.0)
    assert worker.answer({"do": "part", "part": "random", "batch": 2, "width": 1})["wrong"]
    assert "there is no file" in worker.answer({"do": "step", "start": str(tmp_path / "start.npz")})["error"]
    timed = worker.answer({"do": "time", "samples": 3, "calls": 2})
    assert len(timed["seconds"]) == 3
    assert timed["tick"] > 0


# --- processes -------------------------------------------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; sys.exit('out of luck')", "somebody ended with code 1: out of luck"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "somebody ended with signal 9"),
        ("import time; time.sleep(60)", "somebody did not answer within 0.3 s and was stopped"),
        ("print('hello', flush=True); input(); input()", "somebody answered with something else than JSON"),
        ('input(); print(\'{"error": "no luck"}\', flush=True); input()', "no luck"),
    ],
    ids=["exits", "is killed", "hangs", "babbles", "refuses"],
)
def test_a_worker_that_fails_is_a_sentence(code: str, sentence: str) -> None:
    worker = WorkerProcess("somebody", "cpu", python(code), patience=0.3 if "sleep" in code else 20)
    with pytest.raises(WorkerError) as caught:
        worker.ask(do="time")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    worker.close()
    assert worker._process.poll() is not None  # nothing is left running
    with pytest.raises(WorkerError, match="somebody ended with"):
        worker.ask(do="time")  # and asking again is neither a traceback nor a long wait


class Stub:
    """A worker with prescribed times, which writes down when it was asked."""

    def __init__(
        self, seconds: list[float], fails_at: int = 10**9, log: list[Stub] | None = None, tick: float = 1e-9
    ) -> None:
        self.name, self.seconds, self.fails_at, self.tick = "stub", seconds, fails_at, tick
        self.log = [] if log is None else log

    def ask(self, **request: Any) -> dict[str, Any]:
        self.log.append(self)
        if sum(asked is self for asked in self.log) > self.fails_at:
            raise WorkerError("it broke")
        count = request["samples"]
        return {"seconds": [10.0, *self.seconds * count][:count] if count > 1 else self.seconds, "tick": self.tick}


def test_contestants_take_turns_and_the_first_sample_of_a_turn_does_not_count() -> None:
    log: list[Stub] = []
    a, b, c = Stub([0.01], log=log), Stub([0.02], log=log), Stub([0.01], fails_at=3, log=log)
    seconds, failures = take_turns({"a": a, "b": b, "c": c}, Pace(4, 0.4))
    assert seconds == {"a": [0.01] * 40, "b": [0.02] * 20}  # 0.4 s each, without the 10 s that come first
    assert failures == {"c": "it broke"}
    turns_taken = log[6:]  # after two questions to each for the warm-up
    assert turns_taken == [a, b, c, a, b, c, a, b, a, b][: len(turns_taken)]


FAKE = """
import json, sys
name = sys.argv[1]
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "ceilings":
        answer = {"gemm": 1e11, "copies": [[1000, 1e10]]}
    elif request["do"] == "step":
        losses = json.loads(LOSSES)
        if name == "torch-eager":
            losses[1][0] += 0.1
        answer = {"losses": losses, "about": name + " 1.0"}
    elif request["do"] == "part":
        answer = {}
        if request["part"] == "gemm" and name == "reference":
            answer = {"error": "gemm is wrong", "wrong": True}
    else:
        answer = {"seconds": [0.5] * request["samples"], "tick": 1e-9}
    if name == "torch-best" and request["do"] == "time":
        sys.exit("segmentation fault, say")
    if name == "jax" and request["do"] == "step":
        print("jaxlib is missing", file=sys.stderr, flush=True)
        answer = {"error": "JAX is not installed"}
    print(json.dumps(answer), flush=True)
"""


def test_what_a_worker_says_is_passed_on() -> None:
    """A warning on standard error, while it lives; the process goes on writing where it was."""
    code = """
import sys, warnings
for i, line in enumerate(sys.stdin):
    warnings.warn(f"number {i} is not what\\nit should be")
    print("{}", flush=True)
"""
    worker = WorkerProcess("somebody", "cpu", python(code), patience=20)
    assert worker.said() == ""
    worker.ask(do="time")
    first = worker.said()
    assert "UserWarning: number 0 is not what it should be" in first
    assert "\n" not in first
    assert worker.said() == ""
    worker.ask(do="time")
    assert "number 1" in worker.said()
    worker.close()
    assert worker.said() == ""

    losses = json.dumps(STEP.expected(STEP.start(4, 0.1)))
    talking = FAKE.replace("LOSSES", repr(losses)).replace("request = ", "print('beware', file=sys.stderr); request = ")
    said: list[str] = []
    kept: list[int] = []
    plan = Plan([(4, 0.1)], False, Pace(2, 0.1), worker=python(talking))
    measure({"numpy": get_backend("numpy")}, plan, said.append, lambda found: kept.append(len(found.figures)))
    assert "numpy says: beware" in " ".join(said)
    assert kept == [1]  # what is known is kept before the end


def test_who_fails_is_out_and_the_others_go_on() -> None:
    losses = json.dumps(STEP.expected(STEP.start(4, 0.1)))
    backends = {name: get_backend(name) for name in ("numpy", "reference")}
    guests = {name: Guest() for name in ("torch-eager", "torch-best", "jax")} | {"torch-cudagraph": Guest(("gpu",))}
    worker = python(FAKE.replace("LOSSES", repr(losses)))
    plan = Plan([(4, 0.1)], True, Pace(2, 0.1), guests=guests, worker=worker)
    said: list[str] = []
    found = measure(backends, plan, said.append)
    assert {f.who for f in found.steps()} == {"numpy", "reference"}
    assert found.absent == {
        "jax": "JAX is not installed",
        "torch-best": "torch-best ended with code 1: segmentation fault, say",
    }
    assert found.wrong.keys() == {"torch-eager", "reference, gemm"}
    assert {(f.subject, f.who) for f in found.parts()} == {
        (part, who) for part in parts.PARTS for who in backends if (part, who) != ("gemm", "reference")
    }
    assert all(f.timing.median == 0.5 for f in found.figures)
    assert said == [
        "ceilings of the CPU: products and copies",
        "everyone begins: numpy, reference, torch-eager, torch-best, jax",
        "jax says: jaxlib is missing",
        "the step at batch 4, width 0.1: numpy, reference, torch-eager, torch-best, jax",
        "jax says: jaxlib is missing",
        "torch-best says: segmentation fault, say",
        "  numpy: 500 ms (500 to 500), 1.00 × numpy",
        "  reference: 500 ms (500 to 500), 1.00 × numpy",
        f"  torch-eager: {found.wrong['torch-eager']}",
        "  torch-best: torch-best ended with code 1: segmentation fault, say",
        "  jax: JAX is not installed",
        "its parts at batch 4, width 0.1",
    ]


def test_all_begin_at_once_and_whoever_dies_is_out(tmp_path: Path) -> None:
    """Each waits for the others in its first step, which takes forever if they are asked one after the other."""
    losses = json.dumps(STEP.expected(STEP.start(4, 0.1)))
    wait = f"""    if request["do"] == "step" and not (begun := pathlib.Path({str(tmp_path)!r}, name)).exists():
        begun.touch()
        while len(list(begun.parent.iterdir())) < 3:
            time.sleep(0.01)
        if name == "jax":
            sys.exit("no luck")
    if request"""
    waiting = "import pathlib, time" + FAKE.replace("LOSSES", repr(losses)).replace("    if request", wait, 1)
    backends = {name: get_backend(name) for name in ("numpy", "reference")}
    said: list[str] = []
    plan = Plan([(4, 0.1)], False, Pace(2, 0.1), guests={"jax": Guest()}, worker=python(waiting), patience=20)
    found = measure(backends, plan, said.append)
    assert {f.who for f in found.figures} == {"numpy", "reference"}
    assert found.absent == {"jax": "jax ended with code 1: no luck"}
    assert said[1:5] == [
        "everyone begins: numpy, reference, jax",
        "  jax: jax ended with code 1: no luck",
        "jax says: no luck",
        "the step at batch 4, width 0.1: numpy, reference",
    ]


def test_how_long_an_answer_may_take_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str, float]] = []

    def process(name: str, device: str, command: Any, patience: float) -> Any:
        made.append((name, device, patience))
        raise WorkerError("enough")

    monkeypatch.setattr(turns, "WorkerProcess", process)
    with pytest.raises(WorkerError, match="enough"):
        measure({"numpy": get_backend("numpy")}, Plan([(4, 0.1)], patience=7.0))
    assert made == [("numpy", "cpu", 7.0)]


# --- the profile -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_profile() -> profile.Profile:
    return profile.measure(get_backend("numpy"), 4, 0.1, seconds=0.01)


def test_the_profile_covers_every_layer_both_ways(tiny_profile: profile.Profile) -> None:
    gan = step.build(0.1)
    seen = {(row.place.pass_, name) for row in tiny_profile.rows for name in row.place.layer.split("+")}
    for player, net in (("G", gan.G), ("D", gan.D)):
        for i, layer in enumerate(net.layers):
            kind = type(layer).__name__
            for direction in ("forward", "backward"):
                assert (direction, f"{player} {i}.{kind}") in seen or (direction, kind) in seen
    assert {row.place.phase for row in tiny_profile.rows} == {"fakes", "D's update", "G's update"}
    outside = {row.operation for row in tiny_profile.rows if not row.place.layer}
    assert {"adam", "normal", "logistic"} <= outside
    assert not outside & {"gemm", "bias_act", "batchnorm"}


def test_the_parts_of_the_profile_are_within_the_step(tiny_profile: profile.Profile) -> None:
    assert all(row.seconds >= 0 for row in tiny_profile.rows)
    assert 0 < sum(row.seconds for row in tiny_profile.rows) <= tiny_profile.profiled
    assert tiny_profile.other >= 0
    counted = work.total(row.work for row in tiny_profile.rows if row.work is not None)
    assert counted.gemm_flops == step.step_work(4, 0.1).gemm_flops


def test_the_profile_as_text(tiny_profile: profile.Profile) -> None:
    text = profile.table(tiny_profile)
    assert "D's update | backward | D 0.Dense+LeakyReLU" in text
    assert "Python and everything else" in text
    assert "Products (GEMM) take" in text
    assert "without it" in text


def test_watching_changes_nothing(backend: Backend) -> None:
    recorder = profile.Recorder(noting=True)
    plain, watched = step.build(0.1, backend), step.build(0.1, profile.WatchedBackend(backend, recorder))
    profile.watch(watched, recorder)
    real = backend.asarray(np.random.default_rng(0).uniform(-1, 1, (4, step.PIXELS)).astype(np.float32))
    assert [watched.step(real) for _ in range(3)] == [plain.step(real) for _ in range(3)]


# --- the command -----------------------------------------------------------------------------------------------

TINY = "bench --batch 4 --width 0.1 --rounds 2 --seconds 0.01"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(plots, "unavailable", lambda: "they need Matplotlib")
    assert main([*TINY.split(), "--backend", "numpy", "reference", "--out", "out"]) == 0
    text, error = capsys.readouterr()
    assert "minigan numpy" in text
    assert "minigan reference" in text
    assert all(f"| {part} " in text for part in parts.PARTS)
    assert "no plots: they need Matplotlib\n" in text
    assert "the step at batch 4" in error
    found = report.load(tmp_path / "out" / "bench.json")
    assert {(f.who, f.batch, f.width) for f in found.steps()} == {("numpy", 4, 0.1), ("reference", 4, 0.1)}
    assert {f.subject for f in found.parts()} == set(parts.PARTS)
    assert found.ceilings["cpu"].gemm <= found.peaks["cpu"].flops


@pytest.mark.parametrize("flags", [["--batch", "4", "5"], ["--parts"]])
def test_a_measurement_that_is_stopped_leaves_what_it_has_found(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the second turns: those of the second batch, or of the first part."""
    begun = []

    def stopped(workers: Any, pace: Pace) -> Any:
        begun.append(workers)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return take_turns(workers, pace)

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("minigan.bench.measure.take_turns", stopped)
    assert main([*TINY.split(), "--backend", "numpy", *flags, "--out", str(tmp_path)]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    (one,) = report.load(tmp_path / "bench.json").figures
    assert (one.subject, one.who, one.batch) == ("step", "numpy", 4)
    assert f"\n  numpy: {tables.brief(one, one)}\n" in capsys.readouterr().err


def test_the_commands_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each flag makes of the plan, without measuring."""
    plans: list[tuple[list[str], Plan]] = []

    def note(backends: Any, plan: Plan, progress: Any, keep: Any) -> Report:
        plans.append((list(backends), plan))
        return dataclasses.replace(full(), wrong={"numpy": "is wrong"} if plan.pace.rounds == 7 else {})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "measure", note)
    monkeypatch.setattr(plots, "unavailable", lambda: "they need Matplotlib")
    assert main(["bench"]) == 0
    assert main(["bench", "--sweep", "--backend", "numpy"]) == 0
    chosen = "--no-parts --batch 8 8 --rounds 7 --seconds 3 --patience 9"
    assert main(["bench", *chosen.split()]) == 1
    (present, default), (_, sweep), (_, brief) = plans
    assert default.grid == ((32, 1.0), (128, 1.0), (512, 1.0))
    assert {"numpy", "reference"} <= set(present)
    assert default.parts
    assert {(8, 1.0), (4096, 1.0), (128, 0.25), (128, 4.0)} <= set(sweep.grid)
    assert not sweep.parts
    assert brief == Plan(((8, 1.0),), False, Pace(7, 3.0), patience=9.0)
    assert (tmp_path / "runs" / f"bench-{environment.slug(environment.facts())}").is_dir()


def test_the_profile_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--profile --batch 4 --width 0.1 --seconds 0.01 --backend reference"
    assert main(["bench", *words.split()]) == 0
    assert "Profile of one GAN step: reference, batch 4, width 0.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "--batch 1", "--batch many", "--width 0", "--width nan", "--width 1000", "--rounds 0", "--seconds 0",
        "--patience 0", "--patience soon",
        "--seconds inf", "--sweep --batch 8", "--sweep --width 2", "--backend abacus", "--backend auto",
        "--profile --sweep", "--profile --no-parts", "--profile --out here", "--out there/is/no/folder", "--out a-file",
    ],
)  # fmt: skip
def test_bad_values_are_one_sentence(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    assert main(["bench", *words.split()]) == 2
    text, error = capsys.readouterr()
    assert text == ""
    assert error.startswith("minigan: ")
    assert error.count("\n") == 1


# --- the README --------------------------------------------------------------------------------------------------


_FIGURES = {"n": 10, "frechet": 0.2, "precision": 0.8, "recall": 0.9, "least": 0.09, "kl": 0.0, "confidence": 0.99,
            "nearest": 1.0, "copies": 0.01}  # fmt: skip
_RUN = {"recipe": "gan", "seed": 0, "steps": 10, "batch": 8, "seconds": 60, "backend": "numpy",
        "cpu": "Made-up", "cores": "2", "threads": "2", "versions": {}, "when": "2026-01-01"}  # fmt: skip
RECIPES_JUDGED = {
    "data": "mnist", "images": 100, "evaluator": "abc", "accuracy": 0.98, "floor": _FIGURES,
    "rows": [_RUN | _FIGURES | {"frechet": 2.0}, _RUN | _FIGURES | {"frechet": 4.0, "seed": 1}],
}  # fmt: skip


@pytest.fixture
def readme_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """benchmarks/readme_tables.py, for pages and results of our own."""
    found = script("readme_tables")
    monkeypatch.setattr(found, "README", tmp_path / "README.md")
    monkeypatch.setattr(found, "MEASURED", tmp_path / "measured.md")
    monkeypatch.setattr(found, "RESULTS", tmp_path / "results")
    return found


def test_the_readmes_table_is_generated(
    readme_tables: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, readme = tmp_path / "README.md", tmp_path / "measured.md"
    for page, sections in ((short, readme_tables.SHORT), (readme, readme_tables.SECTIONS)):
        marks = [f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->" for name in sections]
        page.write_text("\n\n".join(["before", *marks, "after\n"]), encoding="utf-8")
    report.save(tmp_path / "bench.json", full())
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "recipes-mnist.json").write_text(json.dumps(RECIPES_JUDGED), encoding="utf-8")
    told = {"environment": {"CPU": "Made-up", "cores": "2"}, "backend": "numpy", "when": "1999-12-31", "table": "| a |",
            "note": "Seeds 3."}  # fmt: skip
    (tmp_path / "results" / "failures.json").write_text(json.dumps(told), encoding="utf-8")

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["readme_tables.py", *words])
        code: int = readme_tables.main()
        return code

    assert run("--check") == 1
    assert run("--add", str(tmp_path / "bench.json")) == 0
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "made-up-2-cores.json", "recipes-mnist.json", "failures.json",
    }  # fmt: skip
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n\n<!-- recipes: begin -->")
    assert text.endswith("<!-- lab: begin -->\n\n<!-- lab: end -->\n\nafter\n")
    assert "| a |\n\n*(Seeds 3. Made-up, 2 cores; backend numpy. `python benchmarks/failures.py" in text
    assert "3.00 (2.00 to 4.00)" in text
    assert "| real test images |" in text
    assert text.count("old") == 1
    assert "<!-- gpu: begin -->\nold\n<!-- gpu: end -->" in text  # nothing is claimed before there are results
    assert "|   512 | CPU    | torch-best        |" in text
    assert "Made-up (R) CPU @ 3 GHz, 2 cores" in text
    begun = short.read_text(encoding="utf-8")
    assert re.search(r"\| `gan` *\| The GAN of 2014 .* \| +3.00 \|", begun)
    assert re.search(r"\| Made-up  CPU @ 3 GHz, 2 cores \| minigan numpy *\| +[0-9.]+", begun)
    assert "<!-- hardware: begin -->\nold\n<!-- hardware: end -->" in begun
    assert run("--check") == 0
    assert run() == 0
    assert readme.read_text(encoding="utf-8") == text
    short.write_text(begun.replace("3.00", "2.00"), encoding="utf-8")
    assert run("--check") == 1
    assert run() == 0
    assert short.read_text(encoding="utf-8") == begun
    readme.write_text(text.replace("torch-best", "torch-beast"), encoding="utf-8")
    assert run("--check") == 1
    readme.write_text("no comments", encoding="utf-8")
    with pytest.raises(ValueError, match="once each, in this order"):
        run()


def test_the_pages_agree_with_the_results() -> None:
    results, written = sorted((ROOT / "benchmarks" / "results").glob("*.json")), script("readme_tables")
    for page, sections in ((written.README, written.SHORT), (written.MEASURED, written.SECTIONS)):
        text = page.read_text(encoding="utf-8")
        assert written.rewritten(text, sections) == text, (
            f"{page} differs from benchmarks/results: run python benchmarks/readme_tables.py"
        )
    kinds = "critic", "dcgan", "conv", "unet"
    machines = [path for path in results if path.stem.partition("-")[0] not in {*written.OTHERS} - {*kinds}]
    assert machines
    for path in machines:
        subject = re.fullmatch(rf"((?:{'|'.join(kinds)})-|)(.+)", path.stem)
        assert subject is not None
        assert subject[2] == environment.slug(report.load(path).environment)


# --- the GPU's side, on a stand-in -----------------------------------------------------------------------------


@pytest.fixture
def device_backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The CuPy backend over NumPy arrays that refuse to meet the host's: mixing the two is found on any machine."""
    fake_cupy.install(monkeypatch)
    return get_backend("cupy")


def test_reduced_precision_raises_the_peak() -> None:
    h200 = {"multiProcessorCount": 132, "clockRate": 1_980_000}
    assert peak.gpu_peak(h200, ["fp32", "tf32"]).flops == 8 * peak.gpu_peak(h200).flops
    assert peak.gpu_peak(h200, ["bf16"]).flops == 16 * peak.gpu_peak(h200, ["fp32"]).flops


def test_the_ceilings_of_a_device(device_backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceilings.GEMM_SIZES, "gpu", (8, 16))
    monkeypatch.setitem(ceilings.COPY_BYTES, "gpu", (64, 256))
    found = ceilings.measure(device_backend, seconds=0.001)
    assert found.gemm > 0
    assert [size for size, _ in found.copies] == [64, 256]

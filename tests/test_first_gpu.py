"""benchmarks/first_gpu.py and its checks: what fifteen minutes on a GPU depend on, tried without one."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fake_cupy
import pytest
from contest import command
from figures import figure, sample
from scripts import script

from minigan import environment
from minigan.backend import cupy_backend, workarounds
from minigan.bench import report

ROOT = Path(__file__).parent.parent
driver, gpu_checks, readme_tables = script("first_gpu"), script("gpu_checks"), script("readme_tables")
CALLS = ("smoke", "measure", "dry")


def phases(call: str, folder: Path = Path("scratch")) -> list[Any]:
    made = {
        "smoke": lambda: driver.smoke(folder),
        "measure": lambda: driver.measure(folder, "digits"),
        "dry": driver.dry,
    }
    return list(made[call]())


def python(name: str, code: str, seconds: float = 300, **more: Any) -> Any:
    return driver.Phase(name, seconds, [sys.executable, "-c", code], **more)


def run(tmp_path: Path, *chosen: Any, seconds: float = 3000) -> tuple[list[dict[str, Any]], str]:
    """The lines of these phases, and the log."""
    lines = driver.run(chosen, tmp_path, seconds, {"PATH": "/usr/bin:/bin"}, {"call": "test"})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"call": "test", "phases": lines}
    return lines, (tmp_path / "log.txt").read_text()


# --- the checks, over the stand-in -----------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [phase.name for phase in phases("dry")])
def test_the_checks_pass_over_the_stand_in(
    phase: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fake_cupy.install(monkeypatch)
    assert gpu_checks.main([phase, "--small", "--dot", str(tmp_path / "step.dot")]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines
    assert all(line["ok"] for line in lines)
    if phase == "step":
        graph = lines[0]
        assert graph["nodes"] > 30
        assert f"one CUDA graph of {graph['nodes']} operations" in lines[1]["about"]
        assert "call by call" in next(line for line in lines if "eager" in line["check"])["about"]


@pytest.mark.parametrize(
    ("phase", "operation", "check"),
    [
        ("kernels", "bias_act", "bias_act 31 x 7"),
        ("products", "gemm", "products in fp32"),
        ("step", "normal", "step of cupy, batch 4"),
        ("seeds", "bias_act", "seeds of dcgan"),
    ],
)
def test_a_wrong_operation_fails_its_checks(
    phase: str, operation: str, check: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_cupy.install(monkeypatch)
    right = getattr(cupy_backend.CupyBackend, operation)

    def wrong(self: Any, *args: Any, **kwargs: Any) -> None:
        right(self, *args, **kwargs)
        out = kwargs["out"] if "out" in kwargs else args[{"gemm": 2, "bias_act": 3, "normal": 0}[operation]]
        out += 0.3

    monkeypatch.setattr(cupy_backend.CupyBackend, operation, wrong)
    assert gpu_checks.main([phase, "--small"]) == 1
    lines = {line["check"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert not lines[check]["ok"]


def test_a_step_that_is_no_graph_fails_its_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_cupy.install(monkeypatch)
    end = fake_cupy.Stream.end_capture
    monkeypatch.setattr(fake_cupy.Stream, "end_capture", lambda stream: (end(stream), 1 / 0))
    with pytest.warns(UserWarning, match="call by call"):
        assert gpu_checks.main(["step", "--small"]) == 1
    lines = {line["check"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    for name in ("the graph of the step", "step of cupy, batch 4", "GANs one after the other"):
        assert not lines[name]["ok"], name
    assert lines["step of cupy-eager, batch 4"]["ok"]


def test_a_check_that_raises_is_a_line_and_the_next_one_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    check = gpu_checks.Checks()
    check("breaks", lambda: 1 / 0)
    check("is wrong", lambda: {"ok": False, "worst": 2.0})
    check("is well", lambda: None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["check"], line["ok"]) for line in lines] == [
        ("breaks", False),
        ("is wrong", False),
        ("is well", True),
    ]
    assert lines[0]["error"].startswith("ZeroDivisionError")
    assert "1 / 0" in lines[0]["where"]
    assert check.failed == ["breaks", "is wrong"]


def test_without_cupy_a_phase_is_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    for phase in ("env", "kernels", "capture", "step"):
        assert gpu_checks.main([phase, "--small"]) == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert "ModuleNotFoundError" in lines[0].get("error", "") or "CuPy" in lines[0]["error"]


# --- the driver ------------------------------------------------------------------------------------------------


def test_a_dry_run_goes_through_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its phases are processes, which find the stand-in by themselves."""
    fake_cupy.install(monkeypatch)  # skips without a compiler
    assert driver.main(["dry", str(tmp_path / "out"), "--only", "replay", "--mode", "threadlocal"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"log.txt", "summary.json"}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["call"], summary["options"]) == ("dry", "--only replay --mode threadlocal")
    assert [check["ok"] for check in summary["phases"][0]["checks"]] == [True, True]
    assert capsys.readouterr().out.startswith("replay       well")
    with pytest.raises(SystemExit):
        driver.main(["smoke", str(tmp_path / "out"), "--only", "nothing"])


BEATS = "import time\nwhile True: open({!r}, 'a').write('.'); time.sleep(0.01)"  # a program that never ends by itself


def test_a_phase_ends_at_its_limit_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = tmp_path / "beat"

    class Busy(subprocess.Popen):  # type: ignore[type-arg]
        """Its limit is over once it has begun, however long that takes here."""

        def wait(self, timeout: float | None = None) -> int:
            if timeout is None:
                return super().wait()
            while not beat.exists():
                time.sleep(0.01)
            raise subprocess.TimeoutExpired(self.args, timeout)

    child = BEATS.format(str(beat))
    code = f"import subprocess, sys\nprint('begun', flush=True)\nsubprocess.run([sys.executable, '-c', {child!r}])"
    monkeypatch.setattr(driver.subprocess, "Popen", Busy)
    (hung,), _ = run(tmp_path, python("hangs", code, seconds=7.0))
    assert hung["ended"] == "not finished after 7 s"
    assert "begun" in hung["tail"]
    size = beat.stat().st_size
    time.sleep(0.1)
    assert beat.stat().st_size == size


def test_a_phase_that_hangs_is_over_and_the_next_one_runs(tmp_path: Path) -> None:
    hangs = python("hangs", "import time; time.sleep(3600)", seconds=0.6)
    (hung, after), log = run(tmp_path, hangs, python("next", "print('still there')"), seconds=3600)
    assert hung["ended"] == "not finished after 1 s"
    assert after["ended"] == 0
    assert "still there" in log


def test_what_a_phase_leaves_running_is_ended_too(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    wait = f"import os, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {BEATS.format(str(beat))!r}])\n"
    code = f"{wait}while not os.path.exists({str(beat)!r}): time.sleep(0.01)"
    (line,), _ = run(tmp_path, python("forgets", code, seconds=3600), seconds=3600)
    assert line["ended"] == 0
    size = beat.stat().st_size
    time.sleep(0.1)
    assert beat.stat().st_size == size


def test_whatever_becomes_of_a_phase_the_others_go_on(tmp_path: Path) -> None:
    whole, cut = '{"check": "one", "ok": true}', '{"check": "two", "o'
    say = f"print({whole!r}); print({cut!r}, end='', flush=True)"
    lines, log = run(
        tmp_path,
        python("crashes", f"import os, signal; {say}; os.kill(os.getpid(), signal.SIGSEGV)"),
        python("exits", "import sys\nprint('reason', file=sys.stderr)\nsys.exit(3)"),
        python("finds", "print('{\"check\": \"two\", \"ok\": false, \"error\": \"E: it is wrong\"}')"),
        driver.Phase("is not there", 5, ["/no/such/program"]),
        python("is well", "print('fine')"),
    )  # fmt: skip
    assert [line["ended"] for line in lines[:3]] == [-11, 3, 0]
    assert lines[0]["checks"] == [{"check": "one", "ok": True}]  # a line that was cut off is none
    assert lines[1]["tail"] == "reason"
    assert "cannot be run" in lines[3]["ended"]
    assert [driver.went_well(line) for line in lines] == [False, False, False, False, True]
    assert "two: error E: it is wrong" in driver.shown(lines[2])
    assert log.count("=== ") == 5


def test_a_call_keeps_to_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a clock that moves with the phases."""
    now, asked = 1000.0, []

    def run_phase(phase: Any, seconds: float, environment: dict[str, str]) -> tuple[dict[str, Any], str]:
        nonlocal now
        asked.append((phase.name, seconds))
        now += min(seconds, {"a": 25.0, "b": 100.0}[phase.name])
        return {"phase": phase.name, "ended": 0, "seconds": 1.0}, ""

    monkeypatch.setattr(driver, "run_phase", run_phase)
    monkeypatch.setattr(driver.time, "monotonic", lambda: now)
    lines, _ = run(tmp_path, python("a", "", 30), python("b", "", 90), python("c", "", 5), seconds=100)
    assert asked == [("a", 30), ("b", 100 - driver.RESERVE - 25)]
    assert lines[2] == {"phase": "c", "ended": "no time was left"}
    assert now <= 1100


def test_long_output_is_kept_from_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SAID", 1000)
    _, log = run(tmp_path, python("talks", "print('first'); print('x' * 99999); print('last')"))
    assert len(log) < 2000
    assert "first" in log
    assert log.rstrip().endswith("last")
    assert "bytes are left out" in log


@pytest.mark.parametrize("call", CALLS)
def test_at_most_eight_files_come_back(call: str) -> None:
    names = [name for phase in phases(call) for name in phase.leaves]
    assert len(names) == len(set(names))
    assert len({"log.txt", "summary.json", *names}) <= 8


def test_what_a_phase_leaves_is_copied_even_if_it_failed(tmp_path: Path) -> None:
    file = tmp_path / "made"
    code = f"open({str(file)!r}, 'w').write('half'); raise SystemExit(1)"
    leaves = {"result.json": file, "other.png": tmp_path / "never made"}
    (tmp_path / "out").mkdir()
    run(tmp_path / "out", python("leaves", code, leaves=leaves))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"log.txt", "summary.json", "result.json"}


@pytest.mark.parametrize("call", CALLS)
def test_phases_are_named_once_and_within_the_call(call: str) -> None:
    plan = phases(call)
    assert len({phase.name for phase in plan}) == len(plan)
    assert all(0 < phase.seconds < driver.SECONDS[call] for phase in plan)
    for phase in plan:
        if driver.CHECKS[-1] in phase.command:
            assert phase.command[list(phase.command).index(driver.CHECKS[-1]) + 1] in gpu_checks.PHASES


def test_the_commands_of_minigan_are_understood(tmp_path: Path) -> None:
    """As typed: a flag that was renamed would cost the minutes on a GPU."""
    seen = []
    for phase in phases("measure"):
        if (contest := str(ROOT / "benchmarks" / "contest")) in phase.command:
            words = phase.command[list(phase.command).index(contest) + 1 :]
            seen.append(command.event_of(command.parser().parse_args(words)).name)
        if "minigan" in phase.command:
            name, *words = phase.command[list(phase.command).index("minigan") + 1 :]
            module, parser = importlib.import_module(f"minigan.commands.{name}"), argparse.ArgumentParser()
            module.arguments(parser, words)
            parser.parse_args(words)
            seen.append(name)
    assert seen == ["contest", "dcgan", "train", "evaluate", "conv"]


def test_the_test_that_is_left_out_is_there() -> None:
    (tests,) = [phase for phase in phases("measure") if phase.name == "tests"]
    file, name = tests.command[list(tests.command).index("--deselect") + 1].split("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_the_ways_around_reach_the_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = argparse.Namespace(
        mode="global", products="sgemm", workspace=False, eager_loading=True, cubin=False
    )  # as of the command
    for name, value in driver.environment_of(chosen, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert workarounds.capture_mode() == "streamCaptureModeGlobal"
    assert workarounds.cublas_call() == "sgemm"
    assert not workarounds.own_workspace()
    assert driver.environment_of(chosen, tmp_path)["CUDA_MODULE_LOADING"] == "EAGER"
    for name in ("CAPTURE_MODE", "CUBLAS_CALL", "CUBLAS_WORKSPACE", "STRICT_GRAPH"):
        monkeypatch.setenv(f"MINIGAN_{name}", "nonsense")
    for ask in (
        workarounds.capture_mode, workarounds.cublas_call, workarounds.own_workspace, workarounds.strict_graph,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^MINIGAN_\w+ must be one of .*, got 'nonsense'$"):
            ask()


def test_without_ways_around_everything_is_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAPTURE_MODE", "CUBLAS_CALL", "CUBLAS_WORKSPACE", "CUBIN", "STRICT_GRAPH"):
        monkeypatch.delenv(f"MINIGAN_{name}", raising=False)
    assert workarounds.capture_mode() == "streamCaptureModeRelaxed"
    assert workarounds.cublas_call() == "gemmex"
    assert workarounds.own_workspace()
    assert not workarounds.strict_graph()
    assert workarounds.cubin("float") is None


def test_kernels_that_nvcc_has_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert driver.FLAGS == cupy_backend.FLAGS
    asked = []

    def nvcc(command: list[str], **how: Any) -> Any:
        asked.append(command)
        if command[0] == "nvcc":
            Path(command[command.index("-o") + 1]).touch()
        return subprocess.CompletedProcess(command, 0, stdout="9.0\n", stderr="")

    monkeypatch.setattr(driver.subprocess, "run", nvcc)
    monkeypatch.setenv("MINIGAN_CUBIN", str(driver.compiled(tmp_path)))
    assert all("-arch=sm_90" in command for command in asked[1:])
    for real in ("float", "double"):
        assert workarounds.cubin(real) == str(tmp_path / f"kernels-{real}.cubin")
    monkeypatch.setenv("MINIGAN_CUBIN", "nowhere")
    with pytest.raises(FileNotFoundError, match=r"MINIGAN_CUBIN names nowhere, where there is no kernels-float.cubin"):
        workarounds.cubin("float")


# --- what becomes of the results -------------------------------------------------------------------------------

GPU = {"CPU": "Made-up CPU", "cores": "16", "GPU": "NVIDIA H100 80GB HBM3, 79 GiB, CUDA 13.0", "python": "3.12.3 (C)"}
FLOOR = {"frechet": 0.2, "precision": 0.8, "recall": 0.9}


def finished(folder: Path, call: str, *lines: dict[str, Any], options: str = "") -> Path:
    """A folder as first_gpu.py leaves it."""
    folder.mkdir()
    env = {"phase": "env", "ended": 0, "seconds": 9.0, "checks": [
        {"check": "backend", "ok": True, "about": "CuPy 14.2 on an H100, cuBLAS 13.1"},
        {"check": "facts", "ok": True, "facts": GPU},
    ]}  # fmt: skip
    summary = {"call": call, "when": "2027-01-02 03:04", "options": options, "phases": [env, *lines]}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def phase_line(name: str, *checks: dict[str, Any], ended: Any = 0) -> dict[str, Any]:
    return {"phase": name, "ended": ended, "seconds": 12.3, "checks": list(checks)}


def test_one_command_keeps_the_results_and_writes_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESULTS", "PICTURES"):
        monkeypatch.setattr(readme_tables, name, tmp_path / name)
    short, page = tmp_path / "README.md", tmp_path / "measured.md"
    for name, file, sections in (
        ("README", short, readme_tables.SHORT), ("MEASURED", page, readme_tables.SECTIONS),
    ):  # fmt: skip
        monkeypatch.setattr(readme_tables, name, file)
        marks = [f"<!-- {part}: begin -->\n\nas it was of {part}\n\n<!-- {part}: end -->" for part in sections]
        file.write_text("\n\n".join(marks))
    smoke = finished(
        tmp_path / "smoke", "smoke",
        phase_line("kernels", {"check": "k", "ok": True, "worst": 3e-6}, {"check": "l", "ok": True, "worst": 1e-7}),
        phase_line("step", {"check": "the graph of the step", "ok": True, "nodes": 45}),
        phase_line("capture", {"check": "nodes in a row", "ok": True, "us_per_node": 1.2, "us_per_launch_host": 8.0}),
        phase_line("memcheck"),
    )  # fmt: skip
    measured = finished(
        tmp_path / "measure", "measure",
        phase_line("racecheck", {"check": "sanitize classic", "ok": False}, ended=9),
        phase_line("train"), phase_line("evaluate"), {"phase": "memcheck", "ended": "no time was left"},
        options="--mode global",
    )  # fmt: skip
    (measured / "evaluation.json").write_text(json.dumps({"rows": [FLOOR, FLOOR | {"frechet": 0.65}]}))
    (measured / "samples.png").write_bytes(b"picture")
    found = sample(figure("cupy", 32, 0.001, device="gpu"))
    found.environment.update(GPU)
    report.save(measured / "bench.json", found)

    def written(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["readme_tables.py", *words])
        assert readme_tables.main() == 0
        return page.read_text()

    assert "as it was of gpu" in written()  # nothing is claimed without results
    assert "as it was of hardware" in short.read_text()
    text = written("--add", str(smoke), str(measured))
    name = environment.slug(GPU)
    assert name == "made-up-16-cores-nvidia-h100-80gb-hbm3"
    assert {p.name for p in (tmp_path / "RESULTS").iterdir()} == {f"gpu-{name}.json", f"{name}.json"}
    assert "as it was of gpu" not in text
    for said in (
        "On hardware: NVIDIA H100", "2 checks, at most 3e-06 apart", "| 45 operations",
        "**failed**: sanitize classic", "frechet 0.650 (real images 0.200)", "1.20 µs", "cuBLAS 13.1",
        f"(pictures/gpu-{name}-samples.png)", "smoke OUT --mode global`", "| minigan cupy |",
    ):  # fmt: skip
        assert said in text, said
    for said in (
        "On one NVIDIA H100 80GB HBM3, 79 GiB, CUDA 13.0: the classic step is one CUDA graph of 45 operations;",
        "`minigan train dcgan --steps 3000` takes 12 s, and its samples' Fréchet distance is 0.65 (real images 0.20);",
        "6 of 7 phases of checks went well", "| NVIDIA H100 80GB HBM3 | minigan cupy |     1.00 |",
    ):  # fmt: skip
        assert said in short.read_text(), said
    assert (tmp_path / "PICTURES" / f"gpu-{name}-samples.png").read_bytes() == b"picture"
    assert [line for line in text.splitlines() if "memcheck" in line] == [
        line for line in text.splitlines() if "memcheck" in line and "done" in line
    ]  # that of the first call: in the second there was no time for it


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no summary.json"):
        readme_tables.add(tmp_path)
    (tmp_path / "summary.json").write_text('{"call": "smoke", "when": "", "options": "", "phases": []}')
    with pytest.raises(ValueError, match="its phase env has failed"):
        readme_tables.add(tmp_path)

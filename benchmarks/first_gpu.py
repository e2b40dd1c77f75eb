"""Fifteen minutes on a GPU: is everything right there, and how fast is it? Two calls, from the root of a clone.

    python -u benchmarks/first_gpu.py smoke OUT         is it right?      at most 230 s
    python -u benchmarks/first_gpu.py measure OUT       how fast is it?   at most 430 s
    python benchmarks/first_gpu.py dry OUT              the checks in small, over the tests' stand-in, without a GPU
    python benchmarks/readme_tables.py --add OUT ...    keep what was found, and say it in the pages

Each call is a list of phases. A phase is a process group that is killed at a limit of its own; whatever fails or hangs,
the others go on, and the whole call keeps to its `--seconds`: a phase for which there is no time left is not begun. OUT
gets at most eight files, none above a few MB: log.txt (all that was said), summary.json (a line for each phase, with
the JSON lines of its checks, see gpu_checks.py), and

    smoke     step.dot         the recorded step as CUDA prints it, with the names of all kernels
    measure   bench.json       the canonical step beside PyTorch and JAX, on the GPU and on the CPU
              crossover.png    the same as a picture: from which batch the GPU is faster
              dcgan.json       the step of a small DCGAN beside PyTorch
              evaluation.json  how good the samples of `dcgan` are after 3,000 steps; samples.png: some of them
              ncu.csv          duration, grid and block of every node of the step

Phases that measure no time may run side by side, as calls of their own on `--only` some of them, each with `env`; the
pages take the folders of them all. The exit code is 0 if all phases went well, else 1. Where something does not work,
there is a way around to try, as options of either call (see minigan/backend/workarounds.py):

    --mode threadlocal|global     how a stream records, instead of relaxed
    --no-workspace                cuBLAS keeps to its own workspace
    --products sgemm              cublasSgemm instead of cublasGemmEx
    --cubin                       kernels compiled by nvcc instead of NVRTC
    --eager-loading               CUDA loads all of a module at once (CUDA_MODULE_LOADING=EAGER)
    --only PHASE ...              these phases alone

`smoke` tries each mode and each call of cuBLAS anyway, and says which can be recorded. This file needs Python alone;
the phases need what they measure: CuPy; PyTorch and JAX for `bench`; pytest, pytest-xdist and Hypothesis for `tests`;
compute-sanitizer and ncu for those that are named after them. What is not there is a failed phase, no more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-u")
CHECKS = (*PYTHON, str(ROOT / "benchmarks" / "gpu_checks.py"))
SECONDS = {"smoke": 230.0, "measure": 430.0, "dry": 230.0}  # of a call
FLAGS = ("--std=c++17", "--fmad=false")  # of cupy_backend.py, which this file does not import
LEAST = 10.0  # seconds that must be left for a phase to be begun
RESERVE = 5.0  # for writing down what was found
SAID = 1 << 20  # bytes of a phase's output that are kept: a quarter from its beginning, the rest from its end
TAIL = 800  # characters of a failed phase's output that its line shows
STRICT = {"MINIGAN_STRICT_GRAPH": "1"}  # a step that cannot be recorded is an error
SANITIZER = ("compute-sanitizer", "--report-api-errors", "no", "--error-exitcode", "9", "--print-limit", "5", "--tool")


class Phase(NamedTuple):
    """What is run, for so many seconds at most.

    more: of the environment. leaves: files that go to OUT, by their names there.
    """

    name: str
    seconds: float
    command: Sequence[str]
    more: Mapping[str, str] = MappingProxyType({})
    leaves: Mapping[str, Path] = MappingProxyType({})


def smoke(scratch: Path) -> list[Phase]:
    """Whether it is right, the surest things first."""
    return [
        Phase("nvidia-smi", 10, ["nvidia-smi"]),
        checks("env", 40),
        checks("kernels", 75),
        checks("products", 40),
        checks("capture", 40),
        checks("step", 75, "--dot", str(scratch / "step.dot"), leaves={"step.dot": scratch / "step.dot"}),
        *proofs(),
    ]


def proofs() -> list[Phase]:
    """What both calls do: a repair after `smoke` is proved by `measure`."""
    return [
        checks("seeds", 60, more=STRICT),
        *(
            Phase(tool, seconds, [*SANITIZER, tool, *CHECKS, "sanitize"], STRICT)
            for tool, seconds in (("memcheck", 50.0), ("racecheck", 90.0))
        ),
    ]


def measure(scratch: Path, data: str) -> list[Phase]:
    """How fast it is, and what comes of it; what is wanted most comes first."""
    minigan, gan = [*PYTHON, "-m", "minigan"], scratch / "dcgan"
    contest = [*PYTHON, str(ROOT / "benchmarks" / "contest")]
    pace = ["--rounds", "3", "--seconds", "0.3", "--patience", "60"]
    tests = [
        *PYTHON, "-m", "pytest", "tests", "-m", "gpu", "-q", "-n", "8", "--dist", "worksteal", "-p", "no:cacheprovider",
        "--hypothesis-profile=quick", "--maxfail=15", "--durations=15",
        "--deselect", "tests/test_kernels.py::test_compute_sanitizer_finds_nothing",
    ]  # fmt: skip
    ncu = [
        "ncu", "--clock-control", "none", "--cache-control", "none", "--graph-profiling", "node", "--csv",
        "--profile-from-start", "off", "--metrics", "gpu__time_duration.sum,launch__grid_size,launch__block_size",
        "--log-file", str(scratch / "ncu.csv"), *CHECKS, "replay",
    ]  # fmt: skip
    return [
        checks("env", 40),
        Phase("bench", 200, [
            *contest, "step", "--no-parts", *pace, "--backend", "cupy", "cupy-tf32", "numpy",
            "--against", "torch-eager", "torch-cudagraph", "torch-tf32", "jax",
            "--batch", "32", "4096", "128", "512", "--out", str(scratch / "bench"),
        ], leaves={"bench.json": scratch / "bench" / "bench.json", "crossover.png": scratch / "bench" / "time.png"}),
        Phase("dcgan", 70, [
            *contest, "dcgan", *pace, "--backend", "cupy", "cupy-tf32",
            "--against", "torch-eager", "torch-cudagraph", "torch-tf32",
            "--batch", "64", "--out", str(scratch / "bench-dcgan"),
        ], leaves={"dcgan.json": scratch / "bench-dcgan" / "bench.json"}),
        *proofs(),
        Phase("train", 60, [
            *minigan, "train", "dcgan", "--backend", "cupy", "--steps", "3000", "--data", data, "--out", str(gan),
        ], leaves={"samples.png": gan / "samples.png"}),
        Phase("evaluate", 60, [*minigan, "evaluate", str(gan), "--n", "5000", "--json", str(scratch / "dcgan.json")],
              leaves={"evaluation.json": scratch / "dcgan.json"}),
        Phase("tests", 150, tests),
        Phase("ncu", 40, ncu, leaves={"ncu.csv": scratch / "ncu.csv"}),
        Phase("conv", 60, [
            *contest, "conv", *pace, "--backend", "cupy", "--against", "torch-best", "--batch", "64",
            "--out", str(scratch / "conv"),
        ]),
    ]  # fmt: skip


def dry() -> list[Phase]:
    """The checks that the stand-in can pass, in small."""
    names = "kernels", "products", "capture", "step", "seeds", "sanitize", "replay"
    return [checks(name, 60, "--small", "--stand-in") for name in names]


def checks(name: str, seconds: float, *words: str, **more: Any) -> Phase:
    """A phase of gpu_checks.py."""
    return Phase(name, seconds, [*CHECKS, name, *words], **more)


# --- running them ----------------------------------------------------------------------------------------------


def run(
    phases: Sequence[Phase], out: Path, seconds: float, environment: dict[str, str], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Run phases one after the other, and write log.txt and summary.json as they end. Returns a line for each.

    seconds: for all of them. environment: of their processes. about: the call, for the summary.
    """
    end, summary = time.monotonic() + seconds - RESERVE, list[dict[str, Any]]()
    with open(out / "log.txt", "w", encoding="utf-8") as log:
        for phase in phases:
            left = end - time.monotonic()
            if left < LEAST:
                summary.append({"phase": phase.name, "ended": "no time was left"})
            else:
                line, said = run_phase(phase, min(phase.seconds, left), environment)
                log.write(f"\n=== {phase.name}: {' '.join(phase.command)}\n{said}")
                log.flush()
                summary.append(line)
                for name, file in phase.leaves.items():
                    if file.is_file():
                        shutil.copyfile(file, out / name)
            print(shown(summary[-1]), flush=True)
            (out / "summary.json").write_text(json.dumps({**about, "phases": summary}, indent=1), encoding="utf-8")
    return summary


def run_phase(phase: Phase, seconds: float, environment: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Run one phase, and kill all that is left of it. Returns its line and what it has said.

    The line has "ended": the exit code, or why there is none.
    """
    begin, ended = time.monotonic(), None
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                phase.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT,
                env={**environment, **phase.more}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ended = f"cannot be run: {error}"
        else:
            try:
                ended = process.wait(seconds)
            except subprocess.TimeoutExpired:
                ended = f"not finished after {seconds:.0f} s"
            finally:
                kill(process)
        said = kept(output)
    line: dict[str, Any] = {"phase": phase.name, "ended": ended, "seconds": round(time.monotonic() - begin, 1)}
    lines = said.splitlines()
    if found := [json.loads(text) for text in lines if _is_check(text)]:
        line["checks"] = found
    if ended != 0:
        line["tail"] = "\n".join(text for text in lines if not _is_check(text))[-TAIL:]
    return line, said


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the group of a process, which may have ended itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kept(output: Any) -> str:
    """What a phase has said, without the middle of what is very long."""
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    if size <= SAID:
        return str(output.read().decode(errors="replace"))
    first = output.read(SAID // 4).decode(errors="replace")
    output.seek(size - 3 * SAID // 4)
    return f"{first}\n... {size - SAID} bytes are left out ...\n{output.read().decode(errors='replace')}"


def _is_check(text: str) -> bool:
    """Whether a line is that of a check, and whole: a process may have been killed while it wrote."""
    try:
        return text.startswith('{"check"') and "ok" in json.loads(text)
    except ValueError:
        return False


def went_well(line: dict[str, Any]) -> bool:
    """Whether a phase has ended with code 0 and all its checks are fine."""
    return line["ended"] == 0 and all(check["ok"] for check in line.get("checks", ()))


def shown(line: dict[str, Any]) -> str:
    """A phase in a line or two, and what is worth reading of its checks."""
    words = [f"{line['phase']:12}", "well" if went_well(line) else f"FAILED ({line['ended']})"]
    words += [f"{line['seconds']:.1f} s"] if "seconds" in line else []
    if found := line.get("checks", ()):
        words.append(f"{sum(check['ok'] for check in found)} of {len(found)} checks")
    lines = [" ".join(words)]
    names = "error", "reason", "worst", "at", "about", "nodes", "us", "us_per_node", "us_per_launch_host"
    for check in found:
        if not check["ok"] or {"us", "us_per_node", "nodes", "about"} & check.keys():
            facts = [f"{name} {check[name]}" for name in names if check.get(name) not in (None, "")]
            lines.append(f"    {check['check']}: {', '.join(facts)}"[:300])
    if not went_well(line) and line.get("tail"):
        lines.append("    | " + "\n    | ".join(line["tail"].splitlines()[-6:]))
    return "\n".join(lines)


def environment_of(args: argparse.Namespace, scratch: Path) -> dict[str, str]:
    """That of this process, with folders to write to and the ways around that were chosen.

    Raises RuntimeError if the kernels were to be compiled by nvcc, and it cannot.
    """
    found = os.environ | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        "CI": "1",  # Hypothesis draws the same examples in every run
        "CUPY_CACHE_DIR": str(scratch / "cupy"),
        "MINIGAN_CACHE": str(scratch / "cache"),
        "MINIGAN_CAPTURE_MODE": args.mode,
        "MINIGAN_CUBLAS_CALL": args.products,
        "MINIGAN_CUBLAS_WORKSPACE": str(int(args.workspace)),
    }
    if args.eager_loading:
        found["CUDA_MODULE_LOADING"] = "EAGER"
    if args.cubin:
        found["MINIGAN_CUBIN"] = str(compiled(scratch))
    return found


def compiled(folder: Path) -> Path:
    """A folder with the kernels as nvcc compiles them for the GPU that is here."""
    ask = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    capability = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()[0].replace(".", "")
    for real in ("float", "double"):
        command = ["nvcc", "-cubin", f"-arch=sm_{capability}", f"-DREAL={real}", *FLAGS]
        command += ["-o", str(folder / f"kernels-{real}.cubin"), str(ROOT / "minigan" / "backend" / "kernels.cu")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"nvcc cannot compile the kernels: {done.stderr[-600:]}")
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", choices=SECONDS)
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder for results")
    parser.add_argument("--seconds", type=float, help="for the whole call (default: 230 for smoke, 430 for measure)")
    parser.add_argument("--only", nargs="+", metavar="PHASE", help="these phases alone")
    parser.add_argument("--data", default="digits", help="what dcgan learns, as in minigan train (default: digits)")
    parser.add_argument("--mode", choices=("relaxed", "threadlocal", "global"), default="relaxed")
    parser.add_argument("--products", choices=("gemmex", "sgemm"), default="gemmex")
    parser.add_argument("--no-workspace", dest="workspace", action="store_false")
    parser.add_argument("--cubin", action="store_true")
    parser.add_argument("--eager-loading", action="store_true")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        phases = {"smoke": lambda: smoke(scratch), "measure": lambda: measure(scratch, args.data), "dry": dry}[
            args.call
        ]()
        if unknown := set(args.only or ()) - {phase.name for phase in phases}:
            parser.error(f"{args.call} has no phase {', '.join(sorted(unknown))}")
        chosen = [phase for phase in phases if not args.only or phase.name in args.only]
        typed = [word for word in (sys.argv[1:] if argv is None else argv) if word not in (args.call, str(args.out))]
        about = {"call": args.call, "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "options": " ".join(typed)}
        found = run(chosen, args.out, args.seconds or SECONDS[args.call], environment_of(args, scratch), about)
    print(f"written: {', '.join(sorted(path.name for path in args.out.iterdir()))}")
    return int(not all(map(went_well, found)))


if __name__ == "__main__":
    sys.exit(main())

"""Write the tables of README.md and benchmarks/README.md from benchmarks/results: step times, a file for each machine,
and how good recipes are.

    python benchmarks/contest --out runs/bench                        measure
    python benchmarks/readme_tables.py --add runs/bench/bench.json    keep that for this machine, update the pages
    python benchmarks/readme_tables.py --add SMOKE MEASURE            the same for two folders of first_gpu.py
    python benchmarks/recipes.py --data mnist --out runs/recipes      train and judge every recipe
    python benchmarks/readme_tables.py                                update the pages
    python benchmarks/readme_tables.py --check                        fail if one of them says something else

Each table stands between two comments in its page, such as `<!-- bench: begin -->` and `<!-- bench: end -->`. What
stands there for a GPU stays as it is until there are results of one.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from contest import conv
from contest.guests import FAMILIES

from minigan import console, environment
from minigan.archive import write_atomically
from minigan.bench import report, tables
from minigan.bench.report import Figure, Report
from minigan.bench.statistics import Timing
from minigan.bench.subject import is_ours
from minigan.recipes import get_recipe

ROOT = Path(__file__).resolve().parent.parent
README, MEASURED = ROOT / "README.md", ROOT / "benchmarks" / "README.md"
RESULTS, PICTURES = ROOT / "benchmarks" / "results", ROOT / "benchmarks" / "pictures"
BATCHES = (32, 128, 512, 4096)  # what the pages show of a sweep
OTHERS = (  # how the names of other results begin
    "recipes", "critic", "conv", "dcgan", "unet", "gpu", "failures", "diagnostics", "mode", "fuzz", "simultaneous",
    "few", "autoencoders", "molecules", "translation", "lab", "refinement", "words", "features",
    "projection", "processes", "sweep",
)  # fmt: skip
PROVED = {  # a phase of first_gpu.py: what it is about
    "kernels": "kernels against the reference, on odd, tall and narrow shapes",
    "products": "products by cuBLAS against float64, in float32, TF32 and bf16",
    "capture": "what a graph needs can be recorded",
    "step": "losses of the classic GAN's step and a small DCGAN's against the reference",
    "seeds": "ten steps of recipes: in float64 on the CPU's noise against the CPU; graphs against single calls",
    "memcheck": "compute-sanitizer's memcheck of recipes",
    "racecheck": "and its racecheck",
    "tests": "the tests marked gpu",
    "train": "`minigan train dcgan --steps 3000`",
    "evaluate": "its samples judged",
}
QUALITY = ("frechet", "precision", "recall")
GPU_PICTURES = {
    "crossover.png": "The step's time against the batch, and where the GPU overtakes the CPU",
    "samples.png": "Samples of dcgan after 3,000 steps on the GPU",
}
LIBRARIES = ("numpy", "BLAS", "torch", "jax", "cupy", "numba")


def bench_section(results: Path) -> list[str]:
    """Step times: a table for each machine."""
    return [text for found in steps_of(results) for text in machine(found)]


def steps_of(results: Path) -> list[Report]:
    """What `minigan bench` or the contest has found of the canonical step, on each machine."""
    return [report.load(path) for path in sorted(results.glob("*.json")) if path.stem.partition("-")[0] not in OTHERS]


def critic_section(results: Path) -> list[str]:
    """Times of a critic's update with gradient penalty."""
    return [text for path in sorted(results.glob("critic-*.json")) for text in machine(report.load(path))]


def conv_section(results: Path) -> list[str]:
    """Times of convolutions, layer by layer."""
    return [text for path in sorted(results.glob("conv-*.json")) for text in machine(report.load(path))]


def dcgan_section(results: Path) -> list[str]:
    """Times of the step of a small DCGAN."""
    found = [text for path in sorted(results.glob("dcgan-*.json")) for text in machine(report.load(path))]
    return (
        ["The whole step of that DCGAN, with everything that stands around its convolutions:", *found] if found else []
    )


def unet_section(results: Path) -> list[str]:
    """Times of a U-Net's convolutions, layer by layer."""
    found = [text for path in sorted(results.glob("unet-*.json")) for text in machine(report.load(path))]
    about = (
        "The convolutions of the U-Net of `pix2pix` (4 x 4, stride 2: down 1, 28 x 28 x 1 to 14 x 14 x 16; down 2, to\n"
        "7 x 7 x 32; up 2, back to 14 x 14 x 16; up 1, 14 x 14 x 32 to 28 x 28 x 16. 3 x 3, stride 1: block, 7 x 7 x\n"
        "32 to as many; end, 28 x 28 x 17 to 28 x 28 x 1):"
    )
    return [about, *found] if found else []


def gpu_section(results: Path) -> list[str] | None:
    """What was proved on each GPU, and its pictures; None if there was none yet."""
    files = sorted(results.glob("gpu-*.json"))
    return [text for file in files for text in proved(json.loads(file.read_text(encoding="utf-8")))] or None


def recipes_section(results: Path) -> list[str]:
    """How good each recipe's samples are: a table for each data set."""
    return [text for path in sorted(results.glob("recipes-*.json")) for text in judged(json.loads(path.read_text()))]


def codes_section(results: Path) -> list[str]:
    """What becomes of labels and codes, in the same runs."""
    return [text for path in sorted(results.glob("recipes-*.json")) for text in asked(json.loads(path.read_text()))]


def told(name: str) -> Callable[[Path], list[str]]:
    """The table that a script of this folder has written beside its figures, and what they were measured with."""

    def section(results: Path) -> list[str]:
        file = results / f"{name}.json"
        if not file.exists():
            return []
        found = json.loads(file.read_text(encoding="utf-8"))
        facts = found["environment"]
        libraries = "".join(f"; {n} {facts[n]}" for n in ("numpy", "numba") if n in facts)
        machine, script = (
            f"{facts['CPU']}, {facts['cores']} cores{libraries}",
            f"benchmarks/{name.replace('-', '_')}.py",
        )
        if "backend" in found:  # which some scripts are told
            machine, script = f"{machine}; backend {found['backend']}", f"{script} --backend {found['backend']}"
        script = f"`python {script}`"
        return [found["table"], f"*({found['note']} {machine}. {script}, {found['when']}.)*"]

    return section


def games_section(results: Path) -> list[str]:
    """What each recipe is, and one figure of its samples."""
    return [text for path in sorted(results.glob("recipes-*.json")) for text in games(json.loads(path.read_text()))]


def speed_section(results: Path) -> list[str]:
    """A row for everybody who has played the step, a column for each batch."""
    reports = steps_of(results)
    if not reports:
        return []
    rows = []
    for found in reports:
        times = {(f.device, f.who, f.batch): f.timing for f in shown(found)}
        for device, who in dict.fromkeys((f.device, f.who) for f in shown(found) if f.who != "reference"):
            row = [times.get((device, who, batch)) for batch in BATCHES]
            rows.append([hardware(found, device), tables.label(who), *map(milliseconds, row)])
    head = ["on", "who", *(f"batch {batch:,}" for batch in BATCHES)]
    note = "\\* unstable: quartiles, or first and last third, more than 15 % apart"
    when = ", ".join(sorted(found.when for found in reports))
    commands = " and ".join(dict.fromkeys(f"`{command(found)}`" for found in reports))
    return [console.table(head, rows, left=(0, 1)), f"*(ms a step, medians; {note}. {commands}, {when} UTC.)*"]


def hardware_section(results: Path) -> list[str] | None:
    """The key figures of each GPU in some sentences; None if there was none yet."""
    files = sorted(results.glob("gpu-*.json"))
    return [in_short(json.loads(file.read_text(encoding="utf-8")), results) for file in files] or None


SHORT: dict[str, Callable[[Path], list[str] | None]] = {  # in README.md
    "speed": speed_section, "hardware": hardware_section, "games": games_section,
}  # fmt: skip
SECTIONS: dict[str, Callable[[Path], list[str] | None]] = {  # in benchmarks/README.md
    "recipes": recipes_section, "codes": codes_section, "critic": critic_section, "conv": conv_section,
    "dcgan": dcgan_section, "unet": unet_section, "gpu": gpu_section, "bench": bench_section,
    "mode-coverage": told("mode-coverage"),
    "failures": told("failures"),
    "diagnostics-cost": told("diagnostics-cost"),
    "fuzz": told("fuzz"),
    "simultaneous": told("simultaneous"),
    "few-labels": told("few-labels"),
    "autoencoders": told("autoencoders"),
    "molecules": told("molecules"),
    "translation": told("translation"),
    "refinement": told("refinement"),
    "words": told("words"),
    "features": told("features"),
    "projection": told("projection"),
    "processes": told("processes"),
    "sweep": told("sweep"),
    "lab": told("lab"),
}  # fmt: skip


def games(found: dict[str, Any]) -> list[str]:
    """A row for each recipe: its docstring's first line, and the mean of its Fréchet distances."""
    rows = []
    for recipe, group in groupby(found["rows"], key=lambda row: row["recipe"]):
        about = (get_recipe(recipe).__doc__ or "").splitlines()[0].rstrip(".")
        rows.append([f"`{recipe}`", about, f"{statistics.fmean(run['frechet'] for run in group):.2f}"])
    rows.append(["", "real test images, the floor", f"{found['floor']['frechet']:.2f}"])
    when = ", ".join(sorted({run["when"] for run in found["rows"]}))
    note = (
        f"*({found['rows'][0]['n']:,} samples against the {found['images']:,} training images of {found['data']}; less "
        f"is better. `python benchmarks/recipes.py --data {found['data']} --out runs/recipes`, {when}.)*"
    )
    return [console.table(["recipe", "what it is", "Fréchet distance"], rows, left=(0, 1)), note]


def hardware(found: Report, device: str) -> str:
    """What a report was measured on, as short as it goes."""
    facts = found.environment
    cores = f"{facts['CPU']}, {facts['cores']} cores".replace("(R)", "").replace(" Processor", "")
    return facts["GPU"].partition(",")[0] if device == "gpu" else cores


def milliseconds(timing: Timing | None) -> str:
    """A median, with a star if it is not to be relied upon."""
    return "–" if timing is None else f"{1e3 * timing.median:.2f}" + ("\\*" if timing.unstable else "")


def in_short(found: dict[str, Any], results: Path) -> str:
    """The key figures of one GPU: its steps, a DCGAN, and how many phases of first_gpu.py went well."""
    facts, phases = found["environment"], found["phases"]
    checks = {check["check"]: check for line in phases.values() for check in line.get("checks", [])}
    said = [f"On one {facts['GPU']}:"]
    if (graph := checks.get("the graph of the step")) and graph["ok"]:
        said.append(f"the classic step is one CUDA graph of {graph['nodes']} operations;")
    name = environment.slug(facts)
    if (results / f"{name}.json").exists():
        steps = {(f.who, f.batch): f.timing for f in shown(report.load(results / f"{name}.json")) if f.device == "gpu"}
        for ours, theirs, about in (("cupy", "torch-cudagraph", "in float32"), ("cupy-tf32", "torch-tf32", "in TF32")):
            batches = [batch for batch in BATCHES if (ours, batch) in steps and (theirs, batch) in steps]
            ends = list(dict.fromkeys(batches[:1] + batches[-1:]))
            if ends:
                its = " and ".join(f"{milliseconds(steps[ours, batch])} ms at batch {batch:,}" for batch in ends)
                those = " and ".join(milliseconds(steps[theirs, batch]) for batch in ends)
                said.append(f"{about} it takes {its} (PyTorch's, as one graph: {those});")
    if "evaluation" in found and phases.get("train", {}).get("ended") == 0:
        floor, judged = found["evaluation"]["rows"][0], found["evaluation"]["rows"][-1]
        said.append(
            f"{PROVED['train']} takes {phases['train']['seconds']:.0f} s, and its samples' Fréchet distance is "
            f"{judged['frechet']:.2f} (real images {floor['frechet']:.2f});"
        )
    tried = [phases[name] for name in PROVED if name in phases]
    well = [line for line in tried if line["ended"] == 0 and all(check["ok"] for check in line.get("checks", []))]
    said.append(f"{len(well)} of {len(tried)} phases of checks went well.")
    return f"{' '.join(said)} *(`python -u benchmarks/first_gpu.py smoke OUT`, then `measure`, {found['when']} UTC.)*"


def asked(found: dict[str, Any]) -> list[str]:
    """A row for each recipe with codes: medians over its seeds, and the matched error of every one."""
    head = ["recipe", "seeds", "asked label, %", "GAN-train, %", "matched error, %", "slant", "thickness"]
    rows = []
    with_codes = [row for row in found["rows"] if "codes" in row]
    for recipe, group in groupby(with_codes, key=lambda row: row["recipe"]):
        runs = [run["codes"] for run in group]

        def middle(name: str, runs: list[dict[str, Any]] = runs) -> str:
            figures = sorted(100 * run[name] for run in runs if run[name] is not None)
            every = f" ({', '.join(f'{figure:.1f}' for figure in figures)})" if len(figures) > 1 else ""
            return f"{statistics.median(figures):.1f}{every}" if figures else "–"

        def strongest(i: int, runs: list[dict[str, Any]] = runs) -> str:
            """The correlation of the code that knows most of it, without its sign."""
            found = [max(abs(number[i]) for number in run["correlations"]) for run in runs if run["correlations"]]
            return f"{statistics.median(found):.2f}" if found else "–"

        rows.append([
            f"`{recipe}`", f"{len(runs)}", middle("asked"), middle("gan_train"), middle("matched_error"),
            strongest(0), strongest(1),
        ])  # fmt: skip
    return [console.table(head, rows, left=(0,))] if rows else []


def judged(found: dict[str, Any]) -> list[str]:
    """A row for each recipe, means over its seeds; and what was measured with what."""
    head = ["recipe", "steps x batch", "minutes", "seeds", "Fréchet", "precision", "recall", "least digit, %",
            "confidence"]  # fmt: skip
    rows = []
    for recipe, group in groupby(found["rows"], key=lambda row: row["recipe"]):
        runs = list(group)
        frechet = [run["frechet"] for run in runs]
        spread = f" ({min(frechet):.2f} to {max(frechet):.2f})" if len(runs) > 1 else ""
        mean = {
            name: statistics.fmean(run[name] for run in runs) for name in runs[0] if isinstance(runs[0][name], float)
        }
        rows.append([
            f"`{recipe}`", f"{runs[0]['steps']:,} x {runs[0]['batch']}",
            f"{statistics.fmean(run['seconds'] for run in runs) / 60:.1f}", ", ".join(str(run["seed"]) for run in runs),
            f"{mean['frechet']:.2f}{spread}", f"{mean['precision']:.3f}", f"{mean['recall']:.3f}",
            f"{100 * mean['least']:.1f}", f"{mean['confidence']:.3f}",
        ])  # fmt: skip
    floor = found["floor"]
    rows.append([
        "real test images", "", "", "", f"{floor['frechet']:.2f}", f"{floor['precision']:.3f}",
        f"{floor['recall']:.3f}", f"{100 * floor['least']:.1f}", f"{floor['confidence']:.3f}",
    ])  # fmt: skip
    first = found["rows"][0]
    about = "; ".join(sorted({
        f"{run['cpu']}, {run['cores']} cores, {run['threads']} threads, backend {run['backend']}, {run['when']}"
        for run in found["rows"]
    }))  # fmt: skip
    note = (
        f"*({found['data']}, {found['images']:,} training images; {first['n']:,} samples, features of evaluator "
        f"{found['evaluator']}, whose classifier is right about {found['accuracy']:.2%} of the test images; means over "
        f"the seeds. {about}. `python benchmarks/recipes.py --data {found['data']} --out runs/recipes`.)*"
    )
    return [console.table(head, rows, left=(0, 1)), note]


def proved(found: dict[str, Any]) -> list[str]:
    """A row for each phase of first_gpu.py on one GPU, and what it was with."""
    facts, phases, rows = found["environment"], found["phases"], []
    for name, what in PROVED.items():
        if (line := phases.get(name)) is None:
            continue
        checks = line.get("checks", [])
        wrong = [check["check"] for check in checks if not check["ok"]]
        if name == "tests" and line["ended"] != 0:
            result = f"**failed**: {re.sub(r' in [0-9.:]+s.*', '', line['tail'].splitlines()[-1])}"
        elif line["ended"] != 0 or wrong:
            said = f"{line['ended']}, after {len(checks)} checks that went well" if checks else line["ended"]
            result = f"**failed**: {', '.join(wrong) or said}"
        elif differences := [check["worst"] for check in checks if "worst" in check]:
            result = f"{len(checks)} checks, at most {max(differences):.0e} apart"
        elif name == "evaluate" and "evaluation" in found:
            judged, floor = found["evaluation"]["rows"][-1], found["evaluation"]["rows"][0]
            result = ", ".join(f"{key} {judged[key]:.3f} (real images {floor[key]:.3f})" for key in QUALITY)
        else:
            result = f"{len(checks)} checks" if checks else "done"
        rows.append([what, result, f"{line['seconds']:.0f}"])
    checks = {check["check"]: check for line in phases.values() for check in line.get("checks", [])}
    if (graph := checks.get("the graph of the step")) and graph["ok"]:
        rows.append(["the classic GAN's step as one CUDA graph", f"{graph['nodes']} operations", ""])
    if row := checks.get("nodes in a row"):
        rows.append(["a node in a row of 200", f"{row['us_per_node']:.2f} µs", ""])
        rows.append(["a launch, for the host", f"{row['us_per_launch_host']:.1f} µs", ""])
    command = (
        f"`python -u benchmarks/first_gpu.py {' '.join(['smoke OUT', *found['options'].split()])}`, then `measure`, "
        "their phases in several calls"
    )
    about = checks.get("backend", {}).get("about", facts["GPU"])
    pictures = [f"![{title}](pictures/{name})" for name, title in found["pictures"].items()]
    return [
        f"On hardware: {facts['GPU']}.",
        console.table(["what", "found", "seconds"], rows, left=(0, 1)),
        f"*({about}; {facts['CPU']}, {facts['cores']} cores; Python {facts['python'].split()[0]}. "
        f"{command}, {found['when']} UTC.)*",
        *pictures,
    ]


def machine(found: Report) -> list[str]:
    """The tables of one machine, and what they were measured with."""
    facts = found.environment
    gpu = "" if facts["GPU"].startswith("none") else f"; {facts['GPU']}"
    libraries = ", ".join(f"{n} {facts[n]}" for n in LIBRARIES if n in facts and facts[n] != "not installed")
    notes = [f"{facts['CPU']}, {facts['cores']} cores{gpu}; {libraries}; Python {facts['python'].split()[0]}"]
    notes += [f"{who}: {about}" for who, about in found.about.items() if "minigan" not in about]
    steps = shown(found)
    if any(f.timing.unstable for f in steps):
        notes.append("* unstable: quartiles, or first and last third, more than 15 % apart")
    return [
        conv_table(steps) if subject(found) in conv.FAMILIES else step_table(found, steps),
        f"*({'; '.join(notes)}. `{command(found)}`, {found.when} UTC.)*".replace("* un", "\\* un"),
    ]


def subject(found: Report) -> str:
    """What was measured: "step", "critic", "dcgan", "conv" or "unet"."""
    first = found.steps()[0].subject
    return next(name for name, family in FAMILIES.items() if first in [subject.name for subject in family])


def command(found: Report) -> str:
    """What makes such a report: minigan alone measures no more than the canonical step on its own backends."""
    what = subject(found)
    if what == "step":
        return "minigan bench" if all(is_ours(f.who) for f in found.figures) else "python benchmarks/contest"
    widths = sorted({f.width for f in found.steps()})
    chosen = "" if widths == [1] else " --width " + " ".join(f"{width:g}" for width in widths)
    return f"python benchmarks/contest {what}{chosen}"


def shown(found: Report) -> list[Figure]:
    """The steps of width 1, if there are some, at the batch sizes of the pages if they were measured, else at all."""
    steps = [f for f in found.steps() if f.width == 1] or list(found.steps())
    return [f for f in steps if f.batch in BATCHES and f.subject == "step"] or steps


def step_table(found: Report, steps: list[Figure]) -> str:
    """A row for each contestant and batch, and for each width where there are several."""
    rows, wide = [], {f.width for f in steps} != {1}
    for f in sorted(steps, key=lambda f: (f.device, f.width, f.batch)):
        best, t = tables.fastest(found, f), f.timing
        ratio = f"{t.median / best.timing.median:.2f}" if best else "–"
        mark = "\\*" if t.unstable else ""
        rows.append([
            f"{f.batch}", *([f"{f.width:g}"] if wide else []), f.device.upper(), tables.label(f.who),
            f"{1e3 * t.median:.2f}{mark}", f"{1e3 * t.low:.2f} to {1e3 * t.high:.2f}",
            f"{f.work.flops / t.median / 1e9:.0f}", ratio,
        ])  # fmt: skip
    head = ["batch", *(["width"] if wide else []), "device", "who", "ms/step (median)", "quartiles", "GFLOP/s",
            "× minigan's best"]  # fmt: skip
    return console.table(head, rows, left=(1 + wide, 2 + wide))


def conv_table(steps: list[Figure]) -> str:
    """A row for each layer and pass, and a column of ms for each contestant."""
    who = list(dict.fromkeys(f.who for f in steps))
    times = {(f.batch, f.subject, f.who): f.timing for f in steps}
    rows = []
    for batch in sorted({f.batch for f in steps}):
        for what in dict.fromkeys(f.subject for f in steps):
            found = {name: times[batch, what, name] for name in who if (batch, what, name) in times}
            ours = min((t.median for name, t in found.items() if "torch" not in name), default=None)
            theirs = min((t.median for name, t in found.items() if "torch" in name), default=None)
            cells = [
                f"{1e3 * found[name].median:.2f}" + ("\\*" if found[name].unstable else "") if name in found else "–"
                for name in who
            ]
            rows.append([f"{batch}", what, *cells, f"{ours / theirs:.2f}" if ours and theirs else "–"])
    return console.table(["batch", "what, ms", *map(tables.label, who), "ours/theirs"], rows, left=(1,))


def add(path: Path) -> None:
    """Keep a report of `minigan bench` or of the contest, or what a folder of first_gpu.py has."""
    if path.is_dir():
        add_gpu(path)
        return
    found = report.load(path)
    RESULTS.mkdir(exist_ok=True)
    kind = "" if subject(found) == "step" else f"{subject(found)}-"
    report.save(RESULTS / f"{kind}{environment.slug(found.environment)}.json", found)


def add_gpu(folder: Path) -> None:
    """Keep the reports, pictures and phases of one call of first_gpu.py, beside those of the other call.

    Raises FileNotFoundError if the folder is none of its, ValueError if it does not say on which machine it was.
    """
    if not (folder / "summary.json").is_file():
        raise FileNotFoundError(f"{folder} has no summary.json, which benchmarks/first_gpu.py writes")
    summary = _load(folder / "summary.json")
    phases = {line["phase"]: line for line in summary["phases"]}
    facts = next((check["facts"] for check in phases.get("env", {}).get("checks", ()) if "facts" in check), None)
    if facts is None:
        raise ValueError(f"{folder}/summary.json does not say on which machine it was: its phase env has failed")
    RESULTS.mkdir(exist_ok=True)
    name = environment.slug(facts)
    file = RESULTS / f"gpu-{name}.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"phases": {}, "pictures": {}}
    kept |= {"environment": facts, "when": summary["when"], "options": _ways_around(summary["options"])}
    kept["phases"] |= {name: line for name, line in phases.items() if "seconds" in line}  # those that were begun
    for results in ("bench.json", "dcgan.json"):
        if (folder / results).is_file():
            add(folder / results)
    for picture, title in GPU_PICTURES.items():
        if (folder / picture).is_file():
            PICTURES.mkdir(exist_ok=True)
            shutil.copyfile(folder / picture, PICTURES / f"gpu-{name}-{picture}")
            kept["pictures"][f"gpu-{name}-{picture}"] = title
    if (folder / "evaluation.json").is_file():
        kept["evaluation"] = _load(folder / "evaluation.json")
    with write_atomically(file) as written:
        written.write((json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode())


def _load(file: Path) -> Any:
    """A result of first_gpu.py without what is that machine's own: of a path its last part, of its environment nothing.

    The environment is in log.txt.
    """
    found = json.loads(re.sub(r"(/[\w.+-]+)+/([\w.+-]+)", r"\2", file.read_text(encoding="utf-8")))
    for line in found.get("phases", ()):
        line["checks"] = [{k: v for k, v in check.items() if k != "environment"} for check in line.get("checks", ())]
    return found


def _ways_around(options: str) -> str:
    """The options of first_gpu.py that change how something is computed, not which phases are played."""
    return re.sub(r"--(only|seconds|data)( (?!--)\S+)+ ?", "", options).strip()


def rewritten(page: str, sections: dict[str, Callable[[Path], list[str] | None]]) -> str:
    """A page's text with new sections. Raises ValueError unless each stands between its two comments once."""
    for name, section in sections.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise ValueError(f"the page must have {begin} and {end} once each, in this order")
        if (texts := section(RESULTS)) is not None:
            before, after = page.partition(begin)[0], page.partition(end)[2]
            page = before + "\n\n".join([begin, *texts, end]) + after
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", metavar="FILE", nargs="+", type=Path, default=[],
                        help="a bench.json to keep in benchmarks/results, or a folder of first_gpu.py")  # fmt: skip
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if a page differs")
    args = parser.parse_args()
    for path in args.add:
        add(path)
    differs = False
    for page, sections in ((README, SHORT), (MEASURED, SECTIONS)):
        text = page.read_text(encoding="utf-8")
        if (new := rewritten(text, sections)) == text:
            continue
        if args.check:
            print(f"{page} differs from benchmarks/results: run python benchmarks/readme_tables.py", file=sys.stderr)
            differs = True
        else:
            page.write_text(new, encoding="utf-8")
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())

"""Write the README's table of step times from benchmarks/results/*.json, one file for each machine.

    minigan bench --out runs/bench                                    measure
    python benchmarks/readme_tables.py --add runs/bench/bench.json    keep that for this machine, update the README
    python benchmarks/readme_tables.py                                update the README
    python benchmarks/readme_tables.py --check                        fail if the README says something else

The table stands between two comments in the README, `<!-- bench: begin -->` and `<!-- bench: end -->`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minigan.bench import environment, report, tables
from minigan.bench.report import Figure, Report

ROOT = Path(__file__).resolve().parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
BATCHES = (32, 128, 512, 4096)  # what the README shows of a sweep
LIBRARIES = ("numpy", "BLAS", "torch", "jax", "cupy", "numba")


def section(reports: list[Report]) -> str:
    """What stands between the two comments."""
    return "\n\n".join([BEGIN, *(text for found in reports for text in machine(found)), END])


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
        step_table(found, steps),
        f"*({'; '.join(notes)}. `minigan bench`, {found.when} UTC.)*".replace("* un", "\\* un"),
    ]


def shown(found: Report) -> list[Figure]:
    """The steps of width 1, at the batch sizes of the README if they were measured, else at all."""
    steps = [f for f in found.steps() if f.width == 1]
    return [f for f in steps if f.batch in BATCHES] or steps


def step_table(found: Report, steps: list[Figure]) -> str:
    """A row for each contestant and batch."""
    rows = []
    for f in sorted(steps, key=lambda f: (f.device, f.batch)):
        best, t = tables.fastest(found, f), f.timing
        ratio = f"{t.median / best.timing.median:.2f}" if best else "–"
        mark = "\\*" if t.unstable else ""
        rows.append([
            f"{f.batch}", f.device.upper(), tables.label(f.who), f"{1e3 * t.median:.2f}{mark}",
            f"{1e3 * t.low:.2f} to {1e3 * t.high:.2f}", f"{f.work.flops / t.median / 1e9:.0f}", ratio,
        ])  # fmt: skip
    head = ["batch", "device", "who", "ms/step (median)", "quartiles", "GFLOP/s", "× minigan's best"]
    return tables.markdown(head, rows, left=(1, 2))


def rewritten(readme: str, reports: list[Report]) -> str:
    """The README's text with a new section. Raises ValueError unless the two comments stand in it once, in order."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(f"the README must have {BEGIN} and {END} once each, in this order")
    before, after = readme.partition(BEGIN)[0], readme.partition(END)[2]
    return before + section(reports) + after


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", metavar="FILE", help="a bench.json to keep in benchmarks/results")
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if the README differs")
    args = parser.parse_args()
    if args.add:
        found = report.load(args.add)
        if any(f.subject != "step" for f in found.steps()):
            parser.error(f"{args.add} is of another step than the README's table")
        RESULTS.mkdir(exist_ok=True)
        report.save(RESULTS / f"{environment.slug(found.environment)}.json", found)
    readme = README.read_text(encoding="utf-8")
    new = rewritten(readme, [report.load(path) for path in sorted(RESULTS.glob("*.json"))])
    if args.check:
        if new != readme:
            print("README.md differs from benchmarks/results: run python benchmarks/readme_tables.py", file=sys.stderr)
        return int(new != readme)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

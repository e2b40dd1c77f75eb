"""Train recipes by their names alone, judge them side by side, and keep the figures for the pages.

    python benchmarks/recipes.py --data mnist --out runs/recipes                          every recipe, seed 0
    python benchmarks/recipes.py --data mnist --out runs/recipes classic --seeds 0 1 2    one of them, three seeds
    python benchmarks/readme_tables.py                                                    update the pages

A run that is finished is not made again, so this can be stopped and called again. Figures go to
benchmarks/results/recipes-DATA.json, where rows of other recipes and seeds stay, if they come from the same evaluator.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan import environment
from minigan.archive import write_atomically
from minigan.evaluation import Report, evaluate
from minigan.recipes import RECIPES
from minigan.runs.config import Config

RESULTS = Path(__file__).resolve().parent / "results"
Figures = dict[str, Any]


def trained(recipe: str, seed: int, data: str, out: Path, backend: str) -> tuple[Path, Figures]:
    """The finished run of a recipe, and what is known of its training."""
    folder = out / f"{recipe}-{seed}"
    note = folder / "training.json"
    if not note.exists():
        began = time.perf_counter()
        options = ["--data", data, "--seed", str(seed), "--out", str(folder), "--backend", backend]
        subprocess.run([sys.executable, "-m", "minigan", "train", recipe, *options], check=True)
        seconds, facts = round(time.perf_counter() - began), environment.facts()
        how = {"seconds": seconds, "cpu": facts["CPU"], "cores": facts["cores"], "threads": facts["BLAS threads"]}
        note.write_text(json.dumps(how | {"when": datetime.now(UTC).strftime("%Y-%m-%d")}), encoding="utf-8")
    config = Config.read(folder / "config.json")
    what = {name: getattr(config, name) for name in ("recipe", "seed", "steps", "batch", "backend", "versions")}
    return folder, what | json.loads(note.read_text(encoding="utf-8"))


def judged(report: Report) -> list[Figures]:
    """The figures of each row, the real test images first, with those of the codes where there are some."""
    names = ("n", "frechet", "precision", "recall", "least", "kl", "confidence", "nearest", "copies")
    codes = {row.name: {"codes": {k: v for k, v in asdict(row).items() if k != "name"}} for row in report.codes}
    return [{name: getattr(row, name) for name in names} | codes.get(row.name, {}) for row in report.rows]


def kept(file: Path, evaluator: str) -> list[Figures]:
    """Rows of an earlier call that may stand beside new ones."""
    if not file.exists():
        return []
    old = json.loads(file.read_text(encoding="utf-8"))
    return list(old["rows"]) if old["evaluator"] == evaluator else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), metavar="RECIPE", help="default: all")
    parser.add_argument("--data", required=True, help="as for minigan train")
    parser.add_argument("--out", required=True, type=Path, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    runs = [trained(recipe, seed, args.data, args.out, args.backend) for recipe in args.recipes for seed in args.seeds]
    report = evaluate([folder for folder, _ in runs], args.data, backend=args.backend, say=print)
    print(report.text())
    floor, *figures = judged(report)
    new = [facts | found for (_, facts), found in zip(runs, figures, strict=True)]
    file = RESULTS / f"recipes-{Path(args.data).name}.json"
    made = {(row["recipe"], row["seed"]) for row in new}
    rows = [row for row in kept(file, report.evaluator) if (row["recipe"], row["seed"]) not in made] + new
    order = list(RECIPES)
    rows.sort(key=lambda row: (order.index(row["recipe"]) if row["recipe"] in order else len(order), row["seed"]))
    about = {"data": Path(args.data).name, "images": report.images, "evaluator": report.evaluator}
    with write_atomically(file) as out:
        out.write(json.dumps(about | {"accuracy": report.accuracy, "floor": floor, "rows": rows}, indent=2).encode())


if __name__ == "__main__":
    main()

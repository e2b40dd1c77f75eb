"""What a discriminator has learned, and is good for when the game is over.

    python benchmarks/features.py --data mnist --out runs/features                        every row
    python benchmarks/features.py --data mnist --out runs/features "100 labels" layers    some of them
    python benchmarks/features.py --data mnist --out runs/features --run runs/dcgan-mnist-1
    python benchmarks/features.py --data mnist --out runs/features --on uci.npz "100 labels" "1,000 labels" retrieval

Plays the recipe `dcgan` (or another, --recipe) and keeps D at some steps on the way; a folder of a run that is there
already (--run) is taken as it is. Then, each beside pixels, their principal components and a D that never played:

    100 labels, 1,000 labels    linear probe, nearest neighbour and fine-tuning, by `minigan transfer`
    retrieval                   all test images ask for their like among all training images, by the cosine of centred
                                columns: mean average precision of the whole ranking, and precision at 10; by the
                                convolutions of D, and by its last hidden layer
    layers                      the probe with 1,000 labels on the output of each activation alone
    along the game              the same on D at the steps that were kept, by all convolutions and by the last hidden
                                layer alone; and how often D was right about real pictures and fakes just before
    by class                    which test images are named wrongly after fine-tuning with 1,000 labels, class by class

By default D is judged on the pictures that it has played for. --on takes others, of which it has never seen one, with
training images and labels of their own; handwriting_npz.py makes some.

`--processes` rows are made side by side, with one BLAS thread each. What is finished is not made again: it lies in the
folder of the run. Figures go to benchmarks/results/features.json as they come (trials.py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import trials
from trials import minigan

from minigan import Game, console, metrics
from minigan.archive import write_atomically
from minigan.evaluation import embeddings, few_labels, fine_tuning
from minigan.nn import Activation
from minigan.runs.config import Config
from minigan.runs.lines import MetricsTable

LABELS = {"100 labels": 100, "1,000 labels": 1000}
MANY = 1000  # labels, where layers and steps of the game are compared
RETRIEVAL, LAYERS, GAME, CLASSES = "retrieval", "layers", "along the game", "by class"
JUST = 100  # steps before a D was kept, in which it is asked how often it was right
ROWS = dict.fromkeys([*LABELS, RETRIEVAL, LAYERS, GAME, CLASSES], 1)  # and one seed of each
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the game, after which D is kept
STEPS = 10_000
AT = 10  # of the precision
FEW = 3  # draws of labels, class by class
NOTE = "All test images; mean and 95 % interval over the draws of labels; rows side by side, one thread each."
PREPARING = threading.Lock()
WAYS = ("probe", "neighbour", "tuned")
FOUND = ("mean_average_precision", "precision")


def figures(row: str, seed: int, args: argparse.Namespace) -> trials.Row:
    """Of one row."""
    with PREPARING:
        folder = played(seed, args)
    about: trials.Row = {
        "row": row, "seed": seed, "data": Path(args.data).stem, "on": Path(judged_on(args)).stem,
        "recipe": args.recipe, "steps": Config.read(folder / "config.json").steps,
    }  # fmt: skip
    if row in LABELS:
        return about | {"found": judged(folder, folder / "checkpoint.npz", LABELS[row], args)}
    if row == RETRIEVAL:
        return about | {"found": retrieval(folder, seed, args)}
    if row == CLASSES:
        return about | {"found": by_class(folder, seed, args)}

    def probed(file: Path, name: str, layer: str | None = None) -> trials.Row:
        chosen = [] if layer is None else ["--layers", layer]
        return judged(folder, file, MANY, args, [*chosen, "--steps", "0"], name)

    names = activations(folder)
    if row == LAYERS:
        return about | {"found": [{"layer": n, **probed(folder / "checkpoint.npz", n, n)} for n in names]}
    kept = sorted(folder.glob("step-*.npz")) or [folder / "checkpoint.npz"]
    found, last = [], names[-1]
    for file in kept:
        one = probed(file, file.stem)
        alone = probed(file, f"{file.stem}-{last}", last)
        found.append({"right": right(folder, one["step"]), **one, "last": alone})
    return about | {"found": found}


def judged_on(args: argparse.Namespace) -> str:
    """The data that D is judged on."""
    return args.on or args.data


def named(what: str, args: argparse.Namespace) -> str:
    """The name of a file of figures, in the folder of the run."""
    return f"{what}.json" if args.on is None else f"on-{Path(args.on).stem}-{what}.json"


def played(seed: int, args: argparse.Namespace) -> Path:
    """The folder of a run; it is played to its end if it is not there, or was begun here, and D is kept on the way."""
    folder: Path = args.run or args.out / f"{Path(args.data).name}-{args.recipe}-{seed}"
    begun = folder / "kept.json"
    if (folder / "checkpoint.npz").exists() and not begun.exists():
        return folder  # somebody else's
    steps = args.steps or STEPS
    for step in sorted({max(1, round(share * steps)) for share in SHARES}):
        target = folder / f"step-{step:07}.npz"
        if target.exists():
            continue
        words = ["train", "--resume", str(folder)]
        if not (folder / "config.json").exists():
            words = ["train", args.recipe, "--data", args.data, "--out", str(folder), "--seed", str(seed),
                     "--backend", args.backend]  # fmt: skip
        if steps_of(folder / "checkpoint.npz") < step:
            minigan(*words, "--steps", str(step))
        begun.write_text(json.dumps({"steps": steps}), encoding="utf-8")
        beside = folder / "copied.tmp"
        shutil.copyfile(folder / "checkpoint.npz", beside)
        os.replace(beside, target)
    return folder


def steps_of(checkpoint: Path) -> int:
    return Game.load(checkpoint).steps if checkpoint.exists() else 0


def right(folder: Path, step: int) -> float | None:
    """How often D was right, half about real pictures and half about fakes, in the steps up to this one."""
    if not (folder / "metrics.csv").exists():
        return None
    metrics = MetricsTable(folder / "metrics.csv").read()
    before = (metrics["step"] > step - JUST) & (metrics["step"] <= step)
    both = metrics["d_accuracy_real"][before] + metrics["d_accuracy_fake"][before]
    return float(both.mean() / 2) if before.any() else None


def judged(
    folder: Path, checkpoint: Path, labels: int, args: argparse.Namespace, more: Sequence[str] = (), name: str = ""
) -> trials.Row:
    """What `minigan transfer` says of a D."""
    target = folder / named(f"transfer-{labels}{f'-{name}' if name else ''}-{args.draws}", args)
    if not target.exists():
        minigan("transfer", str(checkpoint), judged_on(args), "--labels", str(labels), "--draws", str(args.draws),
                "--backend", args.backend, "--json", str(target), *more)  # fmt: skip
    found: trials.Row = json.loads(target.read_text("utf-8"))
    kept = {name: found[name] for name in ("step", "layers", "labels", "draws", "test_images")}
    return kept | {"rows": [{key: row[key] for key in ("name", "columns", "intervals")} for row in found["rows"]]}


def activations(folder: Path) -> list[str]:
    """The hidden layers of D whose output is one of an activation."""
    D = embeddings.open_subject(folder, backend="numpy").net
    places = [(place, layer) for place, layer in D.chain.everything() if isinstance(layer, Activation)]
    return [f"{place}.{type(layer).__name__}" for place, layer in places if layer is not D.layers[-1]]


def by_class(folder: Path, seed: int, args: argparse.Namespace) -> list[trials.Row]:
    """The share of each class's test images that are named wrongly: from scratch, and by D fine-tuned."""
    target = folder / named(CLASSES.replace(" ", "-"), args)
    if target.exists():
        kept: list[trials.Row] = json.loads(target.read_text("utf-8"))
        return kept
    subject = embeddings.open_subject(folder, backend=args.backend)
    train, test, _ = few_labels.splits(subject, judged_on(args))
    classes, known = np.unique(np.asarray(train.labels), return_inverse=True)
    answers = np.searchsorted(classes, np.asarray(test.labels))
    each = MANY // len(classes)
    wrong = np.zeros((2, len(classes)))
    for draw in range(FEW):
        rng = np.random.default_rng((seed, draw))
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(known == i), each, replace=False) for i in range(len(classes))]
        )
        for fresh in (True, False):
            net = fine_tuning.classifier_of(subject.net, subject.shape, len(classes), draw, fresh)
            fine_tuning.fine_tune(net, train.images[rows], known[rows], few_labels.STEPS, seed=draw)
            missed = fine_tuning.classify(net, test.images) != answers
            wrong[int(not fresh)] += [missed[answers == i].mean() / FEW for i in range(len(classes))]
    found: list[trials.Row] = [
        {"class": name, "scratch": float(scratch), "D": float(D)}
        for name, scratch, D in zip(train.classes.values(), *wrong, strict=True)
    ]
    with write_atomically(target) as file:
        file.write(json.dumps(found, indent=1).encode())
    return found


def retrieval(folder: Path, seed: int, args: argparse.Namespace) -> list[trials.Row]:
    """How well test images find training images of their class, by what they are compared in."""
    target = folder / named("retrieval", args)
    if target.exists():
        kept: list[trials.Row] = json.loads(target.read_text("utf-8"))
        return kept
    subject = embeddings.open_subject(folder, backend=args.backend)
    train, test, _ = few_labels.splits(subject, judged_on(args))
    some = train.images[: few_labels.MOMENTS]
    nets = {
        f"unplayed D{about}": fine_tuning.unplayed(subject.net, 2**31 + seed, images)
        for about, images in {"": None, ", statistics of the data": some}.items()
        if images is None or subject.net.buffers
    } | {"D": subject.net}
    last = activations(folder)[-1]
    compared = {
        "pixels": embeddings.pixels,
        f"{embeddings.COMPONENTS} principal components": embeddings.principal_components(train.images),
        **{name: embeddings.NetworkFeatures(net, subject.shape) for name, net in nets.items()},
        **{f"{name}: {last}": embeddings.NetworkFeatures(net, subject.shape, [last]) for name, net in nets.items()},
    }
    found: list[trials.Row] = []
    for name, embed in compared.items():
        moments = embeddings.Moments.of(embed, some)
        items, queries = (moments.centred(_in_blocks(embed, part.images)) for part in (train, test))
        figures = metrics.retrieval(items, np.asarray(train.labels), queries, np.asarray(test.labels), k=AT)
        found.append({"name": name, "columns": items.shape[1], **figures._asdict()})
    with write_atomically(target) as file:
        file.write(json.dumps(found, indent=1).encode())
    return found


def _in_blocks(embed: embeddings.Embedding, images: embeddings.Pixels) -> embeddings.Rows:
    block = embeddings.BLOCK
    return np.concatenate([embed(images[i : i + block]) for i in range(0, len(images), block)])


def table(rows: Sequence[trials.Row]) -> str:
    """A table for each kind of row, and for what there is of several Ds on the same pictures."""
    parts = []
    for row in rows:
        if row["on"] == row["data"] or row["row"] not in (*LABELS, RETRIEVAL):  # those are compared below
            title = f"{row['data']}, {row['recipe']}, {row['steps']:,} steps, seed {row['seed']}: {row['row']}"
            title += "" if row["on"] == row["data"] else f", on {row['on']}"
            parts.append(f"{title}\n\n{TABLES[row['row']](row['found'])}")
    return "\n\n".join([*parts, *across(rows)])


def across(rows: Sequence[trials.Row]) -> list[str]:
    """A table for each figure of pictures that several Ds were judged on: a column for each D."""
    parts = []
    for title, row, cells in (
        *((f"{way} after {labels}, %", labels, partial(accuracies, way=key))
          for way, key in (("linear probe", "probe"), ("fine-tuned", "tuned")) for labels in LABELS),
        ("retrieval by the last hidden layer, mAP, %", RETRIEVAL, precisions),
    ):  # fmt: skip
        found: dict[str, dict[str, str]] = {}
        for one in (one for one in rows if one["row"] == row):
            mine = cells(one["found"])
            found[one["on"]] = found.get(one["on"], {}) | mine | {f"D of {one['data']}": mine["D"]}
        lines = {on: mine for on, mine in found.items() if sum(name.startswith("D of") for name in mine) > 1}
        heads = [name for name in dict.fromkeys(name for mine in lines.values() for name in mine) if name != "D"]
        if lines:
            cut = [[on, *(mine.get(name, "–") for name in heads)] for on, mine in lines.items()]
            parts.append(f"{title}\n\n{console.table(['pictures', *heads], cut, left=(0,))}")
    return parts


def accuracies(found: trials.Row, way: str) -> dict[str, str]:
    return {row["name"]: percent(row, way) for row in found["rows"] if way in row["intervals"]}


def precisions(found: list[trials.Row]) -> dict[str, str]:
    """Of the last hidden layer; an unplayed D has the best of all that were tried."""
    shares = {row["name"]: row[FOUND[0]] for row in found}
    last = max(name for name in shares if name.startswith("D: "))
    kept = {name: share for name, share in shares.items() if "D" not in name}
    kept |= {"unplayed D": max(share for name, share in shares.items() if name.startswith("unplayed"))}
    return {name: f"{100 * share:.1f}" for name, share in (kept | {"D": shares[last]}).items()}


def of_labels(found: trials.Row) -> str:
    cells = [[row["name"], f"{row['columns']:,}", *(percent(row, way) for way in WAYS)] for row in found["rows"]]
    return console.table(
        ["labels on top of", "numbers", "linear probe, %", "nearest neighbour, %", "fine-tuned, %"], cells, left=(0,)
    )


def of_retrieval(found: list[trials.Row]) -> str:
    cells = [[row["name"], f"{row['columns']:,}", *(f"{100 * row[figure]:.1f}" for figure in FOUND)] for row in found]
    return console.table(["compared in", "numbers", "mAP, %", f"first {AT}, %"], cells, left=(0,))


def of_layers(found: list[trials.Row]) -> str:
    cells = [[one["layer"], f"{one['rows'][-1]['columns']:,}", *probes(one)] for one in found]
    return console.table(["layer", "numbers", "probe on an unplayed D, %", "on D, %"], cells, left=(0,))


def of_game(found: list[trials.Row]) -> str:
    cells = [[f"{one['step']:,}", "–" if one["right"] is None else f"{100 * one['right']:.0f}", *probes(one),
              *probes(one["last"])] for one in found]  # fmt: skip
    last = found[0]["last"]["layers"][-1]
    heads = ["probe on an unplayed D, %", "on D, %"]
    return console.table(
        ["steps of the game", "D is right, %", *heads, *(f"{head[:-3]}: {last}, %" for head in heads)], cells
    )


def of_classes(found: list[trials.Row]) -> str:
    def cells(name: str, rows: list[trials.Row]) -> list[str]:
        scratch, D = (float(np.mean([row[way] for row in rows])) for way in ("scratch", "D"))
        return [name, f"{100 * scratch:.1f}", f"{100 * D:.1f}", f"{100 * (1 - D / scratch):.0f}" if scratch else "–"]

    lines = [cells(row["class"], [row]) for row in sorted(found, key=lambda row: row["scratch"])]
    heads = ["class", "wrong from scratch, %", "D fine-tuned, %", "fewer, %"]
    return console.table(heads, [*lines, cells("all", found)], left=(0,))


def probes(one: trials.Row) -> list[str]:
    """Of the last two rows: an unplayed D, and D."""
    return [percent(row, "probe") for row in one["rows"][-2:]]


def percent(row: trials.Row, way: str) -> str:
    interval = row["intervals"].get(way)
    return few_labels.shown(None if interval is None else metrics.Interval(**interval))


TABLES = {
    **dict.fromkeys(LABELS, of_labels),
    RETRIEVAL: of_retrieval,
    LAYERS: of_layers,
    GAME: of_game,
    CLASSES: of_classes,
}


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="folder of the run; it is played there if there is none")
    parser.add_argument("--recipe", default="dcgan", help="that is played (default: dcgan)")
    parser.add_argument("--on", metavar="DATA", help="other pictures to judge D on (default: those of --data)")
    parser.add_argument("--draws", type=int, default=few_labels.DRAWS, help="of labels")


if __name__ == "__main__":
    trials.main(__doc__ or "", "features.json", "seed", ROWS, figures, table, NOTE, more=more)

"""What an adversarial autoencoder of molecules is good for, beside plainer ways.

    python benchmarks/molecules.py --data nci60.npz --library library.npz       (needs scikit-learn)
    python benchmarks/readme_tables.py                                          update the pages

Three questions, each on molecules whose Murcko scaffold no training molecule has:

    growth       Spearman's correlation of predicted and measured growth inhibition of a cell line, beside ridge
                 regression, the five nearest neighbours by Tanimoto similarity, and a random forest, on the same bits
    asked        fingerprints asked for high inhibition against some asked for low inhibition: does a forest that was
                 trained on *other*, held-out molecules rank the first above the second (AUC)?
    screening    100 held-out actives hidden among the library and held-out inactives: how many more of them are in the
                 first 1 % of a ranking than chance would put there (enrichment)? By likelihood under fingerprints asked
                 for high inhibition, as in the paper; by the growth inhibition that E says; and by the other ways. The
                 library is of other chemistry, which flatters whoever tells drugs of one kind from others.

Splits are random by scaffold: a fifth of the molecules for the first question, as many as hold 100 actives for the
others. Seeds 1 to `--splits`, none left out. Figures go to benchmarks/results/molecules.json.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from minigan import MoleculeAAE, console
from minigan.backend import get_backend
from minigan.datasets import load
from minigan.datasets.molecules import Molecules
from minigan.games.molecules import log_likelihood
from minigan.recipes import molecules as recipe

RESULTS = Path(__file__).resolve().parent / "results" / "molecules.json"
ACTIVE, INACTIVE = 7.0, 6.0  # growth inhibition above, and below, which a molecule counts as such
HIGH, LOW = 8.0, 4.0  # what is asked for: two spreads from the centre
WANTED = 7.5  # of hits
HIDDEN, ASKED, SAMPLES = 100, 500, 1000
NOTE = "Molecules of scaffolds that no training molecule has; forests, ridge and neighbours on the same bits."
Array = np.ndarray[Any, Any]
Figures = dict[str, float]


def held_out(data: Molecules, seed: int, enough: Callable[[Array], bool]) -> Array:
    """A mask of molecules (N,): whole scaffolds in random order, until it is enough."""
    assert data.scaffold is not None
    mask, order = np.zeros(len(data), bool), np.unique(data.scaffold)
    np.random.default_rng(seed).shuffle(order)
    for scaffold in order:
        if enough(mask):
            break
        mask |= data.scaffold == scaffold
    return mask


def tanimoto(a: Array, b: Array) -> Array:
    """Bits in common as a share of bits in either, of all pairs (n, m)."""
    both = a @ b.T
    return both / np.maximum(a.sum(axis=1)[:, None] + b.sum(axis=1) - both, 1)


def spearman(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b)[0])


def forest(x: Array, y: Array) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(300, min_samples_leaf=2, max_features=0.3, random_state=0).fit(x, y)


def neighbours(x: Array, known: Array, y: Array) -> Array:
    near = tanimoto(x, known)
    five = np.argsort(-near, axis=1)[:, :5]
    weights = np.take_along_axis(near, five, 1) + 1e-9
    return np.asarray((y[five] * weights).sum(axis=1) / weights.sum(axis=1))


def trained(data: Molecules, seed: int, steps: int, backend: str) -> MoleculeAAE:
    game = recipe.build(
        data.image_shape, lines=",".join(data.lines), steps=steps, seed=seed, backend=get_backend(backend)
    )
    game.fit(data, steps, recipe.BATCH)
    return game


def growth(data: Molecules, line: str, seed: int, steps: int, backend: str) -> Figures:
    """Spearman's correlation on a fifth of the molecules."""
    from sklearn.linear_model import RidgeCV

    out = held_out(data, seed, lambda mask: mask.mean() >= 0.2)
    y, x = data.growth[:, data.line(line)], data.bits.astype(float)
    train, test = ~out & np.isfinite(y), out & np.isfinite(y)
    game = trained(data.of(~out), seed, steps, backend)
    guesses = {
        "autoencoder": game.predict_growth(data.images[test], line),
        "ridge": RidgeCV(np.logspace(-1, 4, 12)).fit(x[train], y[train]).predict(x[test]),
        "neighbours": neighbours(x[test], x[train], y[train]),
        "forest": forest(x[train], y[train]).predict(x[test]),
    }
    return {name: spearman(guess, y[test]) for name, guess in guesses.items()} | {"molecules": float(test.sum())}


def asked_and_screened(
    data: Molecules, library: Molecules, line: str, seed: int, steps: int, backend: str
) -> tuple[Figures, Figures]:
    """AUC of what is asked for, and enrichment, of one split that holds out 100 actives."""
    from sklearn.metrics import roc_auc_score

    y, x = data.growth[:, data.line(line)], data.bits.astype(float)
    with np.errstate(invalid="ignore"):
        active, inactive = y > ACTIVE, y < INACTIVE
    out = held_out(data, 100 + seed, lambda mask: bool((mask & active).sum() >= HIDDEN))
    train, test = ~out & np.isfinite(y), out & np.isfinite(y)
    game = trained(data.of(~out), seed, steps, backend)
    high, low = (game.probabilities(ASKED, seed=seed, ask={"growth": value}) > 0.5 for value in (HIGH, LOW))
    judge = forest(x[test], y[test])
    scores = judge.predict(np.concatenate([high, low]).astype(float))
    auc = float(roc_auc_score(np.repeat([1, 0], ASKED), scores))

    pool = np.concatenate([x[out & active], x[out & inactive], library.bits.astype(float)])
    hits = np.arange(len(pool)) < (out & active).sum()
    images = (pool[:, None] * 255).astype(np.uint8)
    likely = log_likelihood(pool, game.probabilities(SAMPLES, seed=seed, ask={"growth": WANTED}))
    ranked = {
        "likelihood": likely,
        "growth that E says": game.predict_growth(images, line),
        "nearest active": tanimoto(pool, x[train & active]).max(axis=1),
        "forest": forest(x[train], y[train]).predict(pool),
    }
    first = len(pool) // 100
    enriched = {
        name: float(hits[np.argsort(-score, kind="stable")[:first]].mean() / hits.mean())
        for name, score in ranked.items()
    }
    about = {"hidden": float(hits.sum()), "among": float(len(pool)), "training molecules": float(train.sum())}
    return {"AUC": auc, "judges": float(test.sum())}, enriched | about


def table(found: dict[str, list[Figures]]) -> str:
    """Means over the splits, and each."""

    def cells(name: str, figure: str, digits: int) -> str:
        values = [row[figure] for row in found[name]]
        each = ", ".join(f"{value:.{digits}f}" for value in values)
        return f"{statistics.fmean(values):.{digits}f} ({each})"

    rows = [["growth inhibition, Spearman", who, cells("growth", who, 2)] for who in
            ("autoencoder", "ridge", "neighbours", "forest")]  # fmt: skip
    rows.append(["asked for high against low, AUC", "autoencoder, judged by a forest", cells("asked", "AUC", 2)])
    ways = ("likelihood", "growth that E says", "nearest active", "forest")
    rows += [["enrichment in the first 1 %", who, cells("screening", who, 1)] for who in ways]
    return console.table(["question", "who", "mean (each split)"], rows, left=(0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz of molecules with growth inhibition and scaffolds")
    parser.add_argument("--library", required=True, help="an .npz of other molecules")
    parser.add_argument("--line", default="MCF7", help="the cell line (default: MCF7)")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--steps", type=int, default=recipe.STEPS)
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args()
    data, library = load(args.data), load(args.library)
    if not isinstance(data, Molecules) or data.scaffold is None or not isinstance(library, Molecules):
        parser.error("--data must hold molecules with scaffolds, --library molecules")
    for note in data.notes:
        print(note)
    found: dict[str, list[Figures]] = {"growth": [], "asked": [], "screening": []}
    began = time.perf_counter()
    for seed in range(1, args.splits + 1):
        found["growth"].append(growth(data, args.line, seed, args.steps, args.backend))
        asked, screened = asked_and_screened(data, library, args.line, seed, args.steps, args.backend)
        found["asked"].append(asked)
        found["screening"].append(screened)
        print(table(found), flush=True)
    about = {
        "backend": args.backend, "note": NOTE, "line": args.line, "steps": args.steps,
        "seconds": round(time.perf_counter() - began), "molecules": len(data), "library": len(library),
        "table": table(found), **found,
    }  # fmt: skip
    record(RESULTS, about)


if __name__ == "__main__":
    main()

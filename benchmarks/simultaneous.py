"""One pass of D for both players, or alternating updates: which is better after as many products?

    python benchmarks/simultaneous.py --data mnist --backend numba

D has one output and mixes no samples. So what D's loss and G's say of a fake x differs by one number a sample: with the
logit l = D(x),

    dL_D/dl = σ(l)/n,    dL_G/dl = −σ(−l)/n = −e^(−l) dL_D/dl          dL_G/dx = −e^(−l) dL_D/dx

and where both players learn from the same fakes before either moves ("simultaneous" updates), one pass of D forward and
back serves both. That saves D's pass over the fakes in G's update, and its way back through all but D's first layer. A
framework that differentiates each loss by itself cannot do this; a library of hand-written backward passes can.

Against it stands what theory says of simultaneous updates: they turn outwards where alternating ones circle (Gidel et
al. 2019, and `minigan study dirac`). This script plays the recipe `modern` both ways, for as many products of matrices
each, on seeds that nothing was tuned with. The passes that one-pass updates would save are counted as saved, and made
here nevertheless. Figures go to benchmarks/results/simultaneous.json as they come; what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from record import record

import minigan
from minigan import GAN, console
from minigan.evaluation import Evaluator
from minigan.nn import Dense
from minigan.recipes import modern

RESULTS = Path(__file__).resolve().parent / "results" / "simultaneous.json"
WAYS: dict[str, tuple[bool, dict[str, Any]]] = {  # simultaneous?, and options of the recipe
    "alternating": (False, {}),
    "simultaneous": (True, {}),
    "alternating, optimistic Adam": (False, {"optimizer": "optimistic-adam"}),
    "simultaneous, optimistic Adam": (True, {"optimizer": "optimistic-adam"}),
}


class Simultaneous(GAN):
    """Both players learn from the same fakes, and neither moves before both have looked."""

    def turn(self, draw: Any) -> dict[str, Any]:
        (real,) = draw(self.d)
        with self.update(self.g) as up:
            fakes = self.make_fakes(up, len(real))
            codes = self.descend(up, fakes, real)  # through D as it is
            metrics = self.update_discriminator(real, None, fakes)
        return metrics | {"g_loss": up.loss, "g_grad_norm": up.norm, "g_codes": codes}


def products(gan: GAN, simultaneous: bool) -> int:
    """Multiplications in the matrix products of a step, for each sample of a batch; the penalties are R1's or none."""
    of_G, of_D = ([n.n_in * n.n_out for n in net.layers if isinstance(n, Dense)] for net in (gan.G, gan.D))
    whole, behind = sum(of_D), sum(of_D[1:])
    makes = 3 * sum(of_G) - of_G[0]  # forward, gradients of weights, and of inputs but the latents
    learns = 2 * (2 * whole + behind) + len(gan.penalties) * 3 * whole  # on a real sample and a fake
    passes = whole - behind if simultaneous else 2 * whole  # through D for G: dL/dx of D's first layer, or all
    return makes + learns + passes


def check(gan: GAN) -> float:
    """The largest relative difference between dL_G/dx and −e^(−l) dL_D/dx, on fakes."""
    x = gan.D.as_batch(gan.sample(64, averaged=False))
    logits, back = gan.D(x)
    _, (_, of_D) = gan.objective.discriminator(logits, logits)
    _, of_G = gan.objective.generator(logits)
    found, wanted = -np.exp(-logits) * back(of_D, params=False), back(of_G, params=False)
    return float(abs(found - wanted).max() / abs(wanted).max())


def played(way: str, data: str, seed: int, steps: int, backend: str) -> dict[str, Any]:
    """The figures of a game that is played this way."""
    simultaneous, options = WAYS[way]
    dataset, be = minigan.datasets.load(data), minigan.get_backend(backend)
    gan = modern.build(dataset.image_shape, backend=be, seed=seed, steps=steps, **options)
    if simultaneous:
        steps = round(steps * products(gan, False) / products(gan, True))
        gan = modern.build(dataset.image_shape, backend=be, seed=seed, steps=steps, **options)
        gan = Simultaneous.build(gan.describe() | {"kind": Simultaneous.kind()}, be)
        assert check(gan) < 1e-4
    gan.fit(dataset, steps, modern.BATCH)
    evaluator = Evaluator.load(data)
    images = gan.sample(evaluator.n).reshape(-1, *dataset.image_shape)
    quality = evaluator.evaluate(images)
    return {
        "way": way, "seed": seed, "steps": steps, "frechet": quality.frechet, "floor": evaluator.floor.frechet,
        "precision": quality.precision, "recall": quality.recall,
    }  # fmt: skip


def kept() -> list[dict[str, Any]]:
    """The figures of games that were played before."""
    return json.loads(RESULTS.read_text("utf-8"))["runs"] if RESULTS.exists() else []  # type: ignore[no-any-return]


def table(rows: list[dict[str, Any]]) -> str:
    cells = []
    for way in dict.fromkeys(row["way"] for row in rows):
        group = [row for row in rows if row["way"] == way]
        each = sorted(row["frechet"] for row in group)
        span = f"{statistics.fmean(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"
        cells.append([way, f"{group[0]['steps']:,}", ", ".join(str(row["seed"]) for row in group), span])
    cells.append(["real test images", "", "", f"{rows[0]['floor']:.2f}"])
    return console.table(["updates", "steps", "seeds", "Fréchet"], cells, left=(0,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", help="as for minigan train")
    parser.add_argument("--steps", type=int, default=6_000, help="of the alternating game")
    parser.add_argument("--seeds", type=int, nargs="+", default=[200, 201, 202])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args()
    for seed in args.seeds:
        for way in args.ways:
            if any((row["way"], row["seed"]) == (way, seed) for row in kept()):
                continue
            row = played(way, args.data, seed, args.steps, args.backend)  # meanwhile another process may have written
            rows = sorted([*kept(), row], key=lambda row: (list(WAYS).index(row["way"]), row["seed"]))
            about = {
                "backend": args.backend, "table": table(rows), "runs": rows,
                "note": f"{Path(args.data).name}, {modern.BATCH} images an update; as many products in every row.",
            }  # fmt: skip
            record(RESULTS, about)
            print(table(rows), flush=True)


if __name__ == "__main__":
    main()

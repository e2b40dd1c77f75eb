"""An adversarial autoencoder of molecules, one of whose numbers says what a molecule does to a tumour.

A. Kadurin et al., "The cornucopia of meaningful leads: Applying deep adversarial autoencoders for new molecule
development in oncology", Oncotarget 2017.

x is a fingerprint, bits that say which substructures a molecule has; the growth inhibition g, −log₁₀ of the
concentration that halves the growth of a cell line, is measured for some molecules and lines. E is given both molecule
and line and says (z, g') = E(x, line), in units of `spread` about `centre`; D holds z to N(0, 1), and G makes bits of
(z, g'). With l = G(z, g'), the logits of the bits,

    D             tells z from draws of N(0, 1)
    E             −E log D(z)  +  weight · E (1 − cos(z(x, line), z(x, another line)))     one molecule, one z
    E, G          E [softplus(l) − x l]  +  weight · E (g' − g)²                           bits and growth

so that afterwards one can ask for fingerprints with z ~ N(0, 1) and a growth inhibition of one's choice.

In the paper the condition of a measurement is the concentration, and the term with the cosine ("manifold") compares the
codes of a molecule at two of them. The data published since has one value for each molecule and line, over all
concentrations, so that here the line takes the place of the concentration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..backend import FreshArena, Purpose, Stream
from ..codes import Category, Code, Codes
from ..datasets.molecules import line_of
from ..game.fitting import on_backend
from ..game.game import Panel, Shapes
from ..game.update import Update
from ..limits import PENALTY, Budget
from ..nn import Sequential
from ..objectives import Objective, binary_cross_entropy
from ..optim import Optimizer
from ..penalties import Penalty
from ..spec import integer, number
from .aae import AAE

Array = Any


class Growth(Code):
    """Growth inhibition, in units of `spread` about `centre`; drawn from N(0, 1) in these.

    Raises ValueError unless spread is positive.
    """

    predicted = False
    names = ("growth",)
    width, weight = 1, 1.0

    def __init__(self, centre: float = 6.0, spread: float = 1.0) -> None:
        self.centre, self.spread = number("centre", centre, "(-inf, inf)"), number("spread", spread, "(0, inf)")

    def draw(self, n: int, dtype: Any, arena: FreshArena, stream: Stream) -> Array:
        numbers = arena.empty((n, 1), dtype)
        arena.backend.normal(numbers, stream)
        return numbers

    def place(self, value: float) -> float:
        return (value - self.centre) / self.spread


class MoleculeAAE(AAE):
    """An autoencoder of fingerprints whose code has a prior and a growth inhibition.

    E: maps fingerprints and a cell line, one-hot behind the bits, to (N, latent + 1). G: maps (N, latent + 1) to the
    logits of bits. D: maps (N, latent) to a logit.
    lines: names of the cell lines. centre, spread: what growth inhibition is measured from, and in.
    growth, manifold: weights of the terms above.
    The rest as of `AAE`; what labels and categories are about is not here.

    Raises ValueError for networks that do not fit.
    """

    metrics: ClassVar[tuple[str, ...]] = (
        "g_loss",  # of the bits, each
        "g_growth",  # mean (g' − g)², in units of spread²
        "d_loss",
        "e_loss",
        "e_manifold",  # mean 1 − cos
        "d_real",
        "d_fake",
        "d_accuracy_real",
        "d_accuracy_fake",
        "d_penalty",
        "d_grad_norm",
        "e_grad_norm",
        "g_grad_norm",
    )
    headline: ClassVar[Mapping[str, str]] = {
        "g_loss": "bits", "g_growth": "growth", "d_loss": "D loss", "e_manifold": "manifold", "d_real": "D(z)",
        "d_fake": "D(E(x))",
    }  # fmt: skip

    def __init__(
        self,
        E: Sequential,
        G: Sequential,
        D: Sequential,
        *,
        lines: Sequence[str],
        centre: float = 6.0,
        spread: float = 1.0,
        growth: float = 1.0,
        manifold: float = 1.0,
        objective: str | Objective = "non-saturating",
        penalties: Sequence[Penalty] = (),
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        e_optimizer: Optimizer | None = None,
        average: float = 0.0,
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        self.lines = [str(line) for line in lines]
        if len({*self.lines}) != len(self.lines) or not self.lines:
            raise ValueError(f"lines must be different names, one or more, got {self.lines!r:.80}")
        self.growth, self.manifold = number("growth", growth, "(0, inf)"), number("manifold", manifold, "[0, inf)")
        code = Growth(centre, spread)
        self.centre, self.spread = code.centre, code.spread
        self._codes = Codes([code])
        self.codes = self._codes.codes
        super().__init__(
            E, G, D, objective=objective, penalties=penalties, optimizer=optimizer, d_optimizer=d_optimizer,
            e_optimizer=e_optimizer, average=average, latent=latent, seed=seed,
        )  # fmt: skip

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of D on codes, one of E in view of D and of other lines, one of both parts of the autoencoder."""
        bits, lines, growth = draw(self.g)
        with self.update(self.e) as up:  # E's update begins with the codes, which D sees first
            up.batches.append(("the fingerprints", bits))
            codes = self.run_E(up, bits, "E for E", lines, track=False)
            metrics = self.update_discriminator(bits, codes=codes)
            up.loss, dz = self.through_D(up, codes)
            e_loss, term = up.loss, self._nothing
            if self.manifold and len(self.lines) > 1:
                other = self.run_E(up, bits, "E on other lines", self._any_lines(len(bits), up), track=False)
                term, to_one, to_other = apart(codes.z, other.z, self.backend.xp)
                dz = dz + self.manifold * to_one
                other.back(self.manifold * to_other, None)
                up.loss = up.loss + self.manifold * term
            codes.back(dz, None)
        metrics |= {"e_loss": e_loss, "e_manifold": term, "e_grad_norm": up.norm}
        metrics |= self.update_molecules(bits, lines, growth)
        return {name: metrics[name] for name in self.metrics}

    def begin(self, draw: Any, updates: int) -> None:
        while self.begun < updates:
            bits, lines, _ = draw(self.d)
            self.update_discriminator(bits, condition=lines)

    def _any_lines(self, n: int, up: Update) -> Array:
        return Category(len(self.lines)).draw(n, self.dtype, up.arena, up.stream("other lines"))

    def read(self, said: Array) -> Array:
        """Growth inhibition, which E says as it is."""
        return said

    def read_back(self, y: Array, dy: Array) -> Array:
        return dy

    @atomically
    def update_molecules(self, bits: Array, lines: Array, growth: Array) -> dict[str, Array]:
        """E and G descend the error of the bits, and E that of the growth inhibition."""
        with self.update(self.g) as up:
            up.batches.append(("the fingerprints", bits))
            codes = self.run_E(up, bits, "E for G", lines)
            logits, back_G = up.run(self.G, self._latents(codes.z, codes.y, up.arena), Purpose.G_FOR_G)
            of_bits, dlogits = binary_cross_entropy(logits, bits, up.arena)
            off = codes.y - growth
            of_growth = (off * off).mean()
            dlatents = back_G(dlogits)
            dy = dlatents[:, self.latent :] + off * (2 * self.growth / len(off))
            codes.back(dlatents[:, : self.latent], dy)
            up.loss = of_bits + self.growth * of_growth
        return {"g_loss": of_bits, "g_growth": of_growth, "g_grad_norm": up.norm}

    # --- data and networks -------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """All measurements: fingerprint, cell line and growth inhibition of each."""
        growth, names = getattr(data, "growth", None), getattr(data, "lines", None)
        if growth is None or names is None or not np.size(growth):
            raise ValueError(
                f"{getattr(data, 'name', 'the data')} says nothing of growth inhibition; give an .npz of molecules "
                "with fingerprints, minus_log_gi50 and cell_lines"
            )
        missing = [line for line in self.lines if line not in names]
        if missing:
            raise ValueError(f"{data.name} has no cell line {missing[0]}; this game is of {', '.join(self.lines)}")
        measured = np.asarray(growth)[:, [list(names).index(line) for line in self.lines]]
        molecule, line = np.nonzero(np.isfinite(measured))
        be, prints = self.backend, np.asarray(data.images)[molecule]
        values = (measured[molecule, line][:, None] - self.centre) / self.spread
        rows = np.eye(len(self.lines))[line]
        images = on_backend(prints, self.sample_shape, be, self.dtype)
        return {"real": (images, be.asarray(rows, self.dtype), be.asarray(values, self.dtype))}

    def panels(self) -> list[Panel]:
        return [
            Panel("Errors of the autoencoder", "loss", {"g_loss": "bits, each", "g_growth": "growth, squared"}),
            Panel("Losses of D and E on codes", "loss", {"d_loss": "D", "e_loss": "E", "e_manifold": "1 − cos"}),
        ]

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget, latent = Budget(description, shapes), integer("latent", description["latent"])
        given, times = len(description["lines"]), 1 + PENALTY * len(description.get("penalties", []))
        if samples := budget.passed("G", (2, latent + 1)):
            budget.passed("E", (*samples[:-1], samples[-1] + given))
        budget.passed("D", (2, latent), times)

    @property
    def given(self) -> int:
        return len(self.lines)

    # --- what it says ------------------------------------------------------------------------------------------

    def said(self, samples: Array, averaged: bool = True, line: str | None = None) -> np.ndarray[Any, Any]:
        """What E says of fingerprints (N, ...), as images or floats in [−1, 1]: z and growth inhibition, in units.

        line: the cell line, by its name or the part of it after the colon; by default the first.
        """
        x = on_backend(samples, self.sample_shape, self.backend, self.dtype)
        rows = self.backend.zeros((len(x), len(self.lines)), self.dtype)
        rows[:, 0 if line is None else line_of(self.lines, line)] = 1
        return self.passed(self.average_of(self.E) if averaged else self.E, x, rows)

    def predict_growth(self, samples: Array, line: str | None = None, averaged: bool = True) -> np.ndarray[Any, Any]:
        """The growth inhibition of fingerprints, −log₁₀ of a molar concentration, (N,); arguments as of `said`."""
        return np.asarray(self.said(samples, averaged, line)[:, self.latent] * self.spread + self.centre)

    def generate(self, latents: Any, averaged: bool = True) -> np.ndarray[Any, Any]:
        """What G makes of latents (n, latent + 1): 2 p − 1 for the probability p of each bit."""
        return np.tanh(0.5 * super().generate(latents, averaged))

    def probabilities(
        self, n: int, seed: int | None = None, ask: Mapping[str, float] | None = None
    ) -> np.ndarray[Any, Any]:
        """Of the bits of n molecules, (n, bits), such as ask={"growth": 7.5} wants; of any by default."""
        return np.asarray(0.5 * (1 + self.sample(n, seed, ask=ask).reshape(n, -1)))


def apart(one: Array, other: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Mean 1 − cos of codes (n, latent), in pairs, and its gradients with respect to both.

    With a and b of length 1:   d(1 − a·b)/dz = (a·b a − b)/|z|,   z = |z| a.
    """
    tiny = np.finfo(one.dtype).tiny ** 0.5
    lengths = [xp.sqrt((z * z).sum(axis=1, keepdims=True)) + tiny for z in (one, other)]
    a, b = one / lengths[0], other / lengths[1]
    cosine = (a * b).sum(axis=1, keepdims=True)
    to_one, to_other = (cosine * a - b) / lengths[0], (cosine * b - a) / lengths[1]
    to_one /= len(one)
    to_other /= len(one)
    return (1 - cosine).mean(), to_one, to_other


def log_likelihood(bits: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """log 1/n Σ_i Π_j p_ij^x_j (1 − p_ij)^(1 − x_j) of bits x (N, m), under n vectors p (n, m): (N,), float64."""
    p = np.clip(np.asarray(probabilities, np.float64), _LEAST, 1 - _LEAST)
    each = np.asarray(bits, np.float64) @ (np.log(p) - np.log1p(-p)).T + np.log1p(-p).sum(axis=1)
    most = each.max(axis=1, keepdims=True)
    return np.asarray(most[:, 0] + np.log(np.exp(each - most).mean(axis=1)))


_LEAST = 1e-6  # of a probability: no bit is certain

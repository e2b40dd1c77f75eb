"""A generator and a discriminator: what such a pair must be, and what D says.

z: noise from a prior        G(z): samples        D(x): one logit or score for each
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..limits import check_budget
from ..nn import Sequential
from ..objectives import Critic, Objective, get_objective
from ..priors import Prior
from .feed import Given
from .fitting import check_shape, look_at_data, on_backend
from .game import Metrics, Panel, Shapes
from .generating import Generating, require_one_place
from .judging import Judging
from .player import Player

Array = Any


class Pair(Generating, abstract=True):
    """Base class of games between G, which makes samples of noise, and D, which gives each of them a number.

    codes: what G is asked for beyond noise (games/conditional.py); none here.
    """

    headline: ClassVar[Mapping[str, str]] = {
        "d_loss": "D loss", "g_loss": "G loss", "d_real": "D(x)", "d_fake": "D(G(z))",
    }  # fmt: skip
    D: Sequential
    d: Player
    g: Player
    judging: Judging
    objective: Objective
    d_steps: int
    update_discriminator: Callable[..., dict[str, Array]]
    sample_shape: tuple[int, ...]

    def begin_pair(
        self,
        G: Sequential,
        D: Sequential,
        objective: str | Objective,
        prior: str | Prior,
        latent: int | None,
        seed: int,
    ) -> None:
        """To be called first in a constructor. Raises ValueError for an unknown objective or prior."""
        self.begin_as(seed)
        self.objective = get_objective(objective)
        self.begin_latents(G, prior, latent)
        self.D = D
        self.last_fakes: Array | None = None  # that G has learned from, in its arena; to be read between two steps
        self._nothing = G.backend.zeros((), D.dtype)

    @property
    def g_opt(self) -> Any:
        """G's optimizer."""
        return self.g.optimizers[0]

    @property
    def d_opt(self) -> Any:
        """D's optimizer."""
        return self.d.optimizers[0]

    @property
    def d_updates(self) -> int:
        """D updates so far. With the seed, these and `steps` determine all random numbers."""
        return self.d.updates.value

    @d_updates.setter
    def d_updates(self, value: int) -> None:
        self.d.updates.value = value

    def equilibrium(self) -> dict[str, float]:
        return self.objective.equilibrium()

    def panels(self) -> list[Panel]:
        losses = {
            "d_loss": "D", "g_loss": "G", "d_penalty": "D's penalty", "d_codes": "D on codes", "g_codes": "G on codes",
        }  # fmt: skip
        limits = None if isinstance(self.objective, Critic) else (0.0, 1.0)
        return [
            Panel("Losses of the discriminator D and the generator G", "loss", losses),
            Panel(
                "What D makes of real images, D(x), and of generated ones, D(G(z))",
                "D's mean output",
                {"d_real": "D(x)", "d_fake": "D(G(z))"},
                limits,
            ),
        ]

    @property
    def diagnosed(self) -> bool:
        return True

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        check_budget(description, shapes)

    # --- data --------------------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        images = on_backend(data, self.sample_shape, self.backend, self.dtype)
        known = getattr(data, "labels", None) if labels is None else labels
        if known is None and (label := self._codes.label) is not None:
            name, n = getattr(data, "name", "the data"), len(images)
            raise ValueError(f"{name} has no labels, which {label} needs: integers, one for each of {n} images")
        rows = self.one_hot(known, len(images))
        look_at_data(self.G, images, rows, self._codes.label)
        return {"real": (images,) if rows is None else (images, rows)}

    def size(self, source: str, batch: int) -> int:
        self.judging.check_batch(batch)
        self.judging.check_batch(self.backend.group.share(batch))
        return batch

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        room = self.judging.room(n, shape)
        return None if room is None else room.real

    def one_hot(self, labels: Any, n: int) -> Array | None:
        """The integers (n,) as rows of zeros and a one, as a turn takes them; None for codes without a Label.

        Raises ValueError if labels are missing, and ValueError or TypeError if they are none.
        """
        label = self._codes.label
        if label is None:
            return None
        if labels is None:
            raise ValueError(f"the codes have {label}, so labels are needed: integers, one for each of {n} samples")
        return self.backend.asarray(label.encode(np.asarray(labels), n), self.D.dtype)

    # --- steps by hand -----------------------------------------------------------------------------------------

    @atomically
    def step(self, real: Array, labels: Any = None) -> Metrics:
        """One iteration: k updates of D, then one of G. Returns the metrics by name.

        real: (k·N, ...) floats in [−1, 1], k = d_steps minibatches of N one after the other; G's update has N fakes,
        which meet the last N real samples if the objective compares them. labels: integers (k·N,), for a game that
        knows labels. Metrics of D are those of its last update, taken before the parameters move. Processes that play
        together (backend/group.py) are given different samples, and all as many.

        Raises ValueError for a shape that does not fit and NonFiniteError as soon as a loss or a gradient is not
        finite, before it reaches the parameters.
        """
        with self.backend.explained():
            metrics = self.turn(self.given(real, labels))
            numbers = self.backend.numbers([metrics[name] for name in self.metrics])
            numbers = self.backend.group.mean(np.array(numbers)).tolist()
            return dict(zip(self.metrics, numbers, strict=True))

    def given(self, real: Array, labels: Any = None) -> Given:
        """These samples as a turn draws them: `turn(given(real))` is `step(real)`, but a GPU is not waited for."""
        real, rows = self.samples(real), self.one_hot(labels, len(real))
        if len(real) % self.d_steps:
            raise ValueError(f"expected d_steps = {self.d_steps} minibatches of one size, got {len(real)} samples")
        n = len(real) // self.d_steps
        self.judging.check_batch(n)
        parts = [slice(k * n, (k + 1) * n) for k in range(self.d_steps)]
        return Given([(real[part],) if rows is None else (real[part], rows[part]) for part in parts])

    @property
    def begun(self) -> int:
        return self.d_updates

    def begin(self, draw: Any, updates: int) -> None:
        """D alone, until it has made so many updates."""
        while self.d_updates < updates:
            self.update_discriminator(*draw(self.d))

    # --- what D says -------------------------------------------------------------------------------------------

    def score(self, samples: Array, labels: Any = None) -> np.ndarray[Any, Any]:
        """D's output, a logit or a score, for each of the samples (N, ...), with running statistics: floats (N,).

        labels: integers (N,), where D is given them. With packing it is for each pack of so many samples in a row.
        """
        return self.backend.to_numpy(self._outputs(samples, labels)[:, 0])

    def probability(self, samples: Array, labels: Any = None) -> np.ndarray[Any, Any]:
        """D(x), the probability that a sample is real, as floats (N,) in [0, 1]; otherwise as `score`.

        Raises ValueError under an objective whose D does not speak of probabilities.
        """
        return self.backend.to_numpy(self.objective.probability(self._outputs(samples, labels)[:, 0], self.backend.xp))

    def predict(self, samples: Array, labels: Any = None) -> list[np.ndarray[Any, Any]]:
        """D's prediction of the codes of samples (N, ...): of each that it predicts, an array (N, width).

        For a category or a label these are probabilities, for a continuous code the numbers. labels: as in `score`.
        """
        outputs = self._outputs(samples, labels)[:, 1:]
        xp = self.backend.xp
        return [self.backend.to_numpy(code.predict(outputs[:, part], xp)) for code, _, part in self._codes.predicted]

    def _outputs(self, samples: Array, labels: Any) -> Array:
        samples = self.samples(samples)
        self.judging.check_batch(len(samples))
        condition = None if self._codes.given is None else self.judging.packs(self.one_hot(labels, len(samples)))
        with self._atomic.look():
            return self.D(self.judging.packs(samples), train=False, condition=condition)[0]

    def samples(self, x: Array) -> Array:
        """Samples in the shape that G makes them."""
        x = self.D.as_batch(x)
        if x.shape[1:] == self.sample_shape:
            return x
        check_shape(tuple(x.shape[1:]), self.sample_shape)
        return x.reshape(len(x), *self.sample_shape)

    # --- networks that fit -------------------------------------------------------------------------------------

    def check_networks(self) -> tuple[int, ...]:
        """Two samples through both networks, so that a mismatch is found here and not in the first step.

        Returns the shape of a sample; raises ValueError for a mismatch.
        """
        G, D, packing = self.G, self.D, self.judging.packing
        require_one_place({"G": G, "D": D})
        codes, zeros = self._codes, partial(G.backend.zeros, dtype=G.dtype)
        fakes, _ = G(zeros((2 * packing, self.latent + codes.width)), train=False)
        shape: tuple[int, ...] = tuple(fakes.shape[1:])
        inputs = self.judging.packs(fakes)
        condition = None if codes.given is None else zeros((2, packing * codes.given.k))
        try:
            outputs, _ = D(inputs, train=False, condition=condition)
        except ValueError as error:
            packs = f", {packing} packed as {inputs.shape[1:]}" if packing > 1 else ""
            label = "" if condition is None else f", with {condition.shape[1]} more numbers for the label"
            raise ValueError(f"D cannot take G's samples of shape {shape}{packs}{label}: {error}") from None
        if outputs.shape != (2, 1 + codes.outputs):
            wanted = "one logit per sample" + (f" and {codes.outputs} outputs for the codes" if codes.outputs else "")
            given = ", ".join(map(str, outputs.shape[1:]))
            raise ValueError(f"D must end in {wanted}, shape (N, {1 + codes.outputs}); it gives (N, {given})")
        if self.objective.depth(D) < len(D) and codes.outputs:
            raise ValueError(
                f"{self.objective} looks at a hidden layer of D, but {codes.codes} at what D says: take another"
            )
        self.judging.check(inputs, condition, self.seed)
        return shape

    def __repr__(self) -> str:
        import inspect  # here, because it would double the time that `import minigan` adds to NumPy's

        signatures = [inspect.signature(cls) for cls in reversed(type(self).__mro__) if issubclass(cls, Pair)]
        defaults = {name: p.default for signature in signatures for name, p in signature.parameters.items()}
        defaults |= {"d_optimizer": getattr(self, "optimizer", None), "latent": self.latent}
        options = {name: value for name, value in self.arguments().items() if not isinstance(value, Sequential)}
        chosen = [f"{name}={value!r}" for name, value in options.items() if value not in (defaults[name], [])]
        inputs, codes = self.latent + self._codes.width, self._codes.outputs
        return (
            f"{type(self).__name__}(  # after {self.steps:,} steps, {self.G.dtype}, {self.backend.name}\n"
            f"    G: ({inputs},) to {self.sample_shape}, {self.G.size:,} parameters\n"
            f"    D: {self.sample_shape} to ({1 + codes},), {self.D.size:,} parameters\n"
            f"    {', '.join(chosen)}\n)"
        )

"""A generator of noise and a discriminator: what such a pair must be, and what one can ask it for.

z ~ N(0, 1) or U(−1, 1)        G(z): samples        D(x): one logit or score for each
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..backend import FreshArena, Purpose, Stream
from ..codes import Category, Code, Codes
from ..limits import check_budget, samples_at_once
from ..names import not_one_of
from ..nn import Sequential
from ..objectives import Critic, Objective, get_objective
from ..spec import integer
from .feed import Given
from .fitting import check_shape, look_at_data, on_backend
from .game import Game, Metrics, Panel, Shapes
from .judging import Judging
from .player import Player

Array = Any

PRIORS = ("normal", "uniform")


class Pair(Game, abstract=True):
    """Base class of games between G, which makes samples of noise, and D, which gives each of them a number.

    codes: what G is asked for beyond noise (games/conditional.py); none here.
    """

    headline: ClassVar[Mapping[str, str]] = {
        "d_loss": "D loss", "g_loss": "G loss", "d_real": "D(x)", "d_fake": "D(G(z))",
    }  # fmt: skip
    codes: list[Code] = []  # noqa: RUF012 - of nobody's own
    G: Sequential
    D: Sequential
    d: Player
    g: Player
    judging: Judging
    objective: Objective
    d_steps: int
    update_discriminator: Callable[..., dict[str, Array]]
    sample_shape: tuple[int, ...]
    _codes = Codes(())

    def begin_pair(
        self, G: Sequential, D: Sequential, objective: str | Objective, prior: str, latent: int | None, seed: int
    ) -> None:
        """To be called first in a constructor. Raises ValueError for an unknown objective or prior."""
        self.begin_as(seed)
        self.G, self.D = G, D
        self.objective = get_objective(objective)
        if prior not in PRIORS:
            raise ValueError(not_one_of("prior", prior, PRIORS))
        self.prior = prior
        self.latent = latent_size(G, latent, self._codes.width)
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
        knows labels. Metrics of D are those of its last update, taken before the parameters move.

        Raises ValueError for a shape that does not fit and NonFiniteError as soon as a loss or a gradient is not
        finite, before it reaches the parameters.
        """
        with self.backend.explained():
            metrics = self.turn(self.given(real, labels))
            numbers = self.backend.numbers([metrics[name] for name in self.metrics])
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

    # --- samples -----------------------------------------------------------------------------------------------

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        """n samples, of the classes in turn where there are some."""
        return self.sample(n, seed, label=self.in_turn(n))

    def in_turn(self, n: int) -> np.ndarray[Any, Any] | None:
        """A label for each of n samples, 0, 1, 2 and so on; None for a game that cannot be asked for one."""
        category = next((code for code in self.codes if isinstance(code, Category)), None)
        return None if category is None else np.arange(n) % category.k

    def sample(self, n: int, seed: int | None = None, averaged: bool = True, label: Any = None) -> np.ndarray[Any, Any]:
        """n samples as a NumPy array, with running statistics. The same seed gives the same latents every time.

        seed: of the latents; default: the game's own seed. The first latents do not depend on n.
        averaged: of the average of G, if this game keeps one; False: of G as its last update left it.
        label: which category to make, a number for all or one for each of them; by default they are random.
        Raises ValueError if n is less than 1, or for a label that G cannot be asked for.
        """
        return self.generate(self.latents(n, seed, label), averaged)

    def latents(self, n: int, seed: int | None = None, label: Any = None) -> np.ndarray[Any, Any]:
        """The latents (n, latent + codes) of `sample`: noise, and behind it the codes in their order."""
        n = integer("the number of samples", n)
        stream = Stream(integer("seed", self.seed if seed is None else seed, 0, bits=64), Purpose.LATENT_SAMPLE)
        with self.backend.explained():
            z = self.backend.to_numpy(self.draw_latents(n, stream, FreshArena(self.backend)))
        if label is not None:
            code, columns = self._codes.category()
            z[:, self.latent :][:, columns] = code.encode(label, n)
        return z

    def draw_latents(self, n: int, stream: Stream, arena: FreshArena, labels: Array | None = None) -> Array:
        """n random latents. labels: one-hot, for codes that have a Label."""
        noise = arena.empty((n, self.latent), self.G.dtype)
        if self.prior == "normal":
            self.backend.normal(noise, stream)
        else:
            self.backend.uniform(noise, stream)
            noise *= 2
            noise -= 1
        return noise

    def generate(self, latents: Any, averaged: bool = True) -> np.ndarray[Any, Any]:
        """What G makes of latents (n, latent + codes), as `latents` draws them and anybody may change them."""
        G = self.g.averages[0].net if averaged and self.g.averages else self.G
        with self._atomic.look(), self.backend.explained():
            z = G.as_batch(latents)
            rows = samples_at_once(G.layers, z.shape[1:], 1000)
            parts = [self.backend.to_numpy(G(z[i : i + rows], train=False)[0]) for i in range(0, len(z), rows)]
        return np.concatenate(parts)

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

    @property
    def code_columns(self) -> list[tuple[Code, slice]]:
        """Each code, and its columns in the latents."""
        return [(code, slice(self.latent + c.start, self.latent + c.stop)) for code, c in self._codes.placed]

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
        require_one_place(G, D)
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


def latent_size(G: Sequential, latent: int | None, codes: int) -> int:
    """How much noise there is, which G's first layer tells or `latent` does; ValueError unless they agree.

    codes: how many numbers of G's input are codes.
    """
    known = getattr(G.layers[0] if G.layers else None, "n_in", None)
    known = None if known is None else known - codes
    if latent is None and known is None:
        raise ValueError("the size of the latent is unknown: G's first layer does not tell; pass latent=...")
    if latent is not None and known is not None and latent != known:
        beside = f" beside {codes} for the codes" if codes else ""
        raise ValueError(f"latent={latent} contradicts G's first layer, which takes {known} numbers{beside}")
    if known is not None and known < 1:
        raise ValueError(
            f"G's first layer takes {known + codes} numbers, and {codes} are for the codes: no noise is left"
        )
    return integer("latent", known if latent is None else latent)


def require_one_place(G: Sequential, D: Sequential) -> None:
    """Raises ValueError unless both networks live on one backend, and have one dtype."""
    if G.backend.xp is not D.backend.xp:
        raise ValueError(f"G and D must live on one backend, got {G.backend.name} and {D.backend.name}")
    if G.dtype != D.dtype:
        raise ValueError(f"G and D must have one dtype, got {G.dtype} and {D.dtype}")

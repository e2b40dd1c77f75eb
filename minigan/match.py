"""A GAN against a data set: many turns in a row, each with the next minibatch.

What a turn is, gan.py says. Here it gets its minibatch, and its metrics are collected: on a CPU one turn after the
other; on a GPU draw, turn and metrics are one recorded graph (backend/graph.py), and the host looks only now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .backend.counter import Count
from .nonfinite import NonFiniteError
from .rules import check_shape, look_at_data
from .spec import whole

if TYPE_CHECKING:
    from .gan import GAN

Array = Any

METRICS = (
    "d_loss",  # D's loss, −V for the classic objectives, without penalties
    "g_loss",  # G's loss
    "d_accuracy_real",  # share of real samples that D takes for real
    "d_accuracy_fake",  # share of fakes that D takes for fake
    "d_real",  # mean D(x), a probability or, under some objectives, a score
    "d_fake",  # mean D(G(z))
    "d_grad_norm",  # Euclidean norm of D's gradient
    "g_grad_norm",  # and of G's
    "d_penalty",  # the sum of all penalties, 0 where there is none
    "d_codes",  # the loss of what D says of codes, 0 where there are none
    "g_codes",  # and G's
)


class Match:
    """A GAN, and images that it learns from `batch` at a time.

    images: uint8 (N, H, W[, C]) or floats (N, ...), or an object with an attribute `images`; they are brought to the
        GAN's backend once. Every image is seen once per epoch, in an order that depends on the seed only.
    batch: G's batch, and D's real batch (half of it with half_batches).
    labels: integers (N,), if the GAN's codes have a Label; by default the attribute `labels` of such an object.

    Raises ValueError or TypeError for data or sizes that do not fit.

    >>> import minigan
    >>> from minigan.recipes import gan
    >>> match = Match(gan.build((28, 28)), minigan.datasets.load("digits"), batch=8)
    >>> len(match.play(2)["d_loss"]), match.gan.steps
    (2, 2)
    """

    def __init__(self, gan: GAN, images: Any, batch: int, labels: Any = None) -> None:
        batch = whole("batch", batch)
        if gan.half_batches and batch % 2:
            raise ValueError(f"half_batches needs an even batch, got {batch}")
        for size in (batch, batch // 2 if gan.half_batches else batch):
            gan._check_batch(size)
        self.gan, self.batch = gan, batch
        self._be = be = gan.backend
        self._failure: NonFiniteError | None = None
        self._asked = gan.steps, gan.d_updates  # the counts before the steps that were asked for last
        self._size = batch // 2 if gan.half_batches else batch  # of a minibatch
        rows = gan.d_steps * self._size
        with be.explained():
            self._data = _on_backend(gan, images)
            known = getattr(images, "labels", None) if labels is None else labels
            if known is None and (label := gan._codes.label) is not None:
                name = getattr(images, "name", "the data")
                count = len(self._data)
                raise ValueError(f"{name} has no labels, which {label} needs: integers, one for each of {count} images")
            self._known = gan.one_hot(known, len(self._data))
            look_at_data(gan, self._data, self._known)
            room = gan.room(rows) if gan.d_steps == 1 else None
            self._real = be.empty((rows, *gan.sample_shape), gan.D.dtype) if room is None else room.real
            self._labels = None if self._known is None else be.empty((rows, self._known.shape[1]), gan.D.dtype)
            self._table = be.zeros((be.ahead, len(METRICS)), gan.D.dtype)  # metrics of the last steps
            self._turn = be.repeat(self._play_once)

    def pretrain(self, updates: int) -> None:
        """D alone, until it has made so many updates; nothing if the game has begun."""
        while self.gan.steps == 0 and self.gan.d_updates < updates:
            with self.gan._atomic:
                real, labels = self._draw(self._size, self.gan._d_updates.now())
                self.gan.update_discriminator(real, labels=labels)

    def play(self, steps: int) -> dict[str, np.ndarray[Any, Any]]:
        """Play so many more steps and return each metric as an array (steps,).

        Where a number stops being finite the arrays end with the step before, and the next call raises
        NonFiniteError; this one does if there is no step before.
        """
        parts = [np.empty((0, len(METRICS)), self.gan.D.dtype)]
        while steps > 0 and self._failure is None:
            with self.gan._atomic:
                count = min(steps, self._be.ahead)
                self.ask(count)
                parts.append(self._collect())
            steps -= count
        return self._named(np.concatenate(parts))

    def ask(self, steps: int) -> None:
        """Play so many more steps, as many as the backend is `ahead` at most; a GPU is not waited for.

        `take` must come before the next `ask`.
        """
        if self._failure is not None:
            raise self._failure
        with self.gan._atomic:
            self._asked = self.gan.steps, self.gan.d_updates
            try:
                with self._be.explained():
                    for _ in range(steps):
                        self._turn()
            except NonFiniteError as error:
                self._failure = error

    def take(self) -> dict[str, np.ndarray[Any, Any]]:
        """The metrics of the steps that were asked for, as `play` returns them; waits for them."""
        with self.gan._atomic:
            return self._named(self._collect())

    def _collect(self) -> np.ndarray[Any, Any]:
        """The rows of the steps that were asked for."""
        begin, d_begin = self._asked
        try:
            with self._be.explained():
                if self._failure is None and self._turn.halted():
                    self._explain(begin, d_begin)
        except NonFiniteError as error:
            self._failure = error
        rows = np.arange(begin + 1, self.gan.steps + 1) % len(self._table)
        return self._be.to_numpy(self._table)[rows]

    def _named(self, history: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        if self._failure is not None and not len(history):
            raise self._failure
        return {name: history[:, i] for i, name in enumerate(METRICS)}

    @property
    def how(self) -> str:
        """How a step is played, where that is known and not plain to see: as one CUDA graph, say."""
        return self._turn.describe()

    def _play_once(self) -> None:
        metrics = self.gan.turn(*self._draw(len(self._real), self.gan._d_updates.now()))
        self._be.record([metrics[name] for name in METRICS], self._table, self.gan._steps.now())

    def _draw(self, count: int, update: Count) -> tuple[Array, Array | None]:
        """The images of D's next updates, of which there have been so many, and their labels."""
        real, labels, seed = self._real[:count], None, self.gan.seed
        self._be.draw(self._data, update, self._size, seed, real)
        if self._known is not None and self._labels is not None:
            labels = self._labels[:count]
            self._be.draw(self._known, update, self._size, seed, labels)
        return real, labels

    def _explain(self, begin: int, d_begin: int) -> None:
        """Make the update at which a graph halted once more, and look: raises NonFiniteError.

        begin, d_begin: steps and D updates of the GAN when the graph was last known to be well.
        """
        gan = self.gan
        if gan.d_updates - d_begin == gan.d_steps * (gan.steps + 1 - begin):  # D has made its updates of this step
            real, labels = self._draw(self._size, gan.d_updates - 1)
            gan.update_generator(self.batch, real=real, labels=labels)
        else:
            gan.turn(*self._draw(len(self._real), gan.d_updates))
        name = "a loss or a gradient"
        raise NonFiniteError(gan.steps + 1, name, f"{name} was not finite at step {gan.steps + 1}, but only once")


def _on_backend(gan: GAN, images: Any) -> Array:
    """The data set on the GAN's backend: uint8 or its dtype, samples in the shape that G makes them."""
    images = _as_array(getattr(images, "images", images))
    dtype = getattr(images, "dtype", None)
    if dtype is None or (dtype != np.uint8 and dtype.kind != "f"):
        raise TypeError(f"expected images as a uint8 or float array, got {dtype or type(images).__name__}")
    if images.ndim < 2 or len(images) == 0:
        raise ValueError(f"expected images of shape (N, ...) with N of 1 or more, got {images.shape}")
    check_shape(tuple(images.shape[1:]), gan.sample_shape)
    data = gan.backend.asarray(images, None if dtype == np.uint8 else gan.D.dtype)
    return data.reshape(len(data), *gan.sample_shape)


def _as_array(images: Any) -> Any:
    """Tensors of another library as an array; what is one already, or can be none, as it is."""
    if isinstance(getattr(images, "dtype", np.dtype(int)), np.dtype) or not hasattr(images, "__array__"):
        return images
    try:
        return np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"a {type(images).__name__} that is no array ({error}); give it on the CPU and without its gradient, as "
            "x.detach().cpu()"
        ) from None

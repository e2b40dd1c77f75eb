"""Is the game healthy? A watcher of a run, which says in a sentence when something goes wrong, and when it is over.

    variety.py     how many kinds of the data a batch of fakes holds
    states.py      the troubles: when each begins, when it is over, what to say and what to try

It looks at what there is anyway: the metrics of each step, and, once in `every` steps, the fakes that G has just
learned from. It runs no network, draws none of the run's random numbers and changes nothing: training is the same bit
for bit. Time is counted in blocks of `every` steps. Nothing is said of the first ten, and little before the end of a
trouble's tenth: the field's failures are not those of a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..game.update import NonFiniteError
from ..objectives import Critic
from ..spec import integer
from .states import STATES, Figures, Window, swings
from .variety import Look, Variety

if TYPE_CHECKING:
    from ..gan import GAN

__all__ = ["Diagnostics", "Notice"]

_METRICS = Figures._fields[:6]
_PATIENCE = 5  # blocks of each half of a window
_MEMORY, _PARTS = 52, 5  # blocks that an oscillation is looked for in, and points of its series in each


class Notice(NamedTuple):
    """Something to say at a step. kind: as in states.py, or "not-finite". entered: it began; False: it is over.

    tries: what the sentence proposes, one by one: flags of `minigan train`, or words about them.
    """

    step: int
    kind: str
    entered: bool
    sentence: str
    tries: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"step {self.step:,}: {self.sentence}"


class Diagnostics:
    """Watches a GAN that learns from images, as `GAN.fit` takes them. every: steps of a block, a multiple of 5.

    Raises ValueError for another number.

    >>> import minigan
    >>> from minigan.game import Play
    >>> from minigan.recipes import gan as recipe
    >>> digits = minigan.datasets.load("digits")
    >>> gan = recipe.build(digits.image_shape, latent=8)
    >>> diagnostics, play = Diagnostics(gan, digits), Play(gan, digits, batch=8)
    >>> for _ in range(4):
    ...     for notice in diagnostics.watch(play.play(2)):
    ...         print(notice)
    >>> diagnostics.open
    []
    """

    def __init__(self, gan: GAN, images: Any, every: int = 50) -> None:
        if integer("every", every) % _PARTS:
            raise ValueError(f"every is a multiple of {_PARTS}, the points of a block, got {every}")
        self.gan, self.every = gan, every
        self._variety = Variety(images)
        self._waiting: list[Mapping[str, Any]] = []
        self._count = 0  # of the steps that wait
        self._rows = np.empty((0, len(Figures._fields)))  # of the last blocks
        self._series = np.empty(0)  # of what D says of fakes, _PARTS points for each of them
        self._look = Look(float(self._variety.cells), 1.0)  # until there are fakes to look at
        self._peak, self._varied = 0.0, False
        self._since: dict[str, int] = {}

    @property
    def variety(self) -> float:
        """Of the fakes last looked at, over that of as many real samples."""
        return self._look.variety

    @property
    def open(self) -> list[str]:
        """The kinds of trouble there are now."""
        return list(self._since)

    def watch(self, played: Mapping[str, Any]) -> list[Notice]:
        """Take note of the steps just played. played: each metric as an array (steps,), or the number of one step.

        Call it after every `Play.play` or step: the GAN must stand where the metrics end. Returns what there is to
        say, which is nearly always nothing.
        """
        self._waiting.append(played)
        self._count += np.size(played["d_loss"])
        if self._count < self.every:
            return []
        columns = [np.hstack([part[name] for part in self._waiting]) for name in _METRICS]
        waiting, last = np.array(columns, np.float64), self.gan.steps
        self._waiting.clear()
        notices: list[Notice] = []
        if self.gan.last_fakes is not None:
            self._look = self._variety.look(self.gan.backend.to_numpy(self.gan.last_fakes))
        first = last - waiting.shape[1] + 1
        for start in range(0, waiting.shape[1] - self.every + 1, self.every):
            block = waiting[:, start : start + self.every]
            notices += self._judge(block, first + start + self.every - 1)
        self._keep(waiting[:, waiting.shape[1] // self.every * self.every :])
        return notices

    def failed(self, error: NonFiniteError) -> Notice:
        """The error that ended a run, as a notice."""
        return Notice(error.step, "not-finite", True, str(error))

    def remaining(self) -> list[str]:
        """For each trouble that is not over, a sentence."""
        words = {state.kind: state.remains() for state in STATES}
        return [f"since step {step:,}: {words[kind]}" for kind, step in self._since.items() if kind in words]

    # --- blocks ------------------------------------------------------------------------------------------------

    def _judge(self, block: np.ndarray[Any, Any], step: int) -> list[Notice]:
        """Take in a block of metrics (6, every) that ends with `step`."""
        if not np.isfinite(block).all():
            return self._not_finite(block, step)
        means = block.mean(axis=1)
        self._rows = np.concatenate([self._rows[1 - _MEMORY :], [[*means, *self._look]]])
        # a score has no scale, so of a critic the accuracy is followed
        says = "d_accuracy_fake" if isinstance(self.gan.objective, Critic) else "d_fake"
        points = block[_METRICS.index(says)].reshape(_PARTS, -1).mean(axis=1)
        self._series = np.concatenate([self._series[_PARTS - _MEMORY * _PARTS :], points])
        self._peak = max(self._peak, float(means[_METRICS.index("g_grad_norm")]))
        if len(self._rows) < 2 * _PATIENCE:
            return []
        window = self._window(step)
        self._varied = self._varied or window.recent.variety > 0.7
        notices = []
        for state in STATES:
            if state.kind in self._since:
                if state.well(window.recent, window):
                    del self._since[state.kind]
                    notices.append(Notice(step, state.kind, False, state.ends(window.recent, window)))
            elif state.follows & self._since.keys():
                pass  # what is said already explains it
            elif state.ill(window.recent, window) and state.ill(window.before, window):
                self._since[state.kind] = step
                tries = state.tries(self.gan)
                said = f"{state.begins(window.recent, window)}; {_proposed(tries)}"
                notices.append(Notice(step, state.kind, True, said, tries))
        return notices

    def _window(self, step: int) -> Window:
        halves = self._rows[-2 * _PATIENCE :].reshape(2, _PATIENCE, -1)
        medians = np.sort(halves, axis=1)[:, _PATIENCE // 2].tolist()
        period, swing = swings(self._series) if len(self._rows) == _MEMORY else (0.0, 0.0)
        before, recent = (Figures(*half) for half in medians)
        return Window(self.gan, step, before, recent, self._peak, self._varied, period * self.every / _PARTS, swing)

    def _not_finite(self, block: np.ndarray[Any, Any], step: int) -> list[Notice]:
        """Said once; the block is not counted."""
        if "not-finite" in self._since:
            return []
        place, when = next(zip(*np.nonzero(~np.isfinite(block)), strict=True))
        step += 1 + int(when) - block.shape[1]
        self._since["not-finite"] = step
        what = f"{_METRICS[place]} is not finite at step {step}; try a smaller --lr or --d-lr, and look at the data"
        return [Notice(step, "not-finite", True, what)]

    def _keep(self, rest: np.ndarray[Any, Any]) -> None:
        """Metrics (6, n) of steps that are no block yet."""
        self._count = rest.shape[1]
        if self._count:
            self._waiting.append(dict(zip(_METRICS, rest, strict=True)))

    # --- for a run that goes on --------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that it has in mind, as JSON-able data; after `load_state` it goes on as if it had never stopped."""
        waiting = {name: np.hstack([[], *(part[name] for part in self._waiting)]).tolist() for name in _METRICS}
        return {
            "waiting": waiting, "rows": self._rows.tolist(), "series": self._series.tolist(), "look": list(self._look),
            "peak": self._peak, "varied": self._varied, "since": dict(self._since),
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. Raises ValueError for what is none."""
        try:
            rest = np.array([state["waiting"][name] for name in _METRICS], np.float64)
            rows = np.array(state["rows"], np.float64).reshape(-1, len(Figures._fields))
            series, look = np.array(state["series"], np.float64), Look(*map(float, state["look"]))
            peak, varied = float(state["peak"]), bool(state["varied"])
            since = {str(kind): int(step) for kind, step in state["since"].items()}
            if not all(np.isfinite(array).all() for array in (rest, rows, series, look, peak)):
                raise ValueError("it holds numbers that are not finite")
            if rest.shape != (len(_METRICS), rest.shape[-1]) or series.ndim != 1:
                raise ValueError(f"it has figures of the shapes {rest.shape} and {series.shape}")
            if len(series) != min(_PARTS * len(rows), _PARTS * _MEMORY) or len(rows) > _MEMORY:
                raise ValueError(f"it has {len(rows)} blocks and {len(series)} points")
            if rest.shape[1] >= self.every or not all(0 <= step < 2**62 for step in since.values()):
                raise ValueError("it counts more than there can be")
            if unknown := since.keys() - {"not-finite", *(state.kind for state in STATES)}:
                raise ValueError(f"it knows of {', '.join(sorted(unknown))}")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"this is no state of diagnostics: {error!s:.200}") from None
        self._waiting.clear()
        self._keep(rest)
        self._rows, self._series, self._look = rows, series, look
        self._peak, self._varied, self._since = peak, varied, since


def _proposed(tries: tuple[str, ...]) -> str:
    """`tries` as the end of a sentence."""
    *some, last = (f"`{text}`" if text.startswith("-") else text for text in tries)
    return "try " + (", ".join(some) + " or " if some else "") + last

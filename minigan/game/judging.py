"""How D is shown real samples and fakes: as one batch or two, in packs, under noise, with penalties on its gradient.

Real samples and fakes pass D as one batch, unless it mixes the samples of a batch (batchnorm), where both are better
normalised apart (Radford 2015). Their places in that batch are known in advance, so that whoever makes them can put
them there. Penalties of a piecewise linear D join the batch as well (nn/joint.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..backend import FreshArena, Purpose, Stream
from ..backend.counter import Counter
from ..nn import Sequential
from ..nn.joint import piecewise_linear
from ..optim import Schedule
from ..penalties import Penalty, joint_pass
from ..spec import integer, number
from .update import Pass, Update

Array = Any


class Room(NamedTuple):
    """Real samples and as many fakes in one array, and each of them in it."""

    both: Array
    real: Array
    fakes: Array


class Judged(NamedTuple):
    """D's outputs on real samples and fakes. grads: where the gradients with respect to them belong, which back() then
    takes through D, penalties and all; it returns the sum of the penalties, None where there are none."""

    real: Array
    fakes: Array
    grads: tuple[Array, Array]
    back: Callable[[], Array | None]


class Judging:
    """How D is shown samples.

    D: the network. penalties: terms of D's loss on its gradient with respect to its input. instance_noise: standard
    deviation of noise added to all that D sees, a number or a Schedule of `clock`'s count. packing: D judges so many
    samples at once, joined along their first axis (PacGAN, Lin 2018). outputs: how many logits D has for a sample, one
    for each patch of it where it judges patches.

    Raises TypeError or ValueError for what is none of these.
    """

    def __init__(
        self,
        D: Sequential,
        clock: Counter,
        *,
        penalties: Sequence[Penalty] = (),
        instance_noise: float | Schedule = 0.0,
        packing: int = 1,
        outputs: int = 1,
    ) -> None:
        if isinstance(penalties, Penalty):
            raise TypeError(f"penalties must be a list such as [R1(10.0)], got {penalties!r}")
        for penalty in penalties:
            if not isinstance(penalty, Penalty):
                raise TypeError(f"penalties must be objects such as R1(10.0), got {penalty!r}")
        if not isinstance(instance_noise, Schedule):
            instance_noise = number("instance_noise", instance_noise, "[0, inf)")
        self.D, self.penalties, self.noise = D, list(penalties), instance_noise
        self.packing, self.outputs = integer("packing", packing), outputs
        self._clock, self._rooms = clock, dict[tuple[int, ...], Room]()

    def __call__(
        self,
        up: Update,
        real: Array,
        fakes: Array,
        condition: Array | None = None,
        purposes: Sequence[int] = (),
        parts: tuple[int, ...] = (1,),
    ) -> Judged:
        """D on real samples and as many fakes, in an update of D.

        condition: (N, K), of each of them. parts: of the fakes, as of `Update.stream`.
        """
        of_real, of_fakes = purposes or (Purpose.D_REAL, Purpose.D_FAKE)
        condition = None if condition is None else self.packs(condition)
        if self.D.mixes_samples:
            return self._as_two(up, real, fakes, condition, of_real, of_fakes, parts)
        return self._as_one(up, real, fakes, condition, of_real, (sum(parts), *parts))

    def _as_one(
        self, up: Update, real: Array, fakes: Array, condition: Array | None, purpose: int, parts: tuple[int, ...]
    ) -> Judged:
        D, n = self.D, len(real) // self.packing
        inputs = self.inputs(up, self._together(real, fakes), purpose, parts)
        both, penalties = None, self._with_streams(up)
        if penalties and condition is None and piecewise_linear(D):  # their points join the batch
            stream = up.stream(purpose, parts)
            points = [(p, p.points(inputs[:n], inputs[n:], up.arena, drawn)) for p, drawn in penalties]
            outputs, values, way = joint_pass(D, inputs, points, up.arena, stream)
            up.passes.append(Pass(D, inputs, "real and fake samples", True, stream, None))
            up.passes += [Pass(D, x, _points_of(p), True, stream, None) for p, x in points]
            up.terms += values
            penalties, total = [], sum(values[1:], values[0])
        else:
            both = None if condition is None else up.arena.stacked([condition, condition], D.dtype)
            outputs, way = up.run(D, inputs, purpose, on="real and fake samples", condition=both, parts=parts)
            way, total = partial(way, inputs=False), None
        grads = up.arena.empty(outputs.shape, D.dtype)

        def back() -> Array | None:
            way(grads)
            return self._penalise(up, penalties, inputs[:n], inputs[n:], condition, total)

        return Judged(outputs[:n], outputs[n:], (grads[:n], grads[n:]), back)

    def _as_two(
        self,
        up: Update,
        real: Array,
        fakes: Array,
        condition: Array | None,
        of_real: int,
        of_fakes: int,
        parts: tuple[int, ...],
    ) -> Judged:
        real_inputs, fake_inputs = self.inputs(up, real, of_real), self.inputs(up, fakes, of_fakes, parts)
        on_real, back_real = up.run(self.D, real_inputs, of_real, on="real samples", condition=condition)
        # fakes never move D's running statistics
        on_fakes, back_fakes = up.run(
            self.D, fake_inputs, of_fakes, on="fakes", track=False, condition=condition, parts=parts
        )
        n, width = on_real.shape
        grads = up.arena.empty((2 * n, width), self.D.dtype)
        penalties = self._with_streams(up)

        def back() -> Array | None:
            back_real(grads[:n], inputs=False)
            back_fakes(grads[n:], inputs=False)
            return self._penalise(up, penalties, real_inputs, fake_inputs, condition, None)

        return Judged(on_real, on_fakes, (grads[:n], grads[n:]), back)

    def _with_streams(self, up: Update) -> list[tuple[Penalty, Stream]]:
        return [(penalty, up.stream(Purpose.PENALTY + i)) for i, penalty in enumerate(self.penalties)]

    def _penalise(
        self,
        up: Update,
        penalties: Sequence[tuple[Penalty, Stream]],
        real: Array,
        fakes: Array,
        condition: Array | None,
        total: Array | None,
    ) -> Array | None:
        for penalty, drawn in penalties:
            value, x = penalty.add(self.D, real, fakes, up.arena, drawn, condition, self.outputs)
            up.passes.append(Pass(self.D, x, _points_of(penalty), True, drawn, condition))
            up.terms.append(value)
            total = value if total is None else total + value
        return total

    # --- what D sees -------------------------------------------------------------------------------------------

    def inputs(self, up: Update, samples: Array, purpose: int, parts: tuple[int, ...] = (1,)) -> Array:
        """Samples as D sees them: under noise, and in packs. parts: as of `Update.stream`."""
        if self.noise:
            std, be = self.noise, up.backend
            if isinstance(std, Schedule):
                std = be.scheduled(std, self._clock)
            noisy = up.arena.empty(samples.shape, samples.dtype)
            be.perturb(samples, std, self._clock.now(), up.stream(purpose, parts)._replace(lane=-1), noisy)
            samples = noisy
        return self.packs(samples)

    def packs(self, samples: Array) -> Array:
        """So many samples at once, joined along their first axis."""
        m, (first, *rest) = self.packing, samples.shape[1:]
        return samples.reshape(len(samples) // m, m * first, *rest)

    def check_batch(self, n: int) -> None:
        """Raises ValueError unless n samples make whole packs."""
        if n % self.packing:
            raise ValueError(f"D judges {self.packing} samples at once; a batch of {n} is no multiple of that")

    def check(self, inputs: Array, condition: Array | None, seed: int) -> None:
        """Raises ValueError for penalties that cannot be put on this D."""
        for penalty in self.penalties:
            try:
                arena, stream = FreshArena(self.D.backend), Stream(seed, Purpose.PENALTY)
                penalty.add(self.D, inputs, inputs, arena, stream, condition, self.outputs)
            except ValueError as error:
                raise ValueError(f"{penalty} cannot be put on this D: {error}") from None
        self.D.zero_grad()

    def room(self, n: int, shape: tuple[int, ...]) -> Room | None:
        """Where n real samples and then n fakes become one batch of D, for whoever makes them; None if they do not."""
        if self.D.mixes_samples:
            return None
        be, key = self.D.backend, (n, *shape)
        if key not in self._rooms:
            both = be.empty((2 * n, *shape), self.D.dtype)
            self._rooms[key] = Room(both, both[:n], both[n:])
        be.keep(self._rooms[key])
        return self._rooms[key]

    def _together(self, real: Array, fakes: Array) -> Array:
        """Both as one batch. What is in its place already is not copied."""
        be, room = self.D.backend, self.room(len(real), real.shape[1:])
        assert room is not None
        for samples, place in ((real, room.real), (fakes, room.fakes)):
            if be.address(samples) != be.address(place):
                be.xp.copyto(place, samples.reshape(place.shape))
        return room.both


def _points_of(penalty: Penalty) -> str:
    return f"the points of {type(penalty).__name__}"

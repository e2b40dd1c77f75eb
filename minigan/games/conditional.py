"""A GAN whose G is asked for something: a class, a category that it finds itself, a continuous property.

A latent is noise and codes side by side (codes.py). D meets a code in one of two ways: it is given it with each
sample (CGAN), or predicts it, with a loss of its own that both players descend (AC-GAN, InfoGAN). A label comes with
the data: fakes are asked for the labels of the real samples of the same batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..atomic import atomically
from ..backend import Purpose
from ..codes import Code, Codes
from ..game.update import Update
from ..gan import GAN, VERDICTS, Fakes
from ..nn import Sequential

Array = Any


class Conditional(GAN):
    """A GAN with codes.

    codes: what G is asked for beyond noise, such as [Label(10)] or [Category(10), Continuous(2)]; see codes.py. They
        stand behind the noise in G's input; what D is given stands behind each sample in its input, and what it
        predicts are outputs behind its first.
    options: as of `GAN`.

    Raises ValueError for codes that D cannot predict of a pack of samples, and as `GAN` does.
    """

    def __init__(self, G: Sequential, D: Sequential, *, codes: Sequence[Code], **options: Any) -> None:
        self._codes = Codes(codes)
        self.codes = self._codes.codes
        if self._codes.outputs and options.get("packing", 1) != 1:
            raise ValueError(
                f"a pack of {options['packing']} samples has no one code that D could predict; leave out packing"
            )
        super().__init__(G, D, **options)

    @classmethod
    def argument_names(cls) -> list[str]:
        G, D, *options = GAN.argument_names()
        return [G, D, "codes", *options]

    @atomically
    def update_discriminator(
        self, real: Array, labels: Array | None = None, fakes: Fakes | None = None
    ) -> dict[str, Array]:
        """D descends its losses on real samples and as many fakes: whether they are real, and what they are."""
        with self.update(self.d) as up:
            up.batches.append(("the real batch", real))
            fakes = self.fakes_of(up, fakes, len(real), labels)
            judged = self.judging(up, real, fakes.samples, self._condition(labels))
            on_real, on_fakes = self._logits(up, judged.real), self._logits(up, judged.fakes)
            dlogits = self._rooms(up, judged.grads)
            on_real_codes = self._codes_loss(up, judged.real, labels, judged.grads[0], real=True)
            on_codes = self._codes_loss(up, judged.fakes, self._codes_of(fakes), judged.grads[1], real=False)
            up.loss, verdicts = self.objective.classify(on_real, on_fakes, up.arena, dlogits)
            for grad, part in zip(judged.grads, dlogits, strict=True):
                if grad is not part:
                    grad[:, :1] = part
            penalty = judged.back()
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)),
            "d_loss": up.loss, "d_penalty": self._or_nothing(penalty), "d_grad_norm": up.norm,
            "d_codes": self._nothing if on_real_codes is None else on_real_codes + on_codes,
        }  # fmt: skip

    def descend(self, up: Update, fakes: Fakes, real: Array | None = None, labels: Array | None = None) -> Array:
        """G's losses on fakes, and their gradient: that D takes them for real, and predicts their codes."""
        condition = None if self._condition(labels) is None else self.judging.packs(self._condition(labels))
        outputs, back_D = self.ask_D(up, fakes.samples, Purpose.D_FOR_G, "fakes", condition)
        on_fakes, on_real = self._logits(up, outputs), None
        grad = up.arena.empty(outputs.shape, outputs.dtype) if self._codes.outputs else None
        codes = self._codes_loss(up, outputs, self._codes_of(fakes), grad, real=False)
        if self.objective.compares and real is not None:
            on_real, _ = self.ask_D(up, real, Purpose.D_FOR_G_REAL, "real samples", condition)
            on_real = self._logits(up, on_real)
        up.loss, dlogits = self.objective.generator(on_fakes, up.arena, on_real)
        if grad is not None:
            grad[:, :1] = dlogits
        dfakes = back_D(dlogits if grad is None else grad)
        fakes.back(dfakes.reshape(fakes.samples.shape), inputs=False)
        self.last_fakes = fakes.samples
        return self._or_nothing(codes)

    # --- codes -------------------------------------------------------------------------------------------------

    def _condition(self, labels: Array | None) -> Array | None:
        """What D is given with samples of these labels."""
        return None if self._codes.given is None else labels

    def _codes_of(self, fakes: Fakes) -> Array:
        """The codes that fakes were made of."""
        return fakes.latents[:, self.latent :]

    def _codes_loss(self, up: Update, outputs: Array, codes: Array | None, grad: Array, *, real: bool) -> Array | None:
        """The loss of D's predictions of codes, its gradient into `grad`; of real samples only the label is known."""
        if not self._codes.outputs:
            return None
        loss = self._codes.loss(outputs[:, 1:], codes, grad[:, 1:], self.backend, real=real)
        up.terms.append(loss)
        return loss

    def _logits(self, up: Update, outputs: Array) -> Array:
        """The first of D's outputs; all of them where it predicts nothing, for they may be features."""
        if not self._codes.outputs:
            return outputs
        logits = up.arena.empty((len(outputs), 1), outputs.dtype)
        self.backend.xp.copyto(logits, outputs[:, :1])
        return logits

    def _rooms(self, up: Update, grads: tuple[Array, Array]) -> tuple[Array, Array]:
        """For the gradients with respect to the logits."""
        if not self._codes.outputs:
            return grads
        n = len(grads[0])
        both = up.arena.empty((2 * n, 1), grads[0].dtype)
        return both[:n], both[n:]

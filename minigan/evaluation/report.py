"""Rows of figures as a table that a person can read, or as JSON."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..archive import StrPath, write_atomically
from ..console import table
from .autoencoders import Autoencoded
from .codes import CodesQuality
from .evaluator import CLOSEST, MANIFOLD, Evaluator, K, Quality
from .labels import Classified
from .refinements import Refined
from .translations import Translated
from .words import Obeyed

Table = tuple[list[str], list[list[str]]]  # its head and its rows

_WIDEST = 20  # classes that a table shows one by one


@dataclass(frozen=True)
class Report:
    """What was judged, by what, and the rows: real test images first.

    data: name or path. images, test_images: how many real ones there are to train on and to test with. held_out:
    whether the test images are a part of the data that has no test split. n: samples asked of each GAN. features: in
    words; evaluator: figures can be compared where this is the same. classes: their labels, their names, and accuracy
    of the classifier on the test images; None without labels.
    """

    data: str
    images: int
    test_images: int
    held_out: bool
    n: int
    features: str
    evaluator: str
    classes: tuple[int, ...] | None
    accuracy: float | None
    rows: tuple[Quality, ...]
    codes: tuple[CodesQuality, ...] = ()
    labels: tuple[Classified, ...] = ()
    autoencoded: tuple[Autoencoded, ...] = ()
    translated: tuple[Translated, ...] = ()
    refined: tuple[Refined, ...] = ()
    obeyed: tuple[Obeyed, ...] = ()
    names: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        evaluator: Evaluator,
        rows: Sequence[Quality],
        codes: Sequence[CodesQuality] = (),
        labels: Sequence[Classified] = (),
        autoencoded: Sequence[Autoencoded] = (),
        translated: Sequence[Translated] = (),
        refined: Sequence[Refined] = (),
        obeyed: Sequence[Obeyed] = (),
    ) -> Report:
        """The report of an evaluator about `rows`, below its own row of test images, about the codes of GANs, about
        games that were told labels, about autoencoders, about pictures made of pictures, about refined drawings and
        about sentences that were obeyed."""
        return cls(
            data=evaluator.train.name,
            images=len(evaluator.train),
            test_images=len(evaluator.test),
            held_out=evaluator.held_out,
            n=evaluator.n,
            features=evaluator.about,
            evaluator=evaluator.digest,
            classes=evaluator.classes,
            accuracy=evaluator.accuracy,
            rows=(evaluator.floor, *rows),
            codes=tuple(codes),
            labels=tuple(labels),
            autoencoded=tuple(autoencoded),
            translated=tuple(translated),
            refined=tuple(refined),
            obeyed=tuple(obeyed),
            names=evaluator.names,
        )

    def text(self, width: int | None = None) -> str:
        """Tables in Markdown, aligned so that a terminal shows them as well, and what to know about them.

        width: of the terminal; a table that is wider becomes one block a row.
        """
        tables = [self._figures()]
        tables += [self._shares()] if self.classes else []
        tables += [self._codes()] if self.codes else []
        tables += [self._labels()] if self.labels else []
        tables += [self._autoencoded()] if self.autoencoded else []
        tables += [self._translated()] if self.translated else []
        tables += [self._refined()] if self.refined else []
        tables += [self._obeyed()] if self.obeyed else []
        fitting = [table(head, rows, (0,), width) for head, rows in tables]
        notes = [textwrap.fill(note, min(width or 100, 100), subsequent_indent="  ") for note in self._notes()]
        return "\n\n".join([*fitting, "\n".join(notes)])

    def save(self, path: StrPath) -> None:
        """Write everything as JSON; a figure that is not finite becomes null. Raises as `write_atomically` does."""
        with write_atomically(path) as file:
            file.write(json.dumps(_plain(asdict(self)), indent=2, allow_nan=False).encode() + b"\n")

    def _figures(self) -> Table:
        head = ["samples", "N", "Fréchet", "precision", "recall", "confidence", "nearest", "copies, %"]
        rows = [
            [
                row.name, f"{row.n:,}", f"{row.frechet:.2f}", f"{row.precision:.3f}", f"{row.recall:.3f}",
                "–" if row.confidence is None else f"{row.confidence:.3f}",
                "–" if math.isnan(row.nearest) else f"{row.nearest:.2f}", f"{100 * row.copies:.1f}",
            ]
            for row in self.rows
        ]  # fmt: skip
        if not self.classes:
            head, *rows = ([*cells[:5], *cells[6:]] for cells in (head, *rows))
        return head, rows

    def _shares(self) -> Table:
        names = self.names or tuple(map(str, self.classes or ()))
        shown = names if len(names) <= _WIDEST else ()
        head = ["share, %", *(name.replace("|", "\\|") for name in shown), "least", "KL"]
        rows = [
            [row.name, *(f"{100 * s:.1f}" for s in row.shares[: len(shown)]), f"{100 * min(row.shares):.1f}",
             f"{row.kl:.3f}"]
            for row in self.rows if row.shares is not None
        ]  # fmt: skip
        return head, rows

    def _codes(self) -> Table:
        head = ["codes", "asked label, %", "GAN-train, %", "matched error, %", "slant", "thickness"]

        def percent(share: float | None) -> str:
            return "–" if share is None else f"{100 * share:.1f}"

        rows = [
            [
                row.name, percent(row.asked), percent(row.gan_train), percent(row.matched_error),
                *(" ".join(f"{number[i]:+.2f}" for number in row.correlations) or "–" for i in (0, 1)),
            ]
            for row in self.codes
        ]  # fmt: skip
        return head, rows

    def _labels(self) -> Table:
        head = ["told few labels", "labels", "split", "test images", "errors", "accuracy, %"]
        rows = [
            [row.name, f"{row.labels:,}", str(row.split), f"{row.n:,}", f"{row.errors:,}", f"{100 * row.accuracy:.2f}"]
            for row in self.labels
        ]
        return head, rows

    def _autoencoded(self) -> Table:
        head = ["autoencoder", "test images", "told apart, %", "error", "many-to-one error, %"]
        rows = [
            [row.name, f"{row.n:,}", f"{100 * row.apart:.1f}", f"{row.error:.4f}",
             "–" if row.many_to_one is None else f"{100 * row.many_to_one:.2f}"]
            for row in self.autoencoded
        ]  # fmt: skip
        return head, rows

    def _translated(self) -> Table:
        head = [
            "made of pictures", "N", "PSNR, dB", "SSIM", "energy", "Fréchet to wanted", "class kept, %", "to nearest",
            "to mean", "covered, %",
        ]  # fmt: skip

        def shown(value: float | None, form: str, times: float = 1) -> str:
            return "–" if value is None else f"{times * value:{form}}"

        rows = [
            [
                row.name, f"{row.n:,}", f"{row.psnr:.2f}", shown(row.ssim, ".3f"), f"{row.energy:.2f}",
                f"{row.frechet:.2f}", shown(row.kept, ".1f", 100), shown(row.nearest, ".1f"), shown(row.mean, ".1f"),
                shown(row.covered, ".0f", 100),
            ]
            for row in self.translated
        ]  # fmt: skip
        used = [i for i in range(len(head)) if any(row[i] != "–" for row in rows)]
        return [head[i] for i in used], [[row[i] for i in used] for row in rows]

    def _refined(self) -> Table:
        head = ["drawings", "N", "change", "label kept, %"]
        rows = [
            [row.name, f"{row.n:,}", f"{row.change:.1f}", "–" if row.kept is None else f"{100 * row.kept:.1f}"]
            for row in self.refined
        ]
        return head, rows

    def _obeyed(self) -> Table:
        facts = list(self.obeyed[0].facts)
        head = ["asked in words", "sentences", "N", *(f"{fact}, %" for fact in facts), "all, %", "variety"]
        rows = [
            [row.name, row.sentences or "–", f"{row.n:,}", *(f"{100 * row.facts[fact]:.1f}" for fact in facts),
             f"{100 * row.all:.1f}", "–" if row.variety is None else f"{row.variety:.2f}"]
            for row in self.obeyed
        ]  # fmt: skip
        return head, rows

    def _notes(self) -> list[str]:
        notes = [
            f"Fréchet: distance to {self.images:,} training images of {self.data}, in {self.features}. Real test "
            f"images are the floor. Not comparable with an Inception FID, nor with the figures of "
            f"another evaluator than {self.evaluator} or of another N.",
            f"precision: share of samples that look real; recall: share of real images within reach (k = {K}, "
            f"{MANIFOLD:,} of each at most).",
            "nearest: distance to the nearest training image in pixels, median, that of test images being 1; copies: "
            f"as near as the closest {100 * CLOSEST:.0f} % of the test images that are no training images themselves.",
        ]
        if self.classes is None:
            notes.append("The data has no labels of different classes, so their shares and confidence are left out.")
        else:
            right = "" if self.accuracy is None else f"; it names {100 * self.accuracy:.2f} % of test images rightly"
            notes.append(f"Classes and confidence: as the classifier sees them{right}. KL: from the real shares.")
        if self.codes:
            notes.append(
                "asked label: share of samples in which the classifier sees the label that G was asked for (GAN-test), "
                "or the class that the category stands for; "
                "GAN-train: real test images that a classifier of samples names rightly; matched error: of the "
                "category that D or Q reads in real test images, each taken for the class that suits it best; slant, "
                "thickness: correlation of each continuous code with what is measured in samples of one category."
            )
        if self.labels:
            notes.append(
                "told few labels: what D, or E, says of all test images, by its average where it keeps one; labels: of "
                "how many training images it was told the class."
            )
        if self.autoencoded:
            notes.append(
                "told apart: codes of test images and draws from their prior, by a fresh D that has not seen these; "
                "50 % is the least. error: mean square of reconstruction, pixels from -1 to 1. many-to-one: each "
                "category taken for the class that most of its test images have."
            )
        if self.translated:
            notes.append(
                "PSNR, SSIM: to the test pictures wanted, means; of luminance, without a border as wide as the factor "
                "of an enlargement, in the hole only where there was one. energy: of gradients, real pictures having "
                "1; less is blurred. Fréchet to wanted: distance to the test pictures wanted, all against all, so that "
                "0 is the least. class kept: share that the classifier reads as the picture wanted is labelled. to "
                "nearest, to mean: where several answers are right, grey levels to the nearest of them and to their "
                "mean; covered: share of them that some of 100 draws come nearest to."
            )
        if self.refined:
            notes.append(
                "drawings: of fonts or files of their test split, if they have one. change: mean difference to the "
                "drawing, grey levels. label kept: share that the classifier reads as the drawing is labelled."
            )
        if self.obeyed:
            notes.append(
                "asked in words: share of pictures that are what the sentence says, as the classifier sees them and by "
                "thirds of what is measured in training pictures of each kind. combinations, templates, synonyms: such "
                "as were held out; negations: what is left open counts as right. variety: recall within one sentence. "
                "Test images were moved by a tenth of a pixel before they were measured again."
            )
        seeds = {row.seed for row in self.rows if row.seed is not None}
        if seeds:
            notes.append(f"Seed of the latents: {', '.join(map(str, sorted(seeds)))}.")
        if self.held_out:
            notes.append(
                f"The data has no test split, so {self.test_images:,} images were held out from the classifier as "
                "test images; a GAN of this data has seen them."
            )
        if len({row.n for row in self.rows}) > 1:
            fewest = min(row.n for row in self.rows)
            notes.append(f"N differs, and fewer images are farther from any others: to compare all, give --n {fewest}.")
        return notes


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""One run: a GAN plays its game in a run folder, from the step it has reached to the last one.

The algorithm is `GAN.fit`; here is what goes on around it: checkpoints, pictures and figures along the way, and an
end in good order, whether the run is done, was asked to stop, diverged, or met a full disk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..console import quoted
from ..datasets import Dataset
from ..datasets.pairs import Pairs
from ..datasets.unpaired import Unpaired
from ..diagnostics import Diagnostics
from ..game import Game
from ..game.generating import Generating
from ..game.play import Play
from ..game.update import NonFiniteError
from ..games import Words
from ..games.image_to_image import ImageToImage
from ..gan import GAN
from ..recipes.options import recipe_options
from ..samples import as_images, require_finite
from . import pictures
from .config import Config
from .data import hints
from .folder import RunFolder
from .interrupt import Interrupted, StopRequest
from .portraits import portraits
from .progress import Progress
from .sheets import below, drawn, sheet_of

__all__ = ["Run", "columns_of", "fixed_settings", "picture_of", "whole_rows"]

_GRID, _FINAL_GRID = 25, 100  # samples in a picture along the way, and in the last one
_OF_EACH = 10  # pictures of a sentence
_COLUMNS = 20  # classes that a picture shows side by side, each in a column of its own
_PRETRAIN_CHUNK = 100  # updates before the game between two looks at whether to stop


def fixed_settings(config: Config) -> dict[str, Any]:
    """What a run is, which config.json and the checkpoint must agree on."""
    plan = [name for name, option in recipe_options(config.recipe).items() if option.of_the_plan]
    return config.settings(tuple(plan))


def columns_of(n: int, classes: Sequence[str]) -> int | None:
    """In a picture of about n samples of the classes in turn: how many columns, each of one class, make it square.

    None without classes, or with so many that nobody would read their names.
    """
    k = len(classes)
    return max(1, round(math.sqrt(n) / k)) * k if 0 < k <= _COLUMNS else None


def whole_rows(n: int, columns: int | None) -> int:
    """About n samples, such that they fill rows of so many."""
    return n if columns is None else max(1, round(n / columns)) * columns


def picture_of(images: np.ndarray[Any, Any], classes: Sequence[str], columns: int | None) -> np.ndarray[Any, Any]:
    """A grid of samples of the classes in turn, with the names of the classes above its columns if there are some."""
    picture = pictures.grid(images, columns=columns)
    return picture if columns is None else pictures.titled(picture, [*classes] * (columns // len(classes)))


class Run:
    """A GAN, its data and its folder, which must be open. remark: to be said of this run, at its beginning.

    Raises ValueError if what the folder has noted of the run cannot be read.
    """

    def __init__(
        self,
        folder: RunFolder,
        gan: Game,
        dataset: Dataset,
        config: Config,
        stop: StopRequest,
        quiet: bool,
        remark: str | None = None,
    ) -> None:
        self.folder, self.gan, self.dataset, self.config, self.stop = folder, gan, dataset, config, stop
        self.group = gan.backend.group  # of which the first process writes and speaks
        self._writes = self.group.rank == 0
        self.progress = Progress(gan.steps, config.steps, stop, gan.headline, quiet or not self._writes)
        self.saved = gan.steps  # the step that the checkpoint stands at
        self._settings = fixed_settings(config)
        self._begun = False  # from then on there is a config.json
        # a game may know labels that G is not asked for
        asked = isinstance(gan, Generating) and gan.in_turn(1) is not None
        self.classes: list[str] = config.labels.get("classes", []) if asked else []
        watched = self._writes and gan.diagnosed
        self.diagnostics = Diagnostics(gan, dataset) if isinstance(gan, GAN) and watched else None
        self._remarks = [said for said in (remark, gan.rests(config.steps - gan.steps)) if said]
        if gan.steps and self.diagnostics and (state := folder.noted().get("diagnostics")) is not None:
            try:
                self.diagnostics.load_state(state)
            except ValueError as error:  # of another version, say
                self._remarks.append(f"diagnostics begin anew: {error}")

    def play(self) -> None:
        """Go on to the last step, draw the pictures of the whole run, and raise if it could not be.

        Raises Interrupted after a request to stop, NonFiniteError and OSError with how to go on.
        """
        folder, config = self.folder.path, self.config
        self._begun = True
        try:
            try:
                with self.progress, np.errstate(all="ignore"):  # overflow is found, and explained, by the GAN itself
                    self._learn()
            except NonFiniteError as error:
                if self._writes:
                    self.folder.metrics.flush()  # the way to it is worth seeing
                    self.folder.notices.append(f"step {error.step:,}: {error}")
                    self.folder.notices.flush()
                    self._draw_losses()
                lr = config.options.get("lr")
                raise NonFiniteError(
                    error.step,
                    error.array,
                    f"{error}; the checkpoint in {folder} stands at step {self.saved}; "
                    "begin a new run with a smaller --lr" + (f" (it was {lr:g})" if lr else ""),
                ) from error
            self.group.first(self._draw)
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
            failure = OSError(
                f"{what}; the checkpoint in {folder} stands at step {self.saved}; when that is mended, go on with: "
                f"minigan train --resume {quoted(folder)}"
            )
            failure.errno = error.errno
            raise failure from error
        except KeyboardInterrupt:  # the second Ctrl-C
            message = f"stopped at once; the checkpoint in {folder} stands at step {self.saved} of {config.steps}"
            raise Interrupted(message, folder, self.saved) from None
        if self.gan.steps < config.steps:
            message = f"stopped at step {self.saved} of {config.steps}; everything is saved in {folder}"
            raise Interrupted(message, folder, self.saved)

    def _learn(self) -> None:
        gan, config = self.gan, self.config
        if gan.steps < config.steps:
            self.progress.say(self._headline())
            for remark in self._remarks:
                self._say(f"step {gan.steps:,}: {remark}")
        play = Play(gan, self.dataset, config.batch)
        if gan.steps == 0:
            for hint in hints(self.dataset, config.options):
                self.progress.say(f"note: {hint}")
            self._save_sample()
        pretrained, before = gan.begun, gan.before(config.d_pretrain)
        if gan.steps == 0 and pretrained < before:
            last = f"the last {config.d_pretrain:,} of D alone" if config.d_pretrain else "none of them of D alone"
            of = f"before the game, {last}" if before > config.d_pretrain else "of D alone"
            self.progress.say(f"first {before - pretrained:,} updates {of}")
        while gan.steps == 0 and gan.begun < before and not self._stops():
            play.begin(min(before, gan.begun + _PRETRAIN_CHUNK))
        if gan.begun > pretrained:
            self.save()
        self.progress.start_clock()
        noted = gan.steps  # of the steps played, those that are written down
        late: dict[str, np.ndarray[Any, Any]] = {}  # metrics of those that are not, yet
        how = ""
        while gan.steps < config.steps and not self._stops():
            pauses = (config.sample_every, config.checkpoint_every)
            count = min(config.steps - gan.steps, gan.backend.ahead, *(n - gan.steps % n for n in pauses))
            play.ask(count)
            noted = self._note(late, noted)  # while a GPU is busy with what was asked for
            late = played = play.take()
            if not how and (how := play.how):
                self.progress.say(f"a step is played as {how}" if how.startswith("one") else f"steps are played {how}")
            goes_on = gan.backend.ahead > 1 and gan.steps < config.steps and all(gan.steps % n for n in pauses)
            if not (goes_on and len(played[gan.metrics[0]]) == count):
                noted, late = self._note(played, noted), {}
            for notice in self.diagnostics.watch(played) if self.diagnostics else ():  # of the game as it is now
                self._say(str(notice))
            if gan.steps % config.sample_every == 0:
                self._save_sample()
            if gan.steps % config.checkpoint_every == 0:
                self.save()
        self._note(late, noted)
        if gan.steps > self.saved:
            self.save()
        for sentence in self.diagnostics.remaining() if self.diagnostics else ():
            self.progress.say(f"still wrong {sentence}")

    def _stops(self) -> bool:
        """Whether any process was asked to."""
        return self.group.any(self.stop.requested)

    def _note(self, played: dict[str, np.ndarray[Any, Any]], before: int) -> int:
        """Write down the metrics of the steps after `before`, and return the last of them."""
        if not played:
            return before
        count = len(played[self.gan.metrics[0]])
        for i in range(count if self._writes else 0):
            metrics = {name: float(values[i]) for name, values in played.items()}
            step = before + 1 + i
            self.folder.metrics.append(step, metrics, self.gan.dtype)
            self.progress.update(step, metrics)
        return before + count

    def _say(self, notice: str) -> None:
        """For whoever looks on, and for whoever looks later."""
        if self._writes:
            self.folder.notices.append(notice)
            self.progress.say(notice)

    def save(self) -> None:
        """The rows so far, then the checkpoint that covers them. A GAN that is not finite replaces no good one."""
        self.group.first(self._save)
        self.saved = self.gan.steps

    def _save(self) -> None:
        gan = self.gan
        require_finite(gan, {f"{name}'s parameters": net.flat for name, net in gan.networks.items()})
        if found := self.folder.metrics.no_number():
            step, name, value = found
            raise NonFiniteError(step, name, f"{name} is {value} at step {step}, though no gradient was")
        self.folder.metrics.flush()
        self.folder.notices.flush()
        noted = {
            "shape": self.config.images["shape"], "diagnostics": self.diagnostics and self.diagnostics.state(),
            "settings": self._settings, "rows": self.folder.metrics.checksum,
        }  # fmt: skip
        if self.classes:
            noted["classes"] = self.classes
        with self.folder.write(self.folder.checkpoint) as file:
            gan.save(file, noted)
        if self._begun and not self.folder.is_whole:  # somebody has cleared up; without it nobody can go on
            self.folder.write_config(self.config)

    # --- pictures ----------------------------------------------------------------------------------------------

    def _grid(self, n: int) -> np.ndarray[Any, Any]:
        """The present samples of the first n latents, about, always the same ones; or what is made of n inputs."""
        if isinstance(self.gan, ImageToImage) and isinstance(self.dataset, Pairs | Unpaired):
            return sheet_of(self.gan, self.dataset, n)
        if isinstance(self.gan, Words):
            texts = self.gan.examples(round(math.sqrt(n)))
            return below(drawn(self.gan, texts, _OF_EACH, self.config.images["shape"]), texts, _OF_EACH)
        columns = columns_of(n, self.classes)
        n = whole_rows(n, columns)
        images = as_images(self.gan, self.gan.show(n), self.config.images["shape"])
        return picture_of(images, self.classes, columns)

    def _save_sample(self) -> None:
        self.group.first(self._write_sample)

    def _write_sample(self) -> None:
        with self.folder.write(self.folder.sample_file(self.gan.steps)) as file:
            pictures.save_png(file, self._grid(_GRID))

    def _draw(self) -> None:
        folder, step = self.folder, self.gan.steps
        with folder.write(folder.pictures["samples.png"]) as file:
            pictures.save_png(file, self._grid(_FINAL_GRID))
        last = self._grid(_GRID)
        before = [(when, file) for when, file in folder.sample_files() if when != step]
        frames = []
        for when, sample in (before[i] for i in pictures.evenly(len(before))):
            with folder.read(sample) as file:
                picture = pictures.read_png(file, last.shape)
            if picture is None:  # of somebody else, or damaged
                self.progress.say(f"{sample} is no picture of this run, and is left out of training.gif")
            else:
                frames.append((when, picture))
        frames.append((step, last))
        with folder.write(folder.pictures["training.gif"]) as file:
            pictures.save_gif(file, [frame for _, frame in frames], [f"step {when:,}" for when, _ in frames])
        self._draw_losses()
        for name, draw in portraits(self.gan, self.dataset).items():
            with folder.write(folder.path / name) as file:
                draw(file)

    def _draw_losses(self) -> None:
        with self.folder.write(self.folder.pictures["losses.png"]) as file:
            pictures.plot_losses(file, self.folder.metrics.read(), self.gan.panels(), self.gan.equilibrium())

    def _headline(self) -> str:
        gan, config = self.gan, self.config
        size = "x".join(map(str, config.images["shape"]))
        begun = f"from step {gan.steps} " if gan.steps else ""
        return (
            f"{config.recipe} on {self.dataset.name}: {len(self.dataset):,} images of {size}, batch {config.batch}, "
            f"{begun}to step {config.steps}, backend {gan.backend.name}, in {self.folder.path}"
        )

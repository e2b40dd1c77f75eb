"""Pairs made of any pictures: each task spoils them in its own way, and wants them back.

    superresolve.py   a picture of a quarter of the sides, enlarged      resampling.py
    derain.py         streaks of rain
    inpaint.py        a hole in the middle
    edges.py          its edges alone                                    luminance.py
    colourise.py      its luminance alone                                luminance.py
    next_frame.py     two frames of a motion whose end is open           resampling.py

What is drawn at random is a function of the task, the split and the place of a picture, not of a run's seed: the
pairs are the same in every run, on every backend and machine. Checked by tests/test_pairs.py.
"""

from __future__ import annotations

from minigan.datasets import Dataset
from minigan.datasets.pairs import Pairs
from minigan.names import unknown

from .colourise import Colourise
from .derain import Derain
from .edges import Edges
from .inpaint import Inpaint
from .next_frame import NextFrame
from .superresolve import Superresolve, enlarged
from .task import Task, uniforms

__all__ = ["TASKS", "Task", "enlarged", "make_pairs"]

TASKS: dict[str, Task] = {
    task.name: task for task in (Superresolve(), Derain(), Inpaint(), Edges(), Colourise(), NextFrame())
}


def make_pairs(data: Dataset, task: str, split: str = "train") -> Pairs:
    """Pairs of a task, one of each picture, in their order, with their labels and names.

    task: one of `TASKS`. split: "train" or "test", which the data are; each has random numbers of its own. The first
    pairs do not change when pictures are added behind them. Raises ValueError for an unknown task or split, and for
    pictures that the task cannot use.

    >>> from minigan.datasets import load
    >>> make_pairs(load("digits"), "superresolve")
    Pairs('digits', 10000 pairs, (28, 28) of (28, 28), task superresolve, labels 0 to 9)
    """
    if task not in TASKS:
        raise ValueError(unknown("task", task, TASKS))
    if split not in ("train", "test"):
        raise ValueError(unknown("split", split, ("train", "test")))
    kind = TASKS[task]
    kind.check(data)
    numbers = uniforms(task, split, len(data), kind.numbers(data.image_shape))
    given, wanted = kind.inputs(data.images, numbers), kind.targets(data.images, numbers)
    return Pairs(wanted, data.labels, data.name, data.names, data.notes, inputs=given, task=task)

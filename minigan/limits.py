"""What a saved game may ask for before anybody has looked at it: a small file must not mean a long wait.

A file of nine kilobytes can describe images of 10⁹ pixels: as an upsampling, a padding, a stride, a number of samples
judged at once. So the shapes of a pass are worked out from the description alone, and compared with a budget before
any array is made. The budget grows with the file, since a network with many weights may have much to do:

    numbers     that a check of the game writes      2²⁴, or 8 for each number in the file
    products    that it sums up                      2³³, or 4096 for each number in the file
    layers      of a network, and in those           1000              penalties and codes    16 of each

The check is a pass of two samples, or of two packs, through G and D, and one through D for each penalty. `GAN.load`
asks here; networks that a program builds itself are limited by nothing but the machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .codes import Codes
from .nn import Layer
from .spec import build, integer

NUMBERS, PRODUCTS = 1 << 24, 1 << 33
NUMBERS_EACH, PRODUCTS_EACH = 8, 4096  # for each number in the file
LAYERS, FEW = 1000, 16
AT_ONCE = 1 << 27  # numbers: half a gigabyte of float32
PENALTY = 6  # passes through D that a penalty is worth, in numbers

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]


def check_budget(description: Mapping[str, Any], shapes: Shapes, others: Sequence[str] = ()) -> None:
    """Raises ValueError for a game of G and D that would need more than its file makes likely.

    description: as of `GAN.describe`. shapes: of the arrays in the file, by part and name. others: networks that see
    samples as well. Layers of somebody else's, which do not tell their shapes, end the look: they are code that was
    imported on purpose.
    """
    budget = Budget(description, shapes)
    codes, packing = Codes(build(description.get("codes", []))), integer("packing", description.get("packing", 1))
    latent = integer("latent", description["latent"])
    samples = budget.passed("G", (2 * packing, latent + codes.width))
    if samples is None:
        return
    given = 0 if codes.given is None else packing * codes.given.k
    _, first, *rest = samples
    packs = (2, packing * first, *rest)
    budget.passed("D", (*packs[:-1], packs[-1] + given), 1 + PENALTY * len(description.get("penalties", [])))
    for name in others:
        budget.passed(name, samples)


def check_layers(name: str, items: Any, most: int = LAYERS) -> None:
    """Raises ValueError unless these are layers, or terms, and not too many."""
    if not isinstance(items, list) or _count(items) > most:
        raise ValueError(f"a saved game has at most {most} layers or terms in {name}, got {_much(items)}")


class Budget:
    """What the check of a described game may take. description, shapes: as of `check_budget`.

    Raises ValueError for networks, or terms, that are none or too many.
    """

    def __init__(self, description: Mapping[str, Any], shapes: Shapes) -> None:
        stored = sum(math.prod(shape) for part in shapes.values() for shape in part.values())
        self._layers: dict[str, Sequence[Layer]] = {}
        nets = {name: part for name, part in description.items() if isinstance(part, Mapping) and "layers" in part}
        for name, part in nets.items():
            check_layers(name, part["layers"])
        for name in ("penalties", "codes"):
            check_layers(name, description.get(name, []), FEW)
        for name, part in nets.items():
            self._layers[name] = build(part["layers"])
        self._numbers = _Sum("numbers", NUMBERS, NUMBERS_EACH, stored)
        self._products = _Sum("products", PRODUCTS, PRODUCTS_EACH, stored)

    def passed(self, name: str, shape: tuple[int, ...], times: int = 1) -> tuple[int, ...] | None:
        """The shape behind a network, once what it needs is in the budget; None where a layer does not tell.

        times: how many passes that is worth. Raises ValueError for more than the file makes likely.
        """
        self._numbers.add(times * math.prod(shape), f"the input of {name}")
        for i, layer in enumerate(self._layers[name]):
            where = f"layer {i} of {name}, {layer!r:.80}"
            try:
                out = layer.output_shape(shape)
                if out is None:
                    return None
                written, summed = layer.work(shape)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            self._numbers.add(times * written, where)
            self._products.add(times * summed, where)
            shape = out
        return shape


def samples_at_once(layers: Sequence[Layer], shape: tuple[int, ...], most: int) -> int:
    """How many samples of this shape may pass through the layers together: fewer than `most` where they are so large
    that all that is written on the way would be more than `AT_ONCE` numbers."""
    batch, numbers = (most, *shape), 0
    for layer in layers:
        try:
            out = layer.output_shape(batch)
        except ValueError:  # for the pass itself to explain
            return most
        if out is None:
            break
        numbers, batch = numbers + layer.work(batch)[0], out
    return max(1, min(most, most * AT_ONCE // max(numbers, 1)))


class _Sum:
    """What has been asked for so far, of one kind."""

    def __init__(self, name: str, least: int, each: int, stored: int) -> None:
        self.name, self.stored, self.total = name, stored, 0
        self.most = max(least, each * stored)

    def add(self, count: int, where: str) -> None:
        self.total += count
        if self.total > self.most:
            raise ValueError(
                f"{where} brings a look at it to {self.total:.1e} {self.name}, where a file that holds "
                f"{self.stored:,} may ask for {self.most:.1e}: build the networks in a program and load their arrays, "
                "if they are yours"
            )


def _count(items: list[Any]) -> int:
    """How many there are, with those that they hold."""
    count = 0
    while items:
        count += len(items)
        held = (item["layers"] for item in items if isinstance(item, Mapping) and "layers" in item)
        items = [layer for layers in held if isinstance(layers, list) for layer in layers]
    return count


def _much(items: Any) -> str:
    return f"{_count(items):,}" if isinstance(items, list) else repr(items)[:60]

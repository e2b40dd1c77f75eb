"""What a sweep is to play: every combination of the values that are varied, with every seed.

A plan is written down in the folder of the sweep. Who calls again with another one is refused, but for seeds: more of
them may be added.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..names import did_you_mean
from ..paths import StrPath
from ..recipes.options import recipe_options
from ..runs.config import Config
from ..runs.data import slug_of

__all__ = [
    "OF_THE_RUN",
    "Plan",
    "Setting",
    "SweepRun",
    "differences",
    "named",
    "numbers",
    "read_description",
    "written",
]

OF_THE_RUN = ("steps", "batch", "d_pretrain", "dtype")  # arguments of `train` that can be varied beside options
Setting = dict[str, Any]  # the value of each name that is varied


class SweepRun(NamedTuple):
    """One run of a sweep; its folder has this name."""

    name: str
    setting: Setting
    seed: int


@dataclass(frozen=True)
class Plan:
    """recipe, data: as of `minigan.train`. shared: its other arguments, which all runs have. options: of the recipe,
    likewise. vary: the values of options, or of steps, batch, d_pretrain and dtype, by name. seeds: one or more.

    Raises ValueError or TypeError for what cannot be varied, for values that the recipe does not take, and for what is
    given twice.
    """

    recipe: str
    data: StrPath
    shared: Mapping[str, Any]
    options: Mapping[str, Any]
    vary: Mapping[str, Sequence[Any]]
    seeds: Sequence[int]

    def __post_init__(self) -> None:
        known = recipe_options(self.recipe)
        for name, values in self.vary.items():
            if name not in known and name not in OF_THE_RUN:
                can = {**{option.name: option.help for option in known.values()}, **dict.fromkeys(OF_THE_RUN, "")}
                hint = did_you_mean(name, can) or f"; minigan recipes {self.recipe} lists its options"
                raise ValueError(
                    f"the recipe {self.recipe} has no option {name} to vary, nor is it {', '.join(OF_THE_RUN)}{hint}"
                )
            if name in self.shared or name in self.options:
                raise ValueError(f"{name} is given for all runs, and varied; leave one of the two out")
            for value in values:
                if name in known:
                    known[name].check(value)
        for what, given in {"seeds": self.seeds, **self.vary}.items():
            if not len(given):
                raise ValueError(f"{what} needs a value or more, got none")
            if (twice := Counter(given).most_common(1)[0])[1] > 1:
                raise ValueError(f"{what} has {written(twice[0])} twice; each takes a folder of its own: give it once")
        for seed in self.seeds:
            if type(seed) is not int or not 0 <= seed < 2**62:
                raise ValueError(f"seeds takes whole numbers from 0 to 2^62 - 1, got {seed!r}")
        name, runs = Counter(run.name for run in self.runs()).most_common(1)[0]
        if runs > 1:
            raise ValueError(
                f"{runs} runs would have the folder {name}; vary by values that differ in letters or digits"
            )

    def settings(self) -> list[Setting]:
        """Every combination of values, the last name varying fastest."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]

    def runs(self) -> Iterator[SweepRun]:
        """All runs: every setting with the first seed, then with the next, so that settings can be compared early."""
        for seed, setting in itertools.product(self.seeds, self.settings()):
            yield SweepRun(named({**setting, "seed": seed}), setting, seed)

    def arguments(self, setting: Setting, seed: int) -> dict[str, Any]:
        """Of `minigan.train`, but for `out`."""
        own = {name: value for name, value in setting.items() if name in OF_THE_RUN}
        options = {**self.options, **{name: value for name, value in setting.items() if name not in OF_THE_RUN}}
        return {"recipe": self.recipe, "data": self.data, **self.shared, **own, "seed": seed, "options": options}

    def description(self, first: Config) -> dict[str, Any]:
        """What the sweep is, without what only this machine knows. first: the settings of its first run."""
        about = asdict(first)
        options = {name: value for name, value in about["options"].items() if not isinstance(value, str) or "/" not in
                   value.replace("\\", "/")}  # fmt: skip
        kept = ("recipe", "images", "steps", "batch", "dtype", "d_pretrain", "size", "labels")
        all_of = {**{name: about[name] for name in kept}, "options": options, "data": slug_of(self.data)}
        for name in self.vary:
            (options if name in options else all_of).pop(name, None)
        vary = {name: list(values) for name, values in self.vary.items()}
        found: dict[str, Any] = json.loads(json.dumps({**all_of, "vary": vary, "seeds": list(self.seeds)}))
        return found


def named(values: Mapping[str, Any]) -> str:
    """A name for a folder.

    >>> named({"lr": 1e-4, "d_steps": 2, "seed": 3})
    'lr=0.0001,d-steps=2,seed=3'
    """
    return ",".join(
        f"{name.replace('_', '-')}={re.sub(r'[^A-Za-z0-9_.+-]+', '-', written(value))}"
        for name, value in values.items()
    )


def written(value: Any) -> str:
    """A value as it is written on the command line, whole.

    >>> written(1e-4), written(None), written(True)
    ('0.0001', 'none', 'yes')
    """
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def numbers(text: str) -> list[int]:
    """Whole numbers as they are written on the command line. Raises ValueError for what is none.

    >>> numbers("1-3,7")
    [1, 2, 3, 7]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part.strip())
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if last < first or last - first > 1_000_000:
            raise ValueError(f"expected whole numbers such as 1-10 or 1,2,5, got {text!r}")
        found += range(first, last + 1)
    return found


def differences(had: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """In what two descriptions differ, in words. More seeds are no difference, nor is what older versions do not know,
    nor where the data lie: their pixels decide."""
    before, now = ({**about, **about.get("options", {})} for about in (had, asked))
    if set(before["seeds"]) <= set(now["seeds"]):
        before["seeds"] = now["seeds"]
    return [
        f"{name}: the sweep has {_short(before[name])}, you asked for {_short(now[name])}"
        for name in before
        if name in now and name not in ("options", "data") and before[name] != now[name]
    ]


def _short(value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"SHA-256 {value['sha256'][:8]}..."
    if isinstance(value, dict):
        return " ".join(f"{name}={','.join(map(written, values))}" for name, values in value.items()) or "none"
    text = ",".join(map(str, value)) if isinstance(value, list) else written(value)
    return text if len(text) < 60 else f"{text[:60]}..."


def read_description(file: Path) -> dict[str, Any]:
    """That of an earlier call. Raises ValueError for a file that is none."""
    try:
        found = json.loads(file.read_text("utf-8"))["sweep"]
        if not all(isinstance(found[name], kind) for name, kind in {"seeds": list, "vary": dict}.items()):
            raise TypeError("seeds or vary are missing")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} does not describe a sweep ({error}); put it back, or choose another --out") from None
    return dict(found)

"""Names that are not known, and what was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["did_you_mean", "not_one_of", "unknown"]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a sentence about `word`, which is none of the names in `known`: the one that is nearest, or nothing.

    Where `known` is a mapping from names to what they are, a word that is found there will do as well.

    >>> did_you_mean("wgna", ["gan", "wgan"]), did_you_mean("fig", ["figure-1"]), did_you_mean("x", ["gan"])
    ('; did you mean wgan?', '; did you mean figure-1?', '')
    >>> did_you_mean("--learning-rate", {"--lr": "learning rate of both networks"})
    '; did you mean --lr?'
    """
    from difflib import get_close_matches  # here, because it is needed only when something was mistyped

    names = {name.lower(): name for name in known}
    asked = str(word).lower().replace("_", "-") if any("-" in name for name in names) else str(word).lower()
    close = [name for name in names if asked and name.startswith(asked)]
    close = close or get_close_matches(asked, names, n=1)
    close = close or [name for name in names if len(name) > 2 and asked.startswith(name)]
    if not close and isinstance(known, Mapping):
        phrase = asked.strip("-").replace("-", " ").replace("_", " ")
        close = [name.lower() for name, what in known.items() if len(phrase) > 3 and phrase in what.lower()]
    return f"; did you mean {names[close[0]]}?" if close else ""


def unknown(kind: str, word: object, known: Iterable[str]) -> str:
    """A sentence about a thing that does not exist.

    >>> unknown("recipe", "gann", ["gan", "wgan"])
    "unknown recipe 'gann': choose one of gan, wgan; did you mean gan?"
    """
    names = list(known)
    return f"unknown {kind} {word!r}: choose one of {', '.join(names)}{did_you_mean(word, names)}"


def not_one_of(setting: str, value: object, choices: Iterable[str]) -> str:
    """A sentence about a setting with a value that it cannot have.

    >>> not_one_of("prior", "norml", ["normal", "uniform"])
    "prior must be one of normal, uniform, got 'norml'; did you mean normal?"
    """
    names = list(choices)
    return f"{setting} must be one of {', '.join(names)}, got {value!r}{did_you_mean(value, names)}"

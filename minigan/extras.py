"""How to get the libraries that an extra of minigan brings."""

from __future__ import annotations

__all__ = ["how_to_install"]


def how_to_install(*extras: str) -> str:
    """The command that brings one of these extras, for the end of a sentence.

    minigan has no release: its name is not registered anywhere, and installing it by name would bring a stranger's
    code, or none. What works is to install a clone. When there is a release, this is the place to say so.

    >>> print(how_to_install("cli"))
    in a clone of minigan, run: pip install ".[cli]"
    """
    return "in a clone of minigan, run: " + " or ".join(f'pip install ".[{extra}]"' for extra in extras)

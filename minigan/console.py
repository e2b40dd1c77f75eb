"""What is said to people: lines on a stream of any kind, tables as wide as it is, commands to type next.

Standard output can be a terminal, a pipe, a notebook, a window of an IDE or an object that somebody made for a test,
of any encoding, or nothing at all. It is asked for `write` only, and what its encoding lacks becomes "?": no work is
lost for a line that could not be printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

__all__ = ["blocks", "columns", "is_terminal", "printable", "prose", "quoted", "say", "table"]


def say(text: str = "", to: Literal["stdout", "stderr"] = "stdout") -> None:
    """A line of its own, at once. Raises OSError where the stream does: a full disk, a reader that has gone."""
    if _unsaid is not None:
        _unsaid.append(text)
        return
    stream = getattr(sys, to)
    if stream is None or getattr(stream, "closed", False):  # a program without a console
        return
    try:
        stream.write(f"{text}\n")
    except UnicodeEncodeError:  # raised before anything was written
        stream.write(f"{printable(text, stream, 'ascii')}\n")
    if flush := getattr(stream, "flush", None):
        flush()


_unsaid: list[str] | None = None


def muted(on: bool) -> list[str]:
    """From here on nothing is said, or it is again. Returns what is not said, a list that grows."""
    global _unsaid
    kept: list[str] = []
    _unsaid = kept if on else None
    return kept


def printable(text: str, stream: Any, usual: str = "utf-8") -> str:
    """`text` with "?" for what the encoding of `stream`, or the `usual` one if it has none, does not know."""
    try:
        encoding = getattr(stream, "encoding", None) or usual
        return text.encode(encoding, "replace").decode(encoding)
    except LookupError:  # no encoding that Python knows
        return text.encode("ascii", "replace").decode()


def is_terminal(stream: Any) -> bool:
    """Whether a person watches this stream as it is written. None, and objects that cannot tell, are no terminals."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):  # it has no such method, or is closed
        return False


def columns() -> int | None:
    """How many characters a line of standard output has room for: COLUMNS if it is set, or what the terminal says.

    None for a file or a pipe, whose lines may have any length.
    """
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and int(chosen):
        return max(int(chosen), 20)
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as a word of a command, for the shells that people of this system type into.

    >>> quoted("runs/my digits") == ('"runs/my digits"' if sys.platform == "win32" else "'runs/my digits'")
    True
    """
    word = os.fspath(path)
    if word.startswith("-"):  # it would be taken for a flag
        word = os.path.join(os.curdir, word)
    if sys.platform != "win32":
        return shlex.quote(word)
    if re.fullmatch(r"[\w\\/:.-]+", word):  # neither cmd.exe nor PowerShell sees anything special in it
        return word
    return f'"{word}\\"' if word.endswith("\\") else f'"{word}"'


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (), width: int | None = None
) -> str:
    """A Markdown table; columns are aligned to the right but for those in `left`.

    One that is wider than `width` becomes one block a row, a line for each cell.

    >>> print(table(["who", "ms"], [["numpy", "10.5"]], left=[0]))
    | who   |   ms |
    |:------|-----:|
    | numpy | 10.5 |
    >>> print(table(["who", "ms"], [["numpy", "10.5"]], left=[0], width=12))
    who  numpy
    ms   10.5
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    if width is not None and sum(widths) + 3 * len(widths) + 1 > width:
        return blocks(head, rows, width)

    def line(row: Sequence[str]) -> str:
        cells = (c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        return f"| {' | '.join(cells)} |"

    rule = "|" + "|".join(f":{'-' * (w + 1)}" if i in left else f"{'-' * (w + 1)}:" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def blocks(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """A block for each row, with a line for each cell that is not empty; the words of long ones go over several."""
    indent = max(map(len, head)) + 2

    def cell(name: str, text: str) -> str:
        return textwrap.fill(
            text, width, initial_indent=name.ljust(indent), subsequent_indent=" " * indent, break_long_words=False
        )

    return "\n\n".join("\n".join(cell(n, c) for n, c in zip(head, row, strict=True) if c) for row in rows)


def prose(text: str, width: int | None) -> str:
    """Paragraphs filled to at most `width`; lines that are indented, such as formulas and lists, stay as they are."""
    if width is None:
        return text
    kept = [part if re.search(r"^ ", part, re.MULTILINE) else textwrap.fill(part, width) for part in text.split("\n\n")]
    return "\n\n".join(kept)

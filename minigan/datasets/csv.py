"""Points of one's own, from a text file with one point in each row."""

from __future__ import annotations

import csv
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from minigan.paths import StrPath, expand


def read(path: StrPath) -> NDArray[np.float32]:
    """The points (N, d) of a `.csv`: numbers between commas, a row each; a first row of names is left out.

    Raises FileNotFoundError, or ValueError naming the line, for what is no number or not finite, for rows of different
    lengths, and for a file without any.
    """
    try:
        with open(expand(path), newline="", encoding="utf-8-sig") as file:
            return parse(file, str(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file of numbers: {error}") from None


def parse(lines: Iterable[str], name: str) -> NDArray[np.float32]:
    """The same of lines of text. name: of where they come from, for sentences."""
    rows: list[list[float]] = []
    begun = False
    reader = csv.reader(lines)
    try:
        for row in reader:
            line = reader.line_num  # of the file: a row may go over several
            if not any(cell.strip() for cell in row):
                continue
            first, begun = not begun, True
            try:
                numbers = [float(cell) for cell in row]
            except ValueError:
                if first and not any(_is_number(cell) for cell in row):
                    continue
                raise ValueError(
                    f"{name}, line {line}: expected numbers between commas, got {','.join(row)!r:.80}"
                ) from None
            if not (np.abs(numbers) <= np.finfo(np.float32).max).all():
                raise ValueError(
                    f"{name}, line {line}: {','.join(row)!r:.80} is not finite in float32; leave that row out"
                )
            if rows and len(numbers) != len(rows[0]):
                raise ValueError(f"{name}, line {line}: {len(numbers)} numbers, but {len(rows[0])} in rows before")
            rows.append(numbers)
    except csv.Error as error:
        raise ValueError(f"{name} is no text file of numbers: {error}") from None
    if not rows:
        raise ValueError(f"{name} holds no points; expected rows of numbers between commas")
    return np.array(rows, np.float32)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

"""Characters drawn from the fonts of a computer: an alphabet in as many hands as there are fonts.

    fonts        files (fonts.py), in the order of their SHA-256, and each face of a collection
    pictures     each character in each font, drawn large by FreeType, which Pillow brings, and put into its picture
                 as MNIST's are (mnist.py): white on black, 20 of 28 pixels high or wide, its centre of mass in the
                 middle
    left out     with a note, a font that lacks a character, draws nothing for one, the same for two or something else;
                 one that draws what another has drawn; what is no font
    splits       of whole fonts, by a hash of the file: each is on the same side on every machine, whatever others are
                 there. Regular and bold are two fonts, and may be on two sides

The same files give the same pictures with the same Pillow and FreeType; others may round a level differently.

Nothing is drawn that would be larger than a few lines of type, and whatever fails is a note. Of a font nothing is
executed but the hints of its outlines, within FreeType.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset, MissingSplit
from minigan.datasets.fonts import SHARES, Font, LeftOut, Side, Unfit, files, read
from minigan.datasets.mnist import as_mnist, box_of
from minigan.datasets.pictures import LIMIT, Size, shown
from minigan.extras import how_to_install
from minigan.names import not_one_of
from minigan.paths import StrPath

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["DIGITS", "Glyphs", "glyphs", "load"]

Pixels = NDArray[np.uint8]

DIGITS = "0123456789"
_LARGE = 16  # an em, the height of a line of type, is drawn as high as so many boxes: digits as high as about eleven
_EM = 2048  # but in no more pixels
_BEYOND = 4  # ems: no character is wider or higher
_NOBODY = "\U0010ffff", "\uffff"  # no characters, and never any: they are drawn as missing ones are
_UNSEEN = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")  # Unicode's categories of controls and spaces


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Glyphs(Dataset):
    """Drawn characters, and which font each is of. Labels are places in the alphabet, `names` its characters.

    fonts: what they were drawn from. font: (N,) int64, for each picture the place of its font in `fonts`. Raises
    ValueError for places that are none.
    """

    fonts: tuple[Font, ...]
    font: NDArray[np.int64]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.font.shape != (len(self.images),) or not np.isin(self.font, np.arange(len(self.fonts))).all():
            raise ValueError(
                f"font of {self.name} is {self.font!r:.60}, but for each of {len(self.images)} pictures a place from 0 "
                f"to {len(self.fonts) - 1}, that of its font, was expected"
            )

    def of(self, rows: Any) -> Self:
        """Some of them: indices, a slice or a mask. Fonts keep their places."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], labels=labels, font=self.font[rows])

    def __repr__(self) -> str:
        text = super().__repr__().removeprefix("Dataset").removesuffix(")")
        return f"Glyphs{text}, {len(np.unique(self.font)):,} fonts)"


def glyphs(
    characters: str = DIGITS,
    fonts: StrPath | Iterable[StrPath] | None = None,
    *,
    size: int = 28,
    split: Side | None = None,
    seed: int = 0,
    name: str = "glyphs",
) -> Glyphs:
    """Draw each of these characters in each font. What a font draws stands together, in the order of the text.

    characters: visible ones, each once. fonts: a folder, with all below it; a file, or several; by default all that
    this machine has. size: of the pictures, size x size pixels. split: "train", "choose" or "test", the fonts of one
    side, see `fonts.Font.side`; by default all. seed: of the split; another one deals the fonts out anew. name: of the
    data.

    Where several fonts draw the same the first of them is used, before fonts are dealt out: no font's pictures are on
    two sides. Notes are about all fonts, whatever the split.

    Raises TypeError or ValueError for what cannot be drawn or is not there, where no font is left, and without Pillow;
    a MissingSplit, which is a ValueError, where no font is on that side.

    >>> from matplotlib import get_data_path
    >>> data = glyphs("AB", [f"{get_data_path()}/fonts/ttf/{name}.ttf" for name in ("DejaVuSans", "DejaVuSerif")])
    >>> data
    Glyphs('glyphs', 4 images of (28, 28), 2 classes: A, B, 2 fonts)
    >>> data.font, sorted(font.name for font in data.fonts)
    (array([0, 0, 1, 1]), ['DejaVu Sans Book', 'DejaVu Serif Book'])
    """
    _check(characters, size, split)
    _require()
    out = LeftOut()
    where, paths = files(fonts, out)
    drawn: list[tuple[Font, Pixels]] = []
    for font, data in read(paths, out):
        try:
            says, pictures = _draw(data, font.face, characters, size)
        except Unfit as reason:
            out.add(str(reason), font.path, font.face)
            continue
        drawn.append((replace(font, name=says or font.name), pictures))
        if (total := len(drawn) * pictures.size) > LIMIT:
            raise ValueError(
                f"{len(characters):,} characters in {len(drawn):,} fonts or more of {where} take {total / 2**30:.1f} "
                f"GiB of memory, and {LIMIT / 2**30:.0f} are the most; draw fewer, in smaller pictures or fewer fonts"
            )
    drawn = _different(drawn, out)
    if not drawn:
        raise ValueError(
            f"no font of {where} draws {characters!r:.80} ({'; '.join(out.notes())}); give other fonts, or characters "
            "that they have"
        )
    mine = [(font, pictures) for font, pictures in drawn if split is None or font.side(seed) == split]
    if not mine:
        raise MissingSplit(
            f'split="{split}" was asked of {len(drawn):,} fonts of {where}, but none of them is on that side; give '
            "more fonts, or take another split or seed"
        )
    count = len(characters)
    return Glyphs(
        np.concatenate([pictures for _, pictures in mine]), np.tile(np.arange(count), len(mine)), name,
        dict(enumerate(characters)), out.notes(), fonts=tuple(font for font, _ in mine),
        font=np.repeat(np.arange(len(mine)), count),
    )  # fmt: skip


def load(source: str, split: Literal["train", "test"], size: Size | None) -> Dataset:
    """Digits as `minigan.datasets.load` gives them: source is "glyphs", or "glyphs:FOLDER"; size (W, H) or None."""
    _, colon, folder = source.partition(":")
    if colon and not folder:
        raise ValueError(f"{source!r} names no folder behind the colon; give glyphs:FOLDER, or glyphs for all fonts")
    data = glyphs(DIGITS, folder or None, size=28 if size is None else max(size), split=split, name=source)
    return data if size is None else data.scaled(size)


def _different(drawn: list[tuple[Font, Pixels]], out: LeftOut) -> list[tuple[Font, Pixels]]:
    """Fonts in their order, each that draws anything that none before it has drawn."""
    known: set[bytes] = set()
    kept = []
    for font, pictures in sorted(drawn, key=lambda pair: (pair[0].sha256, pair[0].face)):
        key = hashlib.sha256(pictures.tobytes()).digest()
        if key in known:
            out.add("drawing the same as another font", font.path, font.face)
            continue
        known.add(key)
        kept.append((font, pictures))
    return kept


# --- drawing ---------------------------------------------------------------------------------------------------------


def _draw(data: bytes, face: int, characters: str, size: int) -> tuple[str, Pixels]:
    """A font's name, and its characters as pictures (len(characters), size, size); Unfit where it is left out."""
    from PIL import ImageFont

    em = min(_LARGE * box_of(size), _EM)
    try:
        font = ImageFont.truetype(BytesIO(data), em, index=face, layout_engine=ImageFont.Layout.BASIC)
        missing = _missing(font, em)
        large = [_large(font, character, em) for character in characters]
        name = " ".join(part for part in font.getname() if part)
    except Unfit:
        raise
    except Exception as error:  # FreeType, and Pillow around it, can fail in any way at foreign bytes
        raise Unfit("not readable as a font") from error
    if any(_key(picture) in missing for picture in large):
        raise Unfit("lacking a character")
    if not all(picture.any() for picture in large):
        raise Unfit("drawing nothing for a character")
    pictures = np.stack([as_mnist(picture, size=size) for picture in large])
    if not pictures.any(axis=(1, 2)).all():
        raise Unfit("drawing next to nothing for a character")
    if len({_key(picture) for picture in large}) < len(large):
        raise Unfit("drawing the same for two characters")
    if _something_else(large, characters):
        raise Unfit("drawing something else than these characters")
    return shown(name), pictures


def _large(font: FreeTypeFont, character: str, em: int) -> Pixels:
    """A character as the font draws it, white on black, cropped to what is drawn: (H, W), (0, 0) for nothing."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(character)
    x, y = math.floor(left), math.floor(top)
    width, height = math.ceil(right) - x, math.ceil(bottom) - y
    if max(width, height) > _BEYOND * em:
        raise Unfit(f"drawing more than {_BEYOND} lines high or wide")
    picture = Image.new("L", (width + 2, height + 2))
    ImageDraw.Draw(picture).text((1 - x, 1 - y), character, font=font, fill=255)
    drawn = picture.getbbox()  # of what is not black
    return np.zeros((0, 0), np.uint8) if drawn is None else np.asarray(picture.crop(drawn))


def _key(picture: Pixels) -> tuple[tuple[int, ...], bytes]:
    return picture.shape, picture.tobytes()


def _missing(font: FreeTypeFont, em: int) -> set[tuple[tuple[int, ...], bytes]]:
    """What a font draws for characters that it lacks: a box or a question mark, or nothing at all."""
    return {_key(_large(font, nobody, em)) for nobody in _NOBODY}


# --- is it these characters? -----------------------------------------------------------------------------------------

_GRID = 8
_FEWEST = 5  # characters to judge by
_ALIKE = 0.04


def _something_else(large: Sequence[Pixels], characters: str) -> bool:
    """Whether pictures are of symbols, say, that stand in the places of characters.

    Each is compared with those of the font that Pillow brings. Its correlation with the same character, less the mean
    of those with others, is on average 0.2 or more for digits of most fonts, and was 0.07 for the wildest handwriting.
    For symbols it is 0, give or take 0.06, so that one font in five gets through. Few characters, or few that Pillow's
    font has, say nothing.
    """
    known = [(picture, plain) for picture, c in zip(large, characters, strict=True) if (plain := _plain(c)).size]
    if len(known) < _FEWEST:
        return False
    given, expected = (_coarse(side) for side in zip(*known, strict=True))
    r = given @ expected.T
    same = np.trace(r)
    return bool(same / len(r) - (r.sum() - same) / (r.size - len(r)) < _ALIKE)


def _coarse(pictures: Sequence[Pixels]) -> NDArray[np.float64]:
    """Pictures as vectors of mean 0 and length 1, of a few coarse pixels each."""
    from minigan.datasets.tasks.resampling import resized

    grids = resized(np.stack([as_mnist(picture) for picture in pictures]), _GRID, _GRID)
    x = grids.reshape(len(grids), -1).astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    unit: NDArray[np.float64] = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)  # of levels: black stays 0
    return unit


@cache
def _plain(character: str) -> Pixels:
    """A character as the font draws it that comes with Pillow; (0, 0) where it has none."""
    from PIL import ImageFont

    em = _LARGE * box_of(28)
    font = ImageFont.load_default(em)
    assert isinstance(font, ImageFont.FreeTypeFont)
    picture = _large(font, character, em)
    return picture[:0, :0] if _key(picture) in _missing(font, em) else picture


# --- what is asked for -----------------------------------------------------------------------------------------------


def _check(characters: Any, size: Any, split: Any) -> None:
    box_of(size)
    if not isinstance(characters, str):
        raise TypeError(f"characters is {type(characters).__name__}, but a text such as {DIGITS!r} was expected")
    unseen = [character for character in characters if unicodedata.category(character) in _UNSEEN]
    if not characters or unseen or len(set(characters)) < len(characters):
        what = f"{unseen[0]!a} cannot be seen" if unseen else "one is there twice" if characters else "it is empty"
        raise ValueError(
            f"characters is {characters!a:.80}, and {what}, but a text of visible characters, each once, was expected"
        )
    if split is not None and split not in SHARES:
        raise ValueError(not_one_of("split", split, SHARES))


def _require() -> None:
    try:
        from PIL import features

        there = features.check("freetype2")
    except ImportError:
        there = False
    if not there:
        raise ValueError(f"fonts are drawn by Pillow with FreeType, which is not installed; {how_to_install('cli')}")

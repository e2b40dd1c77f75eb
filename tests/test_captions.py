"""Captions: those of a file, and those that are made in a controlled language and known to be right or wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigan import datasets
from minigan.cli import main
from minigan.datasets import Dataset
from minigan.datasets.captions import Captioned, captioned, language_of
from minigan.datasets.language import (
    HELD_OUT,
    LANGUAGES,
    TEMPLATES,
    THICKNESS,
    THIRDS,
    Language,
    Sentence,
    Thirds,
    of_classes,
)
from minigan.datasets.texts import numbers_of, words_of
from minigan.metrics.strokes import shade, slant, thickness
from minigan.runs.data import fingerprint

DIGITS = LANGUAGES["digits"]
languages = st.sampled_from([*LANGUAGES.values(), of_classes(["cat", "T-shirt/top", "7"])])
RARE_WORDS = {words_of(phrase)[0] for kind in DIGITS.kinds for phrase in kind[2:]} | {"slender", "ordinary", "heavy"}


@pytest.fixture(scope="module")
def made() -> Captioned:
    return captioned(datasets.load("digits").of(slice(600)), held_out=True)


# --- the language ----------------------------------------------------------------------------------------------


@given(language=languages, place=st.integers(0, 999), seed=st.integers(0, 999), held_out=st.booleans())
def test_a_sentence_is_right_of_what_it_is_made_of_and_has_known_words(
    language: Language, place: int, seed: int, held_out: bool
) -> None:
    every = language.combinations
    facts = every[place % len(every)]
    said = language.sentence(facts, Random(seed), held_out=held_out)
    assert said.describes(facts)
    assert set(words_of(said.text)) <= set(language.vocabulary)
    assert not said.denies or "not" in said.text or "neither" in said.text
    wrong = next(language.wrong(facts, every, Random(seed), held_out))
    assert not wrong.describes(facts)
    assert any(wrong.describes(other) for other in every)


def spoken(sentence: str, language: Language) -> tuple[set[int], ...]:
    """What the words mean, read by somebody else: the kinds, and the thirds of each property, that are left open."""
    text = f" {' '.join(words_of(sentence))} "
    open_ = [set(range(len(language.kinds))), *(set(range(THIRDS)) for _ in language.properties)]
    named: list[tuple[str, int, int]] = [
        (f" {' '.join(words_of(name))} ", 0, kind) for kind, names in enumerate(language.kinds) for name in names
    ]
    for i, p in enumerate(language.properties, start=1):
        named += [(f" {phrase} ", i, third) for third, phrases in enumerate(p.phrases) for phrase in phrases]
    for phrase, fact, value in named:
        rest = text
        while phrase in rest:
            before, rest = rest.split(phrase, 1)
            rest = " " + rest
            denied = any(before.endswith(no) for no in (" not", " not a", " not an", " neither", " nor"))
            open_[fact] &= (open_[fact] - {value}) if denied else {value}
    for fact, p in enumerate(language.properties, start=1):
        if p.name == "slant" and (" not leaning " in text or " not tilted " in text):
            left = " not leaning left " not in text and " not leaning right " not in text
            open_[fact] = {1} if left else open_[fact]
    return tuple(open_)


@given(place=st.integers(0, 89), seed=st.integers(0, 9999))
def test_a_sentence_means_what_its_words_say(place: int, seed: int) -> None:
    said = DIGITS.sentence(DIGITS.combinations[place], Random(seed))
    assert spoken(said.text, DIGITS) == said.means


def test_what_can_be_held_out_is() -> None:
    gone = DIGITS.held_out()
    assert len(gone) == len(set(gone)) == 12
    left = [facts for facts in DIGITS.combinations if facts not in gone]
    assert {facts[:2] for facts in left} == {facts[:2] for facts in DIGITS.combinations}  # no pair is missing
    rng = Random(0)
    texts = [DIGITS.sentence(left[i % len(left)], rng, held_out=True).text for i in range(3000)]
    frames = [frame.replace("{kind}", "").replace("{so}", "").split()[0] for frame in HELD_OUT]
    assert frames == ["show", "please"]
    assert not any(text.startswith(("show me", "please draw this")) for text in texts)
    rare = [text for text in texts if RARE_WORDS & set(words_of(text))]
    assert 200 < len(rare) < 600
    assert all(text.startswith(("a ", "an ")) and "please" not in text for text in rare)
    said = DIGITS.sentence((7, 2, 1), rng, style="plain", held_out=True, rare=True, template=TEMPLATES[3])
    assert len({"vii", "heavy", "vertical"} & set(words_of(said.text))) == 1


def test_an_sounds_right() -> None:
    texts = " ".join(DIGITS.sentence((8, 1, 1), Random(i)).text for i in range(300))
    assert " an eight" in texts
    assert " an 8" in texts
    assert " a upright" not in texts
    assert " a one" in " ".join(DIGITS.sentence((1, 1, 1), Random(i)).text for i in range(100))


def test_thirds_are_those_of_the_kind() -> None:
    images = np.zeros((60, 12, 12), np.uint8)
    for i in range(60):  # bars, of the second kind twice as thick
        images[i, 2:10, 1 : 2 + (i % 3) * (1 + i // 30) + i // 30] = 255
    kinds = np.arange(60) // 30
    thirds = Thirds([THICKNESS], images, kinds)
    np.testing.assert_array_equal(thirds.facts[:, 0], kinds)
    np.testing.assert_array_equal(thirds.facts[:, 1], np.arange(60) % 3)
    np.testing.assert_array_equal(thirds.of(images[::-1], kinds[::-1]), thirds.facts[::-1])
    np.testing.assert_array_equal(Thirds([THICKNESS], images[:1].repeat(3, 0), kinds[:3]).facts[:, 1], 0)


def test_measures_go_through_blocks_as_through_the_whole() -> None:
    images = datasets.load("digits").images[:1100]
    for measure in (slant, thickness, shade):
        np.testing.assert_array_equal(measure(images)[1000:], measure(images[1000:]))
    assert shade(np.full((1, 4, 4), 51, np.uint8)) == pytest.approx(0.2)
    assert shade(np.zeros((1, 4, 4), np.uint8)).tolist() == [0]


# --- captions that are made ------------------------------------------------------------------------------------


def test_captions_are_right_and_wrong(made: Captioned) -> None:
    assert made.described is not None
    assert made.right.shape == made.wrong.shape == (len(made), 4)
    gone = set(made.described.held_out)
    assert len(made) < 600
    for i in range(0, len(made), 17):
        facts = tuple(made.described.facts[i].tolist())
        assert facts not in gone
        for rows, right in ((made.right[i], True), (made.wrong[i], False)):
            for row in rows:
                means = spoken(made.text(row), DIGITS)
                assert all(fact in meant for fact, meant in zip(facts, means, strict=True)) == right
    again = captioned(datasets.load("digits").of(slice(600)), held_out=True)
    np.testing.assert_array_equal(again.right, made.right)
    assert fingerprint(again) == fingerprint(made)
    other = captioned(datasets.load("digits").of(slice(600)), held_out=True, seed=1)
    assert fingerprint(other) != fingerprint(made)


def test_some_of_them_are_captioned_as_they_were(made: Captioned) -> None:
    some = made.of(np.array([5, 3]))
    assert some.described is not None
    assert made.described is not None
    assert [some.text(row) for row in some.right[:, 0]] == [made.text(row) for row in made.right[[5, 3], 0]]
    np.testing.assert_array_equal(some.described.facts, made.described.facts[[5, 3]])
    np.testing.assert_array_equal(some.labels, made.labels[[5, 3]])


def test_every_labelled_data_set_has_a_language(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    pets = captioned(Dataset(images, ["cat", "big dog"] * 15, "pets"), captions=1)
    assert {"cat", "big", "dog", "dark"} <= set(pets.vocabulary)
    assert "seven" not in pets.vocabulary
    assert language_of(Dataset(images, np.arange(30) % 10, "x/fashion-mnist")) is LANGUAGES["fashion"]
    assert language_of(Dataset(images, np.arange(30) % 5, "x"), "fashion") is LANGUAGES["fashion"]
    with pytest.raises(ValueError, match=r"has no labels.*put a captions.csv beside"):
        captioned(Dataset(images, None, "noise"))
    with pytest.raises(ValueError, match="'digits' is about 10 kinds, but labels go up to 29"):
        captioned(Dataset(images, np.arange(30), "many"), "digits")


def test_texts_become_numbers_and_unknown_words_are_named(made: Captioned) -> None:
    rows = numbers_of(["A thick 7!", "not thin, a 3"], made.vocabulary, 6)
    assert [made.text(row) for row in rows] == ["a thick 7", "not thin a 3"]
    with pytest.raises(ValueError, match=r"'thinn'; did you mean thin\?, 'zzz' \(known are 0, 1, 2"):
        numbers_of(["a thinn zzz 7"], made.vocabulary, 6)
    with pytest.raises(ValueError, match="a text of 1 to 2 words, got 3"):
        numbers_of(["a thick 7"], made.vocabulary, 2)
    with pytest.raises(ValueError, match="a text of 1 to 2 words, got 0"):
        numbers_of([" ?! "], made.vocabulary, 2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: {"right": d["right"][:2]}, "right has shape"),
        (lambda d: {"wrong": d["wrong"][:, :1]}, "wrong has shape"),
        (lambda d: {"right": d["right"] + 99}, "rows of 2 sentences, got up to 99"),
        (lambda d: {"sentences": d["sentences"] + 9}, "words from 0 to 1"),
    ],
)
def test_captions_that_do_not_fit_are_refused(change: Callable[[Any], Any], match: str) -> None:
    fits: dict[str, Any] = {
        "vocabulary": ("a",), "sentences": np.array([[1], [0]]), "right": np.zeros((3, 2), int),
        "wrong": np.ones((3, 2), int),
    }  # fmt: skip
    images = np.zeros((3, 4, 4), np.uint8)
    assert len(Captioned(images, None, "x", **fits)) == 3
    with pytest.raises(ValueError, match=match):
        Captioned(images, None, "x", **fits | change(fits))


# --- captions of a file ----------------------------------------------------------------------------------------

ROWS = 'file,caption\na.png,A red cat\nb.png,"one dog, asleep"\na.png,"a cat, awake"\n\nsub/c.png,two cats\n'


@pytest.fixture
def told(tmp_path: Path) -> Path:
    for i, name in enumerate(("one/a.png", "one/b.png", "one/sub/c.png")):
        path = tmp_path / "told" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 6), 40 * i, np.uint8)).save(path)
    (tmp_path / "told" / "captions.csv").write_text(
        ROWS.replace("a.png", "one/a.png").replace("b.png", "one/b.png").replace("sub/", "one/sub/"), "utf-8"
    )
    return tmp_path / "told"


def test_a_folder_with_captions(told: Path) -> None:
    data = datasets.load(told)
    assert isinstance(data, Captioned)
    assert [[data.text(row) for row in rows] for rows in data.right] == [
        ["a red cat", "a cat awake"], ["one dog asleep"] * 2, ["two cats"] * 2,
    ]  # fmt: skip
    for own, wrong in zip(data.right, data.wrong, strict=True):
        assert not set(own) & set(wrong)
    assert data.described is None
    assert not any("captions.csv" in note for note in data.notes)
    assert data.classes == {0: "one"}


def test_captions_of_splits(told: Path) -> None:
    (told / "one").rename(told / "train")
    (told / "captions.csv").rename(told / "train" / "captions.csv")
    (told / "train" / "captions.csv").write_text(ROWS.replace("sub/", ""), "utf-8")
    (told / "train" / "sub" / "c.png").rename(told / "train" / "c.png")
    assert isinstance(datasets.load(told), Captioned)
    (told / "test").mkdir()
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(told / "test" / "d.png")
    with pytest.raises(ValueError, match=r"test has no captions.csv, which other folders of .* have"):
        datasets.load(told, "test")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("one/a.png,cat\n", "has no caption of"),
        ("one/a.png,cat\none/z.png,dog\n", r"that are not there: line 2: one/z.png"),
        ("z.png,dog\n", r"that are not there: line 1: z.png"),
        ("one/a.png,cat,dog\n", "line 1: expected a file and its caption"),
        ("one/a.png,\n", "line 1: expected a file and its caption of 1 to 64 words"),
        ("one/a.png,cat\none/b.png,cat\none/sub/c.png,CAT!\n", "has no caption that another picture does not have"),
        ("one/a.png,\xff\n", "no text file of captions"),
    ],
)
def test_a_file_of_captions_that_cannot_be_used(told: Path, rows: str, match: str) -> None:
    (told / "captions.csv").write_bytes(rows.encode("latin-1"))
    with pytest.raises(ValueError, match=match):
        datasets.load(told)


# --- the command -----------------------------------------------------------------------------------------------


def test_captions_are_listed(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["captions", "--n", "2", "--held-out"]) == 0
    out = capsys.readouterr().out
    assert out.count("picture ") >= 2
    assert "thin, fine, slender" in out
    assert "held out: " in out
    assert "draw me a KIND that is PROPERTIES" in out
    assert main(["captions", str(told)]) == 0
    out = capsys.readouterr().out
    assert "    right   a red cat\n" in out
    assert "3 pictures, 4 captions of up to 3 words" in out
    assert main(["captions", str(told), "--held-out"]) == 2
    assert "has captions of its own" in capsys.readouterr().err
    assert main(["captions", "--n", "0"]) == 2


def test_a_sentence_knows_what_it_describes() -> None:
    said = Sentence("a seven", (frozenset([7]), frozenset([0, 1])), False)
    assert said.describes((7, 1))
    assert not said.describes((7, 2))

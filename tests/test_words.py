"""Words into pictures: the loss of three kinds of pairs, whether it reads, how it is judged, its run and commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import VOCABULARY, X, told, words

import minigan
from minigan import SGD, Bag, Dense, Embedding, Flatten, Game, LeakyReLU, Reshape, Sequential, Tanh, Words, datasets
from minigan.cli import main
from minigan.commands.sample import sample
from minigan.datasets import Dataset
from minigan.datasets.captions import Captioned, captioned
from minigan.evaluation import Evaluator
from minigan.evaluation.words import asked, evaluate_rivals, evaluate_words, looked_up, moved
from minigan.game import Play
from minigan.game.play import Feed
from minigan.games.words import EXAMPLES
from minigan.recipes import words as recipe

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def digits() -> Captioned:
    data = datasets.load("digits", size=8)
    return captioned(data.of(np.linspace(0, len(data) - 1, 1500).astype(int)), held_out=True)


# --- the game --------------------------------------------------------------------------------------------------


def softplus(x: Array) -> float:
    return float(np.logaddexp(0, x).mean())


@pytest.mark.parametrize("wrong", [True, False])
def test_the_loss_of_D_is_that_of_the_paper(wrong: bool) -> None:
    """Reed et al. 2016, algorithm 1: log s(x, t) + (log(1 − s(x, t̂)) + log(1 − s(x̂, t)))/2."""
    game = words(dtype="float64", wrong=wrong, d_optimizer=SGD(1e-12), optimizer=SGD(1e-12))
    rng = np.random.default_rng(1)
    real = rng.uniform(-1, 1, (6, 5))
    right, mistaken = (rng.integers(1, 5, (6, 4)).astype(float) for _ in range(2))

    def s(x: Array, t: Array) -> Array:
        seen, said = game.D(x, train=False)[0], game.T(t, train=False)[0]
        return np.array(game.M(np.concatenate([seen, said], axis=1), train=False)[0])

    fakes: list[Array] = []
    made = game.make_fakes
    game.make_fakes = lambda up, t: fakes.append(made(up, t)) or fakes[-1]  # type: ignore[method-assign,func-returns-value]
    metrics = game.update_discriminator(real, right, mistaken)
    on_fakes, on_wrong = softplus(s(fakes[0].samples, right)), softplus(s(real, mistaken))
    expected = softplus(-s(real, right)) + ((on_fakes + on_wrong) / 2 if wrong else on_fakes)
    assert float(metrics["d_loss"]) == pytest.approx(expected, rel=1e-9)
    assert float(metrics["d_wrong"]) == pytest.approx((1 / (1 + np.exp(-s(real, mistaken)))).mean() if wrong else 0)
    np.testing.assert_allclose(fakes[0].latents[:, 3:], game.T(right, train=False)[0])  # G is asked what T means


def test_one_of_several_sentences_is_chosen_and_each_comes() -> None:
    game = words()
    rows = np.stack([np.arange(12) % 4 + 1 for _ in range(6)]).astype("float32")  # three sentences of four words
    seen = set()
    for step in range(12):
        game.g.updates.value = step
        with game.update(game.g) as up:
            game.tries = lambda up: None
            up.loss = game._nothing
            chosen = game.one_of(up, rows + np.repeat([0, 10, 20], 4).astype("float32"), "test")
            game.tries = None
        which = (chosen - rows[:, :4]) / 10
        assert (which == which[:, :1]).all()
        seen |= set(which[:, 0].astype(int).tolist())
    assert seen == {0, 1, 2}


def test_examples_are_the_first_sentences_and_stay() -> None:
    data = told(X)
    game = words()
    assert game.examples(2) == ["", ""]
    Play(game, data, 6)
    first = game.examples()
    assert len(first) == EXAMPLES
    count = len(set(first))
    assert len(set(first[:count])) == count > 1
    known = {" ".join(VOCABULARY[i - 1] for i in row if i) for row in data.sentences}
    assert set(first) <= known
    game.fit(data, 3, batch=6)
    Play(game, data, 6)
    assert game.examples() == first
    assert first[:count] == game.examples(2 * count)[count:]


def test_the_same_sentence_and_seed_make_the_same_picture_whoever_stands_beside() -> None:
    game = words(average=0.9)
    game.fit(told(X), 3, batch=6)
    alone = game.pictures(["two four"], seed=3)
    np.testing.assert_allclose(alone, game.pictures(["two four", "one"], seed=3)[:1], atol=1e-6)
    np.testing.assert_array_equal(alone, game.pictures(["Two, four!"], seed=3))
    assert not np.array_equal(alone, game.pictures(["two"], seed=3))
    assert not np.array_equal(alone, game.pictures(["two four"], seed=4))
    assert not np.array_equal(alone, game.pictures(["two four"], seed=3, averaged=False))
    np.testing.assert_array_equal(game.generate(game.latents(5, 2)), game.sample(5, 2))
    assert game.latents(1).shape == (1, 3 + 4)
    with pytest.raises(ValueError, match="asked in words"):
        game.sample(2, label=1)


def test_words_of_other_data_are_found_by_their_letters() -> None:
    data = told(X)
    turned = data._replace(
        vocabulary=data.vocabulary[::-1], sentences=np.where(data.sentences > 0, 5 - data.sentences, 0)
    )
    feeds = [
        Feed(g.backend, g.dtype, 0, g.sources(d), {"real": 6}, g.place) for g, d in ((words(), data), (words(), turned))
    ]
    game = words()
    for one, other in zip(*(feed(game.d) for feed in feeds), strict=True):
        np.testing.assert_array_equal(one, other)
    strange = data._replace(vocabulary=("one", "two", "three", "vier"))
    with pytest.raises(ValueError, match="told has words that this game does not know: vier"):
        words().sources(strange)
    with pytest.raises(ValueError, match="captions have up to 4 words, but this game reads 3"):
        words(length=3).sources(data)
    with pytest.raises(ValueError, match="has no captions"):
        words().sources(X)


def test_networks_that_do_not_fit_are_refused() -> None:
    G, D, M = Sequential(Dense(2 + 3, 4)), Sequential(Dense(4, 2)), Sequential(Dense(2 + 3, 1))
    T, rest = Sequential(Embedding(3, 3), Bag()), {"vocabulary": ["a", "b"], "length": 2}
    Words(G, D, M, T, **rest)
    with pytest.raises(ValueError, match="T knows 3 words, but the vocabulary has 3"):
        Words(G, D, M, T, **rest | {"vocabulary": ["a", "b", "c"]})
    with pytest.raises(ValueError, match="T must end in meanings"):
        Words(G, D, M, Sequential(Embedding(3, 3)), **rest)
    with pytest.raises(ValueError, match="T cannot read sentences of 2 words"):
        Words(G, D, M, Sequential(Dense(3, 3)), **rest)
    with pytest.raises(ValueError, match="M cannot take 2 features and 3 numbers of a meaning"):
        Words(G, D, Sequential(Dense(4, 1)), T, **rest)
    with pytest.raises(ValueError, match="M must end in one logit"):
        Words(G, D, Sequential(Dense(5, 2)), T, **rest)
    with pytest.raises(ValueError, match="D must end in features"):
        Words(G, Sequential(Reshape(2, 2)), M, T, **rest)
    with pytest.raises(ValueError, match=r"D cannot take G's samples of shape \(4,\)"):
        Words(G, Sequential(Dense(5, 2)), M, T, **rest)
    with pytest.raises(ValueError, match="interpolate must be in"):
        Words(G, D, M, T, **rest, interpolate=0.6)
    for objective in ("relativistic", "feature-matching"):
        with pytest.raises(ValueError, match="needs more than a verdict of each pair"):
            Words(G, D, M, T, **rest, objective=objective)


# --- whether it reads ------------------------------------------------------------------------------------------


def small(data: Captioned, **options: Any) -> Words:
    n, width = len(data.vocabulary) + 1, 12
    G = Sequential(Dense(4 + width, 48), LeakyReLU(0.2), Dense(48, 64), Tanh(), Reshape(8, 8), seed=1)
    D = Sequential(Flatten(), Dense(64, 48), LeakyReLU(0.2), seed=2)
    M = Sequential(Dense(48 + width, 32), LeakyReLU(0.2), Dense(32, 1), seed=3)
    T = Sequential(Embedding(n, 8), minigan.GRU(8, width), seed=4)
    about: dict[str, Any] = {"vocabulary": data.vocabulary, "length": data.sentences.shape[1], "average": 0.98}
    return Words(G, D, M, T, **about, optimizer=minigan.Adam(2e-3, beta1=0.5), seed=0, **options)


def test_it_learns_to_draw_what_is_said_and_not_without_wrong_pairs() -> None:
    """Of two kinds of pictures, light above or below, said in two words each."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 400)
    images = rng.uniform(-1, -0.6, (400, 8, 8)).astype("float32")
    images[kind == 0, :4] += 1.4
    images[kind == 1, 4:] += 1.4
    texts = np.array([[1, 0], [2, 0], [3, 1], [4, 2]])  # "a", "b": above; "c a", "d b": below
    right = (2 * kind + rng.integers(0, 2, 400))[:, None]
    data = told(images)._replace(vocabulary=("a", "b", "c", "d"), sentences=texts, right=right, wrong=(right + 2) % 4)
    obeyed = []
    for wrong in (True, False):
        where: dict[str, Any] = {"vocabulary": data.vocabulary, "length": 2, "wrong": wrong}
        G = Sequential(Dense(2 + 4, 32), LeakyReLU(0.2), Dense(32, 64), Tanh(), Reshape(8, 8), seed=1)
        D = Sequential(Flatten(), Dense(64, 16), LeakyReLU(0.2), seed=2)
        M = Sequential(Dense(16 + 4, 16), LeakyReLU(0.2), Dense(16, 1), seed=3)
        T = Sequential(Embedding(5, 4), minigan.GRU(4, 4), seed=4)
        game = Words(G, D, M, T, **where, optimizer=minigan.Adam(2e-3, beta1=0.5), seed=0)
        untrained = _obeyed(game)
        game.fit(data, 250, batch=32)
        obeyed.append(_obeyed(game))
        assert untrained < 0.8
    assert obeyed[0] > 0.95
    assert obeyed[1] < obeyed[0]


def _obeyed(game: Words) -> float:
    above = game.pictures(["a", "b"] * 50)
    below = game.pictures(["c a", "d b"] * 50)
    lighter = [(x[:, :4].mean(axis=(1, 2)) > x[:, 4:].mean(axis=(1, 2))) for x in (above, below)]
    return float(np.mean([lighter[0].mean(), 1 - lighter[1].mean()]))


# --- how it is judged ------------------------------------------------------------------------------------------


def test_real_pictures_obey_and_others_do_not(digits: Captioned, tmp_path: Path) -> None:
    evaluator = Evaluator(digits, n=200, cache=tmp_path)
    train = evaluator.train
    assert isinstance(train, Captioned)
    assert train.described is not None
    facts = {tuple(f): image for f, image in zip(train.described.facts.tolist(), train.images, strict=True)}
    kinds = asked(train.described, 60)
    assert kinds.keys() == {"plain", "combinations", "templates", "synonyms", "negations"}
    meant = {said.text: next((f for f in facts if said.describes(f)), None) for s in kinds.values() for said in s}

    def looked(texts: list[str]) -> Array:  # a picture that is known to be right, or else none
        return np.stack([np.zeros((8, 8), np.uint8) if meant.get(t) is None else facts[meant[t]] for t in texts])

    rows = {row.sentences: row for row in evaluate_words(looked, train, evaluator, "right ones", 60, False)}
    assert rows["plain"].all > 0.8
    assert rows["negations"].all > 0.8
    assert rows["combinations"].all == 0  # no picture is there
    assert list(rows["plain"].facts) == ["kind", "thickness", "slant"]
    blank = evaluate_words(lambda t: np.zeros((len(t), 8, 8), np.uint8), train, evaluator, "nothing", 60, False)
    assert blank[0].all < 0.2


def test_rivals_and_variety(digits: Captioned, tmp_path: Path) -> None:
    evaluator = Evaluator(digits, n=200, cache=tmp_path)
    train = evaluator.train
    assert isinstance(train, Captioned)
    *looked, again = evaluate_rivals(train, evaluator, 50)
    assert {row.name for row in looked} == {"nearest training picture"}
    assert looked[1].sentences == "combinations"
    assert looked[1].all < 0.2
    assert again.facts["slant"] > 0.9  # strokes of eight pixels are hardly measured
    assert again.variety is not None
    text = train.text(train.right[7, 0])
    assert np.array_equal(looked_up([text], train)[0], train.images[(train.right[:, 0] == train.right[7, 0]).argmax()])
    x = np.zeros((1, 4, 4), np.uint8)
    x[0, 1, 1] = 100
    assert moved(x)[0, 1:3, 1:3].tolist() == [[81, 9], [9, 1]]
    same = evaluate_words(lambda t: train.images[: len(t)], train, evaluator, "any", 50, True)
    assert same[0].variety is not None
    assert 0 <= same[0].variety <= 1


# --- its run and its commands ----------------------------------------------------------------------------------


SHAPE: dict[str, Any] = {"steps": 3, "batch": 6, "quiet": True, "sample_every": 2, "backend": "numpy"}
TINY: dict[str, Any] = {"width": 3, "meaning": 5, "vector": 4, "captions": 2}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    data = datasets.load("digits", size=8).of(slice(0, 10_000, 20))
    np.savez(folder / "digits.npz", images=data.images, labels=data.labels)
    return folder


@pytest.fixture(scope="module")
def run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return minigan.train("words", files / "digits.npz", out=tmp_path_factory.mktemp("run"), **SHAPE, options=TINY)


def test_a_run_goes_on_bit_for_bit_with_its_captions(run: Path, files: Path, tmp_path: Path) -> None:
    whole = minigan.train("words", files / "digits.npz", out=tmp_path / "whole", **SHAPE | {"steps": 5}, options=TINY)
    first = minigan.train("words", files / "digits.npz", out=tmp_path / "run", **SHAPE | {"steps": 5}, options=TINY)
    assert (whole / "checkpoint.npz").read_bytes() == (first / "checkpoint.npz").read_bytes()
    minigan.resume(run, quiet=True)
    game = Game.load(run / "checkpoint.npz")
    assert isinstance(game, Words)
    assert game.examples(1) != [""]
    options = json.loads((run / "config.json").read_text("utf-8"))["options"]
    assert options["vocabulary"].split() == game.vocabulary
    assert options["length"] == game.length
    with pytest.raises(ValueError, match="captions: the run has 2, you asked for 3"):
        minigan.resume(run, quiet=True, options={"captions": 3})


def test_pictures_of_words(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "--text", "a thin 3, not leaning", "--out", str(tmp_path / "a.npz")]) == 0
    images = datasets.load(tmp_path / "a.npz").images
    assert images.shape == (10, 8, 8)
    texts = ["a thin 3, not leaning", "a thick seven"]
    assert sample(run, 3, out=tmp_path / "two.npz", text=texts) == 6
    assert sample(run, 4, out=tmp_path / "sheet.png", text=texts) == 8
    assert sample(run, out=tmp_path / "examples.png") == 100
    assert sample(run, 2, out=tmp_path / "walk.png", grid="interpolation") == 20
    assert main(["sample", str(run), "--text", "a thinn 3"]) == 2
    assert "words that were never read: 'thinn'; did you mean thin?" in capsys.readouterr().err
    with pytest.raises(ValueError, match="leave out --label and --ask"):
        sample(run, label=3, text=texts)
    with pytest.raises(ValueError, match="leave out --z and --grid"):
        sample(run, grid="interpolation", text=texts)


def test_other_games_are_not_asked_in_words(files: Path, tmp_path: Path) -> None:
    other = minigan.train("gan", files / "digits.npz", out=tmp_path / "gan", **SHAPE)
    with pytest.raises(ValueError, match="a GAN is not asked in words"):
        sample(other, text=["a seven"])


def test_it_is_judged_from_the_command_line(run: Path, files: Path, tmp_path: Path) -> None:
    target = tmp_path / "judged.json"
    assert main(["evaluate", str(run), "--n", "60", "--backend", "numpy", "--json", str(target)]) == 0
    rows = json.loads(target.read_text("utf-8"))["obeyed"]
    names = [(row["name"], row["sentences"]) for row in rows]
    assert (str(run), "plain") in names
    assert ("nearest training picture", "negations") in names
    assert all(0 <= row["all"] <= 1 for row in rows)


def test_what_was_held_out_is_not_in_a_run(files: Path, tmp_path: Path) -> None:
    options = TINY | {"held_out": True}
    folder = minigan.train("words", files / "digits.npz", out=tmp_path / "run", **SHAPE, options=options)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["images"]["count"] < 500


def test_options_of_captions_reach_the_data(files: Path) -> None:
    data = datasets.load(files / "digits.npz")
    from minigan.recipes.options import complete_options
    from minigan.runs.data import of_the_data, paired

    made = paired(data, complete_options("words", {"captions": 3, "language": "fashion"}))
    assert isinstance(made, Captioned)
    assert made.right.shape == (500, 3)
    assert "sneaker" in made.vocabulary
    own = of_the_data(made, complete_options("words", {"vocabulary": "a b", "length": 30}))
    assert own == {"vocabulary": "a b", "length": 30}
    with pytest.raises(ValueError, match="has no labels"):
        paired(Dataset(data.images, None, "x"), complete_options("words", {}))


def test_the_readers_of_the_recipe() -> None:
    few: dict[str, Any] = {"vocabulary": "a b", "length": 3, "width": 2}
    kinds = {
        reader: [type(layer).__name__ for layer in recipe.build((8, 8), reader=reader, **few).T.layers]
        for reader in ("gru", "bag")
    }
    assert kinds == {"gru": ["Embedding", "Dropout", "GRU"], "bag": ["Embedding", "Dropout", "Bag", "Dense", "Tanh"]}
    bag = recipe.build((8, 8), reader="bag", **few)
    np.testing.assert_allclose(bag.pictures(["a b b"], seed=1), bag.pictures(["b a b"], seed=1), atol=1e-6)
    gru = recipe.build((8, 8), **few)
    assert not np.allclose(gru.pictures(["a b b"], seed=1), gru.pictures(["b a b"], seed=1), atol=1e-6)

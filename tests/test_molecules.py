"""Molecules: their files, what an autoencoder of them descends, what it is asked for, and how it ranks a library."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import MEASURED, X
from family import molecules as small
from scripts import script

import minigan
from minigan import archive
from minigan.cli import main
from minigan.commands.sample import sample
from minigan.datasets import MissingSplit, load
from minigan.datasets.molecules import Molecules, line_of, packed
from minigan.games.molecules import apart, log_likelihood
from minigan.recipes import molecules as recipe

Array = np.ndarray[Any, Any]
BITS = np.random.default_rng(0).integers(0, 2, (30, 13), dtype=np.uint8)
GROWTH = np.random.default_rng(1).normal(6, 1, (30, 2)).astype(np.float32)


def file(path: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "fingerprints": np.packbits(BITS, axis=1), "bits": np.array(13), "minus_log_gi50": GROWTH,
        "cell_lines": np.array([b"BR:MCF7", b"LE:K-562"]), "smiles": np.array([f"C{i}" for i in range(30)]),
        "scaffold": np.array(["a", "b", "c"] * 10),
    }  # fmt: skip
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


# --- files -----------------------------------------------------------------------------------------------------


def test_a_file_of_molecules_is_read(tmp_path: Path) -> None:
    data = load(file(tmp_path / "m.npz"))
    assert isinstance(data, Molecules)
    np.testing.assert_array_equal(data.bits, BITS)
    assert data.image_shape == (1, 13)
    np.testing.assert_array_equal(data.growth, GROWTH)
    assert (data.line("MCF7"), data.line("LE:K-562")) == (0, 1)
    assert list(data.smiles[:2]) == ["C0", "C1"]
    np.testing.assert_array_equal(packed(data.bits), np.packbits(BITS, axis=1))
    some = data.of(data.scaffold == "b")
    assert (len(some), some.growth.shape, len(some.smiles)) == (10, (10, 2), 10)
    assert repr(data).endswith("30 fingerprints of 13 bits, 60 values of 2 cell lines)")
    library = load(file(tmp_path / "l.npz", minus_log_gi50=None, cell_lines=None, smiles=None, scaffold=None))
    assert isinstance(library, Molecules)
    assert (library.growth.size, library.lines, library.smiles) == (0, (), None)


def test_maccs_keys_need_no_count_and_slips_are_left_out(tmp_path: Path) -> None:
    prints = np.random.default_rng(0).integers(0, 256, (4, 21), dtype=np.uint8)
    growth = np.array([[5.0], [-1.29], [np.nan], [7.0]], np.float32)
    np.savez(tmp_path / "m.npz", fingerprints=prints, minus_log_gi50=growth, cell_lines=np.array(["line"]))
    data = load(tmp_path / "m.npz")
    assert data.image_shape == (1, 166)
    np.testing.assert_array_equal(np.isfinite(data.growth[:, 0]), [True, False, False, True])
    assert data.notes == ("left out: 1 values outside 2 to 14, which no dose can be",)


BAD_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "floats": ({"fingerprints": np.zeros((3, 2))}, "the fingerprints of .* are float64"),
    "too many bits": ({"bits": np.array(17)}, "says bits is .*2 bytes each"),
    "too few bits": ({"bits": np.array(8)}, "says bits is"),
    "growth alone": ({"cell_lines": None}, "must hold both"),
    "another length": ({"minus_log_gi50": GROWTH[:5]}, "has shape .*a number for each molecule and cell line"),
    "no numbers": ({"minus_log_gi50": GROWTH.astype(int)}, "floats were expected"),
    "other smiles": ({"smiles": np.array(["C"])}, "30 molecules, but 1 of smiles"),
    "numbers for names": ({"cell_lines": np.arange(2)}, "expected text"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_what_is_no_file_of_molecules_is_refused(what: str, tmp_path: Path) -> None:
    changes, words = BAD_FILES[what]
    with pytest.raises(ValueError, match=words):
        load(file(tmp_path / "m.npz", **changes))


def test_a_file_of_molecules_has_no_splits_and_lines_have_names(tmp_path: Path) -> None:
    with pytest.raises(MissingSplit):
        load(file(tmp_path / "m.npz"), "test")
    with pytest.raises(ValueError, match="there is no cell line 'HeLa'; there are BR:MCF7"):
        line_of(("BR:MCF7",), "HeLa")


# --- the algorithm ---------------------------------------------------------------------------------------------


def test_all_measurements_are_learned_from_and_nothing_else() -> None:
    images, lines, growth = small().sources(MEASURED)["real"]
    known = np.isfinite(MEASURED.growth)
    molecule, line = np.nonzero(known)
    assert len(images) == known.sum() == len(lines) == len(growth)
    np.testing.assert_array_equal(lines.argmax(axis=1), line)
    np.testing.assert_allclose(growth[:, 0], MEASURED.growth[known] - 6, rtol=1e-5)
    np.testing.assert_array_equal(images, MEASURED.images[molecule])


def test_losses_are_those_of_bits_and_growth() -> None:
    game = small(dtype="float64", growth=0.7, spread=2.0)
    seen: dict[str, Any] = {}
    _, rows, growth = (array.copy() for array in game.feed(MEASURED, 8)(game.g))
    game.tries = lambda up: seen.update({up.player.name: (float(up.loss), list(up.passes))})
    found = game.turn(game.feed(MEASURED, 8))
    game.tries = None
    loss, runs = seen["the autoencoder"]
    bits, lines = next((run.x, run.condition) for run in runs if run.net is game.E)
    latents = next(run.x for run in runs if run.net is game.G)
    logits = game.G(latents, train=False)[0]
    x = (bits + 1) / 2
    of_bits = (np.logaddexp(0, logits) - x * logits).mean()
    assert float(found["g_loss"]) == pytest.approx(of_bits)
    assert loss == pytest.approx(of_bits + 0.7 * float(found["g_growth"]))
    np.testing.assert_array_equal(rows, lines)
    assert float(found["g_growth"]) == pytest.approx(((latents[:, 2:] - growth) ** 2).mean())


def test_codes_of_one_direction_are_not_apart() -> None:
    rng = np.random.default_rng(0)
    z, w = rng.normal(0, 1, (6, 3)), rng.normal(0, 1, (6, 3))
    assert apart(z, 2 * z, np)[0] == pytest.approx(0)
    assert apart(z, -z, np)[0] == pytest.approx(2)
    value, to_z, to_w = apart(z, w, np)
    for u, grad, moved in ((rng.normal(0, 1, z.shape), to_z, 0), (rng.normal(0, 1, z.shape), to_w, 1)):
        ends = [apart(*((z + h * u, w) if moved == 0 else (z, w + h * u)), np)[0] for h in (1e-6, -1e-6)]
        assert (grad * u).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)
    assert np.isfinite(apart(np.zeros((2, 3), "float32"), np.ones((2, 3), "float32"), np)[1]).all()
    assert value > 0


def test_likelihood_is_the_mean_of_products() -> None:
    rng = np.random.default_rng(0)
    bits, p = rng.integers(0, 2, (5, 4)), rng.uniform(0.1, 0.9, (3, 4))
    each = np.array([[np.prod(np.where(x == 1, q, 1 - q)) for q in p] for x in bits])
    np.testing.assert_allclose(log_likelihood(bits, p), np.log(each.mean(axis=1)))
    assert np.isfinite(log_likelihood(np.array([[1, 0]]), np.array([[0.0, 1.0]]))).all()


def test_growth_is_asked_for_in_its_own_units() -> None:
    game = small(centre=5.0, spread=2.0)
    z = game.latents(4, ask={"growth": 8.0})
    np.testing.assert_allclose(z[:, 2], 1.5)
    np.testing.assert_array_equal(z[:, :2], game.latents(4)[:, :2])
    p = game.probabilities(4, ask={"growth": 8.0})
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-game.G(z, train=False)[0])), rtol=1e-5)
    said = game.said(X, line="line 1")
    np.testing.assert_allclose(game.predict_growth(X, "line 1"), 5 + 2 * said[:, 2], rtol=1e-6)
    with pytest.raises(ValueError, match="unknown what one can ask for 'grwth'"):
        game.latents(4, ask={"grwth": 1.0})
    with pytest.raises(ValueError, match="growth takes a finite number"):
        game.latents(4, ask={"growth": float("nan")})


BAD: dict[str, tuple[Any, str]] = {
    "images": (lambda: small().fit(X, 1), "says nothing of growth inhibition"),
    "other lines": (lambda: small(lines=4).fit(MEASURED, 1), "has no cell line line 3"),
    "no lines": (lambda: small(lines=0), "lines must be different names"),
    "an unknown line": (lambda: small().predict_growth(X, "HeLa"), "there is no cell line 'HeLa'"),
    "no spread": (lambda: small(spread=0.0), "spread"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused(what: str) -> None:
    call, words = BAD[what]
    with pytest.raises(ValueError, match=words):
        call()


# --- the command line ------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a short run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minigan.runs.pictures.plot_losses", lambda *args: None)
    file(tmp_path / "m.npz")
    assert main(["train", "molecules", "--data", "m.npz", "--steps", "2", "--backend", "numpy", "--quiet"]) == 0
    return tmp_path / "runs" / "molecules-m-1"


def test_all_lines_of_the_data_are_learned_unless_some_are_named(run: Path) -> None:
    game = minigan.Game.load(run / "checkpoint.npz")
    assert game.lines == ["BR:MCF7", "LE:K-562"]
    words = ["--data", "m.npz", "--steps", "1", "--quiet", "--backend", "numpy", "--lines", "LE:K-562", "--out", "one"]
    assert main(["train", "molecules", *words]) == 0
    assert minigan.Game.load("one/checkpoint.npz").lines == ["LE:K-562"]


def test_fingerprints_are_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "--ask", "growth=7.5", "--n", "7", "--out", "hits.npz"]) == 0
    arrays, _ = archive.load("hits.npz")
    assert arrays["probabilities"].shape == (7, 13)
    np.testing.assert_array_equal(arrays["fingerprints"], packed(arrays["probabilities"] > 0.5))
    assert isinstance(load("hits.npz"), Molecules)
    assert capsys.readouterr().out == "7 fingerprints or images in hits.npz\n"
    assert main(["sample", str(run), "--ask", "growth=7.5", "--out", "hits.png"]) == 0
    assert Path("hits.png").read_bytes().startswith(b"\x89PNG")


def test_a_library_is_put_into_order(run: Path) -> None:
    assert sample(run, n=50, out="hits.csv", ask={"growth": 7.5}, screen="m.npz") == 30
    with open("hits.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    game = minigan.Game.load(run / "checkpoint.npz")
    expected = log_likelihood(BITS, game.probabilities(50, ask={"growth": 7.5}))
    assert [int(row["row"]) for row in rows] == np.argsort(-expected, kind="stable").tolist()
    assert [row["smiles"] for row in rows] == [f"C{row['row']}" for row in rows]
    assert [int(row["rank"]) for row in rows] == list(range(1, 31))


BAD_COMMANDS: dict[str, tuple[list[str], str]] = {
    "no number": (["--ask", "growth=high"], "takes NAME=X"),
    "an unknown name": (["--ask", "c1=2", "--out", "hits.npz"], "unknown what one can ask for 'c1'"),
    "a wish for what a grid changes": (["--ask", "growth=7", "--grid", "interpolation"], "leave out --ask"),
    "a wish beside latents": (["--ask", "growth=7", "--z", "z.npy"], "leave out --ask"),
    "a table as a picture": (["--screen", "m.npz"], "--out FILE.csv was expected"),
    "no library": (["--screen", "images.npz", "--out", "a.csv"], "holds no molecules"),
    "other fingerprints": (["--screen", "other.npz", "--out", "a.csv"], "fingerprints of 16 bits"),
    "a label": (["--screen", "m.npz", "--out", "a.csv", "--label", "1"], "leave out --label"),
}


@pytest.mark.parametrize("what", BAD_COMMANDS)
def test_what_cannot_be_asked_is_refused(run: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("images.npz", images=np.zeros((3, 4, 4), np.uint8))
    np.savez("other.npz", fingerprints=np.zeros((3, 2), np.uint8))
    words, said = BAD_COMMANDS[what]
    assert main(["sample", str(run), *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("a.csv").exists()


# --- does it learn? --------------------------------------------------------------------------------------------


def test_growth_is_learned_and_molecules_asked_for_have_it() -> None:
    """Growth is the number of the first eight bits that are set, less that of the last eight."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (600, 24), dtype=np.uint8)
    growth = 6 + 0.5 * (bits[:, :8].sum(axis=1) - 0.0 - bits[:, 16:].sum(axis=1))
    data = Molecules(
        bits[:500, None] * np.uint8(255), None, "made up", growth=growth[:500, None].astype(np.float32), lines=("line",)
    )
    game = recipe.build((1, 24), steps=600, average=0.99)
    game.fit(data, 600, 64)
    said = game.predict_growth(bits[500:, None] * np.uint8(255))
    assert np.corrcoef(said, growth[500:])[0, 1] > 0.8

    def has(value: float) -> float:
        p = game.probabilities(200, ask={"growth": value})
        return float((6 + 0.5 * (p[:, :8].sum(axis=1) - p[:, 16:].sum(axis=1))).mean())

    assert has(7.5) > has(4.5) + 1


# --- the benchmark's own sums ----------------------------------------------------------------------------------


def test_splits_hold_out_whole_scaffolds_and_similarity_is_tanimotos() -> None:
    benchmark = script("molecules")
    scaffold = np.array(["a", "b", "c", "d"] * 10)
    data = Molecules(np.zeros((40, 1, 8), np.uint8), None, "made up", scaffold=scaffold)
    mask = benchmark.held_out(data, 1, lambda mask: mask.mean() >= 0.5)
    assert mask.sum() == 20
    assert not set(scaffold[mask]) & set(scaffold[~mask])
    a, b = np.array([[1.0, 1, 0, 0]]), np.array([[1.0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(benchmark.tanimoto(a, b), [[1 / 3, 1, 0]])

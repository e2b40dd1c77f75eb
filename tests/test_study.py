"""Studies of points in the plane, and what `minigan study` makes of a study: a picture and a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minigan.cli import main
from minigan.datasets.toys import Points, get_toy
from minigan.metrics import mode_coverage
from minigan.studies import study, table
from minigan.theory import STUDIES, Finding, get_study, plane


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_what_it_is_about(name: str) -> None:
    module, experiment = get_study(name)
    title, _, statement = (module.__doc__ or "").partition("\n")
    assert 20 < len(title) <= 120
    assert len(statement) > 200
    assert callable(experiment)


def test_an_unknown_study_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown study 'rings': choose one of optimal-discriminator, "):
        get_study("rings")


@pytest.mark.parametrize("method", plane.METHODS)
def test_every_method_plays(method: str) -> None:
    gan = plane.game(method, steps=4, width=8, seed=0, backend="numpy")
    first, last = plane.play(gan, get_toy("grid"), (2, 4), seed=0, batch=16)
    assert (first.step, last.step, gan.steps) == (2, 4, 4)
    assert last.samples.shape == (plane.N, 2)
    toy = get_toy("grid")
    assert last.coverage == mode_coverage(last.samples, toy.means, toy.std)
    assert not np.array_equal(first.samples, last.samples)


def test_the_data_itself_is_judged_as_good() -> None:
    """The oracle: 1 − e^−4.5 of the points within three standard deviations; nothing to tell it from the truth."""
    for name, modes in (("ring", 8), ("grid", 25)):
        seen = plane.look(get_toy(name).sample(plane.N, 5), get_toy(name))
        assert seen.coverage is not None
        assert (seen.coverage.modes, round(seen.coverage.high_quality, 2)) == (modes, 0.99)
        assert seen.coverage.reverse_kl < 0.02
        assert seen.jsd < 0.02
    assert plane.look(get_toy("moons").sample(plane.N, 5), get_toy("moons")).coverage is None


def test_gans_learn_a_ring_of_wide_bells() -> None:
    """What no formula shows: the game that the table recommends finds all modes, which an untrained G does not."""
    ring = get_toy("ring")
    wide = type(ring)("ring", ring.means, 0.1, ring.bounds)
    gan = plane.game("R1 + R2", steps=300, width=32, seed=0, backend="numpy")
    before = plane.look(gan.sample(plane.N), wide)
    *_, after = plane.play(gan, wide, (300,), seed=0)
    assert before.coverage is not None
    assert after.coverage is not None
    assert before.coverage.modes <= 4
    assert after.coverage.modes == 8
    assert after.coverage.high_quality > 0.6
    assert after.jsd < 0.3 < before.jsd


def test_points_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    np.savetxt(file, np.random.default_rng(0).normal(1000, 50, (60, 2)), delimiter=",", header="a,b", comments="")
    found = plane.experiment(data=str(file), steps=4, width=8)
    assert isinstance(found.toy, Points)
    assert np.abs(found.toy.points).max() == pytest.approx(2)
    assert [finding.what for finding in found.findings()] == ["the data itself", *plane.SHOWN]
    assert all("modes" not in finding.found for finding in found.findings())


@pytest.mark.parametrize(
    ("content", "words"),
    [("1,2,3\n4,5,6\n", "points of 3 numbers, but the plane has 2"), ("1,2\n1,2\n", "all lie in one place")],
)
def test_points_that_cannot_be_studied(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        plane.experiment(data=str(tmp_path / "mine.csv"), steps=1, width=4)
    with pytest.raises(ValueError, match="either the name of a toy or --data"):
        plane.experiment(steps=1)


def test_the_command_writes_a_picture_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "b"
    words = ["study", "ring", "--steps", "4", "--width", "8", "--seed", "3", "--out", str(out), "--backend", "numpy"]
    assert main(words) == 0
    said = capsys.readouterr().out
    page = (out / "ring.md").read_text(encoding="utf-8")
    assert "| non-saturating " in said
    assert f"{out / 'ring'}.png" in said
    assert page.startswith("# GANs on points in the plane")
    assert "![" in page
    assert "`minigan study ring --steps 4 --width 8 --seed 3 --backend numpy`" in page
    assert "| the data itself " in page
    assert (out / "ring.png").read_bytes()[:4] == b"\x89PNG"


def test_what_a_study_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "ring", "--data", "x.csv"]) == 2
    assert main(["study", "wings"]) == 2
    assert main(["study", "dirac", "--steps", "3"]) == 2
    assert "takes no --data" in capsys.readouterr().err


def test_a_claim_that_does_not_hold_is_said_and_exits_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = [Finding("|x|", "3", "at most 2", False), Finding("y", "1")]
    assert table(found).splitlines()[2] == "| \\|x\\|    | 3     | at most 2 | does not hold |"
    monkeypatch.setattr(plane.Plane, "findings", lambda self: found)
    words = ["--steps", "2", "--width", "4", "--out", str(tmp_path), "--backend", "numpy"]
    assert main(["study", "grid", *words]) == 1
    assert study("grid", tmp_path, steps=2, width=4, backend="numpy") == found

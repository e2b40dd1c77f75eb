"""Search by example: exact, of pictures as they come, with an index that is kept and never mistaken for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from subjects import bars, conv, saved

from minigan import archive
from minigan.cli import main
from minigan.commands.search import search
from minigan.evaluation.embeddings import NetworkFeatures
from minigan.evaluation.search import Index, kept_index

NUMPY: Any = {"backend": "numpy"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return saved(tmp_path / "run")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures in two classes."""
    for i, image in enumerate(bars(12)[0]):
        place = tmp_path / "photos" / ("cat", "dog")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i:02}.png")
    return tmp_path / "photos"


def embedding() -> NetworkFeatures:
    return NetworkFeatures(conv(), (8, 8))


@pytest.mark.parametrize("standardised", [False, True])
def test_search_is_the_plain_cosine(standardised: bool) -> None:
    embed, images, queries = embedding(), bars(40)[0], bars(6, seed=1)[0]
    rows = embed(images).astype(np.float64)
    scale = rows.std(axis=0) if standardised else 1
    items, asked = ((embed(x) - rows.mean(axis=0)) / scale for x in (images, queries))
    cosines = np.array([[i @ q / np.linalg.norm(i) / np.linalg.norm(q) for i in items] for q in asked])
    index = Index.of(embed, images, standardised)
    places, similarities = index.search(embed(queries), 7)
    np.testing.assert_array_equal(places, np.argsort(-cosines, axis=1)[:, :7])
    np.testing.assert_allclose(similarities, np.take_along_axis(cosines, places, 1), atol=1e-5)


def test_every_picture_finds_itself_first_and_its_copy_second() -> None:
    embed, images = embedding(), bars(20)[0]
    images[17] = images[4]
    places, similarities = Index.of(embed, images).search(embed(images), 3)
    expected = [i if i != 17 else 4 for i in range(20)]  # of equals, the first comes first
    assert places[:, 0].tolist() == expected
    assert places[[4, 17], 1].tolist() == [17, 17]
    np.testing.assert_allclose(similarities[:, 0], 1, atol=1e-6)
    assert (np.diff(similarities, axis=1) <= 0).all()


def test_a_collection_of_equal_pictures_and_more_than_there_are() -> None:
    embed, images = embedding(), np.full((3, 8, 8), 9, np.uint8)
    places, similarities = Index.of(embed, images).search(embed(images[:1]), 10)
    assert places.tolist() == [[0, 1, 2]]
    assert similarities.tolist() == [[0, 0, 0]]
    with pytest.raises(ValueError, match="rows of 128 numbers"):
        Index.of(embed, images).search(np.zeros((1, 5), np.float32))


def test_an_index_is_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed, images, names = embedding(), bars(9)[0], [str(i) for i in range(9)]
    said: list[str] = []
    made = kept_index(embed, images, names, beside=tmp_path, say=said.append)
    assert said == ["making the index of 9 pictures ..."]
    (file,) = tmp_path.glob("index-*.npz")
    assert archive.load(file)[0]["names"].tolist() == names
    with monkeypatch.context() as patch:
        patch.setattr(Index, "of", None)
        again = kept_index(embedding(), images, names, beside=tmp_path)
    np.testing.assert_array_equal(again.rows, made.rows)
    np.testing.assert_array_equal(again.search(embed(images)).places, made.search(embed(images)).places)


def test_an_index_of_something_else_is_not_used(tmp_path: Path) -> None:
    embed, images, names = embedding(), bars(9)[0], [str(i) for i in range(9)]
    kept_index(embed, images, names, file=tmp_path / "i.npz")
    for other, pictures, standardised in (
        (NetworkFeatures(conv(seed=1), (8, 8)), images, False),
        (NetworkFeatures(conv(), (8, 8), [1]), images, False),
        (embed, 255 - images, False),
        (embed, images, True),
    ):
        with pytest.raises(ValueError, match="is the index of another network, of other layers or of other pictures"):
            kept_index(other, pictures, names, standardised, file=tmp_path / "i.npz")
        kept_index(other, pictures, names, standardised, beside=tmp_path)
    assert len(list(tmp_path.glob("index-*.npz"))) == 4


def test_a_damaged_index_is_made_again_where_it_has_no_name_of_its_own(tmp_path: Path) -> None:
    embed, images, names = embedding(), bars(9)[0], [str(i) for i in range(9)]
    made = kept_index(embed, images, names, beside=tmp_path)
    (file,) = tmp_path.glob("index-*.npz")
    whole = file.read_bytes()
    for damage in (whole[:-100], b"nothing"):
        file.write_bytes(damage)
        said: list[str] = []
        again = kept_index(embed, images, names, beside=tmp_path, say=said.append)
        assert f"the index kept in {file} cannot be used and is made again: " in said[0]
        np.testing.assert_array_equal(again.rows, made.rows)
        assert file.read_bytes() == whole
    arrays, header = archive.load(file)
    archive.save(file, arrays | {"rows": arrays["rows"] * np.nan}, header)
    with pytest.raises(ValueError, match="holds no whole index"):
        Index.load(file, made.key)
    archive.save(file, arrays)
    with pytest.raises(ValueError, match="is no index"):
        kept_index(embed, images, names, file=file)


def test_the_command_names_files_and_draws_a_sheet(run: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = run.parent / "sheet.png"
    words = ["search", str(run), str(photos / "cat" / "04.png"), str(photos / "dog"), "--in", str(photos), "--n", "3"]
    assert main([*words, "--backend", "numpy", "--sheet", str(sheet)]) == 0
    blocks = capsys.readouterr().out.split(".png\n\n| ")
    assert len(blocks) == 8
    first = blocks[1].splitlines()[2].split("|")
    assert [cell.strip() for cell in first[1:4]] == ["1", str(Path("cat", "04.png")), "1.000"]
    picture = np.asarray(Image.open(sheet))
    assert picture.shape[1] == 4 * 10 + 2
    assert picture.shape[0] >= 7 * 10 + 2
    np.testing.assert_array_equal(picture[-70:-62, 2:10], picture[-70:-62, 12:20])  # the query, and itself


def test_queries_of_any_size_and_colour(run: Path, photos: Path, tmp_path: Path) -> None:
    with Image.open(photos / "dog" / "03.png") as small:
        small.convert("RGB").resize((32, 32), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    names, hits = search(run, [tmp_path / "large.png"], photos, n=1, layers=[1, 4], **NUMPY)
    ((places, _),) = hits.values()
    assert names[places[0, 0]] == str(Path("dog", "03.png"))


def test_a_data_set_has_numbers_and_classes(run: Path, photos: Path, tmp_path: Path) -> None:
    images, labels = bars(12)
    np.savez(tmp_path / "bars.npz", images=images, labels=np.array(["x", "y", "z"])[labels])
    names, hits = search(run, [photos / "dog" / "01.png"], tmp_path / "bars.npz", index=tmp_path / "i.npz", **NUMPY)
    ((places, _),) = hits.values()
    assert names[places[0, 0]] == "1 (y)"
    assert (tmp_path / "i.npz").exists()
    assert not list(run.glob("index-*"))


BAD: dict[str, tuple[list[str], str]] = {
    "no picture there": (["none.png"], "there is no none.png"),
    "an index that is no .npz": (["--index", "i.png"], "an index is an .npz"),
    "nowhere to draw": (["--sheet", "nowhere/s.png"], "there is no folder"),
    "a sheet of another kind": (["--sheet", "s.txt"], "ends in none of"),
    "none": (["--n", "0"], "n must be an integer of 1 or more"),
    "no such network": (["--net", "E"], "net must be one of D, G"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_a_sentence(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options, sentence = BAD[name]
    assert main(["search", str(run), str(photos / "cat"), *options, "--in", str(photos), "--backend", "numpy"]) == 2
    assert sentence in capsys.readouterr().err

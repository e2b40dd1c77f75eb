"""The pictures of a run: what is where in a grid, and whether files hold what was drawn."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minigan import GAN, Dense, Sequential
from minigan.game.game import Panel
from minigan.runs import pictures


def images(n: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(1, 256, (n, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_a_grid_puts_images_row_by_row_with_padding_around_each(shape: tuple[int, ...]) -> None:
    pixels = images(5, *shape)
    picture = pictures.grid(pixels, rows=2, columns=3, padding=1)
    assert picture.shape == (2 * 4 + 1, 3 * 5 + 1, *shape[2:])
    for i in range(5):
        top, left = 1 + 4 * (i // 3), 1 + 5 * (i % 3)
        np.testing.assert_array_equal(picture[top : top + 3, left : left + 4], pixels[i])
        picture[top : top + 3, left : left + 4] = 0
    assert not picture.any()  # the padding and the cell without an image are black


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (5, 2, 3), (25, 5, 5), (26, 5, 6)])
def test_a_grid_is_nearly_square_by_default(n: int, rows: int, columns: int) -> None:
    assert pictures.grid(images(n, 1, 1), padding=0).shape == (rows, columns)
    assert pictures.grid(images(n, 1, 1), columns=columns, padding=0).shape == (rows, columns)
    assert pictures.grid(images(n, 1, 1), rows=rows, padding=0).shape == (rows, columns)


def test_a_grid_refuses_what_it_cannot_show() -> None:
    with pytest.raises(ValueError, match="5 images do not fit into 2 rows of 2"):
        pictures.grid(images(5, 2, 2), 2, 2)
    with pytest.raises(ValueError, match="do not fit"):
        pictures.grid(images(5, 2, 2), 5, 0)
    with pytest.raises(ValueError, match=r"\(N, H, W\)"):
        pictures.grid(images(5, 2))
    with pytest.raises(ValueError, match=r"\(0, 2, 2\)"):
        pictures.grid(images(0, 2, 2))
    with pytest.raises(TypeError, match="to_uint8"):
        pictures.grid(np.zeros((1, 2, 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_a_png_holds_the_very_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture = images(1, *shape)[0]
    pictures.save_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as file:
        np.testing.assert_array_equal(np.asarray(file), picture[..., 0] if shape[2:] == (1,) else picture)
    pictures.save_png(tmp_path / "b.png", picture[:, ::-1])  # a view that is not contiguous
    with Image.open(tmp_path / "b.png") as file:
        np.testing.assert_array_equal(np.asarray(file).reshape(shape), picture[:, ::-1])
    with pytest.raises(ValueError, match="1 to 4 channels"):
        pictures.save_png(tmp_path / "c.png", images(1, 5, 7, 5)[0])


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (5, 9, 3), (5, 5)])
def test_a_png_of_the_shape_that_is_asked_for_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pictures.save_png(tmp_path / "a.png", picture)
    for asked in [(5, 9), (9, 5), (5, 9, 3), (5, 5)]:
        with open(tmp_path / "a.png", "rb") as file:
            found = pictures.read_png(file, asked)
        assert (found is not None) == (asked == shape)
        assert found is None or np.array_equal(found, picture)


def test_a_gif_repeats_and_holds_its_last_frame(tmp_path: Path) -> None:
    frames = [np.full((40, 40), level, np.uint8) for level in (0, 128, 255)]
    pictures.save_png(tmp_path / "1.png", frames[1])
    pictures.save_gif(tmp_path / "a.gif", [frames[0], tmp_path / "1.png", frames[2]], size=80)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["loop"] == 0
        assert gif.n_frames == 3
        seen, durations = [], []
        for i in range(3):
            gif.seek(i)
            durations.append(gif.info["duration"])
            seen.append(np.asarray(gif.convert("L")))
    assert [frame.shape for frame in seen] == [(80, 80)] * 3  # enlarged by a whole factor
    assert [int(frame.mean()) for frame in seen] == [0, 136, 255]
    assert durations == [250, 250, 3000]


def test_a_gif_takes_evenly_spread_frames_of_too_many(tmp_path: Path) -> None:
    frames = [np.full((20, 20), level, np.uint8) for level in range(0, 256, 16)]
    pictures.save_gif(tmp_path / "a.gif", frames, most=4)
    with Image.open(tmp_path / "a.gif") as gif:
        levels = []
        for i in range(gif.n_frames):
            gif.seek(i)
            levels.append(int(np.asarray(gif.convert("L")).mean()))
    assert levels == [0, 85, 170, 255]  # frames 0, 5, 10 and 15 of 0..15


def test_a_gif_of_a_hundred_noisy_grids_stays_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    digits = [np.where(rng.random((152, 152)) < 0.2, rng.integers(0, 256, (152, 152)), 0) for _ in range(150)]
    pictures.save_gif(tmp_path / "a.gif", [frame.astype(np.uint8) for frame in digits])
    assert (tmp_path / "a.gif").stat().st_size < 3_000_000  # far noisier than samples of a trained GAN


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_gif_takes_any_channels_and_writes_its_captions_below(tmp_path: Path, channels: int) -> None:
    frames = [np.zeros((30, 60, channels), np.uint8) for _ in range(2)]
    pictures.save_gif(tmp_path / "a.gif", frames, ["step 1", "step 2"], size=30)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.size == (60, 52)
        assert gif.n_frames == 2  # equal but for their captions
        pixels = np.asarray(gif.convert("L"))
    assert not pixels[:30].any()
    assert pixels[30:].max() > 200


def test_a_gif_needs_a_frame_and_a_caption_for_each(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        pictures.save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="caption"):
        pictures.save_gif(tmp_path / "a.gif", [images(1, 4, 4)[0]], ["one", "two"])


def table(n: int) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {"step": np.arange(1, n + 1.0)} | {name: rng.random(n) for name in ("d_loss", "g_loss", "d_real", "d_fake")}


def panels(objective: str = "non-saturating") -> list[Panel]:
    G, D = Sequential(Dense(2, 3)), Sequential(Dense(3, 1))
    return GAN(G, D, objective=objective).panels()


EQUILIBRIUM = {"d_loss": math.log(4), "g_loss": math.log(2), "d_real": 0.5, "d_fake": 0.5}


@pytest.mark.parametrize("n", [0, 1, 2, 500])
@pytest.mark.parametrize("equilibrium", [EQUILIBRIUM, {}])
def test_losses_of_any_number_of_steps_can_be_drawn(tmp_path: Path, n: int, equilibrium: dict[str, float]) -> None:
    pictures.plot_losses(tmp_path / "a.png", table(n), panels(), equilibrium)
    with Image.open(tmp_path / "a.png") as file:
        assert min(file.size) > 500
        assert len(file.convert("RGB").getcolors(1 << 24)) > 10
    assert "matplotlib.pyplot" not in sys.modules


def test_scores_are_not_cut_at_one_and_penalties_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: drawn.append(self))
    values = table(400) | {"d_penalty": np.zeros(400)}
    values["d_real"] += 20
    pictures.plot_losses(tmp_path / "a.png", values, panels("wasserstein"), {})
    assert drawn[0].axes[1].get_ylim()[1] > 20
    values["d_penalty"] += 1
    pictures.plot_losses(tmp_path / "a.png", values, panels(), {})
    assert drawn[1].axes[1].get_ylim() == (0, 1)
    penalties = [["D's penalty" in str(line.get_label()) for line in figure.axes[0].get_lines()] for figure in drawn]
    assert [any(found) for found in penalties] == [False, True]


def test_the_plot_of_losses_says_what_is_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: drawn.append(self))
    values = table(400)
    values["d_loss"][7] = 1e6  # one spike
    pictures.plot_losses(tmp_path / "a.png", values, panels(), EQUILIBRIUM | {"g_loss": -math.log(2)})
    losses, outputs = drawn[0].axes
    assert losses.get_ylim()[1] < 1e5  # does not flatten the rest
    words = [text.get_text() for axes in (losses, outputs) for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert words == [
        "D",
        "G",
        "D at equilibrium:\nlog 4 = 1.386",
        "G at equilibrium:\n−log 2 = −0.693",
        "D(x)",
        "D(G(z))",
        "both at equilibrium:\n1/2",
    ]
    raw, smooth = losses.get_lines()[2:4]
    np.testing.assert_array_equal(raw.get_ydata(), values["g_loss"])
    dark = np.asarray(smooth.get_ydata())
    np.testing.assert_allclose(dark[100], values["g_loss"][96:105].mean())
    np.testing.assert_allclose(dark[0], values["g_loss"][:5].mean())
    np.testing.assert_allclose(dark[-1], values["g_loss"][-5:].mean())
    assert [line.get_ydata()[0] for line in losses.get_lines()[4:]] == [math.log(4), -math.log(2)]  # type: ignore[index]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = images(1, 4, 4)[0]
    pictures.save_png(tmp_path / "a.png", old)
    before = (tmp_path / "a.png").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        pictures.save_png(tmp_path / "a.png", 255 - old)
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("module", "name"), [("PIL", "Pillow"), ("matplotlib", "Matplotlib")])
def test_a_missing_library_is_named_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    pictures.require()
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{name}, which is not installed; .*pip install "\.\[cli\]"'):
        pictures.require()
    with pytest.raises(ImportError, match=name):
        pictures.require(name)
    pictures.require({"Pillow": "Matplotlib", "Matplotlib": "Pillow"}[name])


def test_a_library_that_cannot_be_loaded_is_noticed_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError("numpy.core.multiarray failed to import")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ImportError, match=r"Pillow, which cannot be loaded: numpy\.core.* failed"):
        pictures.require()

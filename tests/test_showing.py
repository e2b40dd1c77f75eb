"""What people see of a GAN: at a prompt, in a notebook, and while it learns."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minigan
from minigan import (
    GAN,
    R1,
    Adam,
    BatchNorm,
    Category,
    Conditional,
    Dense,
    Flatten,
    Label,
    LeakyReLU,
    Reshape,
    Sequential,
    Tanh,
)
from minigan.gan import METRICS
from minigan.recipes import cgan, dcgan
from minigan.recipes import gan as recipe
from minigan.runs.interrupt import StopRequest
from minigan.runs.pictures import grid
from minigan.runs.progress import Progress
from minigan.runs.watch import Watch

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)


def small(side: int = 8, **options: Any) -> GAN:
    G = Sequential(Dense(4, 16), BatchNorm(16), LeakyReLU(), Dense(16, side * side), Tanh(), seed=1)
    return GAN(G, Sequential(Dense(side * side, 16), LeakyReLU(), Dense(16, 1), seed=2), **options)


# --- at a prompt -----------------------------------------------------------------------------------------------


def test_a_gan_says_what_it_is_and_how_far_it_has_come() -> None:
    gan = small(penalties=[R1(3.0)], optimizer=Adam(0.01), d_optimizer=Adam(3e-3), prior="uniform", latent=4)
    gan.fit(IMAGES, 2, batch=8)
    assert repr(gan) == (
        "GAN(  # after 2 steps, float32, numpy\n"
        "    G: (4,) to (64,), 1,200 parameters\n"
        "    D: (64,) to (1,), 1,057 parameters\n"
        "    objective=NonSaturating(), optimizer=Adam(lr=0.01), d_optimizer=Adam(lr=0.003), "
        "penalties=[R1(weight=3.0)], prior='uniform'\n)"
    )
    assert repr(gan.d_opt) == "<Adam(lr=0.003) of 1,057 parameters, after 2 updates>"


def test_what_nobody_chose_is_not_said() -> None:
    assert "objective=NonSaturating(), optimizer=Adam(lr=0.0002, beta1=0.5)\n)" in repr(small())


def test_a_gan_with_codes_says_how_many_numbers_go_in_and_come_out() -> None:
    G, D = Sequential(Dense(7, 9), seed=1), Sequential(Dense(9, 4), seed=2)
    assert "G: (7,) to (9,)" in (shown := repr(Conditional(G, D, codes=[Category(3)])))
    assert "D: (9,) to (4,)" in shown
    assert "codes=[Category(3)]" in shown


def rows(text: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in text.splitlines()]


def test_the_summary_of_a_network() -> None:
    text = small().G.summary()
    assert rows(text) == [
        ["layer", "output", "parameters"],
        ["0", "Dense(4, 16)", "(16,)", "80"],
        ["1", "BatchNorm(16)", "(16,)", "32"],
        ["2", "LeakyReLU()", "(16,)", "0"],
        ["3", "Dense(16, 64)", "(64,)", "1,088"],
        ["4", "Tanh()", "(64,)", "0"],
        ["total", "1,200"],
    ]
    assert repr(text) == str(text)
    assert len({len(line.rstrip()) for line in text.splitlines()}) == 1, "the numbers end in one column"


def test_a_summary_of_images_follows_their_shapes() -> None:
    D = dcgan.build((8, 8)).D
    summary = rows(D.summary((8, 8, 1)))
    outputs = [y.shape[1:] for _, y in D.activations(np.zeros((2, 8, 8, 1)))]
    assert {row[2] for row in summary[1:-1]} == {str(shape) for shape in outputs}
    assert summary[-1] == ["total", f"{D.size:,}"]
    net = Sequential(Flatten(), LeakyReLU(), Reshape(4, 4, 1))
    assert [row[2] for row in rows(net.summary((2, 8)))[1:-1]] == ["(16,)", "(16,)", "(4, 4, 1)"]
    with pytest.raises(
        ValueError, match=r"does not tell the shape of a sample: give it, as in summary\(\(28, 28, 1\)\)"
    ):
        net.summary()
    with pytest.raises(ValueError, match=r"layer 0.*expected a batch of shape \(N, 4\)"):
        small().G.summary((5,))


def test_a_summary_changes_nothing() -> None:
    net, calm = (Sequential(Dense(3, 4), BatchNorm(4), minigan.Dropout(0.5), seed=1) for _ in range(2))
    net.summary()
    for each in (net, calm):
        each(np.ones((4, 3)))
    assert net.calls == calm.calls
    assert all((a == b).all() for a, b in zip(net.state_dict().values(), calm.state_dict().values(), strict=True))
    assert rows(Sequential().summary())[-1] == ["total", "0"]


# --- in a notebook ---------------------------------------------------------------------------------------------


def picture(html: str) -> Any:
    return Image.open(io.BytesIO(base64.b64decode(re.findall('src="data:image/png;base64,([^"]+)"', html)[0])))


def test_a_notebook_shows_a_gan_with_sixteen_samples() -> None:
    for gan, name in ((small(), "GAN"), (dcgan.build((8, 8)), "GAN"), (cgan.build((8, 8)), "Conditional")):
        html, side = gan._repr_html_(), 8
        assert f"<pre>{name}(  # after 0 steps" in html
        assert "<pre>" in html
        assert picture(html).size == (4 * (side + 2) + 2,) * 2
    gan = small()
    shown = np.asarray(picture(gan._repr_html_()))
    right = minigan.datasets.to_uint8(gan.sample(16)).reshape(16, 8, 8)
    assert (shown[2:10, 2:10] == right[0]).all()
    assert (shown[32:40, 32:40] == right[15]).all()


def test_colours_are_shown_and_what_is_no_image_is_text() -> None:
    gan = dcgan.build((8, 8, 3))
    assert picture(gan._repr_html_()).mode == "RGB"
    points = recipe.build((2,), nets="points")
    assert "<img" not in points._repr_html_()
    assert "GAN(" in points._repr_html_()
    gan = small()
    gan.G.flat[...] = np.nan
    assert "its samples are not finite" in gan._repr_html_()


def test_a_notebook_without_pillow_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    html = small()._repr_html_()
    assert "GAN(" in html
    assert "<img" not in html


def test_looking_at_a_gan_does_not_change_its_training() -> None:
    gan, calm = small(), small()
    gan.fit(IMAGES, 4, batch=8, callback=lambda gan, _: gan._repr_html_() is None)
    calm.fit(IMAGES, 4, batch=8)
    assert gan.G.flat.tobytes() == calm.G.flat.tobytes()


NOTEBOOK = """
import minigan
gan = minigan.GAN(minigan.Sequential(minigan.Dense(4, 64), seed=1), minigan.Sequential(minigan.Dense(64, 1), seed=2))
images = minigan.datasets.load("digits").images[:500, 10:18, 10:18]
gan.fit(images, steps=600, batch=16, progress=True)["g_loss"].shape
---
gan
---
gan.G.summary()
"""


def test_a_notebook_of_five_lines() -> None:
    """Executed by Jupyter's own kernel: a display of the progress that was updated, a picture and a summary."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in NOTEBOOK.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    fit, shown, summary = (cell.outputs for cell in notebook.cells)
    assert [output.output_type for output in fit] == ["display_data", "execute_result"], (
        "one display, no stream of lines"
    )
    html, text = fit[0].data["text/html"], fit[0].data["text/plain"]
    assert re.search(r"step 600/600 .*D\(x\) .* ms/step", text)
    assert '<progress value="600" max="600">' in html
    assert fit[1].data["text/plain"] == "(600,)"
    assert picture(shown[0].data["text/html"]).size == (42, 42)
    assert "GAN(  # after 600 steps" in shown[0].data["text/plain"]
    assert rows(summary[0].data["text/plain"]) == [
        ["layer", "output", "parameters"], ["0", "Dense(4, 64)", "(64,)", "320"], ["total", "320"]
    ]  # fmt: skip


# --- while it learns -------------------------------------------------------------------------------------------


def test_progress_is_lines_where_nobody_watches_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    gan, calm = small(), small()
    history = gan.fit(IMAGES, 40, batch=8, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines] == [f"step {n:>2}/40" for n in range(2, 41, 2)]
    right = calm.fit(IMAGES, 40, batch=8)
    assert capsys.readouterr().out == ""
    assert all((history[name] == right[name]).all() for name in right)
    assert gan.G.flat.tobytes() == calm.G.flat.tobytes()
    losses = right["d_loss"][-2:].mean()
    assert f"D loss {losses:.2f}" in lines[-1]
    gan.fit(IMAGES, 10, batch=8, progress=True)
    assert capsys.readouterr().out.splitlines()[-1].startswith("step 50/50")


def test_the_first_images_are_shown_and_true_is_white(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 2, (9, 6, 7)).astype(bool)
    images[3] = True
    for given in (images, images.astype(np.uint8) * 255, np.where(images, 1.0, -1.0)):
        minigan.show(given, n=4, out=tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as shown:
            np.testing.assert_array_equal(np.asarray(shown), grid(images[:4].astype(np.uint8) * 255))


def test_progress_of_a_run_that_goes_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, means and times are those of this part of the run, also where its end does not divide."""
    now = [5.0]
    monkeypatch.setattr("minigan.runs.progress.time", SimpleNamespace(perf_counter=lambda: now[0]))
    progress = Progress(1000, 1047, StopRequest(), GAN.headline)
    for step in range(1001, 1048):
        now[0] += 90.0
        progress.update(step, {"d_loss": step, "g_loss": 2 * step, "d_real": 0.75, "d_fake": 0.25})
    lines = capsys.readouterr().out.splitlines()
    assert [int(line[5:9]) for line in lines] == [*range(1002, 1047, 2), 1047]
    shown = "D(x) 0.75  D(G(z)) 0.25  90000.0 ms/step"
    assert lines[0] == f"step 1002/1047  D loss 1001.50  G loss 2003.00  {shown}  1:07:30 left"
    assert lines[-2] == f"step 1046/1047  D loss 1045.50  G loss 2091.00  {shown}  1:30 left"
    assert lines[-1] == f"step 1047/1047  D loss 1047.00  G loss 2094.00  {shown}  0:00 left"


def test_the_steps_that_are_shown_are_those_that_were_played(capsys: pytest.CaptureFixture[str]) -> None:
    gan = small()
    gan.steps = 30
    with Watch(gan, IMAGES, 6) as watch:
        for count in (1, 3, 2):
            gan.steps += count
            watch({name: np.full(count, 0.5) for name in METRICS})
    assert [line[:10] for line in capsys.readouterr().out.splitlines()] == [f"step {n}/36" for n in range(31, 37)]


def test_progress_says_what_diagnostics_have_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    gan = small()
    played = {name: np.full(50, 1e-4) for name in METRICS} | {"d_accuracy_real": np.ones(50), "d_real": np.ones(50)}
    played["d_accuracy_fake"] = np.ones(50)  # D is right of everything, and G learns nothing
    with Watch(gan, IMAGES, 1500) as watch:
        for _ in range(30):
            gan.steps += 50
            assert not watch(played)
    said = capsys.readouterr().out
    assert re.search(r"^step [\d,]+: D ", said, re.M)
    assert re.search(r"^still wrong since step [\d,]+: ", said, re.M)


def test_progress_ends_with_the_error_of_a_training_that_diverges(capsys: pytest.CaptureFixture[str]) -> None:
    gan = small()
    with pytest.raises(minigan.NonFiniteError):
        gan.fit(np.full((20, 8, 8), np.inf, np.float32), 5, batch=8, progress=True)
    assert "the real batch is not finite at step 1" in capsys.readouterr().out


def test_a_fit_whose_output_nobody_reads_on_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    gan = small()
    gan.fit(IMAGES, 400, batch=8, progress=True)
    assert gan.steps == 20


@pytest.mark.parametrize(
    ("steps", "every", "called"), [(10, 4, [4, 8, 10]), (8, 4, [4, 8]), (3, 5, [3]), (2, 1, [1, 2])]
)
@pytest.mark.parametrize("progress", [False, True])
def test_a_callback_every_so_many_steps(steps: int, every: int, called: list[int], progress: bool) -> None:
    seen: list[tuple[int, float]] = []
    history = small().fit(
        IMAGES, steps, 8, callback=lambda gan, m: seen.append((gan.steps, m["d_loss"])), every=every, progress=progress
    )
    assert [step for step, _ in seen] == called
    assert [float(history["d_loss"][step - 1]) for step in called] == [loss for _, loss in seen]


def test_a_callback_ends_the_training() -> None:
    history = small().fit(IMAGES, 100, 8, callback=lambda gan, _: gan.steps >= 6, every=3)
    assert len(history["d_loss"]) == 6
    with pytest.raises(ValueError, match="every must be an integer of 1 or more, got 0"):
        small().fit(IMAGES, 1, 8, callback=lambda *_: True, every=0)


def test_labels_are_shown_in_turn() -> None:
    G, D = Sequential(Dense(2 + 4, 64), seed=1), Sequential(Dense(64 + 4, 1), seed=2)
    gan = Conditional(G, D, codes=[Label(4)])
    shown = np.asarray(picture(gan._repr_html_()))
    right = minigan.datasets.to_uint8(gan.sample(16, label=np.arange(16) % 4)).reshape(16, 8, 8)
    assert (shown[2:10, 12:20] == right[1]).all()

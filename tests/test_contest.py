"""benchmarks/contest: other libraries and other steps compute what they should before they are timed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from contest import conv, critic, dcgan, guests_jax, guests_torch
from contest.command import main
from contest.critic import CRITIC
from contest.dcgan import DCGAN
from contest.guests import GUESTS, SUBJECTS, make_opponent
from contest.worker import Worker
from figures import figure, full, sample
from scripts import FOLDER, script

from minigan import environment
from minigan.backend import NAMES, Backend, get_backend
from minigan.backend.graph import WARM_UP
from minigan.backend.numpy_backend import NumpyBackend
from minigan.bench import command, parts, plots, profile, report, step, tables, work
from minigan.bench.measure import Plan
from minigan.bench.report import Report
from minigan.bench.subject import (
    CHECKED_STEPS,
    TOLERANCES,
    Losses,
    Opponent,
    Start,
    UnavailableError,
    load_start,
    precision,
    save_start,
)
from minigan.bench.turns import Pace, take_turns
from minigan.penalties import GradientPenalty
from minigan.recipes import pix2pix

ROOT = Path(__file__).parent.parent
SMALL = 1 / 256  # G 100-1-2-4-784, D 784-2-1-1
GAMES = ("step", "critic", "dcgan")  # the subjects that are steps of a GAN


@pytest.mark.parametrize("subject", GAMES)
@pytest.mark.parametrize(("batch", "width"), [(2, SMALL), (5, 0.1)])
def test_the_products_counted_are_those_of_a_real_step(batch: int, width: float, subject: str) -> None:
    """As a multiset: a backend may be asked for the two products of a backward in either order, or for both at once."""
    recorder = profile.Recorder(noting=True)
    gan = SUBJECTS[subject].build(width, profile.WatchedBackend(get_backend("numpy"), recorder))
    play = SUBJECTS[subject].play(SUBJECTS[subject].start(batch, width), gan)
    recorder.calls.clear()  # the sample that the constructor sends through
    play()
    asked = Counter(
        tuple(map(int, product.split("×")))
        for call in recorder.calls
        if call.operation.startswith("gemm")
        for product in call.shape.split(", ")
    )
    if subject != "dcgan":  # its operations are not written down one by one
        operations = {"step": step.operations, "critic": critic.operations}[subject](batch, width)
        assert asked == Counter(step.products(operations))
    counted = [call.work for call in recorder.calls if call.work is not None]
    assert work.total(counted).gemm_flops == SUBJECTS[subject].work(batch, width).gemm_flops


def test_the_work_of_a_tiny_critic_by_hand() -> None:
    """Batch 2, D 784-2-1-1: what the double pass costs beside the plain one."""
    forward, to_the_input, tangent = 1568 + 2 + 1, 1 + 2 + 1568, 1568 + 2  # of one sample
    plain = 4 * forward + 4 * forward + 4 * (1 + 2)  # real and fakes: forward, dW, and dx but for the first layer's
    penalty = 2 * (forward + to_the_input + tangent + forward)  # x̂ forward and back, its tangent, dW
    assert critic.critic_work(2, SMALL).gemm_flops == 2 * (plain + penalty)


def test_the_work_of_a_dcgan_by_hand() -> None:
    """Width 1/64: one channel at half the size, two at a quarter, 16 units. Batch 2."""
    (G, D), weights_G = dcgan.blocks(1 / 64), [100 * 16, 16 * 98, 2 * 16, 16]
    assert [block.weights for block in G] == weights_G
    assert [block.weights for block in D] == [16, 2 * 16, 98 * 16, 16]
    forward_G = 100 * 16 + 16 * 98 + 49 * 2 * 16 + 196 * 16
    forward_D = 196 * 16 + 49 * 2 * 16 + 98 * 16 + 16
    first_G, first_D = 100 * 16, 196 * 16
    a_sample = 3 * forward_G - first_G + 2 * (3 * forward_D - first_D) + 2 * forward_D
    assert dcgan.dcgan_work(2, 1 / 64).gemm_flops == 2 * 2 * a_sample
    gan = dcgan.build(1 / 64)
    assert [sum(block.parameters for block in net) for net in (G, D)] == [gan.G.size, gan.D.size]


def test_the_work_of_convolutions_is_that_of_the_calls() -> None:
    """The products, as they are asked for."""
    for subject in conv.SUBJECTS:
        recorder = profile.Recorder(noting=True)
        nets = conv.build(subject, 0.25, profile.WatchedBackend(get_backend("numpy"), recorder))
        conv.play(conv.start(subject, 3, 0.25), nets)()
        counted = [call.work for call in recorder.calls if call.work is not None]
        assert work.total(counted).gemm_flops == conv.conv_work(subject, 3, 0.25).gemm_flops


class Sizes(Backend):
    """Notes what goes in and out of convolutions and transposed ones, and their windows."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def conv(self, x: Any, w: Any, out: Any, stride: Any, padding: Any) -> None:
        self.seen.add((*x.shape[1:], *out.shape[1:], *w.shape[1:3], *stride, *padding))
        super().conv(x, w, out, stride, padding)

    def conv_inputs(self, g: Any, w: Any, out: Any, stride: Any, padding: Any) -> None:
        self.seen.add((*g.shape[1:], *out.shape[1:], *w.shape[1:3], *stride, *padding))
        super().conv_inputs(g, w, out, stride, padding)


@pytest.mark.parametrize("family", conv.FAMILIES)
def test_the_convolutions_are_those_of_the_networks(family: str) -> None:
    backend, pictures = Sizes(), np.zeros((2, 28, 28, 1), np.float32)
    if family == "unet":
        game = pix2pix.build((28, 28), backend=backend)
        backend.seen.clear()  # its D's
        game.G(pictures)
    else:
        gan = dcgan.build(1.0, backend)
        gan.G(np.zeros((2, 100), np.float32))
        gan.D(pictures)
    shapes = {shape for subject in conv.FAMILIES[family] for shape in conv.shapes(subject)}
    assert backend.seen == {
        (*s.input, *s.output, s.kernel, s.kernel, s.stride, s.stride, s.padding, s.padding) for s in shapes
    }


# --- contestants -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=GAMES)
def start(request: pytest.FixtureRequest) -> Start:
    return SUBJECTS[request.param].start(4, 0.1)


def check(who: str, losses: Any, start: Start) -> None:
    subject = SUBJECTS[start.subject]
    subject.check(who, losses, subject.expected(start))


def play(opponent: Opponent) -> list[Losses]:
    return [opponent.checked() for _ in range(CHECKED_STEPS)]


def test_a_start_survives_its_file(start: Start, tmp_path: Path) -> None:
    save_start(tmp_path / "start.npz", start)
    again = load_start(tmp_path / "start.npz")
    assert (again.subject, again.width, again.batch) == (start.subject, 0.1, 4)
    assert again.G.keys() == start.G.keys()
    assert again.D.keys() == start.D.keys()
    for ours, theirs in zip((again.real, again.fake, again.drawn), (start.real, start.fake, start.drawn), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again.D["0.weight"], start.D["0.weight"])


def test_the_prescribed_numbers_are_those_that_minigan_draws(start: Start) -> None:
    backend, drawn = NumpyBackend(), []
    draw = "uniform" if start.subject == "critic" else "normal"
    generate = getattr(backend, draw)

    def note(out: Any, stream: Any) -> None:
        generate(out, stream)
        drawn.append(out.copy())

    subject = SUBJECTS[start.subject]
    gan = subject.build(start.width, backend)
    vars(backend)[draw] = note
    turn = subject.play(start, gan)
    for _ in start.drawn:
        turn()
    np.testing.assert_array_equal(drawn, start.drawn)


def test_minigan_plays_the_reference_step(start: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(backend.xp, fake_cupy.FakeCupy):
        fake_cupy.install(monkeypatch)
    opponent = make_opponent(backend.name, environment.device(backend), start)
    check(backend.name, play(opponent), start)
    opponent.timed()
    opponent.synchronize()


@pytest.mark.parametrize("name", ["torch-eager", "torch-best", "jax"])
def test_other_libraries_play_the_same_step(start: Start, name: str) -> None:
    pytest.importorskip(name.split("-")[0])
    if (name, start.subject) == ("jax", "dcgan"):
        with pytest.raises(UnavailableError, match="beside PyTorch only"):
            make_opponent(name, "cpu", start)
        return
    opponent = make_opponent(name, "cpu", start)
    check(name, play(opponent), start)
    opponent.timed()
    opponent.synchronize()


@pytest.mark.parametrize("name", ["torch-eager", "torch-best"])
@pytest.mark.parametrize("subject", conv.SUBJECTS)
def test_pytorchs_convolutions_are_the_same(subject: str, name: str) -> None:
    pytest.importorskip("torch")
    start = conv.start(subject, 3, 0.25)
    check(name, play(make_opponent(name, "cpu", start)), start)


@pytest.mark.parametrize("net", ["G", "D"])
def test_another_step_is_not_timed(start: Start, net: str) -> None:
    if start.subject == "critic" and net == "G":
        pytest.skip("it plays no part")
    state = {name: array.copy() for name, array in getattr(start, net).items()}
    layers = {"G": 10, "D": 9} if start.subject == "dcgan" else {"G": 9, "D": 0}  # whose size batchnorm does not undo
    state[f"{layers[net]}.weight"] *= 1.2
    other = make_opponent("numpy", "cpu", start._replace(**{net: state}))
    with pytest.raises(ArithmeticError, match=r"somebody does not compute the same step.*not timed"):
        check("somebody", play(other), start)


@pytest.mark.parametrize("change", ["another weight", "no second derivative", "the wrong points"])
def test_another_penalty_is_not_timed(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = CRITIC.start(64, 0.1)
    expected = CRITIC.expected(start)
    penalty = GradientPenalty(critic.WEIGHT * (1.05 if change == "another weight" else 1))
    if change == "no second derivative":
        measure = penalty.measure

        def constant(*args: Any) -> Any:
            value, u = measure(*args)
            return value, 0 * u

        vars(penalty)["measure"] = constant
    if change == "the wrong points":
        points = penalty.points
        vars(penalty)["points"] = lambda real, fake, *rest: points(fake, real, *rest)
    monkeypatch.setattr(critic, "GradientPenalty", lambda weight: penalty)
    other = make_opponent("numpy", "cpu", start)
    with pytest.raises(ArithmeticError, match=r"loss, penalty and gradient's norm in step 1 are .*not timed"):
        CRITIC.check("somebody", play(other), expected)


@pytest.mark.parametrize("step", range(CHECKED_STEPS))
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("change", [1.01, float("nan")])
def test_one_altered_loss_is_noticed(start: Start, step: int, which: int, change: float) -> None:
    losses = [list(numbers) for numbers in SUBJECTS[start.subject].expected(start)]
    check("somebody", losses, start)
    losses[step][which] *= change
    losses[step][which] += 0.01
    with pytest.raises(ArithmeticError, match=rf"{SUBJECTS[start.subject].names} in step {step + 1} are"):
        check("somebody", losses, start)


@pytest.mark.parametrize(("library", "name"), [("torch", "torch-best"), ("jax", "jax")])
def test_a_missing_library_is_one_line(start: Start, library: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnavailableError, match=r"^(PyTorch|JAX) is not installed$"):
        make_opponent(name, "cpu", start)


@pytest.mark.parametrize("name", ["torch-cudagraph", "torch-tf32"])
def test_a_cuda_graph_needs_a_gpu(start: Start, name: str) -> None:
    with pytest.raises(UnavailableError, match=f"{name} needs a GPU"):
        make_opponent(name, "cpu", start)


def test_the_opponents_are_those_that_their_modules_can_make() -> None:
    assert all(name.startswith("torch") or name == "jax" for name in GUESTS)
    assert callable(guests_torch.make)
    assert callable(guests_jax.make)
    assert not {*GUESTS} & {*NAMES, "all", "none"}


# --- precision ---------------------------------------------------------------------------------------------------


class Rounding(Backend):
    """Products whose factors have so many bits, as those of tensor cores: 10 are TF32, 7 are bfloat16."""

    def __init__(self, precision: str) -> None:
        super().__init__()
        self.precision, self.bits = precision, {"fp32": 23, "tf32": 10, "bf16": 7}[precision]

    def gemm(self, a: Any, b: Any, out: Any, accumulate: bool = False) -> None:
        super().gemm(self._rounded(a), self._rounded(b), out, accumulate)

    def _rounded(self, x: Any) -> Any:
        unit = np.float64(2.0) ** -self.bits
        mantissa, exponent = np.frexp(x.astype(np.float64))
        return np.ldexp(np.rint(2 * mantissa / unit) * unit / 2, exponent).astype(x.dtype)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("subject", ["step", "critic"])
def test_each_precision_is_judged_by_what_it_can_reach(precision: str, subject: str) -> None:
    played = SUBJECTS[subject]
    start = played.start(32, 0.25)
    play = played.play(start, played.build(0.25, Rounding(precision)))
    losses = [played.losses(start, play()) for _ in range(CHECKED_STEPS)]
    played.check("tensor cores", losses, played.expected(start), TOLERANCES[precision])
    parts.prepare("gemm", Rounding(precision), 32, 0.25)


def test_what_is_rounded_is_not_taken_for_float32() -> None:
    rounding = Rounding("bf16")
    rounding.precision = "fp32"
    with pytest.raises(ArithmeticError, match=r"gemm .* is wrong.*allowed: 2e-03"):
        parts.prepare("gemm", rounding, 32, 1.0)


def test_precisions_are_told_by_names() -> None:
    for name in (*GUESTS, "cupy", "cupy-eager", "cupy-plain", "numpy", "numba", "reference"):
        assert precision(name) == ("tf32" if name == "torch-tf32" else "fp32")
    assert precision("cupy-tf32") == "tf32"
    assert precision("cupy-bf16") == "bf16"


def test_torch_computes_in_float32_unless_its_name_says_otherwise(start: Start) -> None:
    torch = pytest.importorskip("torch")
    for name in ("torch-tf32", "torch-eager", "torch-best"):
        guests_torch.choose_algorithms(name)
        assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (name == "torch-tf32")
        assert torch.backends.cudnn.benchmark == (name != "torch-eager")
    guests_torch.choose_algorithms("torch-tf32")
    make_opponent("torch-best", "cpu", start)
    assert not torch.backends.cudnn.allow_tf32
    guests_torch.choose_algorithms("torch-tf32")
    guests_torch.products("cpu", 4, 0.1)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_products_of_an_opponent() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    run, wait = guests_torch.products("cpu", 4, 0.1)
    run()
    wait()
    answer = Worker("torch-best", "cpu").answer({"do": "part", "part": "gemm", "batch": 4, "width": 0.1})
    assert "error" not in answer


# --- the command -------------------------------------------------------------------------------------------------


TINY = "--batch 4 --width 0.1 --rounds 2 --seconds 0.01 --against none"


def test_the_command_for_a_critic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["critic", *TINY.split(), "--backend", "numpy", "reference", "--out", str(tmp_path)]) == 0
    text, error = capsys.readouterr()
    assert "One update of a critic" in text
    assert "One step" not in text
    assert "the critic at batch 4" in error
    found = report.load(tmp_path / "bench.json")
    assert {(f.subject, f.who, f.batch, f.width) for f in found.steps()} == {
        ("critic", "numpy", 4, 0.1), ("critic", "reference", 4, 0.1)
    }  # fmt: skip
    assert found.parts() == []


def test_the_command_for_convolutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["unet", *TINY.split(), "--backend", "numpy", "reference", "--out", str(tmp_path)]) == 0
    text, subjects = capsys.readouterr().out, list(conv.FAMILIES["unet"])
    assert text.count("Convolutions of a U-Net") == 1
    assert not list(tmp_path.glob("*.png"))
    found = report.load(tmp_path / "bench.json")
    assert [f.subject for f in found.figures[::2]] == subjects
    assert all(f"{subject} " in text for subject in subjects)
    assert not found.wrong


@pytest.mark.parametrize("family", conv.FAMILIES)
def test_the_table_of_convolutions_has_the_layers_of_one_network(family: str) -> None:
    subjects = list(conv.FAMILIES[family])
    figures = [replace(figure(who, 64), subject=what) for what in subjects for who in ("numpy", "torch-best")]
    table, note = script("readme_tables").machine(sample(*figures))
    assert [line.split("|")[2].strip() for line in table.splitlines()[2:]] == subjects
    assert f"`python benchmarks/contest {family}`" in note
    for flags in ("--profile", "--sweep", "--parts"):
        assert main([family, flags]) == 2


def test_the_command_for_a_dcgan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["dcgan", *TINY.split(), "--backend", "numpy", "reference", "--out", str(tmp_path)]) == 0
    text, error = capsys.readouterr()
    assert "One step of a small DCGAN" in text
    assert "the dcgan at batch 4" in error
    found = report.load(tmp_path / "bench.json")
    assert {(f.subject, f.who) for f in found.steps()} == {("dcgan", "numpy"), ("dcgan", "reference")}
    assert (tmp_path / "time.png").is_file()


def test_the_command_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is typed; whoever is not installed is named."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = [*TINY.split()[:-1], "torch-best", "--no-parts", "--backend", "numpy", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, str(FOLDER / "contest"), *words], capture_output=True, text=True, check=True)
    assert "One step: a pass of G" in done.stdout
    found = report.load(tmp_path / "bench.json")
    assert {f.who for f in found.figures} | found.absent.keys() == {"numpy", "torch-best"}
    assert not found.wrong


def test_a_family_that_is_stopped_leaves_what_it_has_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the turns of the second subject."""
    begun = []

    def stopped(workers: Any, pace: Pace) -> Any:
        begun.append(workers)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return take_turns(workers, pace)

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("minigan.bench.measure.take_turns", stopped)
    assert main(["conv", *TINY.split(), "--backend", "numpy", "--out", str(tmp_path)]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    (one,) = report.load(tmp_path / "bench.json").figures
    assert (one.subject, one.who, one.batch) == (next(iter(conv.SUBJECTS)), "numpy", 4)
    assert f"\n  numpy: {tables.brief(one, one)}\n" in capsys.readouterr().err


def test_the_commands_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each word makes of the plan, without measuring."""
    plans: list[Plan] = []

    def note(backends: Any, plan: Plan, progress: Any, keep: Any) -> Report:
        plans.append(plan)
        return full()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "measure", note)
    monkeypatch.setattr(plots, "unavailable", lambda: "they need Matplotlib")
    for words in ("", "--sweep --against all --backend numpy", "--against jax --no-parts", "critic", "dcgan", "unet"):
        assert main(words.split()) == 0
    default, sweep, chosen, criticism, small, u_net = plans
    assert default.grid == ((32, 1.0), (128, 1.0), (512, 1.0))
    assert default.parts
    assert "torch-compiled" not in default.guests
    assert sweep.guests == GUESTS
    assert not sweep.parts
    assert (chosen.guests, chosen.parts) == ({"jax": GUESTS["jax"]}, False)
    assert criticism.grid == ((64, 1.0), (512, 1.0))
    assert (criticism.subjects, criticism.parts) == ((CRITIC,), False)
    assert small.grid == ((64, 1.0), (128, 1.0))
    assert (small.subjects, small.parts) == ((DCGAN,), False)
    assert (u_net.grid, u_net.parts) == (((64, 1.0),), False)
    assert [subject.name for subject in u_net.subjects] == list(conv.FAMILIES["unet"])
    assert list(small.guests) == list(u_net.guests) == ["torch-eager", "torch-best", "torch-cudagraph"]
    machine = environment.slug(environment.facts())
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        f"{name}-{machine}" for name in ("contest", "critic", "dcgan", "unet")
    }
    assert (tmp_path / "runs" / f"critic-{machine}" / "bench.json").is_file()


@pytest.mark.parametrize(
    ("words", "what"),
    [("", "GAN step"), ("critic", "update of a critic (WGAN-GP)"), ("dcgan", "step of a small DCGAN")],
)
def test_the_profile_command(words: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = "--profile --batch 4 --width 0.1 --seconds 0.01 --backend reference"
    assert main([*words.split(), *more.split()]) == 0
    assert f"Profile of one {what}: reference, batch 4, width 0.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "--batch 1", "--against none jax", "--against keras", "--profile --against jax", "critic --parts",
        "dcgan --parts", "dcgan critic", "conv --sweep", "keras", "--critic", "--out there/is/no/folder",
    ],
)  # fmt: skip
def test_bad_values_are_one_sentence(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    text, error = capsys.readouterr()
    assert text == ""
    assert error.startswith("minigan: ")
    assert error.count("\n") == 1


# --- the GPU's side, on a stand-in -------------------------------------------------------------------------------


@pytest.fixture
def device_backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The CuPy backend over NumPy arrays that refuse to meet the host's: mixing the two is found on any machine."""
    fake_cupy.install(monkeypatch)
    return get_backend("cupy")


def test_arrays_of_the_device_stay_there(device_backend: Backend, start: Start) -> None:
    assert environment.device(device_backend) == "gpu"
    for part in parts.PARTS:
        parts.prepare(part, device_backend, 4, 0.1)()
    opponent = make_opponent("cupy", "gpu", start)
    check("cupy", play(opponent), start)
    assert profile.measure(device_backend, 4, 0.1, seconds=0.01, subject=SUBJECTS[start.subject]).backend == "cupy"


def test_a_contestant_on_a_gpu_says_how_it_is_asked(device_backend: Backend, start: Start) -> None:
    assert CHECKED_STEPS > WARM_UP  # a graph is there before it is timed
    for name, how in (("cupy", r"one CUDA graph of \d+ operations"), ("cupy-eager", "call by call")):
        opponent = make_opponent(name, "gpu", start)
        play(opponent)
        about = opponent.about()
        assert re.search(rf"^minigan on .*, {how}$", about), about


def test_a_graph_that_cannot_be_printed_is_measured_all_the_same(
    device_backend: Backend, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> str:
        raise RuntimeError("cudaGraphDebugDotPrint is not there")

    monkeypatch.setattr(fake_cupy.Graph, "debug_dot_str", fail)
    opponent = make_opponent("cupy", "gpu", start)
    play(opponent)
    assert opponent.about().endswith("one CUDA graph, whose operations cannot be counted")


def test_a_graph_that_was_not_recorded_is_refused_with_the_reason(
    device_backend: Backend, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times would be known as those of one graph."""

    end = fake_cupy.Stream.end_capture

    def fail(stream: Any) -> None:
        end(stream)
        raise fake_cupy.CaptureError("this stream does not record")

    monkeypatch.setattr(fake_cupy.Stream, "end_capture", fail)
    save_start(tmp_path / "start.npz", start)
    with pytest.warns(UserWarning, match="call by call"):
        answer = Worker("cupy", "gpu").answer({"do": "step", "start": str(tmp_path / "start.npz")})
    assert answer == {
        "error": "cupy plays a step as one CUDA graph, but this one was played call by call, as cupy-eager does it: "
        "this stream does not record",
        "wrong": False,
    }
    assert "error" not in Worker("cupy-eager", "gpu").answer({"do": "step", "start": str(tmp_path / "start.npz")})

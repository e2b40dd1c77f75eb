"""Many threads, Ctrl-C and forks: nobody ever finds half a step, and nobody's numbers are another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import minigan
from minigan import GAN, BatchNorm, Category, Conditional, Dense, Dropout, LeakyReLU, Sequential, Tanh, get_backend
from minigan.atomic import Atomic, uninterrupted
from minigan.backend import Backend
from minigan.recipes import gan as recipe

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(params=["numpy", "numpy, shared", "numba", "numba, shared", "reference"])
def be(request: pytest.FixtureRequest) -> Backend:
    """A CPU backend that nobody else has; "shared": by a team of three threads, however small the arrays are."""
    name, _, how = request.param.partition(", ")
    try:
        made = get_backend(name, 3 if how == "shared" else None)
    except ImportError as error:
        pytest.skip(str(error))
    if how:
        made.PRODUCT = made.SWEEP = 1  # type: ignore[attr-defined]
    return made


def images(n: int = 64, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (n, 12, 12), dtype=np.uint8)


def small(be: Backend, seed: int = 0, **options: Any) -> GAN:
    """A GAN with everything that wants scratch memory: batchnorm, codes, activations without a loop of their own."""
    G = Sequential(Dense(8, 40), BatchNorm(40), LeakyReLU(0.2), Dense(40, 144), Tanh(), backend=be, seed=seed + 1)
    D = Sequential(Dense(144, 30), LeakyReLU(0.2), Dense(30, 4), backend=be, seed=seed + 2)
    return Conditional(G, D, codes=[Category(3)], seed=seed, **options)


# --- threads ---------------------------------------------------------------------------------------------------


def test_a_gan_answers_any_number_of_threads_at_once(be: Backend) -> None:
    gan = small(be)
    gan.fit(images(), steps=2, batch=16)
    x = gan.sample(40, seed=5)
    z = gan.latents(40, seed=6)
    asks: list[Callable[[], Any]] = [
        lambda: gan.sample(40),
        lambda: gan.latents(300, seed=3),
        lambda: gan.generate(z),
        lambda: gan.score(x),
        lambda: gan.probability(x),
        lambda: gan.predict(x)[0],
        lambda: gan.G(z, train=False)[0],
        lambda: gan.D(x)[0],
    ]
    right = [ask() for ask in asks]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: asks[i % len(asks)](), range(30 * len(asks))))
    wrong = [i % len(asks) for i, answer in enumerate(answers) if not np.array_equal(answer, right[i % len(asks)])]
    assert wrong == []


def test_convolutions_answer_any_number_of_threads_at_once(be: Backend) -> None:
    gan = recipe.build((8, 8), nets="conv", width=4, backend=be)
    right = gan.sample(20)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: gan.sample(20), range(24)))
    assert all(np.array_equal(answer, right) for answer in answers)


def test_games_on_one_backend_in_several_threads_are_those_that_were_played_alone(be: Backend) -> None:
    def play(seed: int, be: Backend) -> bytes:
        gan = small(be, seed)
        gan.fit(images(50, seed), steps=12, batch=16)  # through the ends of epochs
        return gan.G.flat.tobytes() + gan.D.flat.tobytes()

    alone = [play(seed, be) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: play(seed, be), range(4)))
    assert together == alone


def test_who_samples_while_another_thread_trains_gets_a_gan_that_has_just_made_a_step(be: Backend) -> None:
    steps = 40
    model, seen = small(be, average=0.9), {}
    for averaged in (False, True):
        seen[averaged] = {model.sample(20, averaged=averaged).tobytes()}

    def note(gan: GAN, _: Any) -> None:
        for averaged, samples in seen.items():
            samples.add(gan.sample(20, averaged=averaged).tobytes())

    model.fit(images(), steps, batch=16, callback=note)
    gan, done = small(be, average=0.9), threading.Event()
    answers: list[tuple[bool, bytes]] = []

    def look() -> None:
        while not done.is_set():
            for averaged in (False, True):
                answers.append((averaged, gan.sample(20, averaged=averaged).tobytes()))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        gan.fit(images(), steps, batch=16)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert gan.G.flat.tobytes() == model.G.flat.tobytes(), "the training is not changed by those who look"
    assert answers
    assert all(samples in seen[averaged] for averaged, samples in answers)


def test_a_file_that_is_saved_while_another_thread_trains_is_of_one_step(be: Backend, tmp_path: Any) -> None:
    gan, done = small(be), threading.Event()

    def train() -> None:
        while not done.is_set():
            gan.step(np.zeros((16, 144), "float32"))

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(10):
            gan.save(tmp_path / "gan.npz")
            loaded = GAN.load(tmp_path / "gan.npz")
            assert loaded.g_opt.t == loaded.d_opt.t == loaded.steps == loaded.d_updates
    finally:
        done.set()
        thread.join()


def test_dropout_of_calls_from_many_threads_is_never_the_same_twice() -> None:
    net = Sequential(Dropout(0.5), seed=0)
    x = np.ones((1, 400), "float32")
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda _: net(x)[0].tobytes(), range(400)))
    assert len(set(masks)) == 400
    assert net.calls == 400


def test_neither_who_changes_nor_who_looks_keeps_the_other_out() -> None:
    atomic, stop = Atomic(), threading.Event()
    changes, looks = [0], [0]

    def change() -> None:
        while not stop.is_set():
            with atomic:
                changes[0] += 1
                np.linalg.norm(np.ones(1000))

    def look() -> None:
        while not stop.is_set():
            with atomic.look():
                looks[0] += 1
                np.linalg.norm(np.ones(1000))

    threads = [threading.Thread(target=work) for work in (change, look, look, look)]
    for thread in threads:
        thread.start()
    try:
        for who in (changes, looks, changes, looks):
            before = who[0]
            while who[0] < before + 20:
                with atomic.look():
                    pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_change_excludes_all_others_and_may_hold_changes_and_looks() -> None:
    atomic, log = Atomic(), []

    def other() -> None:
        with atomic.look():
            log.append("looked")

    thread = threading.Thread(target=other)
    with atomic:
        with atomic, atomic.look():
            log.append("inside")
        thread.start()
        thread.join(0.02)
        log.append("over")
    thread.join()
    assert log == ["inside", "over", "looked"]
    with pytest.raises(KeyError), atomic:
        raise KeyError
    with atomic:  # which is free again
        pass


def test_one_team_grows_whatever_numbers_of_threads_are_asked_for() -> None:
    code = """
import threading, numpy as np
from minigan import get_backend
a = np.ones((64, 64), np.float32)
for k in range(2, 12):
    be = get_backend("numpy", threads=k)
    be.PRODUCT = be.SWEEP = 1
    out = be.empty((512, 64), np.float32)
    be.gemm(np.ones((512, 64), np.float32), a, out)
    assert (out == 64).all()
print(threading.active_count())
"""
    assert int(run(code)) <= 11


# --- Ctrl-C ----------------------------------------------------------------------------------------------------


class Pressing(minigan.nn.Layer):
    """Passes everything on, and presses Ctrl-C in the passes of these numbers, on the way there or on that back."""

    passes = 0
    when: tuple[int, ...] = ()
    backwards = False

    def forward(self, x: Any, run: Any) -> tuple[Any, Any]:
        number, y = self.passes, x.copy()
        self.passes += 1
        if number in self.when and not self.backwards:
            signal.raise_signal(signal.SIGINT)

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            if number in self.when and self.backwards:
                signal.raise_signal(signal.SIGINT)
            return dy

        return y, back


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler of Ctrl-C, whatever runs these tests has instead."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pressed(when: tuple[int, ...], backwards: bool) -> GAN:
    layer = Pressing()
    D = Sequential(Dense(144, 4), layer, Dense(4, 1), seed=2)
    gan = GAN(Sequential(Dense(8, 144), seed=1), D)
    layer.passes, layer.when, layer.backwards = 0, when, backwards
    return gan


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("how", ["fit", "step", "turn", "callback"])
def test_ctrl_c_in_a_step_comes_through_when_the_step_is_over(how: str, place: int, backwards: bool) -> None:
    play: dict[str, Callable[[GAN], object]] = {
        "fit": lambda gan: gan.fit(images(), 9, batch=8),
        "callback": lambda gan: gan.fit(images(), 9, batch=8, callback=lambda *_: None),
        "step": lambda gan: [gan.step(np.zeros((8, 144), "float32")) for _ in range(9)],
        "turn": lambda gan: [gan.turn(gan.given(np.zeros((8, 144), "float32"))) for _ in range(9)],
    }
    gan = pressed((2 * 3 + place,), backwards)  # in the fourth step, in D's update or in G's
    with pytest.raises(KeyboardInterrupt):
        play[how](gan)
    assert (gan.steps, gan.d_updates, gan.g_opt.t, gan.d_opt.t) == (4, 4, 4, 4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_a_game_that_was_interrupted_again_and_again_is_the_one_that_never_was() -> None:
    gan, calm = pressed(tuple(i for i in range(40) if i % 5 in (0, 2)), False), pressed((), False)
    interrupts = 0
    while gan.steps < 20:
        try:
            gan.fit(images(), 20 - gan.steps, batch=8)
        except KeyboardInterrupt:
            interrupts += 1
            assert gan.d_updates == gan.steps
    calm.fit(images(), 20, batch=8)
    assert interrupts > 8
    assert gan.G.flat.tobytes() + gan.D.flat.tobytes() == calm.G.flat.tobytes() + calm.D.flat.tobytes()


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer that signals")
def test_signals_at_any_moment_leave_no_half_of_a_step() -> None:
    """By a timer, with a handler that raises, as time limits have one."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    gan, count = recipe.build((12, 12), latent=8), 0
    try:
        for i in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0001 * (i % 17))
                gan.fit(images(), 1000, batch=8)
            except TimeoutError:
                count += 1
            assert gan.steps == gan.d_updates == gan.g_opt.t == gan.d_opt.t
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert count == 60


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_an_optimizers_update_comes_through_when_it_is_over() -> None:
    class Interrupted(minigan.SGD):
        def update(self, be: Any, p: Any, g: Any, memory: Any, lr: Any, t: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            super().update(be, p, g, memory, lr, t)

    net = Sequential(Dense(2, 1), seed=0)
    y, back = net(np.ones((3, 2), "float32"))
    back(np.ones_like(y))
    opt, before = Interrupted(0.1).bind(net), net.flat.copy()
    with pytest.raises(KeyboardInterrupt):
        opt.step()
    assert opt.t == 1
    assert (net.flat != before).all()


@pytest.mark.usefixtures("ctrl_c")
def test_every_signal_is_handled_and_in_its_order() -> None:
    log: list[str] = []
    mine = {number: signal.signal(number, lambda n, _: log.append(str(n))) for number in (signal.SIGTERM,)}
    try:
        with uninterrupted:
            with uninterrupted:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGTERM)
            log.append("inside")
        assert log == ["inside", str(int(signal.SIGTERM))]  # once, as of any signal that has to wait

        def go_on() -> None:
            with uninterrupted:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                log.append("on")

        with pytest.raises(KeyboardInterrupt):
            go_on()
        assert log[2:] == ["on", str(int(signal.SIGTERM))]
        with uninterrupted:  # nothing is left of what was handled
            pass
        signal.raise_signal(signal.SIGTERM)
        assert log[4:] == [str(int(signal.SIGTERM))]
    finally:
        for number, handler in mine.items():
            signal.signal(number, handler)


@pytest.mark.usefixtures("ctrl_c")
def test_who_waits_for_another_thread_can_be_interrupted() -> None:
    atomic, inside, leave = Atomic(), threading.Event(), threading.Event()

    def hold() -> None:
        with atomic:
            inside.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(60)
    try:
        for context in (lambda: atomic, atomic.look):
            timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
            timer.start()
            with pytest.raises(KeyboardInterrupt), context():  # type: ignore[attr-defined]
                pytest.fail("nobody can be inside now")
            timer.join()
    finally:
        leave.set()
        holder.join()
    with atomic, atomic.look():
        pass


# --- forks -----------------------------------------------------------------------------------------------------


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


FORK = """
import os, threading, warnings
import numpy as np
import minigan
from minigan.backend.threads import blas_threads, team
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: that is the subject
inside, leave = threading.Event(), threading.Event()

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@posix
def test_a_child_has_the_blas_threads_of_its_parent_though_another_thread_was_in_a_job() -> None:
    code = """
def job(_):
    inside.set()
    leave.wait(60)

before = blas_threads.count()
thread = threading.Thread(target=lambda: team.do(job, [0, 1], 2))
thread.start()
inside.wait(60)

def work():
    assert blas_threads.count() == before, (blas_threads.count(), before)
    assert blas_threads._get is None or blas_threads._get() == before
    barrier, who = threading.Barrier(2, timeout=20), set()
    def meet(_):
        who.add(threading.get_ident())
        barrier.wait()
    team.do(meet, range(2), 2)  # with a helper of its own
    assert len(who) == 2
    assert blas_threads._get is None or blas_threads._get() == before

in_child(work)
leave.set()
thread.join()
assert blas_threads._inside == 0 and blas_threads.count() == before
"""
    run(FORK + code, OPENBLAS_NUM_THREADS="2")


@posix
def test_a_child_of_a_process_whose_other_thread_trains_has_a_whole_game_that_it_can_play_on() -> None:
    code = """
from minigan.recipes import gan as recipe
images = np.random.default_rng(0).integers(0, 256, (64, 12, 12), dtype=np.uint8)
gan, done = recipe.build((12, 12), latent=8), threading.Event()
thread = threading.Thread(target=lambda: gan.fit(images, 10**6, 8, callback=lambda *_: done.is_set()))
thread.start()

def work():
    assert gan.steps == gan.d_updates == gan.g_opt.t == gan.d_opt.t
    gan.sample(3)
    begun = gan.steps
    gan.fit(images, 2, 8)
    assert gan.steps == begun + 2

for _ in range(10):
    in_child(work)
done.set()
thread.join()
"""
    run(FORK + code)

"""Threads that share a job: everything is done once, BLAS keeps to one thread meanwhile, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Sequential, get_backend
from minigan.backend.numpy_backend import NumpyBackend
from minigan.backend.threads import Team, blas_threads, cut
from minigan.recipes import gan as recipe


@given(st.integers(0, 200), st.integers(0, 12), st.integers(1, 20))
def test_a_cut_covers_everything_once(n: int, pieces: int, multiple: int) -> None:
    slices = cut(n, pieces, multiple)
    assert [i for s in slices for i in range(n)[s]] == list(range(n))
    assert len(slices) <= max(1, pieces)
    assert all(s.start % multiple == 0 and s.stop > s.start for s in slices)


@given(st.integers(1, 5), st.integers(0, 40))
def test_every_piece_is_done_once(threads: int, pieces: int) -> None:
    done: Counter[int] = Counter()
    Team().do(lambda i: done.update([i]), range(pieces), threads)
    assert done == Counter(range(pieces))


def wait_for_each_other(team: Team, n: int) -> set[int]:
    """Pieces that can only end if n threads work on them at the same time; who did them."""
    barrier, who = threading.Barrier(n, timeout=20), set()

    def work(_: int) -> None:
        who.add(threading.get_ident())
        barrier.wait()

    team.do(work, range(n), n)
    return who


def test_a_job_is_shared_by_as_many_threads_as_there_are() -> None:
    team = Team()
    assert len(wait_for_each_other(team, 3)) == 3
    again = {frozenset(wait_for_each_other(team, 3)) for _ in range(50)}
    assert len(again) == 1, "helpers are hired once"
    assert threading.get_ident() in again.pop()


def test_what_is_not_worth_sharing_stays_with_the_caller() -> None:
    who = set()

    def work(_: int) -> None:
        who.add(threading.get_ident())
        time.sleep(0.005)  # long enough for a helper to come, were one called

    Team().do(work, range(9), 1)
    assert who == {threading.get_ident()}


def test_an_error_in_any_piece_is_raised_and_the_team_goes_on() -> None:
    team = Team()
    for bad in range(5):
        done = []

        def work(i: int, bad: int = bad, done: list[int] = done) -> None:
            time.sleep(0.001)
            if i == bad:
                raise ArithmeticError(f"piece {i}")
            done.append(i)

        with pytest.raises(ArithmeticError, match=f"piece {bad}"):
            team.do(work, range(5), 3)
        assert sorted([*done, bad]) == list(range(5)), "the others were done: nobody still writes when the error comes"
    assert len(wait_for_each_other(team, 3)) == 3
    assert blas_threads._inside == 0


def test_two_callers_at_once_both_get_their_work_done() -> None:
    team, done, failures = Team(), Counter[tuple[int, int]](), []

    def caller(name: int) -> None:
        try:
            for _ in range(200):
                mine: Counter[int] = Counter()
                team.do(lambda i, mine=mine: mine.update([i]), range(4), 2)  # type: ignore[misc]
                assert mine == Counter(range(4))
            done[name, 0] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=caller, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures
    assert len(done) == 4
    assert blas_threads._inside == 0


def test_a_job_within_a_job_is_done() -> None:
    team, done = Team(), Counter[tuple[int, int]]()
    team.do(lambda i: team.do(lambda j: done.update([(i, j)]), range(3), 2), range(3), 2)
    assert done == Counter((i, j) for i in range(3) for j in range(3))


def test_helpers_work_under_the_callers_error_state() -> None:
    team, caller = Team(), threading.get_ident()

    def overflow_in_the_helper(barrier: threading.Barrier) -> None:
        barrier.wait()
        if threading.get_ident() != caller:
            np.full(1, 1e30, np.float32) ** 2

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        team.do(overflow_in_the_helper, [threading.Barrier(2, timeout=20)] * 2, 2)
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        team.do(overflow_in_the_helper, [threading.Barrier(2, timeout=20)] * 2, 2)


def test_blas_keeps_to_one_thread_during_a_job_and_gets_its_threads_back() -> None:
    code = """
import numpy as np, threading
from minigan.backend.threads import Team, blas_threads
from minigan import get_backend
before = blas_threads.count()
assert blas_threads._get is None or before == blas_threads._get() == 2, before
seen = []
Team().do(lambda _: seen.append(blas_threads._get and blas_threads._get()), range(4), 2)
assert set(seen) in ({1}, {None}), seen
assert blas_threads._get is None or blas_threads._get() == 2
try:
    Team().do(lambda _: 1 / 0, range(4), 2)
except ZeroDivisionError:
    pass
assert blas_threads._get is None or blas_threads._get() == 2
print(get_backend("numpy").threads, before or 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**__import__("os").environ, "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    used, before = done.stdout.split()
    assert used == before


def _in_child(queue: multiprocessing.Queue[float]) -> None:
    be = shared_backend()
    out = be.empty((64, 64), "float32")
    be.gemm(np.ones((64, 64), np.float32), np.ones((64, 64), np.float32), out)
    queue.put(float(out.sum()))


def shared_backend() -> NumpyBackend:
    be = get_backend("numpy", threads=3)
    assert isinstance(be, NumpyBackend)
    be.PRODUCT = be.SWEEP = 1
    return be


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_works_without_the_helpers_it_does_not_have() -> None:
    _in_parent = shared_backend()
    out = _in_parent.empty((64, 64), "float32")
    _in_parent.gemm(np.ones((64, 64), np.float32), np.ones((64, 64), np.float32), out)  # the helpers are at work
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 64**3
    child.join(timeout=60)
    assert child.exitcode == 0


def test_idle_helpers_use_no_time() -> None:
    team = Team()
    wait_for_each_other(team, 3)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_run_is_the_same_bit_for_bit_whoever_was_quicker(name: str, threads: int) -> None:
    def weights() -> bytes:
        try:
            be = get_backend(name, threads)
        except ImportError as error:
            pytest.skip(str(error))
        be.PRODUCT, be.SWEEP = 1e5, 1000  # type: ignore[attr-defined]
        gan = recipe.build((28, 28), backend=be)
        gan.fit(np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8), steps=3, batch=32)
        return gan.G.flat.tobytes() + gan.D.flat.tobytes()

    assert len({weights() for _ in range(4)}) == 1


def test_an_embedded_network_is_shared_as_well() -> None:
    from minigan import Dense, LeakyReLU

    nets = [
        Sequential(Dense(300, 200), LeakyReLU(), Dense(200, 100), backend=get_backend("numpy", n), seed=1)
        for n in (1, 3)
    ]
    x = np.random.default_rng(0).standard_normal((400, 300)).astype("float32")
    ys = [net(x)[0] for net in nets]
    np.testing.assert_allclose(ys[0], ys[1], rtol=1e-4, atol=1e-5)

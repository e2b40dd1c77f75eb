"""What every test file shares: Hypothesis profiles, the backends, and a limit for tests on a GPU.

python -m pytest                                             all that this machine can do
python -m pytest -m gpu -n 8 --hypothesis-profile=quick      those that need a GPU, in a few minutes
"""

from __future__ import annotations

import builtins
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The arrays here are small and test processes run side by side: a second BLAS thread would only be in their way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

os.environ.pop("COLUMNS", None)  # how wide the terminal is on which the tests run is no matter of theirs

import pytest
from hypothesis import HealthCheck, settings

from minigan import get_backend
from minigan.backend import Backend

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))  # so that the tests can import contest,
sys.path.insert(0, str(Path(__file__).parent))  # and their own helpers

import fake_cupy

settings.register_profile(
    "minigan",
    deadline=None,  # a busy machine is no failure
    max_examples=8 if os.environ.get("CI") else 40,  # a gate draws the same ones every time: more say nothing new
    derandomize=bool(os.environ.get("CI")),  # at home every run tries something new
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("quick", settings.get_profile("minigan"), max_examples=8)
settings.load_profile("minigan")

GPU_SECONDS = 60.0  # of a test marked gpu, unless its mark says more: kernels are compiled in the first ones


@pytest.fixture(scope="module", autouse=True)
def _less_to_look_through() -> None:
    """What there is by now, thousands of tests among it, stays: no search for garbage has to go through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def terminal(pytestconfig: pytest.Config) -> int:
    """Standard error as it was before pytest began to capture it."""
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return os.dup(2)


@pytest.fixture
def without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """As in a shell, also where the tests run in the background or under nohup."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    before = {
        number: signal.signal(number, handler)
        for name, handler in usual.items()
        if (number := getattr(signal, name, None)) is not None
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends the process where a test waits for a GPU that does not answer, which no exception could interrupt.

    pytest-xdist reports that test as failed and goes on in another process: run these tests with -n.
    """
    mark = request.node.get_closest_marker("gpu")
    if mark is None:
        yield
        return
    seconds = mark.kwargs.get("seconds", GPU_SECONDS)
    faulthandler.dump_traceback_later(seconds, exit=True, file=request.getfixturevalue("terminal"))
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """All tests at once take all the cores there are, if pytest-xdist is installed.

    Whoever asks for some of them, by file, name or mark, or says -n or --pdb, gets what was asked for.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:  # one of the processes that this has begun: it must not begin more
        return
    asked = config.option
    some = config.args_source is config.ArgsSource.ARGS or asked.keyword or asked.markexpr or asked.collectonly
    if not some and not asked.usepdb and getattr(asked, "numprocesses", 0) is None and asked.dist == "no":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        asked.numprocesses = cores if cores > 1 else None


CPU = ["numpy", "numpy, shared", "numba", "numba, shared", "reference"]
NAMES = [*CPU, "cupy, simulated", pytest.param("cupy", marks=pytest.mark.gpu)]


@pytest.fixture(scope="session", params=NAMES)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn, one object for the whole session, so that its scratch memory is stale in every test.

    "shared": by three threads, however small the arrays are. "simulated": without a GPU, see fake_cupy.py.
    """
    name, _, how = request.param.partition(", ")
    try:
        with pytest.MonkeyPatch.context() as patch:
            if how == "simulated":
                fake_cupy.install(patch)
            be = get_backend(name, 3 if how == "shared" else None)
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    if how == "shared":
        be.PRODUCT = be.SWEEP = 1  # type: ignore[attr-defined]
    return be


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests are for the gate, and for whoever asks."""
    if not os.environ.get("CI") and "slow" not in config.getoption("markexpr"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow; run it with -m slow, or with CI set"))

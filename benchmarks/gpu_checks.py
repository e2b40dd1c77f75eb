"""Checks of the CuPy backend on a GPU, phase by phase; first_gpu.py runs them, each phase in a process of its own.

    python benchmarks/gpu_checks.py PHASE [--small] [--stand-in] [--dot FILE]

    env        versions, device and libraries; what the backend says of itself
    kernels    each kernel's registers and memory, and kernels against the reference on odd, tall and narrow shapes
    products   of the step's shapes, transposed and not, in each precision, against float64
    capture    what can be recorded, in which mode, and by which call of cuBLAS; the price of a node
    step       the step of the classic GAN and that of a small DCGAN: losses, whether they are one graph, and their time
    seeds      games of several recipes against those of the CPU, in float64, and graphs against calls one by one
    sanitize   a few steps of five recipes, convolutions and penalties among them: a program for compute-sanitizer
    replay     the recorded steps: a program for a profiler

Every check prints one line of JSON: {"check", "ok", "seconds", ...}; a check that raises has "error" and "where".
The exit code is 1 if one of them is not ok. --small: small sizes, a few of each. --stand-in: over the tests' stand-in
for CuPy (tests/fake_cupy.py), which needs a C++ compiler and no GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import re
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
from contest.guests import SUBJECTS

from minigan import GAN, Dense, Game, LeakyReLU, Sequential, datasets, environment, get_backend
from minigan.backend import Stream, cublas, cupy_backend, workarounds
from minigan.backend.cupy_backend import CupyBackend
from minigan.backend.graph import no_collection
from minigan.bench import step, subject
from minigan.datasets import Dataset
from minigan.datasets.captions import captioned
from minigan.datasets.pairs import Pairs
from minigan.datasets.unpaired import Unpaired
from minigan.games.image_to_image import ImageToImage
from minigan.recipes import RECIPES

Array = Any
Found = dict[str, Any]

COLD = ("pool miss", "garbage collected", "product by CuPy", "number read")  # recorded without having been done before
RELATIVE_ERRORS = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 2e-2}  # of a product, in the Frobenius norm, against float64
GAMES: dict[str, dict[str, Any]] = {  # recipes that between them use every kind of kernel
    "classic": {}, "wgan-gp": {"d_steps": 1}, "dcgan": {"width": 3}, "infogan": {}, "r3gan": {},
    "ssgan": {"labelled": 20, "vat": 1.0}, "categories": {"width": 3}, "aae": {"prior": "swiss-roll", "labelled": 20},
    "aae-few-labels": {"labelled": 20, "vat_ramp": 3},
    "pix2pix": {"width": 3, "d_width": 3, "noise": "injected", "r1": 1.0},
    "simgan": {"width": 3, "d_width": 3, "patch": 4, "history": 20, "g_pretrain": 2},
    "words": {"width": 3, "interpolate": 0.25},
}  # fmt: skip
SEEDED = [
    "classic", "wgan-gp", "dcgan", "cgan", "infogan", "r3gan", "ssgan", "categories", "aae", "aae-few-labels",
    "pix2pix", "simgan", "words",
]  # fmt: skip


class Checks:
    """What has been checked in this process. small: as of the command."""

    def __init__(self, small: bool = False) -> None:
        self.small = small
        self.failed: list[str] = []

    def __call__(self, name: str, function: Callable[[], Found | None]) -> None:
        """Run a check at once and print its line. It fails if it raises or finds {"ok": False}."""
        begin, line = time.perf_counter(), Found(check=name, ok=True)
        try:
            line |= function() or {}
        except Exception as error:
            line |= {"ok": False, "error": f"{type(error).__name__}: {error}"[:600]}
            line["where"] = traceback.format_exc()[-900:]
        line["seconds"] = round(time.perf_counter() - begin, 3)
        if not line["ok"]:
            self.failed.append(name)
        print(json.dumps(line, default=str), flush=True)


# --- what is there ---------------------------------------------------------------------------------------------


def env(check: Checks) -> None:
    def versions() -> Found:
        import cupy

        runtime, prefixes = cupy.cuda.runtime, ("CUDA", "CUPY", "CUBLAS", "NVIDIA", "LD_", "MINIGAN")
        return {
            "python": sys.version, "numpy": np.__version__, "cupy": cupy.__version__,
            "driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion(),
            "nvrtc": cupy.cuda.nvrtc.getVersion(),
            "environment": {k: v for k, v in os.environ.items() if k.startswith(prefixes)},
        }  # fmt: skip

    def device() -> Found:
        properties = environment.gpu_properties(get_backend("cupy"))[0]
        names = "name", "multiProcessorCount", "clockRate", "l2CacheSize", "totalGlobalMem", "major", "minor"
        return {name: properties.get(name) for name in names}

    def backend() -> Found:
        cupy: Any = get_backend("cupy")
        return {"about": cupy.about(), "auto": get_backend("auto").name}

    check("versions", versions)
    check("device", device)
    check("backend", backend)
    check("facts", lambda: {"facts": environment.facts()})


# --- kernels and products --------------------------------------------------------------------------------------


def kernels(check: Checks) -> None:
    import cupy

    def compiled(real: str) -> Found:
        code = (resources.files("minigan.backend") / "kernels.cu").read_text(encoding="utf-8")
        module = cupy_backend._module(cupy, real)
        numbers = "num_regs", "local_size_bytes", "shared_size_bytes", "max_threads_per_block"
        found = {name: module.get_function(name) for name in re.findall(r"__global__ void (\w+)\(", code)}
        return {"kernels": {name: [getattr(k, n, None) for n in numbers] for name, k in found.items()}}

    for real in ("float", "double"):
        check(f"compile {real}", partial(compiled, real))

    be, ref, rng = get_backend("cupy-eager"), get_backend("reference"), np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    def junk(*shape: int) -> Array:
        """What an operation must write without having read it."""
        return np.full(shape, np.nan, np.float32)

    def same(name: str, call: Callable[..., Any], *arrays: Array, tolerance: float = 2e-5) -> None:
        """The operation on the device leaves the same in all arrays as the reference does."""

        def compared() -> Found:
            ours, theirs = [be.asarray(a.copy()) for a in arrays], [a.copy() for a in arrays]
            call(be, *ours)
            call(ref, *theirs)
            worst = max(_difference(be.to_numpy(a), b) for a, b in zip(ours, theirs, strict=True))
            return {"ok": worst <= tolerance, "worst": worst}

        check(name, compared)

    act = LeakyReLU(0.2)
    shapes = ((2, 1), (31, 7), (64, 784), (1031, 9), (12544, 64), (50176, 1), (4096, 1024))
    for n, c in shapes[:2] if check.small else shapes:
        x, dy, gamma, beta, size = draw(n, c), draw(n, c), draw(c), draw(c), f"{n} x {c}"
        mean, inv_std = x.mean(0), (1 / np.sqrt(x.var(0) + 1e-3)).astype(np.float32)
        same(f"bias_act {size}", lambda b, x, bias, o: b.bias_act(x, bias, act, o), x, beta, junk(n, c))
        same(f"bias_act_grad {size}", lambda b, dy, y, o, s: b.bias_act_grad(dy, y, act, o, s), dy, x, junk(n, c),
             junk(c), tolerance=2e-4)  # fmt: skip
        same(f"column_sum {size}", lambda b, x, o: b.column_sum(x, o), x, junk(c), tolerance=2e-4)
        same(f"batchnorm {size}", lambda b, *a: b.batchnorm(*a[:3], 1e-3, None, *a[3:]), x, gamma, beta, junk(n, c),
             junk(c), junk(c), junk(c), tolerance=2e-4)  # fmt: skip
        same(f"batchnorm_grad {size}", lambda b, *a: b.batchnorm_grad(*a[:2], None, *a[2:], True), dy, x, x, gamma,
             mean, inv_std, junk(c), junk(c), tolerance=5e-4)  # fmt: skip
    for n in (1, 7, 999) if check.small else (1, 7, 999, 1_489_936):
        moments = [np.abs(draw(n)) for _ in range(4)]
        same(f"adam {n}", lambda b, *a: b.adam(*a, 2e-4, 0.5, 0.999, 1e-8, 3), *moments)
    for n in (1, 5) if check.small else (1, 5, 4096):
        same(f"logistic {n}", lambda b, logits, g: b.logistic(logits, 1.0, g), 9 * draw(n, 1), junk(n, 1))
    same("normal", lambda b, o: b.normal(o, Stream(5, 4, 2**40)), junk(513, 3))
    order = (77, 64, 3)
    same("draw", lambda b, x, o: b.draw(x, *order, o), draw(100, 7), junk(64, 7))
    same("replace", lambda b, x, s: b.replace(x, *order, s), draw(100, 7), draw(64, 7))
    same("minibatch", lambda b, o: b.minibatch(o, 10_000, 77, 64, 3), np.zeros(64, np.int64))
    windows = ((2, 5, 7, 3, 4), (3, 8, 8, 1, 5), (3, 28, 28, 1, 64), (3, 14, 14, 64, 128))
    for n, height, width, c, out in windows[:2] if check.small else windows:
        x, w = draw(n, height, width, c), draw(out, 4, 4, c)
        g, size, how = draw(n, (height - 2) // 2 + 1, (width - 2) // 2 + 1, out), f"{x.shape} {out}", ((2, 2), (1, 1))
        same(f"conv {size}", lambda b, x, w, o, how=how: b.conv(x, w, o, *how), x, w, junk(*g.shape), tolerance=1e-4)
        same(f"conv_inputs {size}", lambda b, g, w, o, how=how: b.conv_inputs(g, w, o, *how), g, w, junk(*x.shape),
             tolerance=1e-4)  # fmt: skip
        same(f"conv_weights {size}", lambda b, g, x, o, how=how: b.conv_weights(g, x, o, *how), g, x, junk(*w.shape),
             tolerance=1e-4)  # fmt: skip


def _difference(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest value; infinite where something is not finite."""
    if not np.isfinite(ours).all():
        return np.inf
    size = float(np.abs(theirs).max(initial=0)) or 1.0
    return float(np.abs(ours.astype(np.float64) - theirs).max(initial=0)) / size


def products(check: Checks) -> None:
    def measured(precision: str) -> Found:
        be, rng, worst = CupyBackend(precision=precision, graph=False), np.random.default_rng(0), dict[str, float]()
        batches = (4,) if check.small else (32, 512)
        shapes = {s for batch in batches for s in step.products(step.operations(batch, 0.1 if check.small else 1.0))}
        for m, k, n in sorted({*shapes, (7, 110, 5)}):
            a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
            exact = a.astype(np.float64) @ b
            for ta, tb in ((0, 0), (0, 1), (1, 0), (1, 1)):
                x = be.asarray(a.T).T if ta else be.asarray(a)
                y = be.asarray(b.T).T if tb else be.asarray(b)
                out = be.xp.full((m, n), np.nan, np.float32)
                be.gemm(x, y, out)
                error = np.linalg.norm(be.to_numpy(out) - exact) / np.linalg.norm(exact)
                worst[f"{m} x {k} x {n}{', a transposed' * ta}{', b transposed' * tb}"] = float(error)
        name = max(worst, key=lambda key: np.nan_to_num(worst[key], nan=np.inf))
        return {"ok": worst[name] <= RELATIVE_ERRORS[precision], "worst": worst[name], "at": name}

    for precision in RELATIVE_ERRORS:
        check(f"products in {precision}", partial(measured, precision))


# --- graphs ----------------------------------------------------------------------------------------------------


def capture(check: Checks) -> None:
    """Whatever the backend needs must be recorded in its own mode; the rest is for whoever has to find a way around."""
    import cupy as cp

    be: Any = get_backend("cupy-eager")
    a, b = be.asarray(np.eye(64, dtype=np.float32)), be.asarray(np.ones((64, 1), np.float32))
    out, column, zero = be.empty((64, 64), np.float32), be.empty((64, 1), np.float32), be.zeros((), np.float32)
    library = cublas.load()
    handles, streams = Handles(cp, library), list[Any]()  # kept: a handle of cuBLAS is known by its stream's address
    needed: dict[str, Callable[[], object]] = {
        "elementwise": lambda: cp.add(a, 1, out=out),
        "copy and fill": lambda: (cp.copyto(out, a), out.fill(0), out.fill(2)),
        "product": lambda: be.gemm(a, a, out),
        "product of one column": lambda: be.gemm(a, b, column),
        "product, transposed, added": lambda: be.gemm(a.T, a, out, True),
        "fresh memory from the pool": lambda: (a * 2 + 1).sum(),
    }
    others: dict[str, Callable[[], object]] = {
        "reduction with out": lambda: a.sum(axis=1, keepdims=True, out=column),
        "pool miss": lambda: cp.empty((3 << 20,), np.float32),
        "garbage collected": gc.collect,
        "product by CuPy": lambda: cp.matmul(a, a, out=out),
        "number read": lambda: float(zero),
    }
    with suppress(AttributeError, ImportError):  # a CuPy without NCCL
        sums = cp.cuda.nccl.NcclCommunicator(1, cp.cuda.nccl.get_unique_id(), 0)
        kind, operation = cp.cuda.nccl.NCCL_FLOAT32, cp.cuda.nccl.NCCL_SUM
        others["sum by NCCL, of one process"] = lambda: sums.allReduce(
            a.data.ptr, out.data.ptr, a.size, kind, operation, cp.cuda.get_current_stream().ptr
        )
    if hasattr(library, "cublasSgemm_v2"):  # the stand-in may have none
        for name in ("GemmEx", "Sgemm_v2"):
            for workspace in (True, False):
                who = f"cublas{name}, {'with a' if workspace else 'without'} workspace"
                others[who] = partial(handles.multiply, name, workspace, a, out)

    def tried(name: str, work: Callable[[], object], mode: str) -> Found:
        stream, pool = cp.cuda.Stream(non_blocking=True), cp.cuda.MemoryPool()
        streams.append(stream)
        be.synchronize()
        try:
            with stream, cp.cuda.using_allocator(pool.malloc), no_collection():
                graph = _captured(cp, stream, name, lambda: (cp.add(a, 1, out=out), work()), mode)
        except Exception as error:
            return {"recorded": False, "reason": f"{type(error).__name__}: {error}"[:300]}
        for _ in range(3):
            graph.launch()
        be.synchronize()
        if ("product" in name or name.startswith("cublas")) and not _product_is_right(be, name, out, column):
            return {"recorded": False, "reason": "replayed, it computes something else"}
        return {"recorded": True}

    own = workarounds.capture_mode()
    modes = [mode for mode in workarounds.CAPTURE_MODES.values() if hasattr(cp.cuda.runtime, mode)]

    def checked(name: str, work: Callable[[], object], mode: str) -> Found:
        found = tried(name, work, mode)
        return found | {"ok": found["recorded"] or name not in needed or (mode != own and own in modes)}

    for mode in modes:
        for name, work in {**needed, **others}.items():
            check(f"capture, {mode[17:]}: {name}", partial(checked, name, work, mode))

    def in_a_row() -> Found:
        """What a node costs, and a launch: 200 tiny kernels, replayed 200 times."""
        stream, x, nodes = cp.cuda.Stream(non_blocking=True), be.zeros((32,), np.float32), 200
        with stream, no_collection():
            cp.add(x, 1, out=x)
            stream.synchronize()
            stream.begin_capture(getattr(cp.cuda.runtime, own if own in modes else modes[0]))
            for _ in range(nodes):
                cp.add(x, 1, out=x)
            graph = stream.end_capture()
        launches = 2 if check.small else 200
        for _ in range(5):
            graph.launch()
        be.synchronize()
        begin = time.perf_counter()
        for _ in range(launches):
            graph.launch()
        asked = time.perf_counter() - begin
        be.synchronize()
        done = time.perf_counter() - begin
        right = bool((be.to_numpy(x) == 1 + nodes * (5 + launches)).all())
        return {"ok": right, "us_per_node": round(done / launches / nodes * 1e6, 3),
                "us_per_launch_host": round(asked / launches * 1e6, 2)}  # fmt: skip

    check("nodes in a row", in_a_row)


def _captured(cp: Any, stream: Any, name: str, work: Callable[[], object], mode: str) -> Any:
    """The graph of this work, which has been done before if that is of use. Raises whatever came first."""
    if name not in COLD:
        work()
        work()
    if name == "garbage collected":
        _garbage(cp)
    stream.synchronize()
    stream.begin_capture(getattr(cp.cuda.runtime, mode))
    error = None
    try:
        work()
    except Exception as caught:
        error = caught
    try:
        graph = stream.end_capture()
    except Exception as caught:
        raise error or caught from None
    if error is not None:
        raise error
    return graph


def _product_is_right(be: Any, name: str, out: Array, column: Array) -> bool:
    """a is the unit matrix, b is all ones; what is added to out + 1 three times is one of these again and again."""
    if name == "product of one column":
        return bool((be.to_numpy(column) == 1).all())
    eye = np.eye(64, dtype=np.float32)
    return bool((be.to_numpy(out) == (2 * eye + 1 if "added" in name else eye)).all())


def _garbage(cp: Any) -> None:
    """A graph and its pool in a circle: only the garbage collector frees them, and CUDA is then called."""
    stream, pool, circle = cp.cuda.Stream(non_blocking=True), cp.cuda.MemoryPool(), list[Any]()
    with stream, cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros((1024,), np.float32)
        stream.synchronize()
        stream.begin_capture(cp.cuda.runtime.streamCaptureModeThreadLocal)
        cp.add(x, 1, out=x)
        circle += [circle, stream.end_capture(), pool, x]


class Handles:
    """cuBLAS by other calls than the backend's, on handles that are kept for as long as this lives."""

    def __init__(self, cupy: Any, library: Any) -> None:
        self.cupy, self.library = cupy, library
        self.kept: list[Any] = []
        self.made: dict[tuple[Any, bool], ctypes.c_void_p] = {}

    def multiply(self, call: str, workspace: bool, a: Array, out: Array) -> None:
        """out = aᵀ aᵀ by columns, which is a a by rows, of square arrays."""
        handle, n = self._handle(workspace), len(a)
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        left, target = ctypes.c_void_p(a.data.ptr), ctypes.c_void_p(out.data.ptr)
        typed = call == "GemmEx"
        kind, rest = ((0,), (68, -1)) if typed else ((), ())
        status = getattr(self.library, f"cublas{call}")(
            handle, 0, 0, n, n, n, ctypes.byref(one), left, *kind, n, left, *kind, n, ctypes.byref(zero), target,
            *kind, n, *rest,
        )  # fmt: skip
        if status:
            raise RuntimeError(f"cublas{call} failed with status {status}")

    def _handle(self, workspace: bool) -> ctypes.c_void_p:
        stream = self.cupy.cuda.get_current_stream()
        if (stream.ptr, workspace) not in self.made:
            handle = ctypes.c_void_p()
            self.library.cublasCreate_v2(ctypes.byref(handle))
            self.library.cublasSetStream_v2(handle, ctypes.c_void_p(stream.ptr))
            if workspace:
                memory = self.cupy.empty((32 << 20,), np.uint8)
                pointer, size = ctypes.c_void_p(memory.data.ptr), ctypes.c_size_t(memory.nbytes)
                self.library.cublasSetWorkspace_v2(handle, pointer, size)
                self.kept.append(memory)
            self.kept.append(stream)
            self.made[stream.ptr, workspace] = handle
        return self.made[stream.ptr, workspace]


# --- steps and games -------------------------------------------------------------------------------------------


def steps(check: Checks, dot: str | None = None) -> None:
    """The canonical step and that of a small DCGAN on every way to compute them, and what a graph must survive."""
    width = 1 / 64 if check.small else 1.0
    sizes = {"cupy": (32, 128, 512, 4096), "cupy-eager": (32, 512), "cupy-tf32": (32, 512, 4096), "cupy-bf16": (32,)}
    if check.small:
        sizes = dict.fromkeys(("cupy", "cupy-eager"), (4,))
    plan = [("step", name, batch) for name, batches in sizes.items() for batch in batches]
    plan += [("dcgan", name, 4 if check.small else 64) for name in list(sizes)[: 1 if check.small else 3]]
    check("the graph of the step", partial(described, check.small, dot))
    for what, name, batch in plan:
        check(f"{what} of {name}, batch {batch}", partial(played, what, name, batch, width))
    check("GANs one after the other", partial(in_turn, 3 if check.small else 12))


def recorded(small: bool, what: str = "step") -> Any:
    """The canonical step at batch 32, or that of a small DCGAN at batch 64, played until it should be a graph."""
    be, width = get_backend("cupy"), 1 / 64 if small else 1.0
    game = SUBJECTS[what]
    start = game.start(4 if small else 64 if what == "dcgan" else 32, width)
    play = be.repeat(game.play(start, game.build(width, be)))
    for _ in range(subject.CHECKED_STEPS):
        play()
    be.synchronize()
    return play


def described(small: bool, dot: str | None) -> Found:
    """Whether it is one graph, and of how many operations. dot: the file that it is written to, as CUDA prints it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        graph = recorded(small)
    found = {"ok": graph.recorded, "nodes": graph.nodes, "reason": graph.reason}
    found["warnings"] = [str(warning.message)[:300] for warning in said]
    if dot and graph.recorded and hasattr(graph._graph, "debug_dot_str"):
        text = graph._graph.debug_dot_str(1 | 4)  # with the kernels' names
        Path(dot).write_text(text, encoding="utf-8")
    return found


def played(what: str, name: str, batch: int, width: float) -> Found:
    """One step: its losses beside the reference's, how the GPU is asked for it, and the median of its time."""
    game = SUBJECTS[what]
    start = game.start(batch, width)
    opponent = game.opponent(name, "gpu", start)
    losses = [opponent.checked() for _ in range(subject.CHECKED_STEPS)]
    found: Found = {"losses": losses}
    try:
        found["about"] = opponent.about()
    except subject.UnavailableError as error:
        found |= {"ok": False, "about": str(error)}
    if batch * width <= 512:  # the reference takes its time
        found["worst"] = max(game.deviations(losses, game.expected(start)))
        if not found["worst"] <= subject.TOLERANCES[subject.precision(name)]:
            found["ok"] = False
    count = max(1, min(200, int(0.05 / _seconds(opponent, 1))))
    found["us"] = round(statistics.median(_seconds(opponent, count) for _ in range(7)) * 1e6, 1)
    return found


def _seconds(opponent: subject.Opponent, count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        opponent.timed()
    opponent.synchronize()
    return (time.perf_counter() - begin) / count


def in_turn(count: int) -> Found:
    """Each leaves a graph in a circle behind, which is garbage when the next one records."""
    reasons = []
    for seed in range(count):
        gan = GAN(
            Sequential(Dense(5, 8), LeakyReLU(0.2), Dense(8, 12), backend="cupy", seed=seed),
            Sequential(Dense(12, 6), LeakyReLU(0.2), Dense(6, 1), backend="cupy", seed=seed + 1),
        )
        real = gan.backend.asarray(np.zeros((6, 12), np.float32))
        circle: Any = gan
        play: Any = gan.backend.repeat(partial(gan.turn, gan.given(real)))
        circle.play = play
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(4):
                play()
        if not play.recorded:
            reasons.append(f"{seed}: {play.reason}")
    return {"ok": not reasons, "recorded": count - len(reasons), "of": count, "reasons": reasons}


class HostNoise(CupyBackend):
    """Call by call, with normals that are drawn on the CPU.

    The last bit of a logarithm or a cosine is the library's own, and games of convolutions or codes, with Adam's first
    steps, make up to 1e-1 of it in ten steps, on a CPU as well.
    """

    def __init__(self) -> None:
        super().__init__(graph=False)

    def normal(self, out: Array, stream: Stream) -> None:
        self._flush()
        drawn = np.empty(out.shape, out.dtype)
        get_backend("numpy").normal(drawn, stream)
        self.xp.copyto(out, self.asarray(drawn))


def data_for(name: str, images: Array) -> Any:
    """Images as a recipe takes them: with what they are to be made of, turned pictures, where it makes them of some."""
    if name == "words":
        return captioned(Dataset(images, np.arange(len(images)) % 10, "digits, for all anybody knows"))
    kind = {"pix2pix": Pairs, "simgan": Unpaired}.get(name)
    return images if kind is None else kind(images, None, "turned", inputs=images.transpose(0, 2, 1))


def _made(gan: Game, images: Array) -> Array:
    return gan.translate(images[:16]) if isinstance(gan, ImageToImage) else gan.sample(16)


def seeds(check: Checks) -> None:
    """The metrics of all steps, and samples at the end: on the same noise as on the CPU, in float64, and, in float32,
    replayed as a graph and called one by one.

    Parameters are not compared one by one: the gradient of some is 0 but for rounding (a bias in front of batchnorm,
    or at the end of a D whose objective compares), and Adam makes whole steps of that.
    """
    side, count = (8, 4) if check.small else (28, 10)
    images, labels = np.random.default_rng(0).integers(0, 256, (50, side, side), dtype=np.uint8), np.arange(50) % 10
    if not check.small:
        digits = datasets.load("digits")
        images, labels = digits.images[:500], digits.labels[:500]

    def played(name: str, backend: Any, dtype: str) -> dict[str, Array]:
        few: dict[str, Found] = {
            "dcgan": {"width": 8}, "categories": {"width": 8}, "ssgan": {"labelled": 20},
            "aae": {"prior": "ring", "labelled": 20}, "aae-few-labels": {"labelled": 20},
            "simgan": {"patch": 10, "history": 40, "g_pretrain": 2}, "words": {"width": 8},
        }  # fmt: skip
        options: Found = {"seed": 0, "dtype": dtype, **few.get(name, {})}
        gan = RECIPES[name].build((side, side), backend=backend, **options)
        told = {"labels": labels} if name in ("cgan", "ssgan", "aae", "aae-few-labels") else {}
        metrics = gan.fit(data_for(name, images), count, batch=8 if check.small else 32, **told)
        return {**metrics, "samples": _made(gan, images)}

    def compared(ours: dict[str, Array], theirs: dict[str, Array], tolerance: float) -> Found:
        differences = {metric: _difference(values, theirs[metric]) for metric, values in ours.items()}
        at, worst = max(differences.items(), key=lambda item: item[1])
        return {"ok": worst <= tolerance, "worst": worst, "at": at, "steps": count}

    def beside_the_cpu(name: str) -> Found:
        return compared(played(name, HostNoise(), "float64"), played(name, "numpy", "float64"), 1e-9)

    def replayed(name: str) -> Found:
        return compared(played(name, "cupy", "float32"), played(name, "cupy-eager", "float32"), 0.0)

    for name in SEEDED[2:3] if check.small else SEEDED:
        check(f"seeds of {name}", partial(beside_the_cpu, name))
        check(f"graph of {name}", partial(replayed, name))


def sanitize(check: Checks) -> None:
    images, labels = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8), np.arange(50) % 10
    for name in list(GAMES)[2:3] if check.small else GAMES:

        def game(name: str = name) -> None:
            gan = RECIPES[name].build((8, 8), backend="cupy", **GAMES[name])
            gan.fit(
                data_for(name, images), 4, batch=6, labels=labels
            )  # two call by call, one while it is recorded, one replayed

        check(f"sanitize {name}", game)


def replay(check: Checks) -> None:
    """The canonical step, then a DCGAN's; a profiler that waits to be told sees the last replay of each and no more."""
    for what in ("step", "dcgan"):
        check(f"replay {what}", partial(_replayed, check.small, what))


def _replayed(small: bool, what: str) -> Found:
    play, be = recorded(small, what), cast(CupyBackend, get_backend("cupy"))
    play()
    be.synchronize()
    if hasattr(be.xp.cuda.runtime, "profilerStart"):
        be.xp.cuda.runtime.profilerStart()
    play()
    be.synchronize()
    if hasattr(be.xp.cuda.runtime, "profilerStop"):
        be.xp.cuda.runtime.profilerStop()
    return {"ok": play.recorded, "reason": play.reason, "nodes": play.nodes}


PHASES: dict[str, Callable[..., None]] = {
    "env": env, "kernels": kernels, "products": products, "capture": capture, "step": steps, "seeds": seeds,
    "sanitize": sanitize, "replay": replay,
}  # fmt: skip


def stand_in() -> None:
    """Let `import cupy` find the tests' stand-in."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    import fake_cupy
    import pytest

    fake_cupy.install(pytest.MonkeyPatch())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--small", action="store_true", help="small sizes, a few of each")
    parser.add_argument("--stand-in", action="store_true", help="over the tests' stand-in for CuPy, without a GPU")
    parser.add_argument("--dot", metavar="FILE", help="where the phase step writes its graph, as DOT")
    args = parser.parse_args(argv)
    if args.stand_in:
        stand_in()
    check = Checks(args.small)
    more = {"dot": args.dot} if args.phase == "step" else {}
    try:
        PHASES[args.phase](check, **more)
    except Exception as error:  # outside a check, before the first one as a rule: a line all the same
        where = traceback.format_exc()[-900:]
        failed = {"check": args.phase, "ok": False, "error": f"{type(error).__name__}: {error}"[:600], "where": where}
        print(json.dumps(failed), flush=True)
        return 1
    return int(bool(check.failed))


if __name__ == "__main__":
    sys.exit(main())

"""kernels.cu itself: it compiles for a real GPU, its launches are held to its signatures, and no thread races another.

What the kernels compute is compared with the reference in test_backends.py, where "cupy, simulated" runs them on the
CPU; what a step makes of them, in test_graph.py.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kernels_on_cpu
import numpy as np
import pytest
from scripts import script

from minigan.backend import absent, cuda_arguments, factors, get_backend
from minigan.backend.cupy_backend import FLAGS

NULL = np.uint64(0)


@pytest.fixture(autouse=True)
def _compiler() -> None:
    try:
        kernels_on_cpu.library(kernels_on_cpu.source(), "float")
    except RuntimeError as error:
        pytest.skip(str(error))


def run(name: str, *args: Any, grid: tuple[int, ...] = (1,), block: tuple[int, ...] = (1, 8), code: str = "") -> None:
    kernels_on_cpu.launch(name, "float", grid, block, args, code or None)


# --- the compiler of the GPU -----------------------------------------------------------------------------------


def nvrtc() -> ctypes.CDLL:
    """NVIDIA's compiler from its wheel (nvidia-cuda-nvrtc), which needs no GPU."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for file in (f for folder in folders for f in folder.glob("*/lib/libnvrtc.so.*") if "alt" not in f.name):
        return ctypes.CDLL(str(file))
    pytest.skip("NVRTC is not installed here (pip install nvidia-cuda-nvrtc)")


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles_the_kernels(real: str, architecture: str) -> None:
    library, program, size = nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    code = kernels_on_cpu.source().encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), code, b"kernels.cu", 0, None, None) == 0
    flags = [f.encode() for f in (*FLAGS, f"-DREAL={real}", f"--gpu-architecture={architecture}")]
    status = library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()
    assert b"error" not in log.value
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    assert size.value > 10_000


def test_nvcc_compiles_the_kernels(tmp_path: Path) -> None:
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("there is no nvcc here")
    source = tmp_path / "kernels.cu"
    source.write_text(kernels_on_cpu.source(), encoding="utf-8")
    for real in ("float", "double"):
        command = [compiler, *FLAGS, f"-DREAL={real}", "-arch=sm_90", "-Werror", "all-warnings", "-cubin", str(source)]
        done = subprocess.run([*command, "-o", str(tmp_path / "k")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


# --- the checks that a GPU does not make -----------------------------------------------------------------------


def test_activations_have_the_numbers_of_the_kernels() -> None:
    names = re.search(r"enum \{ IDENTITY, (.*) \};", kernels_on_cpu.source())
    assert names
    number = {name: i for i, name in enumerate(names[1].split(", "), 1)}
    for kind, i in cuda_arguments.ACTIVATIONS.items():
        assert i == number["LEAKY" if kind.endswith("ReLU") else kind.upper()]


def test_a_missing_barrier_is_found() -> None:
    code = kernels_on_cpu.source()
    x, norm = np.arange(8, dtype=np.float32), np.zeros(1, np.float32)
    args = x, np.uint64(8), np.zeros(1), np.zeros(1, np.uint32), norm, NULL, NULL, np.int32(0)
    run("grad_norm", *args)
    assert norm[0] == pytest.approx(np.sqrt(140))
    broken = code.replace("sums[1][i] = b;\n    __syncthreads();", "sums[1][i] = b;")
    assert broken != code
    with pytest.raises(AssertionError, match="depends on the order of the threads"):
        run("grad_norm", *args, code=broken)


def test_arguments_of_another_type_are_refused() -> None:
    """CUDA would read them as something else."""
    x, out, n = np.zeros(8, np.float32), np.zeros(1, np.float32), np.int32(8)
    run("logistic", x, np.float32(1), x, out, n)
    for wrong in (
        (x, 1.0, x, out, n),
        (x, np.float64(1), x, out, n),
        (x, np.float32(1), x, out, 8),
        (x.astype(np.float64), np.float32(1), x, out, n),
        (None, np.float32(1), x, out, n),
    ):
        with pytest.raises(TypeError, match="logistic: argument"):
            run("logistic", *wrong)


def test_a_block_has_at_most_1024_threads() -> None:
    with pytest.raises(AssertionError, match="block"):
        run("grad_norm", *[NULL] * 8, block=(8, 256))


@pytest.mark.parametrize("rows", [1, 2, 5, 8, 31, 1031])
@pytest.mark.parametrize("cols", [1, 7, 8, 9])
def test_column_sums_of_any_shape(rows: int, cols: int) -> None:
    """By a few threads or many, and by blocks that share the rows."""
    x = np.random.default_rng(rows).standard_normal((rows, cols)).astype(np.float32)
    shape = np.int32(rows), np.int32(cols), np.int32(0), np.float32(0)
    for threads, chunks in ((1, 1), (4, 1), (128, 1), (2, 3), (16, 7)):
        total, partial = np.full(cols, np.nan, np.float32), np.full((chunks, cols), np.nan, np.float32)
        grid, block = (-(-cols // 8), chunks), (8, threads)
        shared = partial if chunks > 1 else NULL
        run("bias_act_grad", x, NULL, NULL, total, shared, np.int32(0), *shape, grid=grid, block=block)
        if chunks > 1:
            run(
                "add_chunks",
                partial,
                np.int32(chunks),
                total,
                np.int32(0),
                np.int32(cols),
                grid=(-(-cols // 8),),
                block=block,
            )
        np.testing.assert_allclose(total, x.sum(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("grid", [1, 3, 100])
def test_flat_kernels_do_not_depend_on_their_grid(grid: int) -> None:
    """Fewer threads than elements, and more."""
    p, g, m, v = (np.linspace(a, 1, 1000, dtype=np.float32) for a in (-1, -2, 0.5, 0.1))
    numbers = map(np.float64, (0.5, 0.9, *factors.adam(0.1, 0.5, 0.9, 1e-8, 3)))
    args = np.uint64(1000), *numbers, NULL, np.uint64(1), np.uint64(0), NULL, NULL
    run("adam", p, g, m, v, *args, grid=(grid,), block=(32,))
    expected = [np.linspace(a, 1, 1000, dtype=np.float32) for a in (-1, -2, 0.5, 0.1)]
    get_backend("reference").adam(*expected, 0.1, 0.5, 0.9, 1e-8, 3)
    for ours, theirs in zip((p, g, m, v), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# --- on a GPU --------------------------------------------------------------------------------------------------


@pytest.mark.gpu(seconds=240)
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_compute_sanitizer_finds_nothing(tool: str) -> None:
    """In a few steps of five recipes, convolutions and penalties among them, as benchmarks/first_gpu.py plays them."""
    if reasons := absent(["cupy"]):
        pytest.skip(reasons["cupy"])
    first_gpu = script("first_gpu")
    (phase,) = [phase for phase in first_gpu.proofs() if phase.name == tool]
    if shutil.which(phase.command[0]) is None:
        pytest.skip("compute-sanitizer is not installed here")
    line, said = first_gpu.run_phase(phase, 200, dict(os.environ))
    assert first_gpu.went_well(line), said[-4000:]
    assert len(line["checks"]) == 5

"""kernels.cu compiled for this machine's processor (see cuda_on_cpu.cpp), with the checks that a GPU does not make."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

SHIM = Path(__file__).parent / "cuda_on_cpu.cpp"
_INTEGERS = {"int": np.int32, "u32": np.uint32, "u64": np.uint64, "long long": np.int64, "u8": np.uint8}
_CTYPES = {
    np.int32: ctypes.c_int32, np.uint32: ctypes.c_uint32,
    np.uint64: ctypes.c_uint64, np.int64: ctypes.c_int64, np.uint8: ctypes.c_uint8,
    np.float32: ctypes.c_float, np.float64: ctypes.c_double,
}  # fmt: skip


def source() -> str:
    """The text of kernels.cu."""
    return (resources.files("minigan.backend") / "kernels.cu").read_text(encoding="utf-8")


@functools.cache
def signatures(code: str) -> dict[str, list[str]]:
    """The kernels and the types of their arguments, as kernels.cu declares them: "const REAL*", "u64", ..."""
    for name, text in re.findall(r"#define (UPDATE|WINDOWS|TRACK) (.*)", code):
        code = re.sub(rf"\b{name}\s*\)", f"{text})", code)
    found = {}
    for name, arguments in re.findall(r"__global__ void (\w+)\(([^)]*)\)", code):
        types = [re.match(r"\s*((?:const )?(?:long )?\w+) (\*?)", a) for a in arguments.split(",")]
        found[name] = [t[1] + t[2] for t in types if t]
    return found


@functools.cache
def library(code: str, real: str) -> ctypes.CDLL:
    """The kernels as functions of this machine. Raises RuntimeError where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.name == "nt":
        raise RuntimeError("there is no C++ compiler here (g++ or clang++) to run the kernels on the CPU with")
    launchers = []
    for name, types in signatures(code).items():
        arguments = ", ".join(f"{t} a{i}" for i, t in enumerate(types))
        given = ", ".join(f"a{i}" for i in range(len(types)))
        launchers.append(
            f'extern "C" void launch_{name}(const unsigned *dims, bool reversed, {arguments}) '
            f"{{ run(dims, reversed, [=] {{ {name}({given}); }}); }}"
        )
    text = "\n".join([SHIM.read_text(encoding="utf-8"), code, *launchers])
    digest = hashlib.sha256(f"{compiler} {real} {text}".encode()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"minigan-kernels-{digest}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "kernels.cpp").write_text(text, encoding="utf-8")
            command = [compiler, "-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", f"-DREAL={real}"]
            done = subprocess.run(
                [*command, "kernels.cpp", "-o", "k.so"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise AssertionError(f"kernels.cu does not compile as C++:\n{done.stderr}")
            shutil.move(Path(folder) / "k.so", f"{built}.{os.getpid()}")
        os.replace(f"{built}.{os.getpid()}", built)  # whole, or not there: other processes build it as well
    return ctypes.CDLL(str(built))


def launch(
    name: str, real: str, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], code: str | None = None
) -> None:
    """Run a kernel twice, in both orders of its threads, and compare; arrays and arguments must fit its signature.

    Raises TypeError for an argument of another type, AssertionError for a race or a block that is too large.
    """
    code = source() if code is None else code
    types = signatures(code)[name]
    assert len(types) == len(args), f"{name} takes {len(types)} arguments, got {len(args)}"
    assert np.prod(block) <= 1024, f"a block of {name} has {block} threads"
    call, dims = getattr(library(code, real), f"launch_{name}"), (ctypes.c_uint * 4)(*(*grid, 1)[:2], *(*block, 1)[:2])
    passed = [_argument(name, i, t, a, real) for i, (t, a) in enumerate(zip(types, args, strict=True))]
    written = [a for t, a in zip(types, args, strict=True) if isinstance(a, np.ndarray) and not t.startswith("const ")]
    before = [a.copy() for a in written]
    call(dims, ctypes.c_bool(False), *passed)
    outcome = [a.tobytes() for a in written]
    for array, original in zip(written, before, strict=True):
        array[...] = original
    call(dims, ctypes.c_bool(True), *passed)
    for array, first in zip(written, outcome, strict=True):
        assert array.tobytes() == first, f"{name}: the result depends on the order of the threads"


@functools.cache
def _wanted(type_: str, real: str) -> Any:
    """NumPy's name for a type of kernels.cu; None where any will do."""
    reals = {"REAL": {"float": np.float32, "double": np.float64}[real], "double": np.float64}
    return {**_INTEGERS, **reals}.get(type_.removesuffix("*").removeprefix("const "))


def _argument(name: str, i: int, type_: str, value: Any, real: str) -> Any:
    """Argument i as ctypes wants it; what CUDA would misread is refused."""
    wanted = _wanted(type_, real)
    if type_.endswith("*"):
        if isinstance(value, np.uint64) and value == 0:
            return ctypes.c_void_p(0)
        if not isinstance(value, np.ndarray) or (wanted is not None and value.dtype != wanted):
            raise TypeError(f"{name}: argument {i} must be a {type_}, got {getattr(value, 'dtype', type(value))}")
        return ctypes.c_void_p(value.ctypes.data)
    if type(value) is not wanted:
        raise TypeError(f"{name}: argument {i} must be a {type_}, got {type(value).__name__} {value!r}")
    return _CTYPES[wanted](value.item())

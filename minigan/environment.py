"""The machine and its software, as a report about speed should name them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from contextlib import suppress
from typing import Any

import numpy as np

from . import __version__
from .backend import Backend, absent, get_backend, threads


def facts() -> dict[str, str]:
    """Names and versions of everything a figure depends on. Never the name of the host."""
    installed = {name: version(name) for name in ("torch", "jax", "numba")}
    return {
        "minigan": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": np.__version__,
        "cupy": cupy_version(),
        **{name: found for name, found in installed.items() if found},
        "BLAS": blas(),
        "BLAS threads": blas_threads(),
        "CPU": cpu(),
        "cores": cores(),
        **({"memory": memory()} if memory() else {}),
        "system": f"{platform.system()}, {platform.machine()}",
        "GPU": gpu(),
    }


def version(distribution: str) -> str:
    """The installed version, or "" if there is none; nothing is imported."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cupy_version() -> str:
    """CuPy has a name of its own for every version of CUDA."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    names = [name for name in found if name == "cupy" or name.startswith("cupy-")]
    return ", ".join(f"{found[name]} ({name})" for name in names) or "not installed"


def blas() -> str:
    """The library that NumPy's products are computed by."""
    config: Any = np.show_config(mode="dicts")
    found = config.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def blas_threads() -> str:
    """With how many threads: as OpenBLAS or threadpoolctl counts them, or as the environment asks for."""
    if count := threads.blas_threads.count():
        return f"{count}"
    try:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        set_by = [name for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS") if name in os.environ]
        return f"{os.environ[set_by[0]]} ({set_by[0]})" if set_by else "as many as it likes (threadpoolctl can tell)"
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(f"{pool['num_threads']} ({pool.get('architecture', 'unknown')} kernels)" for pool in pools) or "1"


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> str:
    total, usable = os.cpu_count() or 1, usable_cores()
    return f"{usable} available of {total}" if usable < total else str(total)


def cpu() -> str:
    """The model of the processor, or its architecture where the system does not name it."""
    with suppress(OSError):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
        if found:
            return " ".join(found[1].split())
    return platform.processor() or platform.machine() or "unknown"


def memory() -> str:
    """Main memory, or "" where the system does not tell."""
    with suppress(OSError, ValueError, AttributeError):
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return ""


def gpu() -> str:
    if reason := absent(["cupy"]).get("cupy"):
        return f"none: {reason}"
    properties, runtime = gpu_properties(get_backend("cupy"))
    space = properties["totalGlobalMem"] / 2**30
    return f"{properties['name'].decode()}, {space:.0f} GiB, CUDA {runtime // 1000}.{runtime % 1000 // 10}"


def gpu_properties(backend: Backend) -> tuple[dict[str, Any], int]:
    """CUDA's properties of the device that a CuPy backend computes on, and the version of its runtime."""
    cuda = backend.xp.cuda
    return cuda.runtime.getDeviceProperties(cuda.Device().id), cuda.runtime.runtimeGetVersion()


def device(backend: Backend) -> str:
    """Where a backend computes: "cpu" or "gpu"."""
    return "cpu" if backend.xp is np else "gpu"


def slug(environment: dict[str, str]) -> str:
    """A name for the machine made of its processor, cores and GPU, fit for a file.

    >>> slug({"CPU": "AMD EPYC", "cores": "2", "GPU": "none: no CuPy"})
    'amd-epyc-2-cores'
    """
    kind = re.sub(r"\((R|TM|tm)\)|CPU|Processor|@.*|\d+-Core", "", environment["CPU"])
    words = f"{kind} {environment['cores'].split()[0]} cores"
    if not environment["GPU"].startswith("none"):
        words += f" {environment['GPU'].split(',')[0]}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")

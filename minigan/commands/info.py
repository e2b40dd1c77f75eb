"""`minigan info`: what a report about speed or a failure should say about the machine."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from typing import Any

import numpy as np

from .. import __version__
from ..backend import get_backend


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = "What minigan runs on here. Add it to reports of speed or of failures."


def run(args: argparse.Namespace) -> int:
    facts = {
        "minigan": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": np.__version__,
        "cupy": _cupy(),
        "BLAS": _blas(),
        "BLAS threads": _blas_threads(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "GPU": _gpu(),
    }
    for name, fact in facts.items():
        print(f"{name:14}{fact}")
    return 0


def _cupy() -> str:
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    names = [name for name in found if name == "cupy" or name.startswith("cupy-")]
    return ", ".join(f"{found[name]} ({name})" for name in names) or "not installed"


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _blas_threads() -> str:
    try:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        set_by = [name for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS") if name in os.environ]
        return f"{os.environ[set_by[0]]} ({set_by[0]})" if set_by else "as many as it likes (threadpoolctl can tell)"
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(f"{pool['num_threads']} ({pool.get('architecture', 'unknown')} kernels)" for pool in pools) or "1"


def _cores() -> str:
    total = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    return f"{usable} available of {total}" if usable < total else str(total)


def _gpu() -> str:
    try:
        cp = get_backend("cupy").xp
    except (ImportError, RuntimeError) as error:
        return f"none: {error}"
    device = cp.cuda.runtime.getDeviceProperties(cp.cuda.Device().id)
    runtime = cp.cuda.runtime.runtimeGetVersion()
    memory = device["totalGlobalMem"] / 2**30
    return f"{device['name'].decode()}, {memory:.0f} GiB, CUDA {runtime // 1000}.{runtime % 1000 // 10}"

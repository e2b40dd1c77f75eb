"""How a GPU is used, chosen by the environment and read here alone: ways around what does not do its part.

Nothing of this is needed where everything works. benchmarks/first_gpu.py sets these variables for its phases.

    MINIGAN_STRICT_GRAPH=1           a step that cannot be recorded is an error, not played call by call with a warning
    MINIGAN_CAPTURE_MODE=MODE        how a stream records: "relaxed" (default), "threadlocal" or "global" (see CUDA's
                                     cudaStreamCaptureMode): which calls of other threads and libraries break it
    MINIGAN_CUBLAS_WORKSPACE=0       leave cuBLAS to its own workspace instead of giving it one; in a graph cuBLAS 12.2
                                     and newer then take their memory by nodes of the graph
    MINIGAN_CUBLAS_CALL=sgemm        products by cublasSgemm and cublasDgemm instead of cublasGemmEx (default: gemmex)
    MINIGAN_CUBIN=FOLDER             kernels from FOLDER/kernels-float.cubin and kernels-double.cubin, as nvcc makes
                                     them, instead of compiling kernels.cu with NVRTC

Modules that CUDA loads at first use are loaded at once with CUDA_MODULE_LOADING=EAGER, a variable of CUDA's own.
"""

from __future__ import annotations

import os
from pathlib import Path

CAPTURE_MODES = {
    "relaxed": "streamCaptureModeRelaxed",
    "threadlocal": "streamCaptureModeThreadLocal",
    "global": "streamCaptureModeGlobal",
}
CUBLAS_CALLS = ("gemmex", "sgemm")


def strict_graph() -> bool:
    """Whether a step must be a graph. Raises ValueError for another value than 0 and 1."""
    return _choice("MINIGAN_STRICT_GRAPH", ("0", "1")) == "1"


def capture_mode() -> str:
    """The name of the mode in cupy.cuda.runtime. Raises ValueError for one that there is not."""
    return CAPTURE_MODES[_choice("MINIGAN_CAPTURE_MODE", tuple(CAPTURE_MODES))]


def own_workspace() -> bool:
    """Whether cuBLAS is given a workspace. Raises ValueError for another value than 0 and 1."""
    return _choice("MINIGAN_CUBLAS_WORKSPACE", ("1", "0")) == "1"


def cublas_call() -> str:
    """One of CUBLAS_CALLS. Raises ValueError for another."""
    return _choice("MINIGAN_CUBLAS_CALL", CUBLAS_CALLS)


def cubin(real: str) -> str | None:
    """The file of the compiled kernels for "float" or "double", or None if NVRTC compiles them.

    Raises FileNotFoundError if a folder is named and the file is not there.
    """
    folder = os.environ.get("MINIGAN_CUBIN")
    if not folder:
        return None
    file = Path(folder) / f"kernels-{real}.cubin"
    if not file.is_file():
        raise FileNotFoundError(f"MINIGAN_CUBIN names {folder}, where there is no {file.name}; nvcc -cubin makes it")
    return str(file)


def _choice(variable: str, known: tuple[str, ...]) -> str:
    """The value of a variable, the first of those known where it is not set."""
    value = os.environ.get(variable) or known[0]
    if value not in known:
        raise ValueError(f"{variable} must be one of {', '.join(known)}, got {value!r}")
    return value

"""The GPU backend: the reference operations over CuPy.

CuPy has NumPy's interface, so the plain array code of `reference.py` runs on the GPU as it stands, and gives the
same results up to the rounding of float32. What is here is only what differs: how arrays move between the host and
the device, and the products that cuBLAS can write straight into their destination.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .reference import Backend

Array = Any


class CupyBackend(Backend):
    """CuPy on the current CUDA device.

    Raises ImportError if CuPy is not installed and RuntimeError if it finds no usable device; both say what to do.
    """

    name = "cupy"

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise ImportError(
                "the cupy backend needs CuPy, which is not installed: "
                'pip install "minigan[cuda12]" or "minigan[cuda13]", whichever the driver supports'
            ) from error
        try:
            count = cupy.cuda.runtime.getDeviceCount()
            if count:
                cupy.zeros(1).sum()  # the driver, the compiler and the libraries, all at once
        except Exception as error:
            raise RuntimeError(
                f"CuPy {cupy.__version__} is installed but cannot use a GPU ({error}); "
                "check the driver with nvidia-smi, or choose backend='numpy'"
            ) from error
        if not count:
            raise RuntimeError(f"CuPy {cupy.__version__} is installed but finds no CUDA device; choose backend='numpy'")
        super().__init__(cupy)

    def asarray(self, a: Any, dtype: Any = None) -> Array:
        if not isinstance(a, self.xp.ndarray):
            a = np.asarray(a, dtype=dtype)  # converted on the host: integers become floats before the transfer
        return self.xp.ascontiguousarray(self.xp.asarray(a, dtype=dtype))

    def to_numpy(self, a: Array) -> np.ndarray[Any, Any]:
        return self.xp.asnumpy(a)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if accumulate:
            out += self.xp.matmul(a, b)
        else:
            self.xp.matmul(a, b, out=out)

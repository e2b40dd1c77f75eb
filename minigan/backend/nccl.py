"""Processes that play one game, each on a GPU of its own: sums by NCCL, between the GPUs, inside the recorded graph.

MPI brings the processes together, and sums what is on the host; arrays of the device are summed where they lie, on the
stream on which the step is computed or recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .group import PATIENCE, Group

Array = Any


class NCCLGroup(Group):
    """The processes of an MPI group, whose GPUs NCCL connects. xp: CuPy."""

    def __init__(self, hosts: Group, xp: Any) -> None:
        self._hosts, self._xp = hosts, xp
        self.rank, self.size, self.syncs = hosts.rank, hosts.size, hosts.syncs
        self.here, self.rank_here = hosts.here, hosts.rank_here
        nccl = xp.cuda.nccl
        self._types = {"f": nccl.NCCL_FLOAT32, "d": nccl.NCCL_FLOAT64}
        self._sum = nccl.NCCL_SUM
        key = np.array(nccl.get_unique_id(), np.int64)
        hosts.told(key)
        self._comm = nccl.NcclCommunicator(self.size, tuple(key.tolist()), self.rank)

    def total(self, array: Array) -> Array:
        if not isinstance(array, self._xp.ndarray):
            return self._hosts.total(array)
        whole = array if array.flags.c_contiguous else self._xp.ascontiguousarray(array)
        self._comm.allReduce(whole.data.ptr, whole.data.ptr, whole.size, *self._kind(whole), self._stream())
        if whole is not array:
            array[...] = whole
        return array

    def gathered(self, array: Array) -> Array:
        if not isinstance(array, self._xp.ndarray):
            return self._hosts.gathered(array)
        array = self._xp.ascontiguousarray(array)
        found = self._xp.empty((self.size * len(array), *array.shape[1:]), array.dtype)
        kind = self._types[array.dtype.char]
        self._comm.allGather(array.data.ptr, found.data.ptr, array.size, kind, self._stream())
        return found

    def told(self, array: Array) -> None:
        if not isinstance(array, self._xp.ndarray):
            self._hosts.told(array)
            return
        kind = self._types[array.dtype.char]
        self._comm.broadcast(array.data.ptr, array.data.ptr, array.size, kind, 0, self._stream())

    def ended_alike(self, patience: float = PATIENCE) -> bool:
        return self._hosts.ended_alike(patience)

    def abort(self, code: int) -> None:
        self._hosts.abort(code)

    def _kind(self, array: Array) -> tuple[int, int]:
        return self._types[array.dtype.char], self._sum

    def _stream(self) -> int:
        return self._xp.cuda.get_current_stream().ptr  # type: ignore[no-any-return]


def gpus() -> int:
    """How many GPUs of this machine CuPy can use; 0 without CuPy."""
    try:
        import cupy

        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception:  # of the driver, too, in classes of CuPy's own
        return 0


def take_gpu(group: Group) -> None:
    """Let this process compute on a GPU that no other one of its machine takes; RuntimeError if there are too few."""
    import cupy

    count = gpus()
    if count < group.here:
        raise RuntimeError(
            f"{group.here} processes are on this machine, but {count} GPU{'' if count == 1 else 's'}: begin as many "
            "processes as there are GPUs, or take --backend numpy"
        )
    cupy.cuda.Device(group.rank_here).use()

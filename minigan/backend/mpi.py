"""Processes of MPI: `mpiexec -n 4 minigan train`, on the cores of a machine or on many machines.

What is summed are arrays of NumPy where they lie, by `MPI_Allreduce`. Every process of a sum gets the same bits: each
adds the same numbers in the same order, or is sent what another has added. No object is sent, so nothing is unpickled.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..extras import how_to_install
from .group import ALONE, PATIENCE, Group

Array = Any

# what launchers tell their processes
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


class MPIGroup(Group):
    """The processes of an MPI communicator (mpi4py), such as MPI.COMM_WORLD; syncs: as of `Group`."""

    def __init__(self, comm: Any, syncs: bool = True) -> None:
        from mpi4py import MPI

        self.comm, self.rank, self.size, self.syncs = comm, comm.Get_rank(), comm.Get_size(), syncs
        machine = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.here, self.rank_here = machine.Get_size(), machine.Get_rank()
        machine.Free()
        self._in_place = MPI.IN_PLACE
        self._ending = comm.Dup()  # for what may come while others wait in a sum

    def total(self, array: Array) -> Array:
        array = np.asarray(array)
        if array.flags.c_contiguous:
            self.comm.Allreduce(self._in_place, array)
        else:
            array[...] = self.total(np.ascontiguousarray(array))
        return array

    def gathered(self, array: Array) -> Array:
        array = np.ascontiguousarray(array)
        found = np.empty((self.size * len(array), *array.shape[1:]), array.dtype)
        self.comm.Allgather(array, found)
        return found

    def told(self, array: Array) -> None:
        self.comm.Bcast(array, root=0)

    def ended_alike(self, patience: float = PATIENCE) -> bool:
        request, until = self._ending.Ibarrier(), time.monotonic() + patience
        while not request.Test():
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def abort(self, code: int) -> None:
        self.comm.Abort(code)


def launched() -> int:
    """How many processes `mpiexec` has begun together with this one, as it tells them; 1 without it."""
    return max([1, *_told(_SIZES)])


def rank() -> int:
    """Which of them, as the launcher tells it."""
    return next(iter(_told(_RANKS)), 0)


def _told(names: Sequence[str]) -> list[int]:
    return [int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()]


@functools.cache
def world() -> Group:
    """The processes that `mpiexec` has begun together with this one; alone without it.

    Raises ImportError without mpi4py, RuntimeError where that belongs to another MPI than the launcher.
    """
    if (size := launched()) == 1:
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"this is one of {size} processes that mpiexec has begun, but mpi4py does not load ({error}); "
            f"{how_to_install('mpi')}"
        ) from None
    if MPI.COMM_WORLD.Get_size() == 1:
        raise RuntimeError(
            f"mpiexec has begun {size} processes, but mpi4py sees one: it was built for another MPI ("
            f"{MPI.Get_library_version().splitlines()[0]}); use the mpiexec of that, or install mpi4py anew"
        )
    return MPIGroup(MPI.COMM_WORLD)

"""Who plays the runs of a sweep: processes of this machine, or those of MPI.

    mpiexec -n 5 minigan sweep ...      rank 0 hands out runs and writes the table, four others play

Each rank plays one run at a time, in a process of its own as everywhere (processes.py); all must see the same folder.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..backend.mpi import launched
from ..extras import how_to_install
from .processes import as_they_come, side_by_side

__all__ = ["handing_out"]

HandOut = Callable[..., Any]


@contextmanager
def handing_out(processes: int | None) -> Iterator[HandOut | None]:
    """What takes (work, jobs, stop) and gives results as they come.

    processes: so many at a time, where MPI has no part in it. On the ranks of MPI that play it is None, and when the
    block begins there is nothing left to play. Raises ImportError without mpi4py.
    """
    if launched() == 1:
        yield partial(side_by_side, processes=processes)
        return
    try:
        futures: Any = importlib.import_module("mpi4py.futures")
    except ImportError as error:
        raise ImportError(f"a sweep over MPI needs mpi4py, which is not here; {how_to_install('mpi')}") from error
    with futures.MPICommExecutor(root=0) as pool:
        yield None if pool is None else partial(as_they_come, pool)

"""JAX as a contestant.

Products are asked for in full float32, which is what the others compute; on a GPU JAX's default would be TF32.
"""

from __future__ import annotations

import os

from minigan.bench.subject import Losses, Opponent, Start, UnavailableError

from . import critic_jax, step_jax
from .step_jax import jax_library


def make(name: str, device: str, start: Start) -> Opponent:
    """JAX on "cpu" or "gpu". Raises UnavailableError with the reason if JAX or its GPU is missing."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or it would take most of the GPU's memory
    try:
        jax = jax_library()
    except ImportError:
        raise UnavailableError("JAX is not installed") from None
    try:
        where = jax.devices(device)[0]
    except RuntimeError:
        raise UnavailableError(f"JAX {jax.__version__} finds no {device.upper()}") from None
    jax.config.update("jax_default_device", where)
    jax.config.update("jax_default_matmul_precision", "highest")
    begin = {"step": step_jax.steps, "critic": critic_jax.steps}.get(start.subject)
    if begin is None:
        raise UnavailableError("convolutions are measured beside PyTorch only")
    initial, step, timed_step = begin(start)
    samples = [jax.device_put(array, where) for array in (start.real, start.fake) if len(array)]
    given = iter(start.drawn)
    state = jax.device_put(initial, where)
    key = jax.device_put(jax.random.key(0), where)

    def checked() -> Losses:
        nonlocal state
        state, *losses = step(state, *samples, next(given))
        return tuple(map(float, losses))

    def timed() -> None:
        nonlocal state, key
        state, key = timed_step(state, *samples, key)

    return Opponent(
        checked,
        timed,
        lambda: jax.block_until_ready((state, key)),
        lambda: f"jax {jax.__version__} on {where.device_kind}, threads as XLA chooses",
    )

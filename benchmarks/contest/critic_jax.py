"""The critic's update in JAX: jax.grad of a loss with jax.grad in it, one jit for all of it, donated buffers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minigan.bench.subject import Start

from .critic import ADAM_EPS, BETA1, BETA2, LR, WEIGHT
from .step_jax import judge, update, with_moments

Array = Any


def steps(start: Start) -> tuple[Any, Any, Any]:
    """The state at the beginning, the update on given ε, which returns what is checked, and one that draws its own."""
    jax: Any = import_module("jax")
    jnp = jax.numpy

    def losses(p: dict[str, Array], real: Array, fake: Array, epsilon: Array) -> tuple[Array, tuple[Array, Array]]:
        n, scores = len(real), judge(p, jnp.concatenate([real, fake]))
        loss = scores[n:].mean() - scores[:n].mean()
        slope = jax.grad(lambda x: judge(p, x).sum())(fake + epsilon * (real - fake))
        penalty = WEIGHT * ((jnp.sqrt((slope * slope).sum(1)) - 1) ** 2).mean()
        return loss + penalty, (loss, penalty)

    def play(state: dict[str, Any], real: Array, fake: Array, epsilon: Array) -> tuple[Any, ...]:
        state = jax.tree.map(lambda a: a, state)  # fresh dictionaries, to be written to below
        state["t"] = state["t"] + 1
        (_, found), grads = jax.value_and_grad(losses, has_aux=True)(state["D"], real, fake, epsilon)
        update(state, "D", grads, LR, BETA1, BETA2, ADAM_EPS)
        norm = jnp.sqrt(sum((g * g).sum() for g in grads.values()))
        return state, *found, norm

    def draw_and_play(state: dict[str, Any], real: Array, fake: Array, key: Array) -> tuple[dict[str, Any], Array]:
        key, used = jax.random.split(key)
        return play(state, real, fake, jax.random.uniform(used, (len(real), 1), jnp.float32))[0], key

    initial = with_moments({"D": {name: jnp.asarray(array) for name, array in start.D.items()}})
    return initial, jax.jit(play, donate_argnums=0), jax.jit(draw_and_play, donate_argnums=(0, 3))

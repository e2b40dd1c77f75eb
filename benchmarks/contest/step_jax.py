"""The canonical step in JAX, plain functions and one jit for all of it with donated buffers; and what steps share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minigan.bench.step import ADAM_EPS, BETA1, BETA2, EPS, LATENT, LR, MOMENTUM, SLOPE, sizes
from minigan.bench.subject import Start

Array = Any

ADAM = (LR, BETA1, BETA2, ADAM_EPS)


def jax_library() -> Any:
    """JAX, as a module without types: most who check this package do not have it."""
    import_module("jax.numpy")
    return import_module("jax")


def with_moments(nets: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """The state of a step: networks, Adam's moments of each, and the count of updates."""
    jax, jnp = jax_library(), jax_library().numpy
    m, v = (jax.tree.map(jnp.zeros_like, nets) for _ in range(2))
    return {**nets, "m": m, "v": v, "t": jnp.zeros((), jnp.int32)}


def dense(p: dict[str, Array], i: int, x: Array) -> Array:
    """Layer i of a network of these parameters."""
    return x @ p[f"{i}.weight"].T + p[f"{i}.bias"]


def judge(p: dict[str, Array], x: Array) -> Array:
    """D's output."""
    last = len(p) - 2  # weight and bias of every second layer
    for i in range(0, last, 2):
        x = jax_library().nn.leaky_relu(dense(p, i, x), SLOPE)
    return dense(p, last, x)


def update(
    state: dict[str, Any], net: str, grads: dict[str, Array], lr: float, beta1: float, beta2: float, eps: float
) -> None:
    """Adam's update number state["t"] of one network, written into the state."""
    jnp, t = jax_library().numpy, state["t"]
    for name, g in grads.items():
        m = beta1 * state["m"][net][name] + (1 - beta1) * g
        v = beta2 * state["v"][net][name] + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = state[net][name] - lr * m_hat / (jnp.sqrt(v_hat) + eps)
        state[net][name], state["m"][net][name], state["v"][net][name] = p, m, v


def steps(start: Start) -> tuple[Any, Any, Any]:
    """The state at the beginning, the step on given latents, which returns the losses, and one that draws its own."""
    jax, jnp = jax_library(), jax_library().numpy

    G_sizes = sizes(start.width)[0]
    G, D = ({name: jnp.asarray(array) for name, array in state.items()} for state in (start.G, start.D))
    running = {name: G.pop(name) for name in list(G) if "running" in name}
    initial = {**with_moments({"G": G, "D": D}), "running": running}

    def generate(p: dict[str, Array], running: dict[str, Array], z: Array) -> tuple[Array, dict[str, Array]]:
        x, moved = z, {}
        for i in range(0, 3 * (len(G_sizes) - 2), 3):
            x = jax.nn.leaky_relu(dense(p, i, x), SLOPE)
            mean, var, n = x.mean(0), x.var(0), len(x)
            x = p[f"{i + 2}.weight"] * ((x - mean) / jnp.sqrt(var + EPS)) + p[f"{i + 2}.bias"]
            for name, batch in (("mean", mean), ("var", var * n / (n - 1))):
                key = f"{i + 2}.running_{name}"
                moved[key] = MOMENTUM * running[key] + (1 - MOMENTUM) * batch
        return jnp.tanh(dense(p, 3 * (len(G_sizes) - 2), x)), moved

    def d_loss(p: dict[str, Array], real: Array, fake: Array) -> Array:
        logits = judge(p, jnp.concatenate([real, fake]))
        return jax.nn.softplus(-logits[: len(real)]).mean() + jax.nn.softplus(logits[len(real) :]).mean()

    def g_loss(fake: Array, p: dict[str, Array]) -> Array:
        return jax.nn.softplus(-judge(p, fake)).mean()

    def play(state: dict[str, Any], real: Array, z: Array) -> tuple[dict[str, Any], Array, Array]:
        state = jax.tree.map(lambda a: a, state)  # fresh dictionaries, to be written to below
        state["t"] = state["t"] + 1
        # jax.vjp, so that G's one pass serves both updates, as it does in the other contestants' steps
        fake, back, state["running"] = jax.vjp(lambda p: generate(p, state["running"], z), state["G"], has_aux=True)
        loss_D, grads_D = jax.value_and_grad(d_loss)(state["D"], real, fake)
        update(state, "D", grads_D, *ADAM)
        loss_G, dfake = jax.value_and_grad(g_loss)(fake, state["D"])
        update(state, "G", back(dfake)[0], *ADAM)
        return state, loss_D, loss_G

    def draw_and_play(state: dict[str, Any], real: Array, key: Array) -> tuple[dict[str, Any], Array]:
        key, used = jax.random.split(key)
        state, _, _ = play(state, real, jax.random.normal(used, (len(real), LATENT), jnp.float32))
        return state, key

    return initial, jax.jit(play, donate_argnums=0), jax.jit(draw_and_play, donate_argnums=(0, 2))

"""The canonical step in JAX: plain functions, one jit for all of it, donated buffers.

Products are asked for in full float32, which is what the others compute; on a GPU JAX's default would be TF32.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from .opponents import Losses, Opponent, Start, UnavailableError
from .step import ADAM_EPS, BETA1, BETA2, EPS, LATENT, LR, MOMENTUM, SLOPE, sizes

Array = Any


def make(name: str, device: str, start: Start) -> Opponent:
    """JAX on "cpu" or "gpu". Raises UnavailableError with the reason if JAX or its GPU is missing."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or it would take most of the GPU's memory
    try:
        jax = _jax()
    except ImportError:
        raise UnavailableError("JAX is not installed") from None
    try:
        where = jax.devices(device)[0]
    except RuntimeError:
        raise UnavailableError(f"JAX {jax.__version__} finds no {device.upper()}") from None
    jax.config.update("jax_default_device", where)
    jax.config.update("jax_default_matmul_precision", "highest")
    step, timed_step = _steps(start)
    real = jax.device_put(start.real, where)
    given = iter(start.latents)
    state = jax.device_put(_initial_state(start), where)
    key = jax.device_put(jax.random.key(0), where)

    def checked() -> Losses:
        nonlocal state
        state, d_loss, g_loss = step(state, real, next(given))
        return float(d_loss), float(g_loss)

    def timed() -> None:
        nonlocal state, key
        state, key = timed_step(state, real, key)

    return Opponent(
        checked,
        timed,
        lambda: jax.block_until_ready((state, key)),
        f"jax {jax.__version__} on {where.device_kind}, threads as XLA chooses",
    )


def _jax() -> Any:
    """JAX, as a module without types: most who check this package do not have it."""
    import_module("jax.numpy")
    return import_module("jax")


def _initial_state(start: Start) -> dict[str, Any]:
    """Parameters, running statistics, Adam's moments of both networks and the count of updates."""
    jax, jnp = _jax(), _jax().numpy

    def split(state: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
        arrays = {name: jnp.asarray(array) for name, array in state.items()}
        running = {name: a for name, a in arrays.items() if "running" in name}
        return {name: a for name, a in arrays.items() if name not in running}, running

    (G, running), (D, _) = split(start.G), split(start.D)
    m, v = (jax.tree.map(jnp.zeros_like, {"G": G, "D": D}) for _ in range(2))
    return {"G": G, "D": D, "running": running, "m": m, "v": v, "t": jnp.zeros((), jnp.int32)}


def _steps(start: Start) -> tuple[Any, Any]:
    """The step on given latents, which returns the losses, and the step that draws its own."""
    jax, jnp = _jax(), _jax().numpy

    G_sizes, D_sizes = sizes(start.width)

    def dense(p: dict[str, Array], i: int, x: Array) -> Array:
        return x @ p[f"{i}.weight"].T + p[f"{i}.bias"]

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

    def judge(p: dict[str, Array], x: Array) -> Array:
        for i in range(0, 2 * (len(D_sizes) - 2), 2):
            x = jax.nn.leaky_relu(dense(p, i, x), SLOPE)
        return dense(p, 2 * (len(D_sizes) - 2), x)

    def d_loss(p: dict[str, Array], real: Array, fake: Array) -> Array:
        logits = judge(p, jnp.concatenate([real, fake]))
        return jax.nn.softplus(-logits[: len(real)]).mean() + jax.nn.softplus(logits[len(real) :]).mean()

    def g_loss(fake: Array, p: dict[str, Array]) -> Array:
        return jax.nn.softplus(-judge(p, fake)).mean()

    def adam(p: Array, g: Array, m: Array, v: Array, t: Array) -> tuple[Array, Array, Array]:
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        m_hat, v_hat = m / (1 - BETA1**t), v / (1 - BETA2**t)
        return p - LR * m_hat / (jnp.sqrt(v_hat) + ADAM_EPS), m, v

    def update(state: dict[str, Any], net: str, grads: dict[str, Array], t: Array) -> None:
        for name, g in grads.items():
            p, m, v = adam(state[net][name], g, state["m"][net][name], state["v"][net][name], t)
            state[net][name], state["m"][net][name], state["v"][net][name] = p, m, v

    def play(state: dict[str, Any], real: Array, z: Array) -> tuple[dict[str, Any], Array, Array]:
        state = jax.tree.map(lambda a: a, state)  # fresh dictionaries, to be written to below
        t = state["t"] = state["t"] + 1
        # jax.vjp, so that G's one pass serves both updates, as it does in the other contestants' steps
        fake, back, state["running"] = jax.vjp(lambda p: generate(p, state["running"], z), state["G"], has_aux=True)
        loss_D, grads_D = jax.value_and_grad(d_loss)(state["D"], real, fake)
        update(state, "D", grads_D, t)
        loss_G, dfake = jax.value_and_grad(g_loss)(fake, state["D"])
        update(state, "G", back(dfake)[0], t)
        return state, loss_D, loss_G

    def draw_and_play(state: dict[str, Any], real: Array, key: Array) -> tuple[dict[str, Any], Array]:
        key, used = jax.random.split(key)
        state, _, _ = play(state, real, jax.random.normal(used, (len(real), LATENT), jnp.float32))
        return state, key

    return jax.jit(play, donate_argnums=0), jax.jit(draw_and_play, donate_argnums=(0, 2))

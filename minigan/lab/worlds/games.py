"""Games of small networks, by the options of the recipe `gan`."""

from __future__ import annotations

from typing import Any

from ...gan import GAN
from ...recipes import gan as recipe
from ..settings import KNOBS

_AROUND = ("batch", "d_pretrain", "seed")  # of the run, and no options


def options(settings: dict[str, Any], latent: int) -> dict[str, Any]:
    """Of the recipe, for small networks."""
    chosen = {knob.name: settings[knob.name] for knob in KNOBS if knob.name not in _AROUND}
    return {"nets": "small", "latent": latent, **chosen}


def small(dim: int, settings: dict[str, Any], latent: int, dtype: str = "float32") -> GAN:
    """A game between small networks for points (N, dim)."""
    return recipe.build(
        (dim,), **options(settings, latent), seed=settings["seed"], d_pretrain=settings["d_pretrain"], dtype=dtype
    )

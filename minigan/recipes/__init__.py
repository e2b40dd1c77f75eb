"""GANs of the literature, one file each. A recipe is a module with

    build(shape, *, ..., backend, dtype, seed, steps, d_pretrain)
                                                 a GAN for samples of this shape, for a run of so many steps; its other
                                                 keyword arguments are the recipe's options, on the command line too
    STEPS, BATCH                                 how long and on how much it is trained by default
    SAMPLE_EVERY                                 steps between pictures of samples by default, where it is not 200
    D_PRETRAIN                                   updates of D alone before the game by default, where there are some

and a docstring whose first line says what it is.
"""

from __future__ import annotations

from types import ModuleType

from ..names import unknown
from . import (
    aae,
    aae_clusters,
    aae_few_labels,
    acgan,
    categories,
    cgan,
    classic,
    dcgan,
    gan,
    hinge_gan,
    infogan,
    lsgan,
    minimax_gan,
    modern,
    molecules,
    pix2pix,
    quick,
    r3gan,
    simgan,
    ssgan,
    wgan,
    wgan_gp,
    words,
)

DEFAULT = "quick"  # where no recipe is named
RECIPES: dict[str, ModuleType] = {
    "quick": quick,
    "gan": gan,
    "classic": classic,
    "minimax-gan": minimax_gan,
    "lsgan": lsgan,
    "wgan": wgan,
    "wgan-gp": wgan_gp,
    "hinge-gan": hinge_gan,
    "r3gan": r3gan,
    "modern": modern,
    "dcgan": dcgan,
    "cgan": cgan,
    "acgan": acgan,
    "infogan": infogan,
    "categories": categories,
    "ssgan": ssgan,
    "aae": aae,
    "aae-clusters": aae_clusters,
    "aae-few-labels": aae_few_labels,
    "molecules": molecules,
    "pix2pix": pix2pix,
    "simgan": simgan,
    "words": words,
}


def get_recipe(name: str) -> ModuleType:
    """The recipe's module. Raises ValueError for an unknown name, listing the known ones."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return RECIPES[name]


def pictures_every(recipe: ModuleType) -> int:
    """Steps between pictures of samples: 200, as in the classic tutorial, where the recipe says nothing."""
    every: int = getattr(recipe, "SAMPLE_EVERY", 200)
    return every

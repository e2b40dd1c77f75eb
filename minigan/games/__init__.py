"""The family: one game of the literature a page.

aae.py              D judges codes: an autoencoder whose codes have a prior
categories.py       Q reads real images, and G must draw what Q means
conditional.py      labels and codes: CGAN, AC-GAN, InfoGAN
molecules.py        an autoencoder of fingerprints, of whose code one number is an effect
semisupervised.py   D classifies, and is told few labels
simgan.py           drawings are refined until they look real, and keep what they show
translation.py      from one picture to another: G is given a picture, D judges pairs
tutorial.py         the loop of the classic tutorial
words.py            G draws what a sentence asks for, and D must read to tell
"""

from .aae import AAE
from .categories import Categories
from .conditional import Conditional
from .molecules import MoleculeAAE
from .semisupervised import SemiSupervised
from .simgan import Refinement
from .translation import Translation
from .tutorial import Tutorial
from .words import Words

__all__ = [
    "AAE",
    "Categories",
    "Conditional",
    "MoleculeAAE",
    "Refinement",
    "SemiSupervised",
    "Translation",
    "Tutorial",
    "Words",
]

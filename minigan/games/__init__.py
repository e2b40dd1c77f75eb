"""The family: one game of the literature a page.

categories.py       Q reads real images, and G must draw what Q means
conditional.py      labels and codes: CGAN, AC-GAN, InfoGAN
semisupervised.py   D classifies, and is told few labels
tutorial.py         the loop of the classic tutorial
"""

from .categories import Categories
from .conditional import Conditional
from .semisupervised import SemiSupervised
from .tutorial import Tutorial

__all__ = ["Categories", "Conditional", "SemiSupervised", "Tutorial"]

"""The family: one game of the literature a page.

conditional.py   labels and codes: CGAN, AC-GAN, InfoGAN
tutorial.py      the loop of the classic tutorial
"""

from .conditional import Conditional
from .tutorial import Tutorial

__all__ = ["Conditional", "Tutorial"]

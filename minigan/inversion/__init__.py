"""A hand on G: which latent makes this picture, and which one a picture that was painted on?

G is differentiated with respect to its input, and nothing of it is changed. After A. Creswell and A. A. Bharath,
"Inverting the Generator of a Generative Adversarial Network" (2016), who descend from random latents, and J.-Y. Zhu et
al., "Generative Visual Manipulation on the Natural Image Manifold" (2016), who begin where a network guesses, and edit.

    descent.py         the distance of G(z) from what is wanted, its gradient, and the way down by that
    least_squares.py   the way down by how every pixel moves with every number of z
    encoder.py         the network that guesses
    kept.py            and is kept for the next time
    projection.py      latents of pictures
    editing.py         latents of pictures that were painted on
"""

from .editing import Edited, edit
from .encoder import Encoder
from .kept import kept_encoder
from .projection import Projection, project

__all__ = ["Edited", "Encoder", "Projection", "edit", "kept_encoder", "project"]

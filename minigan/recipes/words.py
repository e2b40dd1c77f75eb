"""Words into pictures: a GAN that is asked in sentences, such as "a thick seven, leaning left".

S. Reed, Z. Akata, X. Yan, L. Logeswaran, B. Schiele and H. Lee, "Generative Adversarial Text to Image Synthesis", 2016;
minigan/games/words.py has the game.

    T   words – vectors – a GRU that reads them in their order        or their sum, which knows no order
    G   noise, meaning – the G of DCGAN
    D   the D of DCGAN, up to its last hidden layer                   M   features, meaning – 256 – 1

The paper's sentences are read by a network that has learned before the game to tell which pictures they belong to; here
T learns within it, of nothing but right and wrong pairs. The rest is `dcgan`.

`--data` are pictures with a captions.csv, or with labels, of which captions are made (minigan captions).
"""

from __future__ import annotations

from typing import Any, Literal

from ..backend import get_backend
from ..datasets.language import LANGUAGES
from ..games import Words
from ..nn import GRU, Bag, Dense, Dropout, Embedding, Layer, LeakyReLU, Sequential, Tanh
from ..optim import Adam, Linear
from . import networks
from .gan import falling

STEPS, BATCH = 8_000, 64


def build(
    shape: tuple[int, ...],
    *,
    language: Literal["digits", "fashion"] | None = None,
    captions: int = 4,
    held_out: bool = False,
    vocabulary: str | None = None,
    length: int | None = None,
    reader: Literal["gru", "bag"] = "gru",
    vector: int = 32,
    meaning: int = 64,
    dropout: float = 0.2,
    width: int = 16,
    d_width: int | None = None,
    pairs: int = 256,
    wrong: bool = True,
    interpolate: float = 0.25,
    objective: Literal["non-saturating", "minimax", "least-squares", "wasserstein", "hinge"] = "non-saturating",
    instance_noise: float = 0.3,
    average: float = 0.999,
    lr: float = 4e-3,
    d_lr: float | None = None,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.5,
    prior: Literal["normal", "uniform"] = "normal",
    latent: int = 100,
    backend: str | Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> Words:
    """A GAN for images of `shape`, (H, W) or (H, W, C), that draws what sentences say.

    language: in which captions of labelled pictures are made; none for that of the data: of digits, or of the names of
        classes and whether they are dark or light
    captions: how many right ones and wrong ones are made of each picture
    held_out: leave some combinations, templates and synonyms out of what is learned
    vocabulary: all words, between spaces; none for those of the data (of the digits before there is any)
    length: of the longest sentence; none for that of the data (24 before there is any)
    reader: T is a "gru" that reads one word after the other, or a "bag" of words
    vector: numbers of a word
    meaning: numbers of a sentence
    dropout: share of the numbers of its words that T does not hear as it learns, so that it leans on no turn of phrase
    width: channels of G at half the size of the picture
    d_width: of D; none for as many
    pairs: units of M's hidden layer
    wrong: D is shown wrong pairs (GAN-CLS)
    interpolate: G also draws so many pictures more, as a share, of meanings halfway between two
    objective: what D and G descend; see minigan/objectives.py
    instance_noise: standard deviation of noise on all pictures that D sees, falling to 0
    average: decay of the average of all networks that pictures come from; 0 for none
    lr: learning rate of all networks
    d_lr: another one for D, M and T
    decay_steps: all fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum
    prior: latents are "normal" or "uniform"
    latent: how many numbers of noise there are
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    words = LANGUAGES["digits"].vocabulary if vocabulary is None else tuple(vocabulary.split())
    T: list[Layer] = [Embedding(len(words) + 1, vector), *([Dropout(dropout)] if dropout else [])]
    T += [GRU(vector, meaning)] if reader == "gru" else [Bag(), Dense(vector, meaning), Tanh()]
    units = 16 * (width if d_width is None else d_width)
    M = Dense(units + meaning, pairs, init="he"), LeakyReLU(0.2), Dense(pairs, 1)
    return Words(
        networks.conv_generator(latent + meaning, shape, width, seed=4 * seed, **where),
        networks.conv_discriminator(shape, units // 16, networks.Head(0), "batch", seed=4 * seed + 1, **where),
        Sequential(*M, seed=4 * seed + 2, **where),
        Sequential(*T, seed=4 * seed + 3, **where),
        vocabulary=words, length=length or 24, wrong=wrong, interpolate=interpolate, objective=objective,
        optimizer=Adam(falling(lr, decay_steps, steps), beta1=beta1),
        d_optimizer=Adam(falling(lr if d_lr is None else d_lr, decay_steps, steps, before=d_pretrain), beta1=beta1),
        instance_noise=Linear(instance_noise, 0.0, steps) if instance_noise else 0.0,
        average=average, prior=prior, latent=latent, seed=seed,
    )  # fmt: skip

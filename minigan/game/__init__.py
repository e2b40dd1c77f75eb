"""What every game shares.

player.py     networks that move together: their rule, memory and count
update.py     the block in which one player learns, and where a NaN came from
judging.py    how D is shown real samples and fakes
feed.py       minibatches, shuffled by (seed, count)
game.py       a game: its page, players, data, playing, saving
play.py       a game against data, turn after turn
pair.py       a game of G and D: what one can ask such a pair for
saved.py      a game in a file
tiles.py      pictures of any size through a network of convolutions
gradients.py  every update of a game against finite differences
"""

from .feed import Feed, Given
from .game import Game
from .gradients import gradcheck_game
from .judging import Judged, Judging
from .play import Play
from .player import Player
from .update import NonFiniteError, Update, first_nonfinite

__all__ = [
    "Feed", "Game", "Given", "Judged", "Judging", "NonFiniteError", "Play", "Player", "Update", "first_nonfinite",
    "gradcheck_game",
]  # fmt: skip

"""What goes on around the game in a training run; `minigan.train` is the way in.

loop.py        the run itself: fit, checkpoint, draw, and end in good order
folder.py      the run folder and its files            lock.py        one process per folder
data.py        the images of a run, and whether they are still the same
pictures.py    grids, animations, loss curves          progress.py    a bar, or plain lines
interrupt.py   Ctrl-C and other requests to stop
"""

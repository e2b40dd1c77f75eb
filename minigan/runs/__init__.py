"""What goes on around the game in a training run; `minigan.train` (training.py) is the way in.

loop.py        the run itself: fit, checkpoint, draw, and end in good order
folder.py      the run folder                          lock.py        one process per folder
config.py      what the run was told                   lines.py       metrics and notices, line by line
data.py        the images of a run, and whether they are still the same
pictures.py    grids, animations, loss curves          walks.py       latents in rows
show.py        pictures in a notebook or a window
progress.py    a bar, or plain lines                   interrupt.py   Ctrl-C and other requests to stop
watch.py       progress of a `GAN.fit` without a run   notebook.py    a bar and a GAN as a notebook shows them
"""

"""`python benchmarks/contest`, and the processes that it starts."""

import sys
from pathlib import Path

if not __package__:  # begun as a folder: what is in it is a package of the folder above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from contest import command, worker

if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["worker"]:
        worker.main(words[1:])
    else:
        sys.exit(command.main(words))

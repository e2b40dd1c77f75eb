"""A fair judgement of trained GANs; `minigan evaluate` is the way in, `Evaluator` the one for scripts.

evaluator.py     real images once, then set after set of samples: a Quality of figures for each
classifier.py    whose last hidden layer the sets are compared in        cache.py     trained once per data set
components.py    the same for images without labels: principal components of the pixels
codes.py         are labels obeyed, have codes found a meaning?
words.py         are sentences obeyed?
embeddings.py    pixels, principal components, or what a network of a game has made of pictures
few_labels.py    what few labels are worth on top of those, by probes.py and fine_tuning.py
search.py        the pictures that are most alike, by those
compare.py       several GANs side by side        sources.py  what can be judged        report.py  tables and JSON

The formulas are in minigan/metrics/.
"""

from .compare import evaluate
from .evaluator import Evaluator, Quality
from .few_labels import Transfer, transfer
from .report import Report

__all__ = ["Evaluator", "Quality", "Report", "Transfer", "evaluate", "transfer"]

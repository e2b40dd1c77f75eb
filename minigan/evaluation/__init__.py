"""A fair judgement of trained GANs; `minigan evaluate` is the way in, `Evaluator` the one for scripts.

evaluator.py     real images once, then set after set of samples: a Row of figures for each
classifier.py    whose last hidden layer the sets are compared in        cache.py     trained once per data set
components.py    the same for images without labels: principal components of the pixels

The formulas are in minigan/metrics.py.
"""

from .evaluator import Evaluator, Row

__all__ = ["Evaluator", "Row"]

"""`minigan bench`: how long the canonical step takes, what its parts cost, and how near that is to the hardware.

step.py         the canonical step, and the operations it is made of
subject.py      what can be measured, from which start, and when two have done the same
work.py         FLOPs and bytes of an operation
parts.py        the operations of one kind, alone, checked against the reference backend
worker.py       a process that times one contestant
turns.py        contestants take turns
statistics.py   medians, quartiles, and when not to believe them
ceilings.py     the fastest product and the fastest copy that can be measured here
peak.py         what the hardware cannot exceed; a figure above it is refused
measure.py      the whole measurement; command.py: its flags, and what is printed and written
report.py       its results as JSON, and back
growth.py       the crossover of CPU and GPU, and cliffs
tables.py       as text
plots.py        as pictures
profile.py      where the time of a step goes

Other subjects, and the same ones played by PyTorch and JAX, are in benchmarks/contest of a clone.
"""

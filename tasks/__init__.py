"""The production steps, one room each, and what they share; docs/contributing.md shows them."""

import os

# Read when OpenMP loads. A thread that spins while it waits takes the core from the thread it waits
# for: on two cores with two other busy processes, training took 15 s instead of 3.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read when Polars loads. Its allocator keeps what a step has freed for seconds, on top of which the
# next step takes its own: on the flights, 560 MB at the peak instead of 490, at no cost in time.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:100")
# Read when Polars loads. A sort or join that needs more megabytes than this spills to disk, to
# POLARS_OOC_SPILL_DIR; otherwise it would take most of the machine's memory first.
os.environ.setdefault("POLARS_OOC_MEMORY_BUDGET_MB", "1000")

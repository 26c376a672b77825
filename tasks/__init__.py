"""The production steps, one file each, and the nouns they share."""

import os

# Read when OpenMP loads. A thread that spins while it waits takes the core from the thread it waits
# for: on two cores with two other busy processes, training took 15 s instead of 3.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

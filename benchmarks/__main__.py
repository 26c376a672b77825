"""Run every benchmark: `python -m benchmarks`."""

from benchmarks import profile, retrain

profile.main()
retrain.main()
